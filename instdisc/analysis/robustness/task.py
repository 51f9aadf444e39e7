"""The tasks of this room, as a suite calls them."""

from __future__ import annotations

from instdisc.transfer import Task
from instdisc.transfer.suite.options import Options, bounds

from .evaluate_corruptions import check_corruptions, evaluate_corruptions
from .reliability import calibrate


def _check(options: Options) -> None:
    check_corruptions(options["corruptions"], options["severities"])


COMMON_CORRUPTIONS = Task(
    evaluate_corruptions,
    ("train", "test"),
    "images",
    check=bounds(whole=["batch_size"], least_zero=["thumbnail"], also=_check),
)
RELIABILITY = Task(
    calibrate,
    ("test",),
    "images",
    check=bounds(whole=["num_bins"]),
    after="readout",
)
