"""From the records of a study to its verdicts."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from instdisc.records import append_records
from instdisc.types import Record

from .claims import (
    Pair,
    Rules,
    Verdict,
    decide,
    paired_differences,
    pairs_of,
    read_rules,
    write_verdicts,
)
from .preset import Preset
from .store import Store


def conclude(preset: Preset, *, out: str | Path, records: str | Path) -> list[Verdict]:
    """Pairs what can be paired, decides every claim, and writes both.

    Args:
        preset: of the study.
        out: where predictions lie, if they are still there: a difference that stands among the
            records is not made again.
        records: the folder of the records.

    Returns:
        The verdicts, which stand in ``NAME_verdicts.jsonl``.
    """
    store = Store(Path(records), preset.name)
    rules = read_rules(measures=preset.measures)
    add_differences(store, rules, source=preset.source.name, folder=Path(out) / preset.name)
    verdicts = decide(store.records(), store.paired(), rules, source=preset.source.name)
    write_verdicts(verdicts, store.verdicts)
    return verdicts


def add_differences(store: Store, rules: Rules, *, source: str, folder: Path) -> None:
    """Adds the paired differences that are not there yet, if predictions are at hand."""
    if not folder.is_dir():
        return
    done = {_key(record) for record in store.paired()}
    of_seed: dict[int, list[Record]] = defaultdict(list)
    for record in store.records():
        of_seed[record.seed].append(record)
    for seed, rows in sorted(of_seed.items()):
        left = [
            pair for pair in pairs_of(rules, source=source) if _pair_key(pair, seed) not in done
        ]
        append_records(paired_differences(rows, folder, left), store.differences)


def _key(record: Record) -> tuple[str, int, str, str, str, object]:
    return (
        record.method,
        record.seed,
        record.dataset,
        record.task,
        record.metric,
        record.settings.get("reset_stages"),
    )


def _pair_key(pair: Pair, seed: int) -> tuple[str, int, str, str, str, object]:
    quantity = pair.quantity
    metric, settings = quantity.measure.metric, pair.settings
    return (quantity.name, seed, pair.dataset, pair.task, metric, settings.get("reset_stages"))
