"""Built-in images with all that downstream tasks need, made from a seed: no file, no download."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instdisc import checks

from ..images.contents import Keys, as_keys, hash_parts
from ..images.source import ImageSource, check_positions
from .factors import Factor, object_factors, scene_factors
from .layout import OBJECT_DRAWS, SCENE_DRAWS, Layout, lay_out
from .masks import LARGEST, Part, annotate, uncover
from .paint import paint
from .shapes import CATEGORIES

SPLITS = ("train", "val", "test")


class Scene(NamedTuple):
    """An image of `Scenes` with its annotations: N objects, the nearest first; P keypoints each."""

    image: Tensor  # (3, H, W) uint8
    label: int  # the category of the main object
    boxes: Tensor  # (N, 4) float32: left, top, right, bottom in pixels
    classes: Tensor  # (N,) int64
    masks: Tensor  # (N, H, W) bool: the visible part
    semantic: Tensor  # (H, W) int64: 0 background, c + 1 for category c
    keypoints: (
        Tensor  # (N, P, 3) float32: x, y in pixels; 1 if inside the image and not covered, else 0
    )


class Scenes(ImageSource):
    """Coloured, textured objects on textured backgrounds, with class, boxes, masks and keypoints.

    Each image shows one main object, its label, and up to `max_others` smaller objects of other
    categories, which may cover part of it or be covered. A category is a shape; the surface pattern
    hints at it (most objects wear the pattern of their category), the colours say nothing. Place,
    size, rotation, stretch, colours, patterns, background, light and noise come from (seed, split,
    index) alone: the order of reading, the workers and `num_images` do not matter.

    Args:
        num_images: At least 1.
        image_size: Height and width in pixels, 32 to 512.
        num_categories: At least 2.
        first_category: Where the categories begin among the 20 of `scenes.shapes.CATEGORIES`. With
            10, all are novel to a model of the first ten (few-shot learning).
        max_others: Most smaller objects in an image; 0 to 8.
        split: "train", "val" or "test": independent images.
        seed: 0 to 2**32 - 1.

    Attributes:
        classes: Names of the categories.
        labels: (num_images,) int64, known without rendering; every category comes once in each
            run of `num_categories` images.

    Raises:
        ValueError: An argument is outside its range.
        TypeError: An argument is of another type.
        IndexError: An index is outside 0 ... `num_images` - 1.

    Example:
        >>> scenes = Scenes(100, image_size=48)
        >>> scene = scenes[7]
        >>> scene.image.shape, scene.image.dtype
        (torch.Size([3, 48, 48]), torch.uint8)
        >>> scene.label == scenes.labels[7], len(scene.boxes) == len(scene.masks)
        (tensor(True), True)
        >>> torch.equal(scenes.read(7), scene.image)
        True
    """

    def __init__(
        self,
        num_images: int,
        *,
        image_size: int = 64,
        num_categories: int = 10,
        first_category: int = 0,
        max_others: int = 3,
        split: str = "train",
        seed: int = 0,
    ) -> None:
        checks.arguments(Scenes.__init__, locals())
        checks.whole("num_images", num_images, at_least=1)
        checks.whole("image_size", image_size, at_least=32, at_most=LARGEST)
        checks.whole("num_categories", num_categories, at_least=2, at_most=len(CATEGORIES))
        checks.whole(
            "first_category", first_category, at_least=0, at_most=len(CATEGORIES) - num_categories
        )
        checks.whole("max_others", max_others, at_least=0, at_most=8)
        checks.whole("seed", seed, at_least=0, at_most=2**32 - 1)
        checks.choice("split", split, SPLITS)
        self.name = "scenes"
        self.image_size = image_size
        self.first_category = first_category
        self.max_others = max_others
        self.split = split
        self.seed = seed
        self.classes = list(CATEGORIES[first_category : first_category + num_categories])
        self.labels = torch.from_numpy(self._draw_labels(num_images))

    def __getitem__(self, index: int) -> Scene:
        """The image and all annotations of it."""
        image, parts, main = self._render(index)
        masks, boxes, keypoints = annotate(parts, self.image_size)
        classes = np.array([part.thing.category - self.first_category for part in parts])
        semantic = ((classes + 1)[:, None, None] * masks).sum(axis=0)
        return Scene(
            image=torch.from_numpy(image),
            label=int(classes[main]),
            boxes=torch.from_numpy(boxes),
            classes=torch.from_numpy(classes),
            masks=torch.from_numpy(masks),
            semantic=torch.from_numpy(semantic),
            keypoints=torch.from_numpy(keypoints),
        )

    def read(self, index: int) -> Tensor:
        """The image alone, (3, H, W) uint8: the same bits as `scenes[index].image`, sooner."""
        return torch.from_numpy(self._render(index)[0])

    def factors(self, positions: Tensor | None = None) -> dict[str, Tensor]:
        """What is true of each scene and of its main object, from low to high level.

        Computed without drawing a picture. Of colours:

        - ``"light"`` (N, 3): red, green and blue of the light in the middle of the image, as
          factors of the surface's; ``"light slope"`` (N, 2): how much more of it there is at the
          right side than at the left, and below than above; ``"noise"``: the largest change of a
          grey level, of 255.
        - of the background and of the object, e.g. ``"background hue"`` (N, 2): cosine and sine of
          the angle, ``"... saturation"`` and ``"... brightness"``: of the brighter one of the two
          colours of the pattern, 0 to 1 as in HSV, without the light; ``"... colour"`` (N, 3):
          mean red, green and blue of the pattern in its light, 0 to 1.

        Of surfaces and outlines:

        - ``"background texture"`` and ``"object texture"``: int64, which of the ten patterns.
        - ``"background frequency"``: periods of the pattern over the image; ``"background
          orientation"`` (N, 2): cosine and sine of twice the angle.
        - ``"orientation"``: degrees by which the object is turned, -18.3 to 18.3, clockwise;
          ``"aspect"``: logarithm of how far it is stretched, width over height, 0 for the shape
          as its category has it.

        Of the whole:

        - ``"size"``: root of the object's area, and ``"position"`` (N, 2): x and y of its
          centroid, in shares of the image's side.
        - ``"category"``: int64, as in `labels`; ``"number of objects"`` that show; ``"occlusion"``:
          the share of the object within the image that others cover.

        Args:
            positions: ``(N,)`` int64 of the scenes; ``None`` for all.

        Returns:
            By name, ``(N,)`` or ``(N, K)`` float64, or ``(N,)`` int64 for classes.

        Raises:
            IndexError: if a position is outside the set.

        Example:
            >>> factors = Scenes(100, image_size=48).factors(torch.tensor([7, 2]))
            >>> factors["position"].shape, factors["category"].dtype
            (torch.Size([2, 2]), torch.int64)
        """
        if positions is not None:
            check_positions(positions, self)
        size, first = self.image_size, self.first_category
        rows: list[dict[str, Factor]] = []
        for index in self._rows(positions):
            layout, _ = self._lay_out(index)
            rows.append(scene_factors(layout, *uncover(layout, size), first, size))
        return _columns(rows)

    def object_factors(self, index: int) -> dict[str, Tensor]:
        """What is true of each object of a scene, in the order of `Scene.boxes`.

        Args:
            index: of the scene.

        Returns:
            By name, as in `factors` without ``"object "``: ``(M,)`` or ``(M, K)`` for M objects.

        Raises:
            IndexError: if it is outside the set.

        Example:
            >>> scenes = Scenes(100, image_size=48)
            >>> bool((scenes.object_factors(7)["category"] == scenes[7].classes).all())
            True
        """
        layout, _ = self._lay_out(index)
        parts, _ = uncover(layout, self.image_size)
        numbers = layout.light, self.first_category, self.image_size
        return _columns([object_factors(part, *numbers) for part in parts])

    def image_keys(self, positions: Tensor | None = None) -> Keys:
        """Of the numbers that draw each image, and of one image: a new way to draw shows."""
        numbers = (self.seed, self.split, self.image_size, self.max_others, self.first_category)
        drawing = hash_parts(repr((numbers, self.classes)).encode(), self._pixel_key(0))
        rows = self._rows(positions)
        return Keys(as_keys(hash_parts(drawing, str(row).encode()) for row in rows), True)

    def _render(self, index: int) -> tuple[NDArray[np.uint8], list[Part], int]:
        size = self.image_size
        layout, bits = self._lay_out(index)
        noise = bits.random_raw((3 * size * size + 7) // 8).astype("<u8", copy=False)
        noise = noise.view(np.int8)[: 3 * size * size].reshape(3, size, size)
        parts, main = uncover(layout, size)
        return paint(layout, parts, noise, size), parts, main

    def _lay_out(self, index: int) -> tuple[Layout, np.random.PCG64]:
        """What a scene shows, and the random bits that come after those that it takes."""
        if not 0 <= index < len(self):
            raise IndexError(f"`index` must be within 0 ... {len(self) - 1}; got {index}")
        bits = self._bits(index + 1)
        num_draws = SCENE_DRAWS + (1 + self.max_others) * OBJECT_DRAWS
        draws = ((bits.random_raw(num_draws) >> np.uint64(11)) * 2.0**-53).tolist()
        label, first = int(self.labels[index]), self.first_category
        others = [first + category for category in range(len(self.classes)) if category != label]
        return lay_out(draws, first + label, others, self.image_size), bits

    def _draw_labels(self, num_images: int) -> NDArray[np.int64]:
        """Runs of shuffled categories, so that fewer images are the beginning of more images."""
        num_runs = -(-num_images // len(self.classes))
        keys = self._bits(0).random_raw(num_runs * len(self.classes))
        order = keys.reshape(num_runs, len(self.classes)).argsort(axis=1)
        return order.ravel()[:num_images].astype(np.int64)

    def _bits(self, stream: int) -> np.random.PCG64:
        """The random bits of the labels (stream 0) or of image `stream - 1`."""
        return np.random.PCG64((self.seed, SPLITS.index(self.split), stream))


def _columns(rows: list[dict[str, Factor]]) -> dict[str, Tensor]:
    """Whole numbers are classes and stay so; all others become float64."""
    return {name: torch.from_numpy(np.array([row[name] for row in rows])) for name in rows[0]}
