"""The checkpoints that a picture compares, and how each of them sees the images.

Legend: M images shown, S side of a thumbnail.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import (
    CenterCrop,
    Frame,
    ImageSource,
    ViewPolicy,
    describe_view,
    evaluation_policy,
)
from instdisc.models import Backbone
from instdisc.transfer.provenance import about_run, checked
from instdisc.transfer.thumbnails import thumbnail_side
from instdisc.types import About, ImageSize


def check_backbones(backbones: Mapping[str, Backbone], *, at_least: int = 1) -> list[str]:
    """The names of the checkpoints.

    Args:
        backbones: by name.
        at_least: fewest of them.

    Raises:
        TypeError: if it is no mapping of backbones.
        ValueError: if there are fewer.
    """
    checks.instance("backbones", backbones, Mapping, "a mapping of names to backbones")
    if len(backbones) < at_least:
        checks.refuse("backbones", f"of at least {at_least}", list(backbones))
    for name, backbone in backbones.items():
        checks.instance("backbones", backbone, Backbone, f"backbones, also for {name!r}")
    return list(backbones)


def policies_of(backbones: Mapping[str, Backbone], image_size: int | None) -> dict[str, ViewPolicy]:
    """How each checkpoint sees the images, see `evaluation_policy`."""
    return {
        name: evaluation_policy(image_size, seen=backbone.input)
        for name, backbone in backbones.items()
    }


def about_subject(
    name: str, backbone: Backbone, test: ImageSource, about: About | None, policy: ViewPolicy
) -> About:
    """What the records of one of the checkpoints say; they are called by its name."""
    return about_run(backbone, test, about, view=describe_view(policy))._replace(method=name)


def about_pair(names: tuple[str, str], test: ImageSource, about: About | None) -> About:
    """What the records of two checkpoints say."""
    whose = About(dataset=test.name).update(checked(about))
    return whose._replace(method=f"{names[0]} and {names[1]}")


@checked_call()
def thumbnails(
    images: ImageSource, positions: Tensor, side: int, policy: ViewPolicy | None = None
) -> np.ndarray:
    """Small pictures of the part of images that a network sees.

    Args:
        images: the set.
        positions: ``(M,)`` int64 of those to show.
        side: S in pixels; 0 for no pictures.
        policy: how the network sees them, see `evaluation_policy`; ``None``: the square in the
            middle.

    Returns:
        ``(M, S, S, 3)`` uint8 RGB; ``(M, 0, 0, 3)`` where there are none.

    Raises:
        TypeError: if `side` is no whole number.
        ValueError: if it is negative or above 512, or an image is unreadable.

    Example:
        >>> from instdisc.data import Scenes
        >>> thumbnails(Scenes(4, image_size=32), torch.tensor([2, 0]), 16).shape
        (2, 16, 16, 3)
    """
    thumbnail_side("side", side)
    checks.dtype("positions", checks.shape("positions", positions, ("M",)), torch.int64)
    if len(positions) and not 0 <= int(positions.min()) <= int(positions.max()) < len(images):
        rule = f"positions in `images`, 0 to {len(images) - 1}"
        checks.refuse("positions", rule, positions.tolist())
    pictures = np.zeros((len(positions), side, side, 3), np.uint8)
    if not side:
        return pictures
    frame = evaluation_policy(side).frame if policy is None else _scaled(policy.frame, side)
    for row, position in enumerate(positions.tolist()):
        _, image = images.fetch(position)
        pictures[row] = frame.cut(image, []).permute(1, 2, 0).numpy()
    return pictures


def class_names(images: ImageSource, labels: Tensor) -> list[str]:
    """What the classes of some images are called; ``""`` where unknown."""
    names = list(images.classes)
    return [
        "" if label < 0 else names[label] if label < len(names) else str(label)
        for label in torch.as_tensor(labels).tolist()
    ]


def _scaled(frame: Frame, side: int) -> Frame:
    """The frame that shows the same part of an image at another size."""
    assert isinstance(frame, CenterCrop)  # that of every `evaluation_policy`
    return CenterCrop(
        side,
        resize=max(side, round(side * _longer(frame.resize) / _longer(frame.size))),
        keep_aspect=frame.keep_aspect,
        interpolation=frame.interpolation,
    )


def _longer(size: ImageSize) -> int:
    return size if isinstance(size, int) else max(size)
