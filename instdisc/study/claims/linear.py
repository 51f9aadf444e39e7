"""Quantities that are sums of measures: what is added and subtracted, and how they are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .rules import DifferencePart, GainPart, KeptSharePart, Measure, Side


class Term(NamedTuple):
    """A measure of one method, times a weight."""

    weight: float
    method: str
    measure: Measure


class Linear(NamedTuple):
    """A sum of terms, whose measures differ in their settings at most.

    Attributes:
        name: e.g. ``"exemplar - moco"``.
        a: what is there with a positive sign, in words.
        b: what is subtracted.
        terms: their weights add up to 0.
    """

    name: str
    a: str
    b: str
    terms: tuple[Term, ...]

    @property
    def measure(self) -> Measure:
        """With the sets, tasks and metric of all terms."""
        return self.terms[0].measure

    @property
    def methods(self) -> list[str]:
        """Of all terms, each once."""
        return list(dict.fromkeys(term.method for term in self.terms))


def linear_of(part: DifferencePart | GainPart | KeptSharePart) -> Linear:
    """The quantity of a part.

        difference   a - b, a group being the mean of its methods
        gain         (a[0] - a[1]) - (b[0] - b[1])
        kept_share   mean(kept) - base - share (mean(full) - base), which is above 0 where more
                     than this share of the gain is kept

    Args:
        part: of the rules.

    Example:
        >>> from instdisc.study.claims import read_rules
        >>> rules = {claim.name: claim for claim in read_rules().claims}
        >>> quantity = linear_of(rules["exemplar"].parts[0])
        >>> quantity.name, [(term.weight, term.method) for term in quantity.terms]
        ('exemplar - moco', [(1.0, 'exemplar'), (-1.0, 'moco')])
        >>> linear_of(rules["low-and-middle-stages"].parts[0]).name
        'pretrained: reset - (0.75 finetuned + 0.25 random)'
    """
    if isinstance(part, DifferencePart):
        return _difference(part.measure, part.a, part.b)
    if isinstance(part, GainPart):
        first, second = (_difference(part.measure, *sides) for sides in (part.a, part.b))
        terms = _merged([*first.terms, *_times(-1, second.terms)])
        return Linear(f"({first.name}) - ({second.name})", first.name, second.name, terms)
    left = 1 - part.share
    less = f"{part.share:g} {part.full.name} + {left:g} {part.base}"
    terms = _merged(
        [
            *_mean(part.kept, part.over),
            *_times(-part.share, _mean(part.full, part.over)),
            Term(-left, part.base, part.full),
        ]
    )
    name = f"{part.over.name}: {part.kept.name} - ({less})"
    return Linear(name, part.kept.name, less, terms)


def gain_of(part: KeptSharePart) -> Linear:
    """The gain of which a share is to be kept: ``mean(full) - base``."""
    return _difference(part.full, part.over, Side(part.base, (part.base,)))


def _difference(measure: Measure, a: Side, b: Side) -> Linear:
    terms = _merged([*_mean(measure, a), *_times(-1, _mean(measure, b))])
    return Linear(f"{a.name} - {b.name}", a.name, b.name, terms)


def _mean(measure: Measure, side: Side) -> list[Term]:
    return [Term(1 / len(side.methods), method, measure) for method in side.methods]


def _times(factor: float, terms: Sequence[Term]) -> list[Term]:
    return [term._replace(weight=factor * term.weight) for term in terms]


def _merged(terms: Sequence[Term]) -> tuple[Term, ...]:
    """Each network once; a method may stand on both sides."""
    merged: list[Term] = []
    for term in terms:
        places = [n for n, each in enumerate(merged) if each[1:] == term[1:]]
        if places:
            first = merged[places[0]]
            merged[places[0]] = first._replace(weight=first.weight + term.weight)
        else:
            merged.append(term)
    return tuple(merged)
