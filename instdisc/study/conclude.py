"""From the records of a study to its verdicts."""

from __future__ import annotations

from pathlib import Path

from .claims import Verdict, decide, paired_differences, pairs_of, read_rules, write_verdicts
from .preset import Preset
from .store import Store


def conclude(preset: Preset, *, out: str | Path, records: str | Path) -> list[Verdict]:
    """Pairs what can be paired, decides every claim, and writes both.

    Args:
        preset: of the study.
        out: where predictions lie; differences whose predictions are gone stay as they are.
        records: the folder of the records.

    Returns:
        The verdicts, which stand in ``NAME_verdicts.jsonl``.
    """
    store, source = Store(Path(records), preset.name), preset.source.name
    rules = read_rules(measures=preset.measures)
    folder = Path(out) / preset.name
    if folder.is_dir():
        pairs = pairs_of(rules, source=source)
        store.put_differences(paired_differences(store.records(), folder, pairs))
    verdicts = decide(store.records(), store.paired(), rules, source=source)
    write_verdicts(verdicts, store.verdicts)
    return verdicts
