"""A card for a checkpoint: what it is, how it was made, what it is worth, how to load it."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from instdisc.checks import checked_call, input_file, output_file, refuse, text
from instdisc.types import Record
from instdisc.writing import write_atomically

from .grid import Grid, lay_out, make_grid
from .markdown import markdown_text
from .material import Material
from .model_card_export import Export, read_export
from .model_card_head import card_head
from .model_card_text import (
    card_facts,
    card_limits,
    card_pretraining,
    card_protocols,
    card_recipe,
    card_summary,
    card_versions,
)
from .pooling import check_records, method_labels


@checked_call(weights=input_file, method=text, license=text, name=text, repo_id=text)
def write_model_card(
    records: Iterable[Record] | Material,
    path: str | Path,
    *,
    weights: str | Path,
    license: str | None,
    method: str | None = None,
    name: str | None = None,
    repo_id: str | None = None,
) -> Path:
    """Writes a model card for the Hugging Face Hub from the records of a checkpoint.

    The head is YAML as the Hub reads it: license, library, tags and the results (``model-index``).
    The text says what the backbone is, how it was pretrained, what it scored with which intervals,
    how to load it, and its limits. Random weights of the same architecture stand beside it in the
    table, if `records` has them.

    Args:
        records: results, or what `read_material` reads. Those of other checkpoints are left aside;
            those of analyses are shown in the table, but not in the head.
        path: a ``.md`` file; its folder is made if need be, and a file that is there is replaced.
        weights: the export that the card is about, see `instdisc.export_backbone`. Its settings
            are shown, and its hash chooses the records.
        license: of the weights, as the Hub names it, e.g. ``"cc-by-nc-4.0"``. ``None`` states none:
            the head has no license, and the text says so.
        method: whose records, as tables call it. Needed only for an export without a hash (of an
            earlier release) beside records of several checkpoints.
        name: of the model; ``None`` for the last part of `repo_id`, or the file's name.
        repo_id: ``"USER/REPO"`` on the Hub, for the code that loads it and as the results' source;
            ``None`` shows how the file is loaded.

    Returns:
        `path`.

    Raises:
        FileNotFoundError: if there is no file `weights`.
        TypeError: if one is no record.
        ValueError: if `weights` is no export of this library, no record is of it, the records
            are of several checkpoints and nothing tells which is meant, a number is not finite, or
            the suffix of `path` is another.

    Source:
        The Hub's model card, huggingface/hub-docs, modelcard.md.

    Example:
        >>> import tempfile
        >>> from instdisc import Backbone, export_backbone
        >>> backbone, folder = Backbone("test_resnet"), Path(tempfile.mkdtemp())
        >>> file = export_backbone(backbone, folder / "net.safetensors")
        >>> hash = backbone.about().weights
        >>> record = Record("knn", "scenes", "top-1", 71.5, method="MoCo", weights=hash)
        >>> card = write_model_card([record], folder / "card.md", weights=file, license="mit")
        >>> "pipeline_tag: image-feature-extraction" in card.read_text().splitlines()
        True
    """
    from jinja2 import Environment, StrictUndefined

    path = output_file("path", path, [".md"])
    records = check_records(records.records if isinstance(records, Material) else records)
    export = read_export(Path(weights))
    chosen = _choose(records, export, method)
    baseline = [record for record in records if _is_random(record, chosen[0])]
    grid = make_grid([*chosen, *baseline])
    name = name or (repo_id or Path(weights).stem).rpartition("/")[2]
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    template = resources.files(__package__).joinpath("model_card.md.jinja")
    content = environment.from_string(template.read_text(encoding="utf-8")).render(
        head=card_head(grid, export, name=name, license=license, repo_id=repo_id),
        name=name,
        summary=card_summary(export, chosen[0]),
        facts=card_facts(export, chosen[0], license),
        pretraining=card_pretraining(export),
        recipe=card_recipe(export),
        table=_table(grid),
        protocols=card_protocols(chosen),
        repo_id=repo_id,
        file=Path(weights).name,
        opens_in_timm=export.opens_in_timm,
        architecture=export.architecture,
        options="".join(f", {key}={value!r}" for key, value in export.options.items()),
        limits=card_limits(grid),
        versions=card_versions(export, chosen),
    )
    return write_atomically(
        path, lambda file: file.write_text(content, encoding="utf-8", newline="\n")
    )


def _choose(records: list[Record], export: Export, method: str | None) -> list[Record]:
    """The records of the checkpoint, by its hash or by the name of its method."""
    labels = method_labels(records)
    if method is None and export.weights:
        chosen = [record for record in records if record.weights == export.weights]
        if not chosen:
            refuse(
                "weights",
                "the file that records are of",
                export.weights,
                f"The records are of {_names(labels)}, with other weights.",
            )
        return chosen
    if method is None:
        kept = list(zip(records, labels, strict=True))
    else:
        kept = [
            (record, label)
            for record, label in zip(records, labels, strict=True)
            if method in (label, record.method)
        ]
        if not kept:
            refuse("method", f"one of {_names(labels)}", method)
    chosen = [record for record, _ in kept]
    sources = {record.weights or record.checkpoint for record in chosen}
    if len({label for _, label in kept}) > 1 or len(sources) > 1:
        refuse(
            "records",
            "of one checkpoint",
            list(dict.fromkeys(label for _, label in kept)),
            "Choose by `method`, or export the backbone anew: then its hash chooses.",
        )
    told = {record.architecture for record in chosen} - {"", export.architecture}
    if told or (export.weights and sources != {export.weights}):
        refuse(
            "weights",
            "the file that the records are of",
            f"{export.architecture} {export.weights}".strip(),
            f"They are of {chosen[0].architecture} {chosen[0].weights}".rstrip() + ".",
        )
    return chosen


def _names(labels: Iterable[str]) -> str:
    return ", ".join(repr(label) for label in dict.fromkeys(labels))


def _is_random(record: Record, chosen: Record) -> bool:
    """Whether a record is of random weights in the same architecture."""
    same: tuple[Any, ...] = (chosen.architecture, chosen.parameters)
    untrained = not record.checkpoint and record.pretraining in ("", "random")
    is_other = record.weights != chosen.weights or record.method != chosen.method
    return untrained and is_other and (record.architecture, record.parameters) == same


def _table(grid: Grid) -> str:
    sheet = lay_out(grid, "results")
    # Nothing is bold: to be above random weights by any margin is no distinction.
    sheet = sheet._replace(rows=[[(text, False) for text, _ in row] for row in sheet.rows])
    return markdown_text(sheet, "", grid.notes)
