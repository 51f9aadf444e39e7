"""The comparison of layers as the driver and a suite call it."""

from __future__ import annotations

from instdisc import checks
from instdisc.transfer import Task
from instdisc.transfer.suite.options import Options, bounds

from ..inputs import FEWEST
from .compare import compare_layers


def _check(options: Options) -> None:
    checks.whole("batch_size", options["batch_size"], at_least=FEWEST)


SIMILARITY = Task(
    compare_layers,
    ("test",),
    "images",
    check=bounds(whole=["k", "batch_size"], filled=["layers"], optional=["layers"], also=_check),
)
