"""A split of a set that has none."""

from __future__ import annotations

from instdisc import checks

from ..images.splits import draw_positions
from .source import ObjectSource, ObjectSubset


def split_objects(
    source: ObjectSource, num_test: int | None = None, *, seed: int = 0
) -> tuple[ObjectSubset, ObjectSubset]:
    """A split of the images into those to train on and those to test on.

    Args:
        source: what to split.
        num_test: how many to test on; ``None`` for 30 %, rounded.
        seed: another seed draws other images.

    Returns:
        Both parts in the order of `source`.

    Raises:
        ValueError, TypeError: if `num_test` is no number of images that leaves some to train on.

    Example:
        >>> from instdisc.data import SceneObjects, Scenes
        >>> train, test = split_objects(SceneObjects(Scenes(10, image_size=32)))
        >>> len(train), test.image_ids
        (7, [2, 4, 8])
    """
    checks.arguments(split_objects, locals(), num_test=checks.whole, seed=checks.count)
    train, test = draw_positions(len(source), num_test, seed=seed, name=source.name)
    return ObjectSubset(source, train), ObjectSubset(source, test)
