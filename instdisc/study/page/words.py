"""How the page writes names, numbers, intervals and lists."""

from __future__ import annotations

from collections.abc import Iterable

from instdisc.report.grid import number

_LABELS = {
    "random": "random weights",
    "cross_entropy": "cross-entropy",
    "cross_entropy_weak": "cross-entropy (weak views)",
    "moco": "MoCo",
    "moco_weak": "MoCo (weak views)",
    "exemplar": "exemplar",
    "supcon": "SupCon",
    "ce_moco": "CE+MoCo",
    "supcon_moco": "SupCon+MoCo",
    "simclr": "SimCLR",
}
NOTHING = "–"


def label(method: str) -> str:
    """What the page calls a method.

    Example:
        >>> label("moco"), label("one_of_mine")
        ('MoCo', 'one_of_mine')
    """
    return _LABELS.get(method, method)


def listed(words: Iterable[str]) -> str:
    """Words as a sentence lists them.

    Example:
        >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
        ('a', 'a and b', 'a, b and c')
    """
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def counted(count: int, noun: str, plural: str = "") -> str:
    """A count with its noun.

    Example:
        >>> counted(1, "seed"), counted(3, "seed"), counted(0, "entry", "entries")
        ('1 seed', '3 seeds', 'no entries')
    """
    word = noun if count == 1 else plural or f"{noun}s"
    return f"{count or 'no'} {word}"


def decimals_of(unit: str, margin: float) -> int:
    """How exactly an effect is written: a tenth of its margin must show.

    Example:
        >>> decimals_of("points", 1.0), decimals_of("", 0.5), decimals_of("", 0.02)
        (2, 2, 3)
    """
    return 3 if not unit and 0 < abs(margin) < 0.1 else 2


def signed(value: float | None, decimals: int) -> str:
    """A number with its sign; a dash for none.

    Example:
        >>> signed(1.234, 2), signed(-0.001, 2), signed(None, 2)
        ('+1.23', '0.00', '–')
    """
    if value is None:
        return NOTHING
    text = number(value, decimals)
    return f"+{text}" if float(text) > 0 else text


def span(low: float | None, high: float | None, decimals: int) -> str:
    """An interval.

    Example:
        >>> span(0.4, 3.75, 1), span(None, None, 1)
        ('+0.4 to +3.8', '–')
    """
    if low is None or high is None:
        return NOTHING
    return f"{signed(low, decimals)} to {signed(high, decimals)}"


def chance(p: float | None) -> str:
    """A p-value.

    Example:
        >>> chance(0.01234), chance(0.00001), chance(1.0), chance(None)
        ('0.012', '< 0.0001', '1', '–')
    """
    if p is None:
        return NOTHING
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"
