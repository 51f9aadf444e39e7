"""Parts whose quantity is a sum of measures, decided over seeds and images."""

from __future__ import annotations

from typing import Any, NamedTuple

from .images import Differences, image_error
from .linear import Linear, gain_of, linear_of
from .measures import Missing, Results
from .rules import DifferencePart, GainPart, KeptSharePart, Margin, Rules
from .seeds import Estimate, Spread, over_seeds, own_spread, residual_spread
from .verdict import PartVerdict
from .words import answer, beside, count, lacking, list_missing, with_interval

_FEWEST_POOLED = 3
_KINDS = {DifferencePart: "difference", GainPart: "gain", KeptSharePart: "kept_share"}


class Measured(NamedTuple):
    """A quantity as far as it can be computed.

    Attributes:
        estimate: ``None`` if no seed has all that it needs.
        seeds: that have.
        per_seed: Q_s of each.
        image_error: e.
        how: what the interval is.
        missing: what the other seeds lack.
    """

    estimate: Estimate | None
    seeds: list[int]
    per_seed: list[float]
    image_error: float
    how: str
    missing: list[Missing]


def decide_linear(
    part: DifferencePart | GainPart | KeptSharePart,
    results: Results,
    differences: Differences,
    rules: Rules,
) -> PartVerdict:
    """Decides a part.

    Args:
        part: of a claim.
        results: the records.
        differences: what was paired over images.
        rules: for level and number of seeds.
    """
    quantity = linear_of(part)
    kept = isinstance(part, KeptSharePart)
    margin = Margin(0.0, "above") if isinstance(part, KeptSharePart) else part.margin
    measured = measure_linear(quantity, results, differences, margin, rules)
    estimate, seeds = measured.estimate, measured.seeds
    unit = results.unit(quantity.measure, quantity.methods[0], seeds[0]) if seeds else ""
    missing = list_missing(measured.missing)
    row = PartVerdict(
        quantity=quantity.name if kept else f"{quantity.name} in {quantity.measure.name}",
        kind=_KINDS[type(part)],
        verdict="undecided",
        value=None,
        low=None,
        high=None,
        unit=unit,
        margin=margin.value,
        direction=margin.direction,
        p=None,
        seeds=seeds,
        methods=quantity.methods,
        per_seed={str(s): v for s, v in zip(seeds, measured.per_seed, strict=True)},
        image_error=measured.image_error if seeds else None,
        how=measured.how,
        details={},
        missing=missing,
        why="",
    )
    if estimate is None:
        return row._replace(why=f"no seed has every result{lacking(missing)}")
    row = row._replace(value=estimate.value, low=estimate.low, high=estimate.high)
    if isinstance(part, KeptSharePart):
        details, gain = _gain(part, measured, results, differences, rules)
        row = row._replace(details=details)
    if len(seeds) < rules.fewest_seeds:
        why = f"{count(len(seeds), 'seed')}, {rules.fewest_seeds} are needed{lacking(missing)}"
        return row._replace(why=why)
    if isinstance(part, KeptSharePart) and answer(gain, _least(part)) != "supported":
        why = f"the gain over {part.base} is not surely above {part.least_gain:g}"
        return row._replace(why=f"{why}: {with_interval(gain, unit)}")
    said = beside(estimate, margin, unit)
    if measured.how.endswith("seeds alone"):
        said += "; the interval is over seeds alone"
    return row._replace(verdict=answer(estimate, margin), p=estimate.p, why=said)


def measure_linear(
    quantity: Linear, results: Results, differences: Differences, margin: Margin, rules: Rules
) -> Measured:
    """A quantity over all seeds that have every result of it.

    Args:
        quantity: what to compute.
        results: the records.
        differences: what was paired over images.
        margin: what it is compared with.
        rules: for the level, and the methods whose spread over seeds is pooled.
    """
    everyone = results.seeds(quantity.methods)
    of_seed = {seed: _missing(quantity, results, seed) for seed in everyone}
    missing = [each for seed in everyone for each in of_seed[seed]]
    if not everyone:
        missing = [
            Missing(f"{term.measure.metric} of {term.measure.tasks[0]}", term.method, -1)
            for term in quantity.terms
        ]
    seeds = [seed for seed in everyone if not of_seed[seed]]
    if not seeds:
        return Measured(None, [], [], 0.0, "", missing)
    values = [
        sum(term.weight * results.value(term.measure, term.method, seed) for term in quantity.terms)
        for seed in seeds
    ]
    images = image_error(quantity, seeds, results, differences)
    spread, pooled = _spread(quantity, values, seeds, results, rules)
    estimate = over_seeds(
        values, images.error, spread=spread, margin=margin.value, level=rules.level
    )
    over = f"t over {count(len(seeds), 'seed')}"
    if pooled:
        over += f", their spread pooled over {pooled} methods"
    alone = images.error == 0 and not images.complete
    how = f"{over}; seeds alone" if alone else f"{over}; images: {images.how}"
    return Measured(estimate, seeds, values, images.error, how, missing)


def _spread(
    quantity: Linear, values: list[float], seeds: list[int], results: Results, rules: Rules
) -> tuple[Spread | None, int]:
    """How Q_s differs from seed to seed, and over how many methods this was pooled; 0: its own."""
    if len(seeds) < 2:
        return None, 0
    measure = quantity.measure
    pool = [
        method
        for method in rules.pool
        if not any(results.missing(measure, method, seed) for seed in seeds)
    ]
    alike = all(term.measure == measure for term in quantity.terms)
    if not alike or not set(quantity.methods) <= set(pool) or len(pool) < _FEWEST_POOLED:
        return own_spread(values), 0
    single = residual_spread(results.table(measure, pool, seeds))
    weights = sum(term.weight**2 for term in quantity.terms)
    return Spread(single.variance * weights, single.freedom), len(pool)


def _gain(
    part: KeptSharePart,
    kept: Measured,
    results: Results,
    differences: Differences,
    rules: Rules,
) -> tuple[dict[str, Any], Estimate]:
    """What a part tells besides, and the gain of which a share is kept."""
    measured = measure_linear(gain_of(part), results, differences, _least(part), rules)
    estimate = measured.estimate
    assert estimate is not None  # its results are some of those of the quantity
    of_seed = dict(zip(measured.seeds, measured.per_seed, strict=True))
    gain = sum(of_seed[seed] for seed in kept.seeds)
    details = {
        "gain": dict(estimate._asdict()),
        "least_gain": part.least_gain,
        "share": part.share,
        # Q = kept gain - share * gain
        "kept": part.share + sum(kept.per_seed) / gain if gain else None,
    }
    return details, estimate


def _least(part: KeptSharePart) -> Margin:
    return Margin(part.least_gain, "above")


def _missing(quantity: Linear, results: Results, seed: int) -> list[Missing]:
    return [
        each for term in quantity.terms for each in results.missing(term.measure, term.method, seed)
    ]
