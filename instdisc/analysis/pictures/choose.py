"""Which images a picture shows.

Legend: N images of a set, M of them shown.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import ImageSource, image_names


@checked_call()
def choose_images(
    images: ImageSource,
    num_images: int,
    *,
    shown: Sequence[int | str] | None = None,
    seed: int = 0,
) -> Tensor:
    """Positions of the images to show: drawn by a seed with classes spread evenly, or those named.

    The images of each class are put into random order, and the classes too; then every class in
    turn gives its next image. Images of unknown class count as one more class.

    Args:
        images: the set.
        num_images: M; a smaller set is shown whole.
        shown: positions or names of the images to show instead, in this order.
        seed: of the draw.

    Returns:
        ``(M,)`` int64; those that are drawn come class by class.

    Raises:
        TypeError: if an entry of `shown` is neither a whole number nor a text.
        ValueError: if `num_images` is below 1, or `shown` is empty, names an image twice, or names
            one that the set does not hold; says which.

    Example:
        >>> from instdisc.data import Scenes
        >>> scenes = Scenes(40, image_size=32, num_categories=4)
        >>> scenes.labels[choose_images(scenes, 8)]
        tensor([0, 0, 1, 1, 2, 2, 3, 3])
        >>> choose_images(scenes, 8, shown=["7", 3])
        tensor([7, 3])
    """
    if shown is not None:
        return _named(images, shown)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(images), generator=generator)
    labels = images.labels[order]
    seen, classes = labels.unique(return_inverse=True)
    turns = torch.randperm(len(seen), generator=generator)[classes]
    # Of each image, how many of its class come before it.
    by_class = classes.argsort(stable=True)
    counts = classes.bincount()
    starts = (counts.cumsum(0) - counts).repeat_interleave(counts)
    ranks = torch.empty_like(classes)
    ranks[by_class] = torch.arange(len(order)) - starts
    chosen = order[(ranks * len(seen) + turns).argsort()[:num_images]].sort().values
    return chosen[images.labels[chosen].argsort(stable=True)]


def _named(images: ImageSource, shown: Sequence[int | str]) -> Tensor:
    if isinstance(shown, str) or not isinstance(shown, Sequence) or not shown:
        checks.refuse("shown", "a list of at least one position or name, or None", shown)
    places: dict[str, int] = {}
    if any(isinstance(entry, str) for entry in shown):
        for position, name in enumerate(image_names(images)):
            places.setdefault(name, position)
    positions: list[int] = []
    for entry in shown:
        if isinstance(entry, str):
            if entry not in places:
                checks.refuse(
                    "shown",
                    f"among the images of {images.name!r}",
                    entry,
                    _near(images),
                )
            position = places[entry]
        else:
            remedy = f"{images.name!r} holds {len(images)} images."
            position = int(
                checks.whole("shown", entry, at_least=0, at_most=len(images) - 1, remedy=remedy)
            )
        if position in positions:
            checks.refuse("shown", "images that differ", entry, "It is named twice.")
        positions.append(position)
    return torch.tensor(positions)


def _near(images: ImageSource) -> str:
    names = image_names(images)
    return f"Its first image is called {names[0]!r}."
