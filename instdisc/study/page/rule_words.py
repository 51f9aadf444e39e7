"""The rules of the claims in words, from ``rules.yaml``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from instdisc import checks

from .material import Study
from .words import counted, decimals_of, label, listed


def describe_part(study: Study, part: Mapping[str, Any]) -> str:
    """What a part of a claim says, as a sentence without its end.

    Args:
        study: for groups.
        part: of a claim in the rules.

    Raises:
        ValueError: if the kind of the part is unknown.
    """
    kind = checks.choice("kind", part["kind"], [*_KINDS, "kept_share"])
    if kind == "kept_share":
        return _kept_share(study, part)
    return f"{_KINDS[kind](study, part)} is {margin_words(part)}"


def margin_words(part: Mapping[str, Any]) -> str:
    """Where the quantity of a part must lie.

    Example:
        >>> margin_words({"kind": "difference", "measure": "transfer", "above": 1.0})
        'above 1.00'
        >>> margin_words({"kind": "difference", "measure": "inversion", "below": 0.02})
        'below 0.020'
    """
    direction = "below" if "below" in part else "above"
    margin = float(part[direction])
    return f"{direction} {margin:.{decimals_of('', margin)}f}"


def measure_words(name: str) -> str:
    """How a sentence names a measure of the rules.

    Example:
        >>> measure_words("layers_alike")
        '*layers alike*'
    """
    return f"*{name.replace('_', ' ')}*"


def describe_measures(study: Study) -> list[list[str]]:
    """A row for each measure of the rules: its name, what it is, and on which sets."""
    rows = []
    for name, measure in study.rules["measures"].items():
        parts = measure.get("ranks")
        words = measure_words(name)
        if parts:
            told = listed(
                [f"{_metric(part)} on {_sets(study, part)}{_turned(part)}" for part in parts]
            )
            rows.append([words, "mean rank of a method, 1 = worst, by " + told, ""])
        else:
            rows.append([words, _metric(measure) + _turned(measure), _sets(study, measure)])
    return rows


def _metric(measure: Mapping[str, Any]) -> str:
    tasks = listed([task.replace("_", " ") for task in measure["tasks"]])
    text = f"{measure['metric']} of {tasks}"
    if "of" in measure:
        text += f", in % of {listed(measure['of'])} together"
    for name, value in measure.get("settings", {}).items():
        text += f", {name.replace('_', ' ')} {value}"
    return text


def _turned(measure: Mapping[str, Any]) -> str:
    return " (lower is better: its sign is turned)" if measure.get("sign", 1) < 0 else ""


def _sets(study: Study, measure: Mapping[str, Any]) -> str:
    return listed([study.set_name(name) for name in measure["sets"]])


def _who(study: Study, name: str) -> str:
    """A method, or the mean of a group of them."""
    members = study.rules["groups"].get(name)
    return f"the mean of {listed(map(label, members))}" if members else label(name)


def _over(study: Study, part: Mapping[str, Any]) -> str:
    return f"the methods {listed(map(label, study.rules['groups'][part['over']]))}"


def _difference(study: Study, part: Mapping[str, Any]) -> str:
    measure = measure_words(part["measure"])
    return f"{measure} of {_who(study, part['a'])} minus that of {_who(study, part['b'])}"


def _gain(study: Study, part: Mapping[str, Any]) -> str:
    gains = [f"{label(after)} minus {label(before)}" for after, before in (part["a"], part["b"])]
    return f"{measure_words(part['measure'])} of {gains[0]}, less that of {gains[1]},"


def _tau(study: Study, part: Mapping[str, Any]) -> str:
    a, b = measure_words(part["a"]), measure_words(part["b"])
    return f"Kendall's tau of {a} and {b} over {_over(study, part)}"


def _correlation(study: Study, part: Mapping[str, Any]) -> str:
    a, b = measure_words(part["a"]), measure_words(part["b"])
    return f"Pearson's r of {a} and {b} over all seeds of {_over(study, part)}"


def _kept_share(study: Study, part: Mapping[str, Any]) -> str:
    return (
        f"{measure_words(part['kept'])} keeps at least {part['share']:g} of what "
        f"{measure_words(part['full'])} gains over {label(part['base'])}, over "
        f"{_over(study, part)} (undecided unless that gain is surely above {part['least_gain']:g})"
    )


def _predictor(study: Study, part: Mapping[str, Any]) -> str:
    cheap = counted(len(part["predictors"]), "cheap number")
    return (
        f"Kendall's tau of the best of {cheap} ({listed(part['predictors'])}) with "
        f"{measure_words(part['b'])} over {_over(study, part)}, less that of "
        f"{measure_words(part['than'])},"
    )


_KINDS: dict[str, Callable[[Study, Mapping[str, Any]], str]] = {
    "difference": _difference,
    "gain": _gain,
    "tau": _tau,
    "correlation": _correlation,
    "predictor": _predictor,
}
