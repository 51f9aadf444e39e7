"""The rules of the study: what is measured, and how each claim is decided."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

from instdisc.checks import checked_call, input_file, refuse

RULES_FILE = Path(__file__).parents[1] / "rules.yaml"


class Measure(NamedTuple):
    """A number of each network: the mean over sets and tasks of one metric.

    Attributes:
        name: e.g. ``"transfer"``.
        sets: names of data sets as in the records; ``"source"`` is the set of the pretraining.
        tasks: as in the records.
        metric: likewise.
        settings: that the records must have.
        of: if there are some, the value is the metric as a share of the sum of these, in %.
        sign: -1 where lower is better.
        ranks: if there are some, the value is the mean rank among methods over these measures,
            1 = worst, and all fields but the name are empty.
    """

    name: str
    sets: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    metric: str = ""
    settings: Mapping[str, Any] = {}
    of: tuple[str, ...] = ()
    sign: int = 1
    ranks: tuple[Measure, ...] = ()

    @property
    def terms(self) -> tuple[Measure, ...]:
        """The measures that records are looked up for: the ranked ones, or itself."""
        return self.ranks or (self,)


class Side(NamedTuple):
    """A method or the mean over a group of methods.

    Attributes:
        name: of the method or group.
        methods: one or more.
    """

    name: str
    methods: tuple[str, ...]


class Margin(NamedTuple):
    """What a quantity is compared with.

    Attributes:
        value: in the unit of the quantity.
        direction: on which side of it the claim expects the quantity.
    """

    value: float
    direction: Literal["above", "below"]


class DifferencePart(NamedTuple):
    """One side minus the other in one measure."""

    measure: Measure
    a: Side
    b: Side
    margin: Margin


class GainPart(NamedTuple):
    """How much more the first of `a` is above its second than the first of `b` is."""

    measure: Measure
    a: tuple[Side, Side]
    b: tuple[Side, Side]
    margin: Margin


class KeptSharePart(NamedTuple):
    """Whether `kept` holds at least `share` of the gain of `full` over the method `base`."""

    kept: Measure
    full: Measure
    over: Side
    base: str
    share: float
    least_gain: float


class TauPart(NamedTuple):
    """Kendall's tau-b between two measures over methods."""

    a: Measure
    b: Measure
    over: Side
    margin: Margin


class CorrelationPart(NamedTuple):
    """Pearson's r between two measures over methods and seeds."""

    a: Measure
    b: Measure
    over: Side
    margin: Margin


class PredictorPart(NamedTuple):
    """Kendall's tau-b of the best of several predictors with `b`, minus that of `than`."""

    predictors: tuple[Measure, ...]
    b: Measure
    than: Measure
    over: Side
    margin: Margin


Part = DifferencePart | GainPart | KeptSharePart | TauPart | CorrelationPart | PredictorPart


class Claim(NamedTuple):
    """A sentence of a paper, and the quantities that decide it.

    Attributes:
        name: short.
        claim: the sentence.
        source: whose it is.
        parts: supported if all are.
    """

    name: str
    claim: str
    source: str
    parts: tuple[Part, ...]


class Rules(NamedTuple):
    """All rules of the study.

    Attributes:
        level: of p after Holm's correction; intervals leave it out on both sides together.
        fewest_seeds: quantities of fewer are undecided.
        fewest_methods: likewise, of quantities over methods.
        pool: methods whose spread from seed to seed is pooled; none: each quantity has its own.
        measures: by name.
        groups: the methods of each.
        claims: in their order.
    """

    level: float
    fewest_seeds: int
    fewest_methods: int
    pool: tuple[str, ...]
    measures: Mapping[str, Measure]
    groups: Mapping[str, tuple[str, ...]]
    claims: tuple[Claim, ...]


@checked_call()
def read_rules(
    path: str | Path | None = None, *, measures: Mapping[str, Any] | None = None
) -> Rules:
    """Reads and checks the rules.

    Args:
        path: a YAML file; ``None``: the rules that are part of the package.
        measures: that take the place of those of their names: another source set has other
            targets.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no YAML, or a key, measure, group or kind in it does not exist.
        TypeError: if an entry is of the wrong type.

    Example:
        >>> rules = read_rules()
        >>> len(rules.claims), rules.fewest_seeds, rules.groups["contrastive"][0]
        (10, 3, 'moco')
        >>> rules.claims[3].parts[0].margin
        Margin(value=-1.0, direction='above')
    """
    from .parsing import parse_rules  # needs the types of this file

    return parse_rules(rules_content(path, measures=measures))


def rules_content(
    path: str | Path | None = None, *, measures: Mapping[str, Any] | None = None
) -> Any:
    """What a file of rules holds, not yet checked.

    Args:
        path: see `read_rules`.
        measures: likewise.
    """
    path = RULES_FILE if path is None else input_file("path", path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        refuse("path", f"a YAML file ({error})", str(path))
    if measures and isinstance(content, Mapping) and isinstance(content.get("measures"), Mapping):
        content = {**content, "measures": {**content["measures"], **measures}}
    return content
