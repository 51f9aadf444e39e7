"""Every image through the network as it is and after every transform, compared by stage.

Legend: N images, B batch, S stages, D width, G strengths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from instdisc import checks
from instdisc.data import ImageSource, ViewDataset, ViewPolicy
from instdisc.models import Backbone
from instdisc.transfer.features.frozen import frozen

from ..inputs import unit_rows
from ..showing import view_batches
from .cosines import row_cosines
from .transforms import transform_images
from .views import pooled_maps

Progress = Callable[[int, int], None]


class StageCosines(NamedTuple):
    """What a stage makes of N images.

    Attributes:
        units: ``(N, D)`` float64 unit vectors.
        curves: of each transform ``(N, G)`` float64 cosines of an image with itself as it is.
    """

    units: Tensor
    curves: dict[str, Tensor]


def compare_passes(
    backbone: Backbone,
    images: ImageSource,
    positions: Tensor,
    policy: ViewPolicy,
    curves: Mapping[str, Sequence[float]],
    *,
    batch_size: int,
    num_workers: int,
    device: str | torch.device,
    progress: Progress | None,
) -> tuple[list[StageCosines], Tensor]:
    """Cosines of every image with itself after each transform.

    Args:
        backbone: frozen.
        images: a set.
        positions: ``(N,)`` int64 of those to look at.
        policy: how they are shown.
        curves: the strengths of each transform.
        batch_size: images at once.
        num_workers: processes that read.
        device: where to transform and to compute features.
        progress: called as ``progress(done, total)``, counted in passes over the network.

    Returns:
        What each of S stages makes of them, and their labels ``(N,)`` int64.

    Raises:
        ValueError: if a feature is not finite, or zero for an image.
        RuntimeError: if the backbone changed.
    """
    # Transforms change colours as they are in the file, before normalisation.
    plain = ViewPolicy(policy.frame, flip=0.0, mean=(0.0,) * 3, std=(1.0,) * 3)
    steps = [(name, strength) for name, values in curves.items() for strength in values]
    total = len(positions) * (len(steps) + 1)
    batches: list[list[tuple[Tensor, Tensor]]] = []  # of each batch S pairs (B, D), (steps, B)
    labels: list[Tensor] = []
    done = 0
    views = ViewDataset(images.subset(positions), [plain])
    with frozen(backbone, device):
        for batch in view_batches(views, batch_size, num_workers, device):
            shown, places = batch.images[0], positions[batch.indices]
            units = _stage_units(backbone, shown, policy)
            cosines = []
            for number, step in enumerate(steps, start=2):
                changed = transform_images(shown, *step, places)
                pairs = zip(units, _stage_units(backbone, changed, policy), strict=True)
                cosines.append([row_cosines(plain, after) for plain, after in pairs])
                if progress is not None:
                    progress(done + number * len(shown), total)
            done += len(shown) * (len(steps) + 1)
            of_stages = [torch.stack(column) for column in zip(*cosines, strict=True)]
            batches.append(list(zip(units, of_stages, strict=True)))
            labels.append(batch.labels)
    stages = []
    for parts in zip(*batches, strict=True):
        joined = torch.cat([cosines for _, cosines in parts], 1).T  # (N, steps)
        split = joined.split([len(values) for values in curves.values()], dim=1)
        units_of_all = torch.cat([units for units, _ in parts])
        stages.append(StageCosines(units_of_all, dict(zip(curves, split, strict=True))))
    return stages, torch.cat(labels)


def _stage_units(backbone: Backbone, images: Tensor, policy: ViewPolicy) -> list[Tensor]:
    """S tensors ``(B, D)`` of unit vectors in float64 on the CPU."""
    mean, std = (images.new_tensor(values)[:, None, None] for values in (policy.mean, policy.std))
    maps = pooled_maps(backbone.maps((images - mean) / std))
    return [_checked(f"features of stage {k}", stage.cpu()) for k, stage in enumerate(maps, 1)]


def _checked(name: str, stage: Tensor) -> Tensor:
    remedy = "The backbone's weights are broken; load another checkpoint."
    return unit_rows(name, checks.all_finite(name, stage, row="image", remedy=remedy))
