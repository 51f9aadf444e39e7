"""The mean corruption error: errors as ratios to those of AlexNet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from instdisc import checks
from instdisc.checks import checked_call

from .strengths import SEVERITIES

# Mean error of AlexNet over the five severities; the order of the published tables.
ALEXNET_ERRORS: dict[str, float] = {
    "gaussian_noise": 0.886428,
    "shot_noise": 0.894468,
    "impulse_noise": 0.922640,
    "defocus_blur": 0.819880,
    "glass_blur": 0.826268,
    "motion_blur": 0.785948,
    "zoom_blur": 0.798360,
    "snow": 0.866816,
    "frost": 0.826572,
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic_transform": 0.646056,
    "pixelate": 0.717840,
    "jpeg_compression": 0.606500,
}


@checked_call()
def corruption_errors(errors: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The corruption error of each kind: the ratio to AlexNet's, 1 = as bad.

    ``CE_c = sum_s error(s, c) / sum_s error_AlexNet(s, c)``.

    Args:
        errors: of each corruption, the share of wrong predictions at severities 1 to 5.

    Raises:
        ValueError: if there is none, one has no such name, there are not five severities, or an
            error lies outside [0, 1].

    Source:
        Hendrycks and Dietterich (2019). The constants are not in their code, which prints means
        alone; several public evaluators have them with the same digits.

    Example:
        >>> corruption_errors({"fog": [0.819324] * 5})
        {'fog': 1.0}
    """
    if not isinstance(errors, Mapping) or not errors:
        checks.refuse("errors", "a mapping of at least one corruption to its errors", errors)
    ratios = {}
    for corruption, values in errors.items():
        checks.choice("errors", corruption, list(ALEXNET_ERRORS))
        if not hasattr(values, "__len__") or len(values) != len(SEVERITIES):
            checks.refuse("errors", f"of {len(SEVERITIES)} severities", values, f"Of {corruption}.")
        for value in values:
            checks.share("errors", value, remedy="Give shares, not percent.")
        ratios[corruption] = float(sum(values)) / (len(values) * ALEXNET_ERRORS[corruption])
    return ratios


@checked_call()
def mce(errors: Mapping[str, Sequence[float]]) -> float:
    """The mean corruption error: `corruption_errors` averaged over the corruptions given.

    It is the published number if all fifteen are given, measured on the official files.

    Args:
        errors: see `corruption_errors`.

    Raises:
        ValueError: see `corruption_errors`.

    Example:
        >>> round(mce({"fog": [0.4] * 5, "snow": [0.8] * 5}), 4)
        0.7056
    """
    ratios = corruption_errors(errors)
    return sum(ratios.values()) / len(ratios)
