"""The page of a study: a file of Markdown and the figures beside it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from instdisc.checks import checked_call, output_file
from instdisc.writing import write_atomically

from .claims_text import claim_paragraphs, claims_table, gist, measures_table
from .cost import cost_note, cost_table, reproduction
from .coverage import limits, progress
from .differences import differences_table, differences_words
from .experiment import (
    methods_note,
    methods_table,
    question,
    rounds_table,
    setting_paragraph,
    settings_line,
)
from .figures import FIGURES, Drawing, draw_figures
from .material import Study, read_study
from .results import result_sections
from .values import Values
from .verdicts import Claim, read_claims
from .words import listed

_SECTION_FIGURES = {
    "Source and transfer": "transfer",
    "Geometry": "spread",
    "Probes of stages": "stages",
    "Factors": "factors",
}


@checked_call(path=partial(output_file, suffixes=(".md",)))
def write_study_page(
    folder: str | Path, path: str | Path = "docs/study.md", *, preset: str | Path = "cpu"
) -> Path:
    """Writes what the records of a study say as one page, with its figures.

    Question, set-up, the claims with their verdicts, results, limits, cost, and how to make it
    again. All words that depend on numbers are made from them, and what is missing is said; the
    page can be made at any time. The same records give the same page, byte by byte.

    The figures stand in a folder beside the page with the page's name, as ``NAME-forest.svg``.

    Args:
        folder: the records of the study: ``NAME.jsonl``, ``NAME_differences.jsonl``,
            ``NAME_cells.jsonl``, ``NAME_rates.jsonl``, ``NAME_verdicts.jsonl`` and
            ``NAME_notes.jsonl``; any of them may be missing. A line of the last is ``{"claim":
            ..., "verdict": ..., "note": ...}``: what was looked into after that verdict. It is
            shown as long as the verdict is the same.
        path: the page, which ends with ``.md``; its folder is made if need be, and files that are
            there are replaced.
        preset: a name, or a YAML file; it gives the files of records their name.

    Returns:
        `path`.

    Raises:
        FileNotFoundError: if there is no such folder or preset.
        ValueError: if a line of a file cannot be read, a verdict is of no claim, or `path` has
            another suffix.
    """
    page = output_file("path", path, (".md",))
    study = read_study(folder, preset)
    claims, values = read_claims(study), Values(study.records)
    drawings = draw_figures(study, claims, values)
    figures = page.with_suffix("")
    write_atomically(page, partial(_put, study_text(study, claims, values, drawings, figures.name)))
    for name in FIGURES:
        file = figures / f"{study.name}-{name}.svg"
        if name in drawings:
            write_atomically(file, partial(_put, drawings[name].svg(f"{study.name}-{name}")))
        else:
            file.unlink(missing_ok=True)
    return page


def study_text(
    study: Study,
    claims: list[Claim],
    values: Values,
    drawings: dict[str, Drawing],
    figures: str,
) -> str:
    """The page.

    Args:
        study: what is recorded.
        claims: with their verdicts.
        values: of the records.
        drawings: those that there is data for, by name.
        figures: their folder, as the page sees it.
    """

    def figure(name: str) -> list[str]:
        if name not in drawings:
            return []
        drawing = drawings[name]
        alternative = drawing.alternative.replace("[", "(").replace("]", ")")
        return [f"![{alternative}]({figures}/{study.name}-{name}.svg)", f"*{drawing.caption}*"]

    results = result_sections(study, values)
    texts = [
        f"# The study: preset {study.name}",
        "<!-- Made by instdisc study from the records; changes by hand are lost. -->",
        question(study),
        f"{progress(study)} {gist(claims)}",
        "## Set-up",
        setting_paragraph(study),
        methods_table(study),
        methods_note(study),
        settings_line(study),
        "What is measured on each network:",
        rounds_table(study),
        "## Claims",
        _rule(study),
        claims_table(claims),
        *figure("forest"),
        "The rules speak of these measures:",
        measures_table(study),
        *claim_paragraphs(study, claims),
        "## Results",
    ]
    for title, section in results.items():
        texts += [f"### {title}", *section, *figure(_SECTION_FIGURES.get(title, ""))]
    if not results:
        texts.append("There are no records yet.")
    table = differences_table(study)
    if table:
        texts += ["### Paired differences", differences_words(study), table]
    texts += ["## Limits", *limits(study, values), "## Cost"]
    cost = cost_table(study)
    texts += [cost, cost_note(study)] if cost else ["No cell has run yet."]
    texts += ["## Make it again", *reproduction(study)]
    return "\n\n".join(text.strip() for text in texts if text.strip()) + "\n"


def _rule(study: Study) -> str:
    fewest, level = study.rules["fewest_seeds"], study.rules["level"]
    changed = [name.replace("_", " ") for name in study.preset.get("measures", {})]
    apart = f" This preset has measures of its own: {listed(changed)}." if changed else ""
    return (
        "Measures, margins and tests stand in `instdisc/study/rules.yaml`, committed before the "
        f"first run{_amendments(study)}.{apart} "
        "A claim is supported if the 95 % interval of each of its quantities lies on the claimed "
        f"side of the margin and p after Holm's correction over all claims is below {level:g}; "
        "contradicted if that of one lies on the other side, likewise; and undecided otherwise, "
        f"and with fewer than {fewest} seeds. Networks of one seed share first weights, order of "
        "images and views, so that differences are taken seed by seed; intervals are over seeds "
        "and test images."
    )


def _amendments(study: Study) -> str:
    """What was changed since, and how much had been seen by then."""
    told = [
        f"{entry['when']} (`{entry['commit']}`), {entry['change']}"
        for entry in study.rules.get("amendments", [])
    ]
    return f", and amended: {'; '.join(told)}" if told else ""


def _put(text: str, path: Path) -> None:
    path.write_bytes(text.encode("utf-8"))
