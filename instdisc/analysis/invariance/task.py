"""The analyses of this room as tasks of a suite."""

from __future__ import annotations

from instdisc import checks
from instdisc.transfer import Task
from instdisc.transfer.suite.options import Options, bounds

from .curves import evaluate_invariance
from .factors import evaluate_factors
from .transforms import check_transforms


def _check_invariance(options: Options) -> None:
    checks.whole("num_images", options["num_images"], at_least=4)
    check_transforms(options["transforms"], options["strengths"])


_check_factors = bounds(
    whole=["grid", "batch_size"], filled=["penalties", "factors"], optional=["factors"]
)
FACTORS = Task(evaluate_factors, ("train", "test"), "images", check=_check_factors)
"""Of sets that know them all: `Scenes`, or one of your own with a method ``factors``."""
OBJECT_FACTORS = Task(evaluate_factors, ("train", "test"), "objects", check=_check_factors)
"""Of the largest box of each image, see `object_factors`."""
LANDMARK_FACTORS = Task(evaluate_factors, ("train", "test"), "landmarks", check=_check_factors)
"""Of the points of each image, see `landmark_factors`."""
INVARIANCE = Task(
    evaluate_invariance,
    ("test",),
    "images",
    check=bounds(whole=["batch_size"], also=_check_invariance),
)
