"""Rules from what a YAML file holds; whatever does not belong there is refused by its place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from instdisc import checks

from .rules import (
    Claim,
    CorrelationPart,
    DifferencePart,
    GainPart,
    KeptSharePart,
    Margin,
    Measure,
    Part,
    PredictorPart,
    Rules,
    Side,
    TauPart,
)

_MARGINS = ("above", "below")


class Names(NamedTuple):
    """What parts refer to by name."""

    measures: Mapping[str, Measure]
    groups: Mapping[str, tuple[str, ...]]


def parse_rules(content: Any) -> Rules:
    """The rules that a mapping tells.

    Args:
        content: of the file.

    Raises:
        ValueError: if a name or value in it does not exist; names its place.
        TypeError: if an entry is of the wrong type.
    """
    keys = ("level", "fewest_seeds", "fewest_methods", "measures", "groups", "claims")
    content = _entries("rules", content, keys, ("pool", "amendments"))
    names = Names(
        {
            name: _measure(f"measures.{name}", name, entry)
            for name, entry in _mapping("measures", content["measures"]).items()
        },
        {
            name: _texts(f"groups.{name}", methods)
            for name, methods in _mapping("groups", content["groups"]).items()
        },
    )
    for name, methods in names.groups.items():
        for method in methods:
            if method in names.groups:
                checks.refuse(f"groups.{name}", "a list of methods", method, "It is a group.")
    claims = [
        _claim(f"claims[{number}]", entry, names)
        for number, entry in enumerate(_list("claims", content["claims"]))
    ]
    _unlike("claims", [claim.name for claim in claims])
    return Rules(
        checks.finite("level", content["level"], above=0, below=1),
        checks.whole("fewest_seeds", content["fewest_seeds"], at_least=2),
        checks.whole("fewest_methods", content["fewest_methods"], at_least=3),
        _pool(content["pool"], names) if "pool" in content else (),
        names.measures,
        names.groups,
        tuple(claims),
    )


def _pool(entry: Any, names: Names) -> tuple[str, ...]:
    """A group, or a list of methods."""
    return _side("pool", entry, names).methods if isinstance(entry, str) else _texts("pool", entry)


def _claim(where: str, entry: Any, names: Names) -> Claim:
    entry = _entries(where, entry, ("name", "claim", "source", "parts"))
    name, claim, source = (
        checks.text(f"{where}.{key}", entry[key]) for key in ("name", "claim", "source")
    )
    parts = _list(f"{where}.parts", entry["parts"])
    return Claim(
        name,
        claim,
        source,
        tuple(_part(f"{where}.parts[{n}]", part, names) for n, part in enumerate(parts)),
    )


def _part(where: str, entry: Any, names: Names) -> Part:
    kind = _mapping(where, entry).get("kind")
    return _KINDS[str(checks.choice(f"{where}.kind", kind, tuple(_KINDS)))](where, entry, names)


def _difference(where: str, entry: Any, names: Names) -> DifferencePart:
    entry = _entries(where, entry, ("kind", "measure", "a", "b"), _MARGINS)
    return DifferencePart(
        _linear(where, "measure", entry, names),
        _side(f"{where}.a", entry["a"], names),
        _side(f"{where}.b", entry["b"], names),
        _margin(where, entry),
    )


def _gain(where: str, entry: Any, names: Names) -> GainPart:
    entry = _entries(where, entry, ("kind", "measure", "a", "b"), _MARGINS)
    measure = _linear(where, "measure", entry, names)
    a, b = (_two_sides(f"{where}.{key}", entry[key], names) for key in ("a", "b"))
    return GainPart(measure, a, b, _margin(where, entry))


def _kept_share(where: str, entry: Any, names: Names) -> KeptSharePart:
    keys = ("kind", "kept", "full", "over", "base", "share", "least_gain")
    entry = _entries(where, entry, keys)
    kept, full = (_linear(where, key, entry, names) for key in ("kept", "full"))
    if kept[1:4] != full[1:4] or (kept.of, kept.sign) != (full.of, full.sign):
        checks.refuse(
            f"{where}.kept",
            f"measured on the sets, tasks and metric of {full.name!r}",
            kept.name,
            "The two may differ in `settings` alone.",
        )
    return KeptSharePart(
        kept,
        full,
        _side(f"{where}.over", entry["over"], names),
        checks.text(f"{where}.base", entry["base"]),
        checks.finite(f"{where}.share", entry["share"], above=0, at_most=1),
        checks.not_negative(f"{where}.least_gain", entry["least_gain"]),
    )


def _tau(where: str, entry: Any, names: Names) -> TauPart:
    return TauPart(*_over_methods(where, entry, names))


def _correlation(where: str, entry: Any, names: Names) -> CorrelationPart:
    return CorrelationPart(*_over_methods(where, entry, names))


def _over_methods(where: str, entry: Any, names: Names) -> tuple[Measure, Measure, Side, Margin]:
    entry = _entries(where, entry, ("kind", "a", "b", "over"), _MARGINS)
    a, b = (_named(f"{where}.{key}", entry[key], names) for key in ("a", "b"))
    return a, b, _side(f"{where}.over", entry["over"], names), _margin(where, entry)


def _predictor(where: str, entry: Any, names: Names) -> PredictorPart:
    keys = ("kind", "b", "than", "over", "predictors")
    entry = _entries(where, entry, keys, _MARGINS)
    predictors = _mapping(f"{where}.predictors", entry["predictors"])
    checks.filled(f"{where}.predictors", predictors)
    b, than = (_named(f"{where}.{key}", entry[key], names) for key in ("b", "than"))
    return PredictorPart(
        tuple(_measure(f"{where}.predictors.{n}", n, each) for n, each in predictors.items()),
        b,
        than,
        _side(f"{where}.over", entry["over"], names),
        _margin(where, entry),
    )


_KINDS: Mapping[str, Callable[[str, Any, Names], Part]] = {
    "difference": _difference,
    "gain": _gain,
    "kept_share": _kept_share,
    "tau": _tau,
    "correlation": _correlation,
    "predictor": _predictor,
}


def _measure(where: str, name: str, entry: Any) -> Measure:
    if "ranks" in _mapping(where, entry):
        ranked = _list(f"{where}.ranks", _entries(where, entry, ("ranks",))["ranks"])
        places = [f"{where}.ranks[{number}]" for number in range(len(ranked))]
        ranks = [_measure(place, name, each) for place, each in zip(places, ranked, strict=True)]
        for place, measure in zip(places, ranks, strict=True):
            if measure.ranks:
                checks.refuse(place, "a measure without `ranks`", "ranks")
        return Measure(name, ranks=tuple(ranks))
    entry = _entries(where, entry, ("sets", "tasks", "metric"), ("settings", "of", "sign"))
    metric = checks.text(f"{where}.metric", entry["metric"])
    of = _texts(f"{where}.of", entry["of"]) if "of" in entry else ()
    if of and metric not in of:
        checks.refuse(f"{where}.of", f"a list with the metric {metric!r}", list(of))
    return Measure(
        name,
        _texts(f"{where}.sets", entry["sets"]),
        _texts(f"{where}.tasks", entry["tasks"]),
        metric,
        _mapping(f"{where}.settings", entry.get("settings", {})),
        of,
        checks.choice(f"{where}.sign", entry.get("sign", 1), (1, -1)),
    )


def _named(where: str, name: Any, names: Names) -> Measure:
    return names.measures[checks.choice(where, name, tuple(names.measures))]


def _linear(where: str, key: str, entry: Mapping[str, Any], names: Names) -> Measure:
    """A measure whose value for one method does not depend on the others."""
    measure = _named(f"{where}.{key}", entry[key], names)
    if measure.ranks:
        remedy = "Ranks are compared by the kinds 'tau', 'correlation' and 'predictor'."
        checks.refuse(f"{where}.{key}", "a measure without `ranks`", measure.name, remedy)
    return measure


def _side(where: str, name: Any, names: Names) -> Side:
    name = checks.text(where, name)
    return Side(name, names.groups.get(name, (name,)))


def _two_sides(where: str, value: Any, names: Names) -> tuple[Side, Side]:
    sides = _list(where, value)
    if len(sides) != 2:
        checks.refuse(where, "a list of 2, the difference of which is taken", sides)
    return _side(where, sides[0], names), _side(where, sides[1], names)


def _margin(where: str, entry: Mapping[str, Any]) -> Margin:
    chosen = [direction for direction in _MARGINS if direction in entry]
    if len(chosen) != 1:
        checks.refuse(where, "a mapping with `above` or `below`, one of them", chosen)
    value = checks.finite(f"{where}.{chosen[0]}", entry[chosen[0]])
    return Margin(float(value), "above" if chosen[0] == "above" else "below")


def _entries(
    where: str, value: Any, needed: Collection[str], optional: Collection[str] = ()
) -> Mapping[str, Any]:
    """A mapping with all of some keys and no others."""
    for key in _mapping(where, value):
        checks.choice(f"{where}: key", key, (*needed, *optional))
    missing = [key for key in needed if key not in value]
    if missing:
        checks.refuse(where, f"a mapping with the key {missing[0]!r}", list(value))
    return dict(value)


def _mapping(where: str, value: Any) -> Mapping[str, Any]:
    return checks.instance(where, value, Mapping, "a mapping")


def _list(where: str, value: Any) -> list[Any]:
    return checks.filled(where, checks.instance(where, value, list, "a list"))


def _texts(where: str, value: Any) -> tuple[str, ...]:
    texts = [checks.text(f"{where}[{n}]", text) for n, text in enumerate(_list(where, value))]
    _unlike(where, texts)
    return tuple(texts)


def _unlike(where: str, texts: list[str]) -> None:
    twice = [text for place, text in enumerate(texts) if text in texts[:place]]
    if twice:
        checks.refuse(where, "a list of different names", twice[0], "It stands there twice.")
