"""The comparison of layers, and of fine-tuned stages, as the driver and a suite call them."""

from __future__ import annotations

from instdisc import checks
from instdisc.transfer import Task
from instdisc.transfer.suite.options import Options, bounds

from ..inputs import FEWEST
from .compare import compare_layers
from .last_stages import evaluate_last_stages


def _check_batch(options: Options) -> None:
    checks.whole("batch_size", options["batch_size"], at_least=FEWEST)


def _check_last_stages(options: Options) -> None:
    _check_batch(options)
    if options["last_stages"] == []:
        checks.refuse("last_stages", "a list of at least one number, or None", [])
    for count in options["last_stages"] or []:
        checks.whole("last_stages", count, at_least=0)
    for recipe in options["grid"]:
        checks.positive("learning_rate", recipe.learning_rate)
        checks.whole("batch_size", recipe.batch_size)
        checks.finite("weight_decay", recipe.weight_decay, at_least=0)


SIMILARITY = Task(
    compare_layers,
    ("test",),
    "images",
    check=bounds(whole=["k"], also=_check_batch),
    together=True,
)
LAST_STAGES = Task(
    evaluate_last_stages,
    ("train", "test"),
    "images",
    check=bounds(
        whole=["tune_epochs", "epochs", "per_class"],
        positive=["share"],
        shares=["share"],
        filled=["grid"],
        optional=["per_class"],
        also=_check_last_stages,
    ),
)
