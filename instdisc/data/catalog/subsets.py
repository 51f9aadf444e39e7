"""A share of the images of every class, one side of a split, or all images of some classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import whole

from ..images.source import ImageSource, ImageSubset
from ..images.splits import split_per_class
from ..written import open_path


class StratifiedSubset(ImageSubset):
    """The same share, or the same number, of the images of each class, drawn by a seed.

    Of a class of n images, ``share * n`` are kept, rounded, at least one; images without a label
    count as one class. The draw depends on the seed, the class and the order of its images alone,
    and a smaller draw is part of a larger one with the same seed.

    Args:
        images: a folder (see `ImageFolder`) or any source.
        share: of the images of each class; above 0, at most 1.
        per_class: so many images of each class instead; ``None`` for `share`.
        seed: another seed draws other images.

    Raises:
        ValueError: if `share` or `per_class` is out of range, both or none of them are given, a
            class has fewer than `per_class` images, or `seed` is negative.

    Example:
        >>> from instdisc.data import Scenes
        >>> few = StratifiedSubset(Scenes(100, image_size=32, num_categories=5), 0.1)
        >>> few.labels.bincount()
        tensor([2, 2, 2, 2, 2])
    """

    def __init__(
        self,
        images: ImageSource | str | Path,
        share: float | None = None,
        *,
        per_class: int | None = None,
        seed: int = 0,
    ) -> None:
        checks.arguments(
            StratifiedSubset.__init__, locals(), per_class=checks.whole, seed=checks.count
        )
        if (share is None) == (per_class is None):
            raise ValueError(
                f"give either `share` or `per_class`, got share={share}, per_class={per_class}"
            )
        if share is not None:
            checks.share("share", share, zero=False)
        source = _as_source(images)
        if per_class is not None:
            _check_counts(source, per_class)
        super().__init__(source, _draw(source.labels, share, per_class, seed))


class HeldOut(ImageSubset):
    """One side of a split of a set of images, by itself: a data set in a YAML file.

    Args:
        images: a folder (see `ImageFolder`) or any source; every image has a label.
        part: ``"train"`` or ``"test"``.
        share: of the images of each class, for testing; above 0, below 1.
        seed: another seed draws other images.

    Raises:
        ValueError: as `split_per_class`, and if `part` is another.

    Example:
        >>> from instdisc.data import Scenes
        >>> scenes = Scenes(40, image_size=32, num_categories=2)
        >>> len(HeldOut(scenes, "train")), len(HeldOut(scenes, "test"))
        (36, 4)
    """

    def __init__(
        self,
        images: ImageSource | str | Path,
        part: Literal["train", "test"],
        *,
        share: float = 0.1,
        seed: int = 0,
    ) -> None:
        checks.arguments(HeldOut.__init__, locals(), seed=checks.count)
        checks.share("share", share, zero=False, one=False)
        source = _as_source(images)
        checks.choice("part", part, ("train", "test"))
        halves = split_per_class(source, 1 - share, seed=seed)
        side = halves.train if part == "train" else halves.test
        assert isinstance(side, ImageSubset)
        super().__init__(source, side.positions)


class RandomSubset(ImageSubset):
    """So many of the images, drawn by a seed, whatever their classes.

    A smaller draw is part of a larger one with the same seed.

    Args:
        images: a folder (see `ImageFolder`) or any source.
        count: how many images.
        seed: another seed draws other images.

    Raises:
        ValueError: if `count` is not 1 to the number of images, or `seed` is negative.

    Source:
        Islam et al. (2021), their code, `limit_train_data`: 3,000 images in all to learn from.

    Example:
        >>> from instdisc.data import Scenes
        >>> few = RandomSubset(Scenes(100, image_size=32), 30)
        >>> len(few), few.classes == Scenes(100, image_size=32).classes
        (30, True)
    """

    def __init__(self, images: ImageSource | str | Path, count: int, *, seed: int = 0) -> None:
        checks.arguments(RandomSubset.__init__, locals(), count=checks.whole, seed=checks.count)
        source = _as_source(images)
        whole("count", count, at_least=1, at_most=len(source))
        order = torch.from_numpy(np.argsort(np.random.PCG64(seed).random_raw(len(source))))
        super().__init__(source, order[:count].sort().values)


class ClassSubset(ImageSubset):
    """All images of some of the classes, with these numbered anew.

    Args:
        images: a folder (see `ImageFolder`) or any source.
        classes: names of the classes to keep; they keep the source's order. A number keeps the
            first so many.

    Raises:
        ValueError: if `classes` are not all in the source, a name comes twice, or none is left.

    Example:
        >>> from instdisc.data import Scenes
        >>> scenes = Scenes(100, image_size=32, num_categories=5)
        >>> two = ClassSubset(scenes, [scenes.classes[4], scenes.classes[1]])
        >>> two.classes == [scenes.classes[1], scenes.classes[4]], len(two)
        (True, 40)
    """

    def __init__(self, images: ImageSource | str | Path, classes: Sequence[str] | int) -> None:
        checks.arguments(ClassSubset.__init__, locals())
        source = _as_source(images)
        if isinstance(classes, int):
            if not 0 < classes <= len(source.classes):
                raise ValueError(
                    f"`classes` must be 1 to {len(source.classes)}, the classes of "
                    f"{source.name!r}, got {classes}"
                )
            classes = source.classes[:classes]
        unknown = [name for name in classes if name not in set(source.classes)]
        if unknown or not classes or len(set(classes)) < len(classes):
            fault = f"{len(unknown)} others, {unknown[0]!r} first" if unknown else list(classes)
            raise ValueError(f"`classes` must be different classes of {source.name!r}, got {fault}")
        kept = torch.tensor([name in set(classes) for name in source.classes])
        # The last place is that of label -1, which belongs to no class.
        kept = torch.cat([kept, torch.tensor([False])])
        super().__init__(source, kept[source.labels].nonzero()[:, 0])
        self.classes = [name for name in source.classes if name in set(classes)]
        self.labels = (kept.cumsum(0) - 1)[self.labels]


def _check_counts(images: ImageSource, per_class: int) -> None:
    counts = images.labels[images.labels >= 0].bincount(minlength=len(images.classes))
    few = [
        f"{name!r} ({count})"
        for name, count in zip(images.classes, counts.tolist(), strict=True)
        if 0 < count < per_class  # a class without images takes no part
    ]
    if few:
        raise ValueError(
            f"`per_class` must be at most the images of every class, got {per_class}; "
            f"{len(few)} classes of {images.name!r} have fewer: {', '.join(few[:5])}"
        )


def _draw(labels: Tensor, share: float | None, per_class: int | None, seed: int) -> Tensor:
    """The positions of the drawn images, ``(M,)`` int64, ascending."""
    values = labels.numpy()
    order = np.argsort(values, kind="stable")
    drawn = []
    for members in np.split(order, np.flatnonzero(np.diff(values[order])) + 1):
        # Raw bits: numpy promises to keep these the same, unlike what it makes of them.
        keys = np.random.PCG64((seed, int(values[members[0]]) + 1)).random_raw(len(members))
        count = per_class if share is None else max(1, int(share * len(members) + 0.5))
        drawn.append(members[np.argsort(keys)[:count]])
    return torch.from_numpy(np.sort(np.concatenate(drawn)))


def _as_source(images: ImageSource | str | Path) -> ImageSource:
    return images if isinstance(images, ImageSource) else open_path(images, argument="images")
