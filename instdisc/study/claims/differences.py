"""Paired differences over images, from the predictions that the suite kept.

Legend: N images.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from instdisc.checks import checked_call, input_folder, instance, text
from instdisc.report.comparison import (
    Drawn,
    Paired,
    Sample,
    Samples,
    align,
    paired_difference,
    paired_sum,
)
from instdisc.report.material import Material
from instdisc.types import Record
from instdisc.version import __version__

from .linear import Linear, gain_of, linear_of
from .measures import Results
from .rules import DifferencePart, GainPart, KeptSharePart, Rules

_log = logging.getLogger(__name__)


class Pair(NamedTuple):
    """What is compared on the images of one set.

    Attributes:
        quantity: its networks and their weights.
        dataset: as records call it.
        task: likewise.
    """

    quantity: Linear
    dataset: str
    task: str

    @property
    def settings(self) -> Mapping[str, Any]:
        """That all results of the pair have."""
        first, *others = (term.measure for term in self.quantity.terms)
        return first.settings if all(each == first for each in others) else {}


@checked_call(source=text)
def pairs_of(rules: Rules, *, source: str) -> list[Pair]:
    """Every difference whose error over images the rules ask for.

    These are the quantities of the kinds ``difference``, ``gain`` and ``kept_share`` on each set
    and task of their measures. A gain or the mean of a group is resampled as it is, not put
    together from differences of two networks.

    Args:
        rules: of `read_rules`.
        source: the set of the pretraining, as records call it.

    Example:
        >>> from instdisc.study.claims import read_rules
        >>> pairs = pairs_of(read_rules(), source="cifar10_mini")
        >>> pairs[4].quantity.name, pairs[4].dataset, pairs[4].task
        ('exemplar - moco', 'cifar10_mini', 'readout')
    """
    quantities: list[Linear] = []
    for part in (part for claim in rules.claims for part in claim.parts):
        if isinstance(part, DifferencePart | GainPart | KeptSharePart):
            quantities.append(linear_of(part))
        if isinstance(part, KeptSharePart):
            quantities.append(gain_of(part))
    pairs: list[Pair] = []
    for quantity in quantities:
        measure = quantity.measure
        for name in () if measure.of else measure.sets:
            dataset = source if name == "source" else name
            for pair in (Pair(quantity, dataset, task) for task in measure.tasks):
                if pair not in pairs:
                    pairs.append(pair)
    return pairs


@checked_call()
def paired_differences(
    records: Iterable[Record], folder: str | Path, pairs: Sequence[Pair]
) -> list[Record]:
    """Differences of networks of one seed, with intervals by resampling the images they share.

    A difference whose records are there and whose predictions are not, or are not of the same
    images, gets no record; how many these are stands in the log, with the first reason.

    Args:
        records: of the networks.
        folder: where the results file lies, for ``predictions/JOB.npz``.
        pairs: of `pairs_of`.

    Returns:
        For each pair and seed a record whose `method` is the name of the difference, with `a`, `b`
        and `p` in its settings, sorted by pair and seed.

    Raises:
        TypeError: if one is no record or no pair.
        FileNotFoundError: if there is no such folder.

    Example:
        >>> import tempfile
        >>> from instdisc.study.claims import read_rules
        >>> pairs = pairs_of(read_rules(), source="cifar10_mini")
        >>> paired_differences([], tempfile.mkdtemp(), pairs)
        []
    """
    records = [instance("records", record, Record, "a list of records") for record in records]
    results = Results(records, "")
    samples = _Predictions(Material(records, [input_folder("folder", folder)]))
    made: dict[tuple[int, int], Record] = {}
    reasons: list[str] = []
    # The files of a task and set are read once; so pairs of one go one after another.
    places = sorted(range(len(pairs)), key=lambda n: (pairs[n].dataset, pairs[n].task))
    for place in places:
        pair = pairs[place]
        for seed in results.seeds(pair.quantity.methods):
            networks = _records(pair, seed, results)
            if networks is None:
                continue
            difference = samples.difference(pair, networks)
            if isinstance(difference, str):
                reasons.append(f"{pair.quantity.name} on {pair.dataset}, seed {seed}: {difference}")
            else:
                made[place, seed] = difference
    if reasons:
        _log.warning(
            "%d of %d differences could not be paired over images (%s)",
            len(reasons), len(reasons) + len(made), reasons[0],
        )  # fmt: skip
    return [made[key] for key in sorted(made)]


class _Predictions:
    """Reads predictions and resamples them; what was drawn of a set is kept for its next pair."""

    def __init__(self, material: Material) -> None:
        self._samples = Samples(material)
        self._of: tuple[str, str, str] | None = None
        self._read: dict[str, Sample | str] = {}
        self._drawn: Drawn = {}

    def difference(self, pair: Pair, networks: Sequence[Record]) -> Record | str:
        """The record of a pair, or why there is none."""
        metric = pair.quantity.measure.metric
        if self._of != (pair.dataset, pair.task, metric):
            self._of, self._read, self._drawn = (pair.dataset, pair.task, metric), {}, {}
        samples: list[Sample] = []
        for record in networks:
            sample = self._sample(record)
            if samples and not isinstance(sample, str):
                sample = align(samples[0], sample)
            if isinstance(sample, str):
                return sample
            samples.append(sample)
        weights = [term.weight for term in pair.quantity.terms]
        if weights == [1.0, -1.0]:
            paired = paired_difference(samples[0], samples[1], self._drawn)
        else:
            paired = paired_sum(samples, weights, self._drawn)
        return _record(pair, networks, samples[0], paired)

    def _sample(self, record: Record) -> Sample | str:
        if record.job not in self._read:
            try:
                sample = self._samples.read(record)
            except ValueError as error:  # a damaged file
                sample = str(error)
            # All in the order of the first, so that the images of each are drawn once.
            first = next((s for s in self._read.values() if not isinstance(s, str)), None)
            if first is not None and not isinstance(sample, str):
                aligned = align(first, sample)
                sample = sample if isinstance(aligned, str) else aligned
            self._read[record.job] = sample
        return self._read[record.job]


def _records(pair: Pair, seed: int, results: Results) -> list[Record] | None:
    """Of each term; ``None`` if one is not there."""
    records = []
    for term in pair.quantity.terms:
        key = term.method, seed, pair.dataset, pair.task, term.measure.metric
        record = results.record(term.measure, key)
        if record is None:
            return None
        records.append(record)
    return records


def _record(pair: Pair, networks: Sequence[Record], sample: Sample, paired: Paired) -> Record:
    quantity, first = pair.quantity, networks[0]
    weights = [term.weight for term in quantity.terms]
    count = f"{len(sample.names):,} {sample.units}"
    return Record(
        task=pair.task,
        dataset=pair.dataset,
        metric=first.metric,
        value=sum(w * record.value for w, record in zip(weights, networks, strict=True)),
        low=paired.low,
        high=paired.high,
        interval=f"paired bootstrap over {count}, {paired.resamples:,} resamples",
        n=len(sample.names),
        unit=first.unit,
        higher_is_better=first.higher_is_better,
        method=quantity.name,
        architecture=first.architecture,
        seed=first.seed,
        settings={"a": quantity.a, "b": quantity.b, "p": paired.p, **pair.settings},
        versions={"instdisc": __version__},
        # Of the newest result, so that the same files give the same bytes.
        date=max(record.date for record in networks),
    )
