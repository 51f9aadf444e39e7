"""What the page of a study is made from: its rules, its preset and the files of its records."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from instdisc import checks
from instdisc.types import Record

from ..claims.rules import rules_content
from ..preset import preset_file
from ..store import Store


class Study(NamedTuple):
    """A study with all that is recorded of it.

    Attributes:
        name: of its preset.
        rules: measures, groups and claims, as in ``rules.yaml`` but for what the preset changes.
        preset: what it runs, as in its YAML file.
        records: of all cells.
        differences: paired differences between two cells of one seed.
        cells: what was finished: a pretraining with the targets of a round.
        rates: trials of learning rates.
        verdicts: of the claims.
        notes: what was looked into after a verdict.
    """

    name: str
    rules: Mapping[str, Any]
    preset: Mapping[str, Any]
    records: list[Record]
    differences: list[Record]
    cells: list[dict[str, Any]]
    rates: list[dict[str, Any]]
    verdicts: list[dict[str, Any]]
    notes: list[dict[str, Any]]

    @property
    def source(self) -> str:
        """What records call the set of the pretraining."""
        return str(self.preset["source"]["name"])

    @property
    def methods(self) -> list[str]:
        """Those of the preset in its order, and whichever else there are records of."""
        named = [row["method"] for row in self.cells] + [row.method for row in self.records]
        return list(dict.fromkeys([*self.preset["methods"], *named]))

    @property
    def main_methods(self) -> list[str]:
        """Random weights, and those that saw the full augmentation."""
        main = self.rules["groups"]["pretrained"]
        return [name for name in self.methods if name in main or name == "random"]

    @property
    def transfer(self) -> tuple[str, str]:
        """Task and metric of transfer."""
        measure = self.rules["measures"]["transfer"]
        return str(measure["tasks"][0]), str(measure["metric"])

    def sets(self, measure: str) -> list[str]:
        """The sets of a measure of the rules, by the names that records have."""
        return [self.set_name(name) for name in self.rules["measures"][measure]["sets"]]

    def set_name(self, name: str) -> str:
        """What records call a set of the rules."""
        return self.source if name == "source" else name


def read_study(folder: str | Path, preset: str | Path) -> Study:
    """Reads what is there; of files that are not there, nothing.

    Args:
        folder: with ``NAME.jsonl``, ``NAME_cells.jsonl`` and so on.
        preset: a name, or a YAML file.

    Raises:
        FileNotFoundError: if there is no such folder or preset.
        ValueError: if a line of a file cannot be read; names it.
    """
    root = checks.input_folder("folder", folder)
    path = preset_file(preset)
    said = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(said, Mapping) or not {"source", "methods"} <= set(said):
        checks.refuse("preset", "a mapping with `source` and `methods`", str(path))
    store = Store(root, path.stem)
    return Study(
        name=path.stem,
        rules=rules_content(measures=said.get("measures")),
        preset=said,
        records=store.records(),
        differences=store.paired(),
        cells=store.cells(),
        rates=store.trials(),
        verdicts=store.decided(),
        notes=store.notes(),
    )
