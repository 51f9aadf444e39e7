"""What a reader must know before the numbers are believed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from instdisc.types import Record

from ..material import Material
from ..published import official_images

_SELECTED = "best epoch"  # of a metric's name: the epoch was chosen by the numbers it is tested on
_EPISODES = ("few_shot", "few_shot_finetune")  # their n is no number of images
_MOST = 4  # names that a sentence tells


def find_cautions(
    material: Material, headline: Sequence[Record], damaged: Sequence[str]
) -> list[str]:
    """A sentence for each thing that limits what the numbers of a report say.

    Args:
        material: of the report.
        headline: the records that are compared.
        damaged: what runs the files of predictions are of that cannot be read.
    """
    records = material.records
    sentences = [
        _parts_of_sets(records),
        _selected(records),
        _few_seeds(headline),
        _predictions(material, headline),
        _damaged(damaged),
        _releases(records),
        _nameless(records),
    ]
    return [sentence for sentence in sentences if sentence]


def _parts_of_sets(records: Iterable[Record]) -> str:
    counts: dict[str, set[str]] = defaultdict(set)
    for record in records:
        official = official_images(record)
        if record.task in _EPISODES and official:
            counts[record.dataset].add(f"officially {official:,} images")
        elif official and record.n and record.n != official:
            counts[record.dataset].add(f"{record.n:,} instead of {official:,} images")
    told = [f"{dataset} ({' or '.join(sorted(of))})" for dataset, of in counts.items()]
    if not told:
        return ""
    return f"Not the official test set: {_some(told)}. Published numbers are of all of its images."


def _selected(records: Iterable[Record]) -> str:
    where = dict.fromkeys(
        f"{record.task} {record.metric} on {record.dataset}"
        for record in records
        if _SELECTED in record.metric
    )
    if not where:
        return ""
    return f"Selected on the test set, and therefore too high: {_some(where)}."


def _few_seeds(headline: Iterable[Record]) -> str:
    seeds: dict[tuple[str, str, str, str], set[int]] = defaultdict(set)
    for record in headline:
        seeds[record.method, record.task, record.dataset, record.metric].add(record.seed)
    alone = sum(len(of) == 1 for of in seeds.values())
    if not alone:
        return ""
    which = "Every result" if alone == len(seeds) else f"{alone} of {len(seeds)} results"
    verb = "is" if alone == len(seeds) or alone == 1 else "are"
    return (
        f"{which} {verb} of one seed. The intervals tell what another draw of test images would "
        "change, not what another run of the pretraining would."
    )


def _predictions(material: Material, headline: Iterable[Record]) -> str:
    """Where a comparison image by image is impossible."""
    missing = dict.fromkeys(
        f"{record.task} on {record.dataset} of {record.method}"
        for record in headline
        if not _are_kept(material, record)
    )
    if not missing:
        return ""
    return (
        f"No predictions beside the records of {_some(missing)}: differences of these are not "
        "tested image by image, and are harder to tell."
    )


def _are_kept(material: Material, record: Record) -> bool:
    names = (folder / "predictions" / f"{record.job}.npz" for folder in material.folders)
    return bool(record.job) and any(name.is_file() for name in names)


def _damaged(damaged: Iterable[str]) -> str:
    if not damaged:
        return ""
    return f"Damaged predictions, which were not used: {_some(damaged)}. Run these again."


def _releases(records: Iterable[Record]) -> str:
    releases = sorted({r.versions["instdisc"] for r in records if "instdisc" in r.versions})
    if len(releases) < 2:
        return ""
    return (
        f"Records of several releases of instdisc: {', '.join(releases)}. What was measured by "
        "two of them stands in rows of its own."
    )


def _nameless(records: Iterable[Record]) -> str:
    names = dict.fromkeys(r.method or "unnamed" for r in records if not r.weights)
    if not names:
        return ""
    return f"No hash of the weights is recorded for {_some(names)}: what was tested is not sure."


def _some(names: Iterable[str]) -> str:
    names = list(names)
    more = len(names) - _MOST
    return ", ".join(names[:_MOST]) + (f" and {more} more" if more > 0 else "")
