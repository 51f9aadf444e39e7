"""What a source says of its images, and the images themselves."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from instdisc.data import ImageSource
from instdisc.data.images.decoding import decode_bytes

from .watching import check

Images = dict[int, Tensor]  # (3, H, W) uint8 by position


def check_labels(source: ImageSource) -> None:
    """Length, labels, classes and name.

    Args:
        source: what is checked; nothing is read.

    Raises:
        AssertionError: if one of them is not what `ImageSource` says.
    """
    labels, classes = source.labels, source.classes
    check(
        isinstance(source.name, str) and source.name != "",
        f"`name` must be a text of at least one character, got {source.name!r}",
    )
    check(
        isinstance(labels, Tensor) and labels.dtype == torch.int64 and labels.ndim == 1,
        f"`labels` must be a tensor (N,) of torch.int64, got {_form(labels)}",
    )
    check(
        len(source) == len(labels) > 0,
        f"the length must be that of `labels` and at least 1, got {len(source)} for {len(labels)} "
        "labels",
    )
    check(
        not isinstance(classes, str)
        and isinstance(classes, Sequence)
        and all(isinstance(name, str) for name in classes)
        and len(set(classes)) == len(classes),
        f"`classes` must be a list of different names, got {classes!r}",
    )
    low, high = int(labels.min()), int(labels.max())
    check(
        low >= -1 and high < len(classes),
        f"`labels` must lie in -1 to {len(classes) - 1} for {len(classes)} `classes`, got {low} to "
        f"{high}",
    )


def check_reading(source: ImageSource, again: ImageSource, positions: Sequence[int]) -> Images:
    """The form of images, and that they depend on the position alone.

    Args:
        source: what is checked.
        again: the same set, made again, of which nothing was read.
        positions: of images to read.

    Returns:
        The images.

    Raises:
        AssertionError: if an image cannot be read, has another form, or is not always the same.
    """
    before, images = _random_states(), {}
    for position in positions:
        try:
            image = source.read(position)
        except Exception as error:
            raise AssertionError(
                f"`read({position})` raises {type(error).__name__}: {error}. If that is on "
                "purpose, name the position in `broken`"
            ) from error
        check(
            isinstance(image, Tensor)
            and image.dtype == torch.uint8
            and image.ndim == 3
            and image.shape[0] == 3
            and image.numel() > 0,
            f"`read({position})` must return a tensor (3, H, W) of torch.uint8, got {_form(image)}",
        )
        images[position] = image.clone()
    check(
        _random_states() == before,
        "`read` draws from the random numbers of the whole process, or sets their seed: take a "
        "generator of its own, `torch.Generator().manual_seed(index)`",
    )
    backwards = dict(reversed(images.items()))
    for reader, expected, when in (
        (source, images, "the second time"),
        (source, backwards, "when the images are read in another order"),
        (again, backwards, "of the same set made again"),
    ):
        fault = difference(reader, expected)
        check(not fault, f"{fault} {when}: it must depend on the position alone")
    return images


def check_encoded(source: ImageSource, images: Images) -> None:
    """Bytes decode to the image.

    Args:
        source: what is checked.
        images: of `check_reading`.

    Raises:
        AssertionError: if they do not, or are no bytes.
    """
    for position, image in images.items():
        file: Any = source.encoded(position)
        if file is None:
            continue
        rule = f"`encoded({position})` must return None, or the bytes that `read` decodes"
        check(isinstance(file, bytes), f"{rule}, got {type(file).__name__}")
        try:
            decoded = decode_bytes(file, str(position))
        except ValueError as error:
            raise AssertionError(f"{rule}, got bytes that are no image: {error}") from error
        check(torch.equal(decoded, image), f"{rule}, got those of another image")


def check_names(source: ImageSource, again: ImageSource) -> None:
    """As many names as images, always the same.

    Args:
        source: what is checked.
        again: the same set, made again.

    Raises:
        AssertionError: if they are not.
    """
    names = source.image_names()
    check(
        isinstance(names, list) and all(isinstance(name, str) for name in names),
        f"`image_names()` must be a list of texts, got {_form(names)}",
    )
    check(
        len(names) == len(source),
        f"`image_names()` must be {len(source)}, one for each image, got {len(names)}",
    )
    check(again.image_names() == names, "`image_names()` are others in the same set made again")


def difference(source: ImageSource, images: Images) -> str:
    """How a source reads the first image that is not as expected; empty if all are.

    Args:
        source: reads them in their order.
        images: what is expected.
    """
    for position, image in images.items():
        try:
            same = torch.equal(source.read(position), image)
        except Exception as error:
            return f"`read({position})` raises {type(error).__name__} ({error})"
        if not same:
            return f"`read({position})` gives another image"
    return ""


def first_odd(pairs: Iterable[tuple[int, bool]]) -> int | None:
    """The first position that goes with False."""
    return next((position for position, right in pairs if not right), None)


def _form(value: object) -> str:
    if isinstance(value, Tensor | np.ndarray):
        return f"{tuple(value.shape)} of {value.dtype}"
    return type(value).__name__


def _random_states() -> tuple[object, ...]:
    numpy_state = np.random.get_state(legacy=True)
    return (
        torch.get_rng_state().numpy().tobytes(),
        random.getstate(),
        *(part.tobytes() if isinstance(part, np.ndarray) else part for part in numpy_state),
    )
