"""The numbers of a detector as records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from instdisc.types import Record

from .evaluation import Evaluation

# Of COCO's twelve: the others are in the file of results for whoever wants them.
_HEADLINES = ("AP", "AP50", "AP75", "AP small", "AP medium", "AP large")


def detection_records(
    evaluation: Evaluation,
    classes: Sequence[str],
    *,
    dataset: str,
    method: str,
    checkpoint: str,
    seed: int,
    seconds: float,
    settings: dict[str, Any],
) -> list[Record]:
    """Average precisions in percent, first over all classes, then of each.

    Args:
        evaluation: what the test gave. Numbers that are NaN, as of objects of a size that there
            are none of, are left out.
        classes: names of the classes.
        dataset: see `Record`, like the rest.
        method: see `Record`.
        checkpoint: see `Record`.
        seed: see `Record`.
        seconds: see `Record`.
        settings: see `Record`.

    Returns:
        ``"box AP"``, ``"box AP50"``, ...; then ``"box AP, CLASS"`` for each class. They have no
        interval: fine-tuning again with other seeds shows the spread (about 0.2 to 0.4 AP on VOC
        in MoCo's tables).

    Example:
        >>> found = Evaluation({"box AP": 50.0}, {"box AP": [70.0, 30.0]}, [])
        >>> records = detection_records(found, ["cat", "dog"], dataset="toy", method="random",
        ...     checkpoint="", seed=0, seconds=0.0, settings={})
        >>> [(record.metric, record.value) for record in records]
        [('box AP', 50.0), ('box AP, cat', 70.0), ('box AP, dog', 30.0)]
    """
    values = {
        name: value
        for name, value in evaluation.numbers.items()
        if name.partition(" ")[2] in _HEADLINES
    }
    for name, numbers in evaluation.per_class.items():
        if name.endswith(" AP"):
            for label, value in zip(classes, numbers, strict=True):
                values[f"{name}, {label}"] = value
    return [
        Record(
            task="detection",
            dataset=dataset,
            metric=metric,
            value=value,
            ci=None,
            unit="%",
            method=method,
            checkpoint=checkpoint,
            seed=seed,
            seconds=seconds,
            settings={**settings, "test": len(evaluation.images)},
        )
        for metric, value in values.items()
        if not math.isnan(value)
    ]
