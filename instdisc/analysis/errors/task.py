"""The errors of detectors as a task of the suite."""

from __future__ import annotations

from instdisc import checks
from instdisc.transfer import Task
from instdisc.transfer.suite.options import Options, bounds

from .diagnose import diagnose


def _check(options: Options) -> None:
    checks.finite("threshold", options["threshold"], above=0, at_most=1)
    checks.finite("background", options["background"], above=0, below=options["threshold"])
    for name in ("num_resamples", "per_type", "thumbnail"):
        checks.whole(name, options[name], at_least=0)


ERRORS = Task(
    diagnose,
    ("test",),
    "objects",
    has_image_size=False,
    check=bounds(also=_check),
    after="detection",
)
