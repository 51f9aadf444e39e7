"""Which cheap number predicts transfer: correlations over the checkpoints of a results file.

Legend: M checkpoints, P predictors, Q results.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data.left_out import say_once
from instdisc.records import Run
from instdisc.transfer import save_predictions
from instdisc.types import About, Record

from .correlation import Correlations, chance_of_tau, correlate
from .result_numbers import TRANSFER_TASKS, Number, number_table, split_numbers

FEWEST_CHECKPOINTS = 4


@checked_call()
class Prediction(NamedTuple):
    """How well a number orders checkpoints as a transfer result does.

    Both are turned so that higher is better: 1 says that the checkpoint which is better by the
    predictor is better by the result.

    Attributes:
        predictor: the number.
        result: of transfer.
        tau: Kendall's tau-b.
        tau_ends: of its 95 % interval over checkpoints; ``None`` if no resample defines it.
        tau_chance: how often an order of the checkpoints by chance has a tau as far from 0; see
            `chance_of_tau`. Of 4 checkpoints it is .083 at least.
        r: Pearson's r.
        r_ends: likewise.
        checkpoints: names of the M that have both.
        dropped: resamples in which one of both is the same for all, left out of the intervals.
        turned: which of both is less-is-better and was turned: ``"predictor"``, ``"result"``.
    """

    predictor: Number
    result: Number
    tau: float
    tau_ends: tuple[float, float] | None
    tau_chance: float
    r: float
    r_ends: tuple[float, float] | None
    checkpoints: tuple[str, ...]
    dropped: int
    turned: tuple[str, ...]


@checked_call()
def predictors(
    records: Iterable[Record],
    *,
    source: Collection[str] = (),
    results: Sequence[str] = TRANSFER_TASKS,
    num_resamples: int = 1000,
    seed: int = 0,
) -> list[Prediction]:
    """Correlation of every number about a checkpoint with every transfer result, over checkpoints.

    Records of one checkpoint and number are averaged over seeds. Pairs of numbers that fewer than
    4 checkpoints have in common, or of which one is the same for all, are left out, counted in the
    log. With few checkpoints and many pairs some correlate by chance: look at the intervals.

    Args:
        records: of a results file, of several checkpoints: analyses and transfer tasks.
        source: names of the sets of the pretraining: what was measured on these (kNN, a readout)
            predicts, and is no transfer result.
        results: patterns of the tasks that are transfer results; every other task predicts.
        num_resamples: of the checkpoints, for the intervals.
        seed: of the resampling.

    Returns:
        Pairs by result, the largest tau first.

    Raises:
        TypeError: if one is no record, or `source` or `results` is one text.
        ValueError: if there is no transfer result or nothing to predict it, or no pair stands for
            4 checkpoints or more.

    Source:
        Kendall, "The treatment of ties in ranking problems" (1945): tau-b. The question is that of
        Zhao et al. (2021) and Islam et al. (2021).

    Example:
        >>> cheap, worth = (1.0, 2.0, 3.0, 4.0), (50.0, 60.0, 55.0, 70.0)
        >>> records = [Record("stage4_geometry", "a", "RankMe", cheap[k], method=f"net {k}")
        ...     for k in range(4)]
        >>> records += [Record("linear", "b", "top-1", worth[k], method=f"net {k}")
        ...     for k in range(4)]
        >>> pair, = predictors(records)
        >>> round(pair.tau, 3), len(pair.checkpoints), pair.predictor.metric
        (0.667, 4, 'RankMe')
    """
    if isinstance(source, str) or not all(isinstance(name, str) for name in source):
        checks.refuse("source", "a list of names of sets", source, kind=TypeError)
    checks.filled("results", results)
    if not all(isinstance(pattern, str) for pattern in results):
        checks.refuse("results", "a list of patterns of tasks", results, kind=TypeError)
    table = number_table(records)
    first, second = split_numbers(table.values, results, source)
    if not second:
        checks.refuse("records", f"with a transfer result ({', '.join(results)})", _tasks(first))
    if not first:
        checks.refuse("records", "with a number that is no transfer result", _tasks(second))
    # Pairs that the same checkpoints have are resampled together.
    groups: dict[tuple[int, ...], list[tuple[Number, Number]]] = defaultdict(list)
    most = 0
    for predictor in first:
        for result in second:
            both = sorted(table.values[predictor].keys() & table.values[result].keys())
            most = max(most, len(both))
            groups[tuple(both)].append((predictor, result))
    if most < FEWEST_CHECKPOINTS:
        checks.refuse(
            "records",
            f"of at least {FEWEST_CHECKPOINTS} checkpoints that have a number and a result",
            most,
            "A correlation over fewer says nothing.",
        )
    pairs: list[Prediction] = []
    few = constant = 0
    for places, members in groups.items():
        if len(places) < FEWEST_CHECKPOINTS:
            few += len(members)
            continue
        x, y = (
            torch.tensor(
                [[table.values[pair[role]][place] for place in places] for pair in members],
                dtype=torch.float64,
            )
            for role in (0, 1)
        )
        correlations = correlate(x, y, num_resamples=num_resamples, seed=seed)
        names = tuple(table.names[place] for place in places)
        for row, pair in enumerate(members):
            if bool(correlations.tau[row].isnan()):
                constant += 1
            else:
                pairs.append(_prediction(pair, correlations, row, names, table.turned))
    if few or constant:
        say_once(
            f"predictors: {few} pairs of numbers of fewer than {FEWEST_CHECKPOINTS} common "
            f"checkpoints and {constant} with a number that is the same for all are left out"
        )
    if not pairs:
        checks.refuse("records", "with numbers that differ between checkpoints", [])
    order = {result: place for place, result in enumerate(second)}
    return sorted(pairs, key=lambda pair: (order[pair.result], -pair.tau))


@checked_call()
def predict_transfer(
    records: Iterable[Record],
    *,
    source: Collection[str] = (),
    results: Sequence[str] = TRANSFER_TASKS,
    num_resamples: int = 1000,
    seed: int = 0,
    arrays: str | Path | None = None,
) -> list[Record]:
    """`predictors` as records and arrays.

    Args:
        records: see `predictors`.
        source: sets of the pretraining.
        results: tasks that are transfer results.
        num_resamples: for the intervals.
        seed: of the resampling.
        arrays: a ``.npz`` file for what `prediction_arrays` gives.

    Returns:
        Of each pair a record of ``"Kendall's tau"`` and one of ``"Pearson's r"`` under the task
        ``"predictors"``, on the data set of the result; the metric names the predictor.

    Raises:
        TypeError, ValueError: see `predictors`.
    """
    start = time.perf_counter()
    pairs = predictors(
        records, source=source, results=results, num_resamples=num_resamples, seed=seed
    )
    save_predictions(arrays, prediction_arrays(pairs))
    seconds = time.perf_counter() - start
    written = []
    for pair in pairs:
        count = len(pair.checkpoints)
        settings = {
            "predictor": pair.predictor._asdict(),
            "result": pair.result._asdict(),
            "checkpoints": list(pair.checkpoints),
            "turned": list(pair.turned),
            "dropped": pair.dropped,
            "tau_by_chance": pair.tau_chance,
        }
        about = About(method=f"{count} checkpoints", dataset=pair.result.dataset)
        run = Run(about, seed, seconds, settings)
        interval = (
            f"bootstrap over {count} checkpoints, {num_resamples} resamples, "
            f"{pair.dropped} undefined"
        )
        for name, value, ends in (
            ("Kendall's tau", pair.tau, pair.tau_ends),
            ("Pearson's r", pair.r, pair.r_ends),
        ):
            metric = f"{name} of {pair.predictor.text} and {pair.result.text}"
            written.append(
                run.record(
                    "predictors", metric, value, ends=ends, interval=interval, n=count, unit=""
                )
            )
    return written


@checked_call()
def prediction_arrays(pairs: Sequence[Prediction]) -> dict[str, np.ndarray]:
    """What `predictors_figure` is drawn from.

    Args:
        pairs: of `predictors`.

    Returns:
        ``predictor`` (P,) and ``result`` (Q,) texts; ``(P, Q)`` arrays ``tau``, ``tau_low``,
        ``tau_high``, ``tau_chance``, ``r``, ``r_low``, ``r_high`` (NaN where a pair was left out)
        and ``checkpoints``, how many.

    Raises:
        ValueError: if there is no pair.
    """
    if not pairs:
        checks.refuse("pairs", "at least one", pairs)
    rows = list(dict.fromkeys(pair.predictor for pair in pairs))
    columns = list(dict.fromkeys(pair.result for pair in pairs))
    size = (len(rows), len(columns))
    numbers = ("tau", "tau_low", "tau_high", "tau_chance", "r", "r_low", "r_high")
    tables = {name: np.full(size, np.nan) for name in numbers}
    counts = np.zeros(size, dtype=np.int64)
    row_of, column_of = ({n: k for k, n in enumerate(part)} for part in (rows, columns))
    for pair in pairs:
        place = row_of[pair.predictor], column_of[pair.result]
        nothing = (float("nan"), float("nan"))
        of_tau = (pair.tau, *(pair.tau_ends or nothing), pair.tau_chance)
        values = (*of_tau, pair.r, *(pair.r_ends or nothing))
        for name, value in zip(numbers, values, strict=True):
            tables[name][place] = value
        counts[place] = len(pair.checkpoints)
    texts = {
        "predictor": np.array([number.text for number in rows]),
        "result": np.array([number.text for number in columns]),
    }
    return {**texts, **tables, "checkpoints": counts}


def _tasks(numbers: Iterable[Number]) -> list[str]:
    return sorted({number.task for number in numbers})


def _prediction(
    pair: tuple[Number, Number],
    correlations: Correlations,
    row: int,
    names: tuple[str, ...],
    turned: Collection[Number],
) -> Prediction:
    def ends(values: torch.Tensor) -> tuple[float, float] | None:
        low, high = values[row].tolist()
        return None if low != low else (low, high)

    roles = zip(("predictor", "result"), pair, strict=True)
    return Prediction(
        *pair,
        tau=float(correlations.tau[row]),
        tau_ends=ends(correlations.tau_ends),
        tau_chance=chance_of_tau(float(correlations.tau[row]), len(names)),
        r=float(correlations.r[row]),
        r_ends=ends(correlations.r_ends),
        checkpoints=names,
        dropped=int(correlations.dropped[row]),
        turned=tuple(role for role, number in roles if number in turned),
    )
