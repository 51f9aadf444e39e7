"""From one decoded image to its views: a policy says how, a data set draws the numbers.

Legend: B batch, V views, N images, H x W size of an image, S x T size of a view.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from instdisc import checks

from ..images.ahead import ReadAhead
from ..images.memory import ImagesInMemory
from ..images.order import EpochOrder
from ..images.source import ImageSource
from .draws import Draws
from .frames import Frame
from .photometric import PhotometricStep
from .resample import cut_boxes
from .step_results import check_images, draw_colours

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class ViewPolicy:
    """How one kind of view is made: cut and flip in the worker, colours on the device.

    Args:
        frame: how the view is cut out.
        photometric: steps on the colours, in order.
        flip: chance of a horizontal flip. A flip commutes with the photometric steps, so its
            place among them does not matter.
        mean: of the normalisation, per channel, for images in [0, 1].
        std: likewise.

    Raises:
        ValueError: if `flip` lies outside [0, 1].

    Example:
        >>> from instdisc.data import ColorJitter, RandomResizedCrop
        >>> policy = ViewPolicy(RandomResizedCrop(32), [ColorJitter(0.4, 0.4, 0.4, 0.1)])
        >>> numbers = policy.draw(Draws(seed=0, epoch=0, indices=[7], view=0))
        >>> image = torch.zeros(3, 40, 40, dtype=torch.uint8)
        >>> view = policy.cut(image, numbers.frame[0].tolist(), numbers.flipped[0])
        >>> policy.finish(view[None], numbers.photometric).shape
        torch.Size([1, 3, 32, 32])
    """

    def __init__(
        self,
        frame: Frame,
        photometric: Sequence[PhotometricStep] = (),
        *,
        flip: float = 0.5,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        checks.arguments(ViewPolicy.__init__, locals(), flip=checks.share, std=checks.positive)
        for name, numbers in (("mean", mean), ("std", std)):
            if len(numbers) != 3:
                checks.refuse(name, "three numbers, one for each channel", numbers)
        self.frame = frame
        self.photometric = tuple(photometric)
        self.flip = flip
        self.mean = tuple(mean)
        self.std = tuple(std)

    def draw(self, draws: Draws) -> PolicyNumbers:
        """All random numbers of B views."""
        colours = draw_colours(self.photometric, draws)
        flipped = draws.chance(self.flip)
        frame = self.frame.draw(draws)
        return PolicyNumbers(frame, flipped, colours)

    def cut(self, image: Tensor, frame: Sequence[float], flipped: bool) -> Tensor:
        """The worker's part: a ``(3, S, T)`` uint8 view of a ``(3, H, W)`` uint8 image."""
        view = self.frame.cut(image, frame)
        return view.flip(2) if flipped else view

    def finish(self, views: Tensor, numbers: Tensor) -> Tensor:
        """The device's part; draws nothing. `ViewFinisher` does the same, faster.

        Args:
            views: ``(B, 3, S, T)`` uint8.
            numbers: ``(B, n)``, of the photometric steps.

        Returns:
            ``(B, 3, S, T)`` float32, normalised.
        """
        images = views.float() / 255
        for step, drawn in self.split(numbers):
            images = check_images(step, step.apply(images, drawn), images)
        mean = images.new_tensor(self.mean)[:, None, None]
        std = images.new_tensor(self.std)[:, None, None]
        return (images - mean) / std

    def split(self, numbers: Tensor) -> Iterator[tuple[PhotometricStep, Tensor]]:
        """Each photometric step with its columns of the numbers ``(B, n)``."""
        counts = [step.num_numbers for step in self.photometric]
        return zip(self.photometric, numbers.split(counts, dim=1), strict=True)


class PolicyNumbers(NamedTuple):
    """The random numbers of B views.

    Attributes:
        frame: ``(B, n)`` float64, for the frame.
        flipped: ``(B,)`` bool.
        photometric: ``(B, n)`` float32, for the steps on the colours.
    """

    frame: np.ndarray
    flipped: np.ndarray
    photometric: Tensor


class RawViews(NamedTuple):
    """A batch between worker and device.

    Attributes:
        views: V tensors ``(B, 3, S, T)`` uint8, in any memory format.
        numbers: V tensors ``(B, n)`` float32 for the photometric steps.
        labels: ``(B,)`` int64.
        indices: ``(B,)`` int64.
    """

    views: list[Tensor]
    numbers: list[Tensor]
    labels: Tensor
    indices: Tensor


class UncutViews(NamedTuple):
    """A batch whose views are still to be cut, where the images are.

    Attributes:
        boxes: V tensors ``(B, 6)`` float32, see `resample`.
        numbers: as in `RawViews`, and so the others.
    """

    boxes: list[Tensor]
    numbers: list[Tensor]
    labels: Tensor
    indices: Tensor


