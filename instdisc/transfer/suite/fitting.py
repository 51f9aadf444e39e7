"""Images of several places as parts of one set: numbered alike."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from instdisc.data import ImageSource, ImageSubset


def number_alike(images: ImageSource, classes: Sequence[str], name: str) -> ImageSource:
    """The same images with their classes numbered as those of another source.

    Args:
        images: their classes are some of the others, by name.
        classes: the names of all classes.
        name: of the set, for the message.

    Raises:
        ValueError: if a class has another name, or the images come with something else than a
            class each and their names differ.

    Example:
        >>> from instdisc.data import ClassSubset, Scenes
        >>> scenes = Scenes(6, image_size=32, num_categories=3)
        >>> two = ClassSubset(scenes, scenes.classes[1:])
        >>> two.labels.tolist(), number_alike(two, scenes.classes, "scenes").labels.tolist()
        ([1, 0, 0, 1], [2, 1, 1, 2])
    """
    theirs, ours = list(images.classes), list(classes)
    if theirs == ours:
        return images
    others = [label for label in theirs if label not in ours]
    if images.kind != "images" or others:
        differing = others or [label for label in ours if label not in theirs] or theirs
        raise ValueError(
            f"the parts of {name!r} must be of the same classes; {differing[0]!r} is not in all "
            f"of them ({len(theirs)} and {len(ours)} classes). Call the classes alike."
        )
    numbers = torch.tensor([*(ours.index(label) for label in theirs), -1])  # the last is unknown
    alike = ImageSubset(images, torch.arange(len(images)))
    alike.classes = ours
    alike.labels = numbers[images.labels]
    return alike
