"""Write one HTML page from results: verdict, tables, figures, pictures.

    instdisc report runs/transfer/results.jsonl
    instdisc report runs/transfer/results.jsonl runs/analyse/results.jsonl --out report.html

RESULTS are the results.jsonl of transfer, analyse, detect, segment and landmarks; what lies beside
them (predictions, figures, pictures) is shown, too. The page is one file that loads nothing from
anywhere. Its tables are written beside it as CSV, Markdown and LaTeX. --card model_card.md with
--weights backbone.safetensors writes a model card of that export for the Hugging Face Hub.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import rich
from rich.markup import escape

from instdisc.report import compare, write_model_card, write_report
from instdisc.report.material import read_material

from .parsing import command_parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command ``instdisc report``."""
    parser = command_parser("report", __doc__)
    parser.add_argument("results", nargs="+", type=str, metavar="RESULTS", help="files .jsonl")
    parser.add_argument("--out", type=Path, default=Path("report.html"), help="the page")
    parser.add_argument("--title", type=str, default="", help="of the page")
    parser.add_argument("--no-images", action="store_true", help="leave pictures out")
    parser.add_argument("--card", type=Path | None, default=None, help="a model card to write")
    parser.add_argument("--weights", type=Path | None, default=None, help="the export it is about")
    parser.add_argument("--license", type=str | None, default=None, help="of those weights")
    parser.add_argument("--repo-id", type=str | None, default=None, help="USER/REPO on the Hub")
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    if (options.card is None) != (options.weights is None):
        parser.error("--card and --weights belong together")
    page = write_report(
        options.results, options.out, images=not options.no_images, title=options.title
    )
    material = read_material(options.results)
    for line in compare(material).verdict():
        rich.print(escape(line))
    if options.card is not None:
        card = write_model_card(
            material,
            options.card,
            weights=options.weights,
            license=options.license,
            repo_id=options.repo_id,
        )
        print(f"The model card is in {card}")
    print(f"Open {page.resolve().as_uri()}")
    return 0
