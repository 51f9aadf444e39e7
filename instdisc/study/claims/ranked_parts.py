"""Parts whose quantity is over methods, decided by resampling them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .measures import Missing, Results
from .over_methods import (
    RESAMPLES,
    Networks,
    Rank,
    choose_networks,
    pearson,
    percentile_estimate,
    taus,
)
from .rules import CorrelationPart, Measure, PredictorPart, Rules, TauPart
from .verdict import PartVerdict
from .words import answer, beside, count, lacking, list_missing

_KINDS = {TauPart: "tau", CorrelationPart: "correlation", PredictorPart: "predictor"}


def decide_ranked(
    part: TauPart | CorrelationPart | PredictorPart, results: Results, rules: Rules
) -> PartVerdict:
    """Decides a part.

    Args:
        part: of a claim.
        results: the records.
        rules: for level, and how many seeds and methods are needed.
    """
    if isinstance(part, PredictorPart):
        return _decide_predictor(part, results, rules)
    networks = choose_networks(results, (part.a, part.b), part.over, rules)
    statistic = "Kendall's tau" if isinstance(part, TauPart) else "Pearson's r"
    row = _row(part, f"{statistic} of {part.a.name} and {part.b.name}", networks)
    if len(networks.methods) < 2 or not networks.seeds:
        return row._replace(why=_nothing(row))
    a, b = (results.table(measure, *networks[:2]) for measure in (part.a, part.b))
    if isinstance(part, TauPart):
        (rank,) = taus(a.mean(1)[None], b.mean(1))
    else:
        rank = pearson(a, b)
    return _decided(row, rank, part, rules)


def _decide_predictor(part: PredictorPart, results: Results, rules: Rules) -> PartVerdict:
    """Of the predictors that all networks have, the one of the highest tau."""
    networks = choose_networks(results, (part.b, part.than), part.over, rules)
    named = f"Kendall's tau with {part.b.name}"
    row = _row(part, f"{named}: best predictor - {part.than.name}", networks)
    if len(networks.methods) < 2 or not networks.seeds:
        return row._replace(why=_nothing(row))
    complete, missing = _complete(part.predictors, networks, results)
    row = row._replace(missing=[*row.missing, *list_missing(missing)])
    tables = [results.table(measure, *networks[:2]) for measure in (*complete, part.than)]
    b = results.table(part.b, *networks[:2]).mean(1)
    *ranks, than = taus(np.stack(tables).mean(2), b)
    by_name = {m.name: rank for m, rank in zip(complete, ranks, strict=True)}
    by_name = {name: rank for name, rank in by_name.items() if not math.isnan(rank.value)}
    number = len(part.predictors)
    row = row._replace(details=_taus(by_name, part, than, number, rules.level))
    if not by_name:
        return row._replace(why="no predictor is there for all networks")
    best = max(by_name, key=lambda name: by_name[name].value)  # the first of equals
    rank = Rank(by_name[best].value - than.value, by_name[best].drawn - than.drawn)
    row = row._replace(quantity=f"{named}: {best} - {part.than.name}")
    row = _decided(row, rank, part, rules)
    return row if row.p is None else row._replace(p=min(1.0, number * row.p))


def _decided(
    row: PartVerdict,
    rank: Rank,
    part: TauPart | CorrelationPart | PredictorPart,
    rules: Rules,
) -> PartVerdict:
    """The part with its interval and what follows from it."""
    if math.isnan(rank.value):
        return row._replace(why="one of the numbers is the same for all")
    estimate = percentile_estimate(rank, margin=part.margin.value, level=rules.level)
    row = row._replace(value=estimate.value, low=estimate.low, high=estimate.high)
    for there, fewest, what in (
        (len(row.methods), rules.fewest_methods, "method"),
        (len(row.seeds), rules.fewest_seeds, "seed"),
    ):
        if there < fewest:
            why = f"{count(there, what)}, {fewest} are needed{lacking(row.missing)}"
            return row._replace(why=why)
    verdict, said = answer(estimate, part.margin), beside(estimate, part.margin, "")
    left = [method for method in part.over.methods if method not in row.methods]
    if left:
        said += f"; without {', '.join(left)}, of which results are missing"
    return row._replace(verdict=verdict, p=estimate.p, why=said)


def _row(
    part: TauPart | CorrelationPart | PredictorPart, quantity: str, networks: Networks
) -> PartVerdict:
    missing = networks.missing
    if not networks.methods and not missing:
        missing = [Missing("any record", method, -1) for method in part.over.methods]
    how = f"bootstrap over {count(len(networks.methods), 'method')}, {RESAMPLES:,} resamples"
    return PartVerdict(
        quantity=quantity,
        kind=_KINDS[type(part)],
        verdict="undecided",
        value=None,
        low=None,
        high=None,
        unit="",
        margin=part.margin.value,
        direction=part.margin.direction,
        p=None,
        seeds=networks.seeds,
        methods=networks.methods,
        per_seed={},
        image_error=None,
        how=how if networks.seeds else "",
        details={},
        missing=list_missing(missing),
        why="",
    )


def _nothing(row: PartVerdict) -> str:
    return f"no two methods have every result for a common seed{lacking(row.missing)}"


def _complete(
    measures: Sequence[Measure], networks: Networks, results: Results
) -> tuple[list[Measure], list[Missing]]:
    """The measures that all networks have, and what the others lack."""
    complete, missing = [], []
    for measure in measures:
        left = [
            each
            for method in networks.methods
            for seed in networks.seeds
            for each in results.missing(measure, method, seed)
        ]
        missing += left
        if not left:
            complete.append(measure)
    return complete, missing


def _taus(
    ranks: Mapping[str, Rank], part: PredictorPart, than: Rank, number: int, level: float
) -> dict[str, Any]:
    """The tau of every predictor, best first, and of what they are compared with."""
    all_ranks = {**ranks, part.than.name: than}
    all_ranks = {name: rank for name, rank in all_ranks.items() if not math.isnan(rank.value)}
    told = {}
    for name in sorted(all_ranks, key=lambda name: -all_ranks[name].value):
        estimate = percentile_estimate(all_ranks[name], margin=0.0, level=level)
        told[name] = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {"tau": told, "predictors": number}
