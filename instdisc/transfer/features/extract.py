"""Features of a set of images, computed once.

Legend: N images, D width, S stages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call, choice, whole
from instdisc.data import (
    ImageSource,
    ViewDataset,
    ViewFinisher,
    ViewLoader,
    ViewPolicy,
    describe_view,
    evaluation_policy,
    image_names,
)
from instdisc.models import Backbone
from instdisc.types import About, ImageSize

from .frozen import frozen
from .rows import Rows

Precision = Literal["32-true", "bf16-mixed"]


@checked_call()
class Features(NamedTuple):
    """Features with labels.

    Attributes:
        features: ``(N, D)`` float32 on the CPU.
        labels: ``(N,)`` int64; ``-1`` where unknown.
        names: what each image is called, for predictions; empty if unknown.
        about: of which backbone, of which set, seen how.
    """

    features: Tensor
    labels: Tensor
    names: Sequence[str] = ()
    about: About = About()

    def rows(self, positions: Tensor) -> Features:
        """Those at some positions, ``(M,)`` int64, in that order."""
        names = [self.names[row] for row in positions.tolist()] if len(self.names) else ()
        return Features(self.features[positions], self.labels[positions], names, self.about)

    @classmethod
    def join(cls, parts: Sequence[Features]) -> Features:
        """The features of several parts, one part after the other; they are about the first."""
        return cls(
            torch.cat([part.features for part in parts]),
            torch.cat([part.labels for part in parts]),
            [name for part in parts for name in part.names],
            parts[0].about,
        )


@checked_call()
def extract_features(
    backbone: Backbone,
    images: ImageSource,
    *,
    image_size: ImageSize | None = None,
    batch_size: int = 256,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    policy: ViewPolicy | None = None,
    precision: Precision = "32-true",
) -> Features:
    """Pooled features of the centre of every image, in order, by the frozen backbone.

    Args:
        backbone: used in eval mode on `device`; its mode and device are restored.
        images: whose features.
        image_size: side of the view in pixels, or its height and width; ``None``: at which the
            backbone was trained. See
            `evaluation_policy`, like normalisation and interpolation, which are the backbone's.
        batch_size: images at once.
        num_workers: processes that read.
        device: where to compute.
        policy: how the view is made, in place of `evaluation_policy`; `image_size` is then not
            used.
        precision: ``"32-true"``, or ``"bf16-mixed"``: convolutions and products in bfloat16, which
            is faster on a GPU and moves a feature by less than a hundredth of the largest.
            What the features are about says so.

    Raises:
        ValueError: if a feature is not finite: the weights are broken; or for another `precision`.
        RuntimeError: if the forward pass changed the backbone.

    Example:
        >>> from instdisc.data import Scenes
        >>> table = extract_features(Backbone("resnet18"), Scenes(4, image_size=32), image_size=32)
        >>> table.features.shape, table.about.dataset
        (torch.Size([4, 512]), 'scenes')
    """
    policy = policy or evaluation_policy(image_size, seen=backbone.input)
    about = features_about(backbone, images, policy, precision)
    (features,), labels, names = _read(
        backbone,
        lambda views: [backbone(views)],
        images,
        policy,
        precision,
        batch_size,
        num_workers,
        device,
    )
    return Features(features, labels, names, about)


@checked_call()
def extract_stages(
    backbone: Backbone,
    images: ImageSource,
    *,
    image_size: ImageSize | None = None,
    batch_size: int = 256,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    policy: ViewPolicy | None = None,
    precision: Precision = "32-true",
) -> list[Features]:
    """The averaged map of every stage for the centre of every image, in one pass.

    Args:
        backbone: used in eval mode on `device`; its mode and device are restored.
        images: whose features.
        image_size: see `extract_features`.
        batch_size: images at once.
        num_workers: processes that read.
        device: where to compute.
        policy: how the view is made, in place of `evaluation_policy`.
        precision: see `extract_features`.

    Returns:
        S features ``(N, widths[s])``, shallow to deep.

    Raises:
        ValueError: if a feature is not finite: the weights are broken.
        RuntimeError: if the forward pass changed the backbone.

    Example:
        >>> from instdisc.data import Scenes
        >>> found = extract_stages(Backbone("resnet18"), Scenes(2, image_size=32), image_size=32)
        >>> [stage.features.shape[1] for stage in found]
        [64, 128, 256, 512]
    """
    policy = policy or evaluation_policy(image_size, seen=backbone.input)
    about = features_about(backbone, images, policy, precision)

    def averaged(views: Tensor) -> list[Tensor]:
        return [stage.float().mean((2, 3)) for stage in backbone.maps(views)]

    stages, labels, names = _read(
        backbone, averaged, images, policy, precision, batch_size, num_workers, device
    )
    return [Features(stage, labels, names, about) for stage in stages]


def features_about(
    backbone: Backbone, images: ImageSource, policy: ViewPolicy, precision: Precision
) -> About:
    """Of which backbone, images and view; the view names the precision if it is not full."""
    choice("precision", precision, ("32-true", "bf16-mixed"))
    view = describe_view(policy)
    if precision != "32-true":
        view["precision"] = precision
    return backbone.about()._replace(dataset=images.name, view=view)


def _read(
    backbone: Backbone,
    compute: Callable[[Tensor], list[Tensor]],
    images: ImageSource,
    policy: ViewPolicy,
    precision: Precision,
    batch_size: int,
    num_workers: int,
    device: str | torch.device,
) -> tuple[list[Tensor], Tensor, list[str]]:
    """What `compute` makes of one view of each image, in order; labels; names."""
    whole("batch_size", batch_size)
    device = checks.device("device", device)
    on_gpu, half = device.type == "cuda", precision == "bf16-mixed"
    views = ViewDataset(images, [policy])
    finish = ViewFinisher(views.policies, dtype=torch.bfloat16 if half else torch.float32)
    loader = ViewLoader(
        views,
        batch_size,
        shuffle=False,
        drop_last=False,
        num_workers=num_workers,
        device=device,
        finish=partial(finish, memory_format=torch.channels_last) if on_gpu else finish,
    )
    tables, labels, positions = list[Rows](), Rows(), Rows()
    with frozen(backbone, device, channels_last=on_gpu):
        for batch in loader:
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                rows = compute(batch.images[0])
            tables = tables or [Rows() for _ in rows]
            for table, part in zip(tables, rows, strict=True):
                table.add(part.float())
            labels.add(batch.labels)
            positions.add(batch.indices)
        features = [table.join() for table in tables]
    names = image_names(images)
    features = [_checked(table, images) for table in features]
    return features, labels.join(), [names[row] for row in positions.join().tolist()]


def _checked(features: Tensor, images: ImageSource) -> Tensor:
    if not bool(features.isfinite().all()):
        bad = int((~features.isfinite()).any(1).nonzero()[0])
        raise ValueError(
            f"the features of image {bad} of {images.name!r} are not finite: the backbone's "
            "weights are broken. Load another checkpoint."
        )
    return features
