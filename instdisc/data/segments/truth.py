"""What the masks of a set hold, looked at once before anything is trained on them.

Legend: N images, C classes.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import NamedTuple

import numpy as np

from instdisc.checks import refuse
from instdisc.types import IGNORED_CLASS

from .source import SegmentSource

_MOST = 2000  # masks that are all looked at; of more a sample, then until every class is seen
_SHOWN = 6

_log = logging.getLogger(__name__)


class Truth(NamedTuple):
    """What was found in the masks of a set.

    Attributes:
        pixels: ``(C,)`` int64, how many of each class.
        looked_at: number of masks.
        empty: places of the images without a pixel that has a class.
        unusable: why a pair cannot be used, of each that will be skipped.
    """

    pixels: np.ndarray
    looked_at: int
    empty: list[str]
    unusable: list[str]


def read_truth(segments: SegmentSource, *, most: int = _MOST) -> Truth:
    """Looks at the masks of a set and at the sizes of its images.

    Args:
        segments: the set.
        most: of more masks than these an even sample is looked at, and then the others until
            every class has been seen.

    Raises:
        ValueError: if a pair cannot be used; with ``on_unreadable="skip"``, if none can.

    Example:
        >>> from instdisc.data import SceneSegments, Scenes
        >>> truth = read_truth(SceneSegments(Scenes(4, image_size=32, num_categories=2)))
        >>> truth.looked_at, int(truth.pixels.sum())
        (4, 4096)
    """
    count = len(segments)
    sample = np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int))
    others = np.setdiff1d(np.arange(count), sample)
    pixels = np.zeros(len(segments.classes), dtype=np.int64)
    truth = Truth(pixels, 0, [], [])
    for index in [*sample.tolist(), *others.tolist()]:
        if truth.looked_at >= len(sample) and pixels.all():
            break
        truth = truth._replace(looked_at=truth.looked_at + 1)
        try:
            mask = segments.mask(index)
            size = segments.image_size(index)
            if size is not None:
                segments.check_size(index, mask, size)
        except ValueError as error:
            if segments.on_unreadable == "raise":
                raise
            truth.unusable.append(str(error))
            continue
        counts = np.bincount(mask.numpy().ravel(), minlength=IGNORED_CLASS + 1)
        pixels += counts[: len(pixels)]
        if not counts[:IGNORED_CLASS].any():
            truth.empty.append(segments.place(index))
    if len(truth.unusable) == truth.looked_at:
        raise ValueError(
            f"not one of the {truth.looked_at} images of {segments.name!r} can be used: "
            f"{truth.unusable[0]}"
        )
    return truth


def check_train(segments: SegmentSource) -> None:
    """Refuses a training set in which a class never occurs; says what is of no use.

    Raises:
        ValueError: if no pixel is of some class; says what the masks hold. And from `read_truth`.
    """
    truth = read_truth(segments)
    _log_left_out(segments, truth, "`train`")
    absent = [segments.classes[row] for row in np.flatnonzero(truth.pixels == 0).tolist()]
    if absent:
        refuse(
            "train",
            "a set whose masks hold pixels of every class",
            dict.fromkeys(absent, 0),
            _advice(segments, absent),
        )


def check_test(segments: SegmentSource) -> None:
    """Refuses a test set in which no pixel counts; says what is of no use.

    Raises:
        ValueError: if every pixel is ignored; and from `read_truth`.
    """
    truth = read_truth(segments)
    if not truth.pixels.any():
        refuse(
            "test",
            "a set whose masks hold pixels that count",
            f"{len(segments)} masks of ignored pixels",
            _advice(segments, []),
        )
    _log_left_out(segments, truth, "`test`")
    absent = [segments.classes[row] for row in np.flatnonzero(truth.pixels == 0).tolist()]
    if absent:
        _log.warning(
            "`test`, %r, holds no pixel of %d of its %d classes, %r first: the mean leaves out "
            "those that are not predicted either",
            segments.name,
            len(absent),
            len(segments.classes),
            absent[0],
        )


def _log_left_out(segments: SegmentSource, truth: Truth, whose: str) -> None:
    for places, text in (
        (truth.empty, "hold no pixel that has a class and count for nothing"),
        (truth.unusable, "cannot be used; other images take their place"),
    ):
        if places:
            _log.warning(
                "%s, %r: %d of %d masks %s, first: %s",
                whose,
                segments.name,
                len(places),
                truth.looked_at,
                text,
                places[0],
            )


def _advice(segments: SegmentSource, absent: list[str]) -> str:
    values = _count_values(segments)
    ignored = values.get(IGNORED_CLASS, 0)
    shown = [f"{value} ({number:,} pixels)" for value, number in sorted(values.items())]
    text = f"Its masks hold the values {', '.join(shown[:_SHOWN])}"
    if len(shown) > _SHOWN:
        text += f" and {len(shown) - _SHOWN} others"
    text += ". "
    if len(absent) == 1 and ignored:
        ids = {row: row for row, name in enumerate(segments.classes) if name != absent[0]}
        ids[IGNORED_CLASS] = list(segments.classes).index(absent[0])
        pairs = ", ".join(f"{value}: {to}" for value, to in ids.items())
        pairs = pairs if len(ids) <= _SHOWN else f"..., {pairs.rpartition(', ')[2]}"
        return text + (
            f"{IGNORED_CLASS} is ignored; if it is the class {absent[0]!r}, pass "
            f"ids={{{pairs}}}, or write `{absent[0]} = {IGNORED_CLASS}` in classes.txt. Else leave "
            "that class out, or add images that show it."
        )
    return text + (
        "Say which value is which class by `ids`, or by lines `NAME = ID` of classes.txt; leave "
        "classes out that no image shows, or add images that show them."
    )


def _count_values(segments: SegmentSource) -> Counter[int]:
    counted: Counter[int] = Counter()
    for index in range(min(len(segments), _MOST)):
        try:
            values, numbers = np.unique(segments.mask_values(index), return_counts=True)
        except ValueError:  # is skipped
            continue
        counted.update(dict(zip(values.tolist(), numbers.tolist(), strict=True)))
    return counted
