"""Generated images with the keypoints of their main object."""

from __future__ import annotations

import torch
from torch import Tensor

from instdisc import checks

from ..images.contents import Keys
from ..scenes import Scenes
from .layouts import SCENE_5
from .source import LandmarkSource


class SceneLandmarks(LandmarkSource):
    """`Scenes` with the five keypoints of the main object, and its box.

    A keypoint that another object covers does not count.

    Args:
        scenes: the images.

    Example:
        >>> points = SceneLandmarks(Scenes(8, image_size=48))
        >>> points.points(3).shape, points.box(3).shape
        (torch.Size([5, 3]), torch.Size([4]))
    """

    def __init__(self, scenes: Scenes) -> None:
        checks.arguments(SceneLandmarks.__init__, locals())
        self.scenes = scenes
        self.name = "scenes"
        self.layout = SCENE_5
        self.classes = scenes.classes
        self.labels = scenes.labels

    def read(self, index: int) -> Tensor:
        return self.scenes.read(index)

    def image_keys(self, positions: Tensor | None = None) -> Keys:
        return self.scenes.image_keys(positions)

    def annotation_keys(self, positions: Tensor | None = None) -> Keys:
        return self.scenes.image_keys(positions)  # what draws an image draws its truth

    def points(self, index: int) -> Tensor:
        return self._main(index)[0]

    def box(self, index: int) -> Tensor | None:
        return self._main(index)[1]

    def _main(self, index: int) -> tuple[Tensor, Tensor]:
        scene = self.scenes[index]
        # No other object is of the main one's category.
        main = int(torch.nonzero(scene.classes == scene.label)[0])
        return scene.keypoints[main], scene.boxes[main]
