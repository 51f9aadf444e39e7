"""Verdicts in words: short sentences with numbers."""

from __future__ import annotations

from collections.abc import Sequence

from .measures import Missing
from .rules import Margin
from .seeds import Estimate
from .verdict import Answer, PartVerdict

_NO_SEED = -1  # of a method without any record


def answer(estimate: Estimate, margin: Margin) -> Answer:
    """On which side of the margin the interval lies.

    Args:
        estimate: a quantity.
        margin: what it is compared with.

    Example:
        >>> answer(Estimate(2.0, 1.5, 2.5, 0.01), Margin(1.0, "above"))
        'supported'
        >>> answer(Estimate(2.0, 1.5, 2.5, 0.01), Margin(1.0, "below"))
        'contradicted'
    """
    if estimate.low is None or estimate.high is None:
        return "undecided"
    above, below = estimate.low > margin.value, estimate.high < margin.value
    if not above and not below:
        return "undecided"
    return "supported" if above == (margin.direction == "above") else "contradicted"


def beside(estimate: Estimate, margin: Margin, unit: str) -> str:
    """A quantity and where it lies.

    Args:
        estimate: of the quantity.
        margin: what it is compared with.
        unit: of both.

    Example:
        >>> beside(Estimate(2.0, 1.5, 2.5, 0.01), Margin(1.0, "above"), "%")
        '2.00 points [1.50, 2.50] lies above 1'
    """
    verb = "reaches across"
    if answer(estimate, margin) != "undecided":
        verb = "lies above" if estimate.value > margin.value else "lies below"
    return f"{with_interval(estimate, unit)} {verb} {margin.value:g}"


def with_interval(estimate: Estimate, unit: str) -> str:
    """``"2.00 points [1.50, 2.50]"``; differences of percentages are points."""
    named = {"%": " points", "": ""}.get(unit, f" {unit}")
    digits = 2 if unit == "%" else 3  # margins of shares and correlations are small
    ends = ""
    if estimate.low is not None and estimate.high is not None:
        ends = f" [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"
    return f"{estimate.value:.{digits}f}{named}{ends}"


def list_missing(missing: Sequence[Missing]) -> list[str]:
    """What is missing, with all seeds of a method in one text.

    Example:
        >>> list_missing([Missing("top-1 of knn on pets", "moco", seed) for seed in (0, 2)])
        ['top-1 of knn on pets for moco, seeds 0, 2']
    """
    seeds: dict[tuple[str, str], list[int]] = {}
    for each in missing:
        of_seed = seeds.setdefault((each.what, each.method), [])
        if each.seed not in of_seed:
            of_seed.append(each.seed)
    texts = []
    for (what, method), numbers in seeds.items():
        which = f"seed{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"
        texts.append(f"{what} for {method}, {'any seed' if numbers == [_NO_SEED] else which}")
    return texts


def lacking(missing: Sequence[str]) -> str:
    """What is missing, by its first.

    Example:
        >>> lacking(["SSIM for moco", "SSIM for supcon"])
        '; missing: SSIM for moco and 1 more'
    """
    if not missing:
        return ""
    return f"; missing: {missing[0]}" + f" and {len(missing) - 1} more" * (len(missing) > 1)


def count(number: int, what: str) -> str:
    """``"3 seeds"``."""
    return f"{number:,} {what}" + "s" * (number != 1)


def sentence(verdict: Answer, p_adjusted: float, level: float, parts: Sequence[PartVerdict]) -> str:
    """Why a claim was decided so.

    Args:
        verdict: after Holm's correction.
        p_adjusted: likewise.
        level: of the correction.
        parts: of the claim.
    """
    told = parts
    if verdict != "supported":
        wanted = {"contradicted", verdict} if verdict == "contradicted" else {"undecided"}
        told = [part for part in parts if part.verdict in wanted] or parts
    texts = "; ".join(f"{part.quantity}: {part.why}" for part in told)
    corrected = f"p = {p_adjusted:.2g} after Holm's correction"
    if verdict != "undecided":
        return f"{texts} ({corrected})."
    if all(part.verdict == "supported" for part in parts) or any(
        part.verdict == "contradicted" for part in parts
    ):
        return f"{texts}, but {corrected} is not below {level:g}."
    return f"{texts}."
