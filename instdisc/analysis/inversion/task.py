"""Inversion as a task of a suite."""

from __future__ import annotations

from instdisc import checks
from instdisc.transfer import Task
from instdisc.transfer.suite.options import Options, bounds

from .distances import TITLES
from .evaluate import evaluate_inversion
from .invert import PRECISIONS
from .recipe import RECIPES


def _check_distances(options: Options) -> None:
    checks.whole("thumbnail", options["thumbnail"], at_least=0)
    if not options["distances"]:
        checks.refuse("distances", "a list of at least one", options["distances"])


INVERSION = Task(
    evaluate_inversion,
    ("test",),
    "images",
    check=bounds(
        whole=["num_images", "steps", "depth", "at_once"],
        positive=["learning_rate"],
        least_zero=["total_variation"],
        lists=["stages", "channels", "kernels"],
        choices={"recipe": list(RECIPES), "precision": PRECISIONS, "distances": list(TITLES)},
        optional=["steps", "depth", "learning_rate", "stages", "channels", "kernels"],
        also=_check_distances,
    ),
)
"""For `instdisc.transfer.TASKS`."""