class ViewDataset(Dataset):
    """The views of each image of a source.

    It is indexed by ``(epoch, index)``, so that workers need no state, and batch by batch, so
    that numbers are drawn for a whole batch at once.

    Args:
        images: where the images come from.
        policies: one policy per view.
        seed: of all random numbers; 0 to 2**32 - 1.
        cut: whether batches are cut here, to `RawViews`; else they are `UncutViews`, for someone
            who keeps the images.

    Raises:
        ValueError: if `images` is empty or `policies` is, `seed` is out of range, or views are to
            be left uncut of images that are not in memory in one size.

    Example:
        >>> from instdisc.data import Scenes, view_policy
        >>> dataset = ViewDataset(Scenes(8, image_size=32), [view_policy("moco_v2", 32)] * 2)
        >>> raw = dataset.batch([(0, 5), (0, 2)])  # epoch 0, images 5 and 2
        >>> len(raw.views), raw.views[0].shape, raw.indices
        (2, torch.Size([2, 3, 32, 32]), tensor([5, 2]))
    """

    def __init__(
        self,
        images: ImageSource,
        policies: Sequence[ViewPolicy],
        *,
        seed: int = 0,
        cut: bool = True,
    ) -> None:
        checks.arguments(ViewDataset.__init__, locals())
        if not len(images):
            raise ValueError("`images` must hold at least one image, got none")
        if not policies:
            raise ValueError("`policies` must name a policy for each view, got none")
        checks.whole("seed", seed, at_least=0, at_most=2**32 - 1)
        stacked = isinstance(images, ImagesInMemory) and images.stack is not None
        bilinear = all(policy.frame.interpolation == "bilinear" for policy in policies)
        if not cut and not (stacked and bilinear):
            raise ValueError(
                "`cut`=False needs `images` that are in memory in one size (ImagesInMemory of a "
                "set whose images are all of one size) and bilinear policies"
            )
        self.images = images
        self.policies = tuple(policies)
        self.seed = seed
        self.cut = cut

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: tuple[int, int]) -> RawViews | UncutViews:
        return self.batch([key])

    def __getitems__(self, keys: Sequence[tuple[int, int]]) -> RawViews | UncutViews:
        return self.batch(keys)

    def epoch_order(self, seed: int) -> EpochOrder | None:
        """See `ImageSource`; a data set that has other images than its source overrides it."""
        return self.images.epoch_order(seed)

    def read_ahead(self, batches: Iterator[Tensor]) -> ReadAhead | None:
        """See `ImageSource`."""
        return self.images.read_ahead(batches)

    def batch(self, keys: Sequence[tuple[int, int]]) -> RawViews | UncutViews:
        """The views of several images, ``(epoch, index)`` each, all of one epoch."""
        indices = [index for _, index in keys]
        drawn = self.draw(keys)
        if isinstance(self.images, ImagesInMemory) and self._cuts_at_once(self.images):
            positions = torch.tensor(indices)
            boxes = self._boxes(self.images, drawn)
            if not self.cut:
                return UncutViews(boxes, *self._rest(drawn, positions))
            stack = self.images.stack
            assert stack is not None
            sizes = [policy.frame.size for policy in self.policies]
            views = cut_boxes(stack, boxes, positions, sizes)
        else:
            positions, views = self._cut_each(indices, drawn)
        return RawViews(views, *self._rest(drawn, positions))

    def draw(self, keys: Sequence[tuple[int, int]]) -> list[PolicyNumbers]:
        """The random numbers of each view of several images, as `batch` draws them."""
        epoch, indices = keys[0][0], [index for _, index in keys]
        return [
            policy.draw(Draws(self.seed, epoch, indices, view))
            for view, policy in enumerate(self.policies)
        ]

    def _rest(
        self, drawn: Sequence[PolicyNumbers], positions: Tensor
    ) -> tuple[list[Tensor], Tensor, Tensor]:
        numbers = [view.photometric for view in drawn]
        return numbers, self.images.labels[positions], positions

    def _cuts_at_once(self, images: ImagesInMemory) -> bool:
        if images.stack is None:
            return False
        if any(policy.frame.interpolation != "bilinear" for policy in self.policies) and self.cut:
            return False
        # Matrix products beat torch's sparse resize only while the matrices are small.
        _, height, _, width = images.stack.shape
        lengths = [height, width, *(max(policy.frame.sides) for policy in self.policies)]
        return not self.cut or max(lengths) <= 32

    def _boxes(self, images: ImagesInMemory, drawn: Sequence[PolicyNumbers]) -> list[Tensor]:
        assert images.stack is not None
        _, height, _, width = images.stack.shape
        boxes = []
        for policy, view in zip(self.policies, drawn, strict=True):
            frames = policy.frame.boxes(height, width, view.frame)
            numbers = np.concatenate([frames, view.flipped[:, None]], 1)
            boxes.append(torch.from_numpy(numbers).float())
        return boxes

    def _cut_each(
        self, indices: Sequence[int], drawn: Sequence[PolicyNumbers]
    ) -> tuple[Tensor, list[Tensor]]:
        views = [
            # In the memory format in which images are decoded and cut.
            torch.empty(
                (len(indices), 3, *policy.frame.sides),
                dtype=torch.uint8,
                memory_format=torch.channels_last,
            )
            for policy in self.policies
        ]
        # Lists: arrays are slow here.
        ways = [(view.frame.tolist(), view.flipped.tolist()) for view in drawn]
        positions = []
        for row, index in enumerate(indices):
            position, image = self.images.fetch(index)
            positions.append(position)
            for policy, (frame, flipped), out in zip(self.policies, ways, views, strict=True):
                out[row] = policy.cut(image, frame[row], flipped[row])
        return torch.tensor(positions), views
