"""Splits into images to train on and images to test on, and the files that keep them.

Legend: n images of a class.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import whole

from ..left_out import say_once
from .source import ImageSource, ImageSubset
from .text import read_text

_FORMAT = 1


class ImageSplit(NamedTuple):
    """Two sets that share no image.

    Attributes:
        train: to train on.
        test: to test on.
    """

    train: ImageSource
    test: ImageSource


def split_per_class(images: ImageSource, share: float = 0.7, *, seed: int = 0) -> ImageSplit:
    """A split of each class by itself, drawn by a seed.

    The classes are taken in the order in which they first occur. The positions of each are
    shuffled by one ``numpy.random.RandomState(seed)`` for all of them; the first
    ``int(share * n)`` are for training, in floating point: of 700 images, 489 at 0.7.

    Args:
        images: what to split; every image has a label.
        share: of the images of a class, for training; above 0, below 1.
        seed: another seed draws other images.

    Returns:
        Both parts in the order of `images`.

    Raises:
        ValueError: if `share` or `seed` is out of range, an image has no label, or a class is so
            small that one of its parts would be empty; names the class.

    Source:
        Islam et al. (2021), released code: share 0.7, seed 0.

    Example:
        >>> from instdisc.data import Scenes
        >>> split = split_per_class(Scenes(40, image_size=32, num_categories=2))
        >>> split.train.labels.bincount().tolist(), split.test.labels.bincount().tolist()
        ([14, 14], [6, 6])
    """
    checks.arguments(split_per_class, locals(), seed=checks.count)
    checks.share("share", share, zero=False, one=False)
    labels = images.labels.numpy()
    if (labels < 0).any():
        raise ValueError(
            f"`images` must all have a label, got {images.name!r} with {int((labels < 0).sum())} "
            f"that have none, {image_names(images)[int(np.argmax(labels < 0))]!r} first"
        )
    # One sorting, whatever the number of classes; stable, so that each begins with its first image.
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    groups = np.split(order, starts[1:])
    random = np.random.RandomState(seed)  # numpy promises to keep its draws for all time
    to_train = np.zeros(len(labels), dtype=bool)
    for place in np.argsort(order[starts]):
        members = groups[place]
        count = int(share * len(members))
        if count in (0, len(members)):
            raise ValueError(
                f"the class {images.classes[labels[members[0]]]!r} of {images.name!r} has "
                f"{len(members)} images, too few to keep {share} of them for training and the "
                "rest for testing"
            )
        random.shuffle(members)
        to_train[members[:count]] = True
    return ImageSplit(*(_subset(images, np.flatnonzero(part)) for part in (to_train, ~to_train)))


def draw_positions(
    count: int, num_test: int | None = None, *, seed: int = 0, name: str
) -> tuple[Tensor, Tensor]:
    """Which of N images are to train on and which to test on, drawn without regard to classes.

    Args:
        count: N.
        num_test: how many to test on; ``None`` for 30 %, rounded.
        seed: another seed draws others.
        name: of the set, for the message.

    Returns:
        Sorted positions, int64: of the training, and of the test.

    Raises:
        ValueError: if one part would be empty.

    Example:
        >>> draw_positions(10, name="pets")[1]
        tensor([2, 4, 8])
    """
    held_out = round(0.3 * count) if num_test is None else num_test
    if count < 2:
        raise ValueError(f"{name!r} must have at least 2 images to be split, got {count}")
    whole(
        "num_test",
        held_out,
        at_most=count - 1,
        remedy=f"{name!r} has {count} images; one must remain to train on.",
    )
    order = np.random.RandomState(seed).permutation(count)  # numpy promises to keep its draws
    test, train = np.sort(order[:held_out]), np.sort(order[held_out:])
    return torch.from_numpy(train), torch.from_numpy(test)


def say_drawn(place: str, train: int, test: int) -> None:
    """One line in the log, once for each place, on a split that is no official one.

    Args:
        place: the folder or table.
        train: how many images are to train on.
        test: how many to test on.
    """
    say_once(
        f"{place} says nothing of a split: by seed 0, {train} of its images are to train on and "
        f"{test} to test on"
    )


def write_split(split: ImageSplit, file: str | Path) -> None:
    """Writes which images are in a split, as JSON, so that a result can be repeated.

    An image goes by its path below the root of its set, or by its place in an official file.

    Args:
        split: what to write.
        file: where to; its folder is made.

    Raises:
        ValueError: if both parts have an image in common.

    Example:
        >>> import tempfile
        >>> from instdisc.data import Scenes
        >>> file = Path(tempfile.mkdtemp()) / "split.json"
        >>> scenes = Scenes(40, image_size=32, num_categories=2)
        >>> write_split(split_per_class(scenes), file)
        >>> len(read_split(file, scenes).train)
        28
    """
    checks.arguments(write_split, locals())
    parts = {part: image_names(images) for part, images in split._asdict().items()}
    _check_disjoint(parts, "`split`")
    content = {"format": _FORMAT, "set": split.train.name, **parts}
    file = Path(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=0) + "\n", encoding="utf-8")


def read_split(file: str | Path, images: ImageSource) -> ImageSplit:
    """The split that a file names, of images that are here.

    Args:
        file: as `write_split` wrote it.
        images: the whole set.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a split file, names an image that `images` does not hold (then it
            says which), or names one twice.
    """
    checks.arguments(read_split, locals())
    content = _read_json(Path(file))
    _check_disjoint(content, str(file))
    position = {name: index for index, name in enumerate(image_names(images))}
    chosen = []
    for part in ImageSplit._fields:
        missing = [name for name in content[part] if name not in position]
        if missing:
            raise ValueError(
                f"{file} names {len(missing)} images for {part!r} that {images.name!r} does not "
                f"hold, {missing[0]!r} first. It was made of {content.get('set')!r}: give the "
                "same set, complete."
            )
        chosen.append(np.array([position[name] for name in content[part]], dtype=np.int64))
    return ImageSplit(*(_subset(images, positions) for positions in chosen))


def image_names(images: ImageSource) -> list[str]:
    """What each image is called in a split file: the same on every machine.

    Example:
        >>> from instdisc.data import Scenes
        >>> image_names(Scenes(3, image_size=32))
        ['0', '1', '2']
    """
    checks.arguments(image_names, locals())
    return images.image_names()


def _subset(images: ImageSource, positions: np.ndarray) -> ImageSubset:
    return ImageSubset(images, torch.from_numpy(positions))


def _read_json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise FileNotFoundError(f"`file` must be a split file, got {str(file)!r}")
    try:
        content = json.loads(read_text(file))
        if content["format"] != _FORMAT:
            raise ValueError(f"its format is {content['format']}, not {_FORMAT}")
        for part in ImageSplit._fields:
            if not content[part] or not all(isinstance(name, str) for name in content[part]):
                raise ValueError(f"its list {part!r} is empty or holds something else than names")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{file} is not a split file of instdisc.data.write_split: {error!r}"
        ) from error
    return dict(content)


def _check_disjoint(parts: Mapping[str, Sequence[str]], whose: str) -> None:
    seen: set[str] = set()
    for part in ImageSplit._fields:
        for name in parts[part]:
            if name in seen:
                raise ValueError(f"{whose} names the image {name!r} twice")
            seen.add(name)
