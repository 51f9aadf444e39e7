"""Images with points to batches for Lightning's Trainer.

Legend: N images, P points, S side of a view.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor

from instdisc import checks
from instdisc.checks import refuse
from instdisc.types import InputSpec, LandmarkBatch

from ..loader import ViewLoader
from ..views.dataset import ViewPolicy
from ..views.photometric import ColorJitter, GaussianBlur, PhotometricStep, RandomGrayscale
from .dataset import Crop, LandmarkDataset, LandmarkFinisher, RawLandmarks
from .frames import SquareFrame
from .layouts import LandmarkLayout
from .opening import open_landmarks
from .source import LandmarkSource
from .tables import Unit

Augment = Literal["none", "weak", "strong"]


class LandmarkData(LightningDataModule):
    """Views of faces with their points, to train and to test on.

    ============  ==================================================================================
    `augment`     of the training views; test views are never random
    ============  ==================================================================================
    ``"none"``    the test's views: features of a frozen backbone need computing but once
    ``"weak"``    flip; the square 15 % larger or smaller, and moved by up to 10 % of its side
    ``"strong"``  the same, and MoCo v2's jitter, greyscale and blur
    ============  ==================================================================================

    Args:
        train: a `LandmarkSource`, or a name for `open_landmarks`, whose part ``"train"`` is meant.
        test: a `LandmarkSource`, or a name, whose part ``"test"`` is meant; ``None``: the name of
            `train`.
        root: the folder that holds the sets, for names.
        layout: the points of a table (`LandmarkLayout`); ``None`` takes `FACE_5` for 5 points and
            `FACE_68` for 68. This and the four below are for sets that are given by name or path.
        unit: of a table's numbers: ``"pixel"``, or ``"share"`` of width and height. ``None``:
            pixels.
        offset: added to all positions in pixels; ``None``: 0.5 for pixels, 0 for shares.
        missing: how a table writes that a point is not there: ``"0,0"``, ``"empty"``, or both.
        ignore: columns of a table that are neither points nor boxes although they look so.
        image_size: S, side of a view in pixels.
        crop: around what the square is cut: ``"image"``, the face's ``"box"``, or the ``"points"``;
            see `LandmarkDataset`.
        margin: of the square, see `SquareFrame`.
        augment: see above.
        batch_size: images per process and step.
        num_workers: processes that read and cut.
        seed: of the order and of all random numbers of the views.
        seen: how the backbone was trained to see images (`Backbone.input`): normalisation and
            interpolation. ``None``: a `LandmarkModule` says it when a Trainer begins; until then
            bilinear, ImageNet's mean.

    Attributes:
        train: the training set.
        test: the test set.

    Raises:
        ValueError: if an argument is out of range, `train` is no name while `test` is missing,
            options of tables are given without a name, or the points of the two sets are others;
            and from the parts.

    Example:
        >>> from instdisc.data import Scenes, SceneLandmarks
        >>> points = SceneLandmarks(Scenes(16, image_size=32))
        >>> data = LandmarkData(points, points, image_size=32, crop="box", batch_size=8)
        >>> len(data.train_dataloader()), len(data.val_dataloader())
        (2, 2)
    """

    def __init__(
        self,
        train: LandmarkSource | str | Path,
        test: LandmarkSource | str | Path | None = None,
        *,
        root: str | Path | None = None,
        layout: LandmarkLayout | None = None,
        unit: Unit | None = None,
        offset: float | None = None,
        missing: str | list[str] | None = None,
        ignore: list[str] | None = None,
        image_size: int = 224,
        crop: Crop = "image",
        margin: float = 0.0,
        augment: Augment = "none",
        batch_size: int = 32,
        num_workers: int = 0,
        seed: int = 0,
        seen: InputSpec | None = None,
    ) -> None:
        checks.arguments(
            LandmarkData.__init__,
            locals(),
            image_size=checks.whole,
            batch_size=checks.whole,
            num_workers=checks.count,
            seed=checks.count,
        )
        super().__init__()
        if batch_size < 2:
            raise ValueError(f"`batch_size` must be at least 2, for batch norm, got {batch_size}")
        if test is None:
            if isinstance(train, LandmarkSource):
                raise ValueError("`test` must be given where `train` is not a name")
            test = train
        table: dict[str, Any] = {
            "layout": layout,
            "unit": unit,
            "offset": offset,
            "missing": missing,
            "ignore": ignore,
        }
        if isinstance(train, LandmarkSource) and isinstance(test, LandmarkSource):
            for option, value in table.items():
                if value is not None:
                    refuse(option, "left out where `train` and `test` are no names", value)
        if not isinstance(train, LandmarkSource):
            train = open_landmarks(train, root, part="train", **table)
        if not isinstance(test, LandmarkSource):
            test = open_landmarks(test, root, part="test", **table)
        if train.layout != test.layout:
            raise ValueError(
                f"`test` has the points {', '.join(test.layout.names[:5])}... and `train` "
                f"{', '.join(train.layout.names[:5])}...: they must be the same, and so the eyes"
            )
        self.train, self.test = train, test
        self.image_size = image_size
        self.crop = crop
        self.margin = margin
        self.augment = augment
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.seed = seed
        self._fixed = seen is not None
        self._show(seen or InputSpec())

    def show_as(self, seen: InputSpec) -> None:
        """Shows images as a backbone was trained to see them, unless ``seen=`` said otherwise."""
        if not self._fixed and seen != self._seen:
            self._show(seen)

    def _show(self, seen: InputSpec) -> None:
        def views(images: LandmarkSource, augment: Augment) -> LandmarkDataset:
            policy = _policy(augment, self.image_size, self.margin, seen)
            return LandmarkDataset(images, policy, crop=self.crop, seed=self.seed)

        self._seen = seen
        self.train_set, self.test_set = views(self.train, self.augment), views(self.test, "none")
        self._finish = LandmarkFinisher(self.train_set.policies[0])
        self._finish_plain = LandmarkFinisher(self.test_set.policies[0])

    @property
    def layout(self) -> LandmarkLayout:
        """What the points are."""
        return self.train_set.images.layout

    @property
    def is_random(self) -> bool:
        """Whether an image's training view differs from epoch to epoch."""
        return self.train_set.is_random

    def mean_points(self, num_images: int = 256) -> Tensor:
        """Mean shape: where the points of plain training views lie, ``(P, 2)`` in sides of a view.

        Args:
            num_images: at most so many images, in equal steps over the set.
        """
        train = self.train_set
        plain = LandmarkDataset(train.images, self.test_set.policies[0], crop=train.crop)
        step = -(-len(plain) // num_images)
        batch = plain.batch([(0, index) for index in range(0, len(plain), step)]).batch
        counts = batch.inside[..., None]
        total = (batch.points * counts).sum(0)
        middle = torch.full_like(total, self.image_size / 2)  # of a point that is never inside
        count = counts.sum(0)
        mean: Tensor = torch.where(count > 0, total / count.clamp(min=1), middle) / self.image_size
        return mean

    def encode(self, encoder: Callable[[Tensor], Tensor], device: str | torch.device) -> None:
        """Replaces the views by features of them, computed once: no image is read after that.

        Args:
            encoder: normalised views ``(B, 3, S, S)`` to features ``(B, ...)``.
            device: where it computes. The features are kept on the CPU.

        Raises:
            ValueError: if the training views are random: one look would stand for all.
        """
        if self.is_random:
            raise ValueError(
                "`augment` must be 'none' to keep features: with random views they change in every "
                "epoch"
            )
        for views in (self.train_set, self.test_set):
            views.encoded = None
            loader = self._loader(views, shuffle=False)
            kept = []
            with torch.no_grad():
                for raw in loader:
                    batch = self._finish_plain(raw)
                    features = encoder(batch.images.to(device)).cpu()
                    kept.append(batch._replace(images=features))
            views.encoded = LandmarkBatch(*(torch.cat(c) for c in zip(*kept, strict=True)))

    def train_dataloader(self) -> ViewLoader:
        return self._loader(self.train_set, shuffle=True)

    def val_dataloader(self) -> ViewLoader:
        return self._loader(self.test_set, shuffle=False)

    def test_dataloader(self) -> ViewLoader:
        return self.val_dataloader()

    def predict_dataloader(self) -> ViewLoader:
        return self.val_dataloader()

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        if not isinstance(batch, RawLandmarks):
            return batch
        training = self.trainer is not None and self.trainer.training
        return self._finish(batch) if training else self._finish_plain(batch)

    def _loader(self, views: LandmarkDataset, *, shuffle: bool) -> ViewLoader:
        return ViewLoader(
            views,
            self.batch_size,
            shuffle=shuffle,
            drop_last=shuffle,
            # Features are in memory: nothing is left for workers to do.
            num_workers=self.num_workers if views.encoded is None else 0,
            pin_memory=torch.cuda.is_available(),
            raw=True,
        )


def _policy(augment: Augment, image_size: int, margin: float, seen: InputSpec) -> ViewPolicy:
    if augment not in ("none", "weak", "strong"):
        raise ValueError(f"`augment` must be 'none', 'weak' or 'strong', got {augment!r}")
    moves = {"scale": 0.15, "shift": 0.1} if augment != "none" else {}
    frame = SquareFrame(
        image_size, margin=margin, interpolation=seen.interpolation, mean=seen.mean, **moves
    )
    flip = 0.5 if augment != "none" else 0.0
    colours: list[PhotometricStep] = []
    if augment == "strong":
        shrunk = image_size / 224
        colours = [
            *(ColorJitter(0.4, 0.4, 0.4, 0.1), RandomGrayscale(0.2)),
            GaussianBlur(0.1 * shrunk, 2.0 * shrunk),
        ]
    return ViewPolicy(frame, colours, flip=flip, mean=seen.mean, std=seen.std)
