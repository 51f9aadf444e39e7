"""Images to views for Lightning's Trainer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pytorch_lightning import LightningDataModule
from pytorch_lightning.trainer.states import TrainerStatus
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor

from instdisc import checks
from instdisc.types import ImageSize, Views

from .batches.coded import CodedDataset
from .images.memory import ImagesInMemory, check_memory
from .images.source import ImageSource, ImageSubset
from .loader import ViewLoader
from .sampling import draw_order
from .views.dataset import RawViews, UncutViews, ViewDataset, ViewPolicy
from .views.finish import ViewFinisher
from .views.policies import evaluation_policy, view_policy
from .views.published_policies import POLICIES, VIEW_SETS
from .views.resample import cut_boxes
from .views.sizes import plain
from .views.view_sets import view_policies
from .written import open_path

Keep = Literal["nothing", "memory", "device"]


class ViewData(LightningDataModule):
    """Views of a set of images for pretraining, and plain images for watching it.

    Training batches are `Views` with `num_views` views. If `test_images` are given, there are two
    validation loaders of one plain view each: the training images (the bank of the online kNN)
    and the test images.

    Workers read, cut and draw the random numbers; colours are computed on the device after the
    transfer, and on a CUDA GPU by the loaders themselves, beside the network and one batch ahead
    (see `ViewLoader`). Small sets can be kept in memory, or on the device, where the views are cut
    then.

    Args:
        images: a folder (see `ImageFolder`), a path of another format or of a part of it (see
            `open_path`), or any `ImageSource`.
        test_images: a path or `ImageSource` of labelled images to watch the run with.
        policy: a name for `view_policies`, such as ``"moco_v2"``, ``"byol"`` or ``"dino"``; a
            `ViewPolicy` of your own; or one of these for each view (see `multi_crop`).
        image_size: side of a view in pixels, or its height and width; for a policy by name, and
            for the plain views. DINO's small views are of 3/7 of it, see `view_policies`.
        batch_size: images per process and step.
        num_views: views per image; ``None`` for two, or for as many as `policy` has.
        num_workers: processes that read and cut.
        seed: of the order and of all random numbers of the views.
        max_bank: at most so many training images in the online kNN's bank, drawn by `seed`;
            ``None`` for all.
        on_unreadable: what to do at an image that cannot be decoded; see `ImageFolder`.
        keep: ``"nothing"``: read images when they are needed. ``"memory"``: read them once and
            keep them, decoded, in each process of the run. ``"device"``: keep the training images
            on the device too; they must be of one size.
        decode: ``"workers"``, or ``"device"``: leave the training images' JPEG files to a GPU's
            decoder, for machines with few cores for each GPU. It interpolates colours
            differently, so that views differ a little; other files are decoded by the workers.
        compile_views: ``None``: on the CPU, finish views by compiled loops where there is a C
            compiler: an eighth of the time or less. ``True`` compiles steps of your own, too,
            and ``False`` nothing; see `ViewFinisher`.
        dtype: of the views, ``"float32"`` or ``"bfloat16"`` (half the memory, for a run in mixed
            precision).

    Raises:
        ValueError: if an argument is out of range, the sets of images differ in their classes, the
            images cannot be kept on the device since their sizes differ, or files are to be
            decoded by a device that cannot; and from the parts.
        MemoryError: if what is to be kept does not fit; says how much it takes.

    Example:
        >>> from instdisc.data import Scenes
        >>> data = ViewData(Scenes(16, image_size=32), image_size=32, batch_size=8)
        >>> len(data.train_dataloader())
        2
    """

    def __init__(
        self,
        images: ImageSource | str | Path,
        test_images: ImageSource | str | Path | None = None,
        *,
        policy: str | ViewPolicy | Sequence[str | ViewPolicy] = "moco_v2",
        image_size: ImageSize = 224,
        batch_size: int = 256,
        num_views: int | None = None,
        num_workers: int = 0,
        seed: int = 0,
        max_bank: int | None = None,
        on_unreadable: Literal["raise", "skip"] = "raise",
        keep: Keep = "nothing",
        decode: Literal["workers", "device"] = "workers",
        compile_views: bool | None = None,
        dtype: Literal["float32", "bfloat16"] = "float32",
    ) -> None:
        checks.arguments(
            ViewData.__init__,
            locals(),
            image_size=checks.whole,
            batch_size=checks.whole,
            num_views=checks.whole,
            num_workers=checks.count,
            seed=checks.count,
            max_bank=checks.whole,
        )
        super().__init__()
        if decode == "device" and (keep != "nothing" or not num_workers):
            raise ValueError(
                "`decode`='device' needs `keep`='nothing' and `num_workers` of at least 1, got "
                f"{keep!r} and {num_workers}"
            )
        self.images = _as_source("images", images, on_unreadable)
        self.test_images = (
            None if test_images is None else _as_source("test_images", test_images, on_unreadable)
        )
        if self.test_images is not None and list(self.test_images.classes) != list(
            self.images.classes
        ):
            raise ValueError(
                f"`test_images` has the classes {list(self.test_images.classes)[:5]}... and "
                f"`images` {list(self.images.classes)[:5]}...: they must be the same"
            )
        self.policies = _policies(policy, num_views, image_size)
        self.image_size = plain(image_size)
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.seed = seed
        self.max_bank = max_bank
        self.keep = keep
        self.decode = decode
        if keep != "nothing":
            self.images = ImagesInMemory(self.images)
            if self.test_images is not None:
                self.test_images = ImagesInMemory(self.test_images)
        centre = [evaluation_policy(image_size)]
        self._finish = ViewFinisher(
            self.policies, dtype=getattr(torch, dtype), compile=compile_views
        )
        self._finish_plain = ViewFinisher(centre, dtype=getattr(torch, dtype))
        self._stack: Tensor | None = None  # the images, on the device

    @property
    def num_classes(self) -> int:
        """Number of classes; 0 if the images have no labels."""
        return len(self.images.classes)

    @property
    def batch_size(self) -> int:
        """Images per process and step.

        Set while a Trainer runs, as its batch-size finder does, it is at most the images there are.
        """
        return self._batch_size

    @batch_size.setter
    def batch_size(self, size: int) -> None:
        if self.trainer is not None and self.trainer.state.status == TrainerStatus.RUNNING:
            most = len(self.images) // self.trainer.world_size
            if size > most:
                rank_zero_info(f"`batch_size`={size} is more than there are images: {most}")
            size = min(size, most)
        self._batch_size = size

    def train_dataloader(self) -> ViewLoader:
        if self.decode == "device":
            device = None if self.trainer is None else self.trainer.strategy.root_device
            if device is None or device.type != "cuda":
                raise ValueError(
                    "`decode`='device' needs a Trainer on a CUDA GPU, got "
                    f"{device or 'no Trainer'}: decode='workers'"
                )
            coded = CodedDataset(self.images, self.policies, seed=self.seed)
            return self._loader(coded, training=True)
        cut = self.keep != "device"
        views = ViewDataset(self.images, self.policies, seed=self.seed, cut=cut)
        return self._loader(views, training=True)

    def val_dataloader(self) -> list[ViewLoader]:
        if self.test_images is None:
            return []
        return [self.plain_loader(self._bank()), self.plain_loader(self.test_images)]

    def plain_loader(self, images: ImageSource) -> ViewLoader:
        """One plain view of every image, in order."""
        views = ViewDataset(images, [evaluation_policy(self.image_size)], seed=self.seed)
        return self._loader(views, training=False)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        if not isinstance(batch, RawViews | UncutViews):
            return batch
        if isinstance(batch, UncutViews) or (self.trainer is not None and self.trainer.training):
            return self._finish_training(batch)
        return self._finish_plain(batch)

    def _finish_training(self, batch: RawViews | UncutViews) -> Views:
        if isinstance(batch, UncutViews):
            stack = self._stack_on(batch.indices.device)
            sizes = [policy.frame.size for policy in self.policies]
            views = cut_boxes(stack, batch.boxes, batch.indices, sizes)
            batch = RawViews(views, *batch[1:])
        return self._finish(batch, self._memory_format())

    def _memory_format(self) -> torch.memory_format:
        """In which the network wants its images."""
        module = None if self.trainer is None else self.trainer.lightning_module
        last = getattr(module, "channels_last", False)
        return torch.channels_last if last else torch.contiguous_format

    def _stack_on(self, device: torch.device) -> Tensor:
        if self._stack is None or self._stack.device != device:
            stack = self.images.stack if isinstance(self.images, ImagesInMemory) else None
            assert stack is not None
            if device.type == "cuda":
                check_memory(stack.numel(), torch.cuda.mem_get_info(device)[0], self.images.name)
            self._stack = stack.to(device)
        return self._stack

    def _bank(self) -> ImageSource:
        if self.max_bank is None or self.max_bank >= len(self.images):
            return self.images
        chosen = draw_order(len(self.images), self.seed)[: self.max_bank]
        return ImageSubset(self.images, chosen.sort().values.long())

    def _loader(self, views: ViewDataset, *, training: bool) -> ViewLoader:
        device, finish = torch.device("cpu"), None
        # On the CPU nothing works beside the network, and Lightning brings raw batches as well; but
        # not those of a loader that leaves its data module, and in bf16-true and the like it would
        # round the numbers that views are made by.
        if self.trainer is not None:
            device = self.trainer.strategy.root_device
        if self.trainer is None or device.type == "cuda" or _converts(self.trainer):
            finish = self._finish_training if training else self._finish_plain
        return ViewLoader(
            views,
            self.batch_size,
            shuffle=training,
            drop_last=training,
            num_workers=self.num_workers,
            pin_memory=torch.cuda.is_available(),
            raw=finish is None,
            device="cpu" if finish is None else device,
            finish=finish,
        )


def _converts(trainer: Any) -> bool:
    """Whether a Trainer converts the fractions of a batch, before it is finished."""
    number = torch.ones((), dtype=torch.float32)
    converted: Tensor = trainer.precision_plugin.convert_input(number)
    return converted.dtype != number.dtype


def _policies(
    policy: str | ViewPolicy | Sequence[str | ViewPolicy],
    num_views: int | None,
    image_size: ImageSize,
) -> list[ViewPolicy]:
    if isinstance(policy, str):
        checks.choice("policy", policy, [*POLICIES, *VIEW_SETS])
        return view_policies(policy, image_size, num_views=num_views)
    if isinstance(policy, ViewPolicy):
        return [policy] * (2 if num_views is None else num_views)
    for name in policy:
        if name in VIEW_SETS:
            rule = "a policy of one view in each place of a list, or the name of a set alone"
            checks.refuse("policy", rule, name)
        if isinstance(name, str):
            checks.choice("policy", name, POLICIES)
    if not policy or num_views not in (None, len(policy)):
        raise ValueError(
            f"`policy` lists {len(policy)} policies, one per view; `num_views` must be the same "
            f"number or None, got {num_views}"
        )
    return [view_policy(item, image_size) if isinstance(item, str) else item for item in policy]


def _as_source(
    name: str, images: ImageSource | str | Path, on_unreadable: Literal["raise", "skip"]
) -> ImageSource:
    if isinstance(images, ImageSource):
        return images
    return open_path(images, argument=name, on_unreadable=on_unreadable)
