"""Maps of stages for the images that a picture shows.

Legend: M images, C channels, h x w cells of a map, s stride.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from instdisc import checks
from instdisc.analysis.inputs import stage_positions
from instdisc.analysis.showing import view_batches
from instdisc.checks import checked_call
from instdisc.data import ImageSource, ViewDataset, evaluation_policy
from instdisc.data.left_out import say_once
from instdisc.models import Backbone
from instdisc.transfer.features.frozen import frozen


@checked_call()
def stage_maps(
    backbone: Backbone,
    images: ImageSource,
    *,
    stages: Sequence[int] | None = None,
    image_size: int | None = None,
    batch_size: int = 64,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
) -> list[Tensor]:
    """Whole maps of some stages for the centre of every image, in order.

    They are kept, unlike those of `extract_stages`: meant for the few images of a picture.

    Args:
        backbone: used in eval mode on `device`, and checked not to change.
        images: whose maps.
        stages: numbers from 1, shallow to deep; ``None`` for all.
        image_size: see `extract_features`.
        batch_size: images at once.
        num_workers: processes that read.
        device: where to compute.

    Returns:
        For each stage ``(M, C, h, w)`` float32 on the CPU.

    Raises:
        ValueError: if there is no such stage, or a number is not finite.
        RuntimeError: if the forward pass changed the backbone.

    Example:
        >>> from instdisc.data import Scenes
        >>> maps = stage_maps(Backbone("test_resnet"), Scenes(2, image_size=64), stages=[1, 4],
        ...     image_size=64)
        >>> [tuple(stage.shape) for stage in maps]
        [(2, 32, 16, 16), (2, 96, 2, 2)]
    """
    positions = stage_positions(stages, backbone)
    policy = evaluation_policy(image_size, seen=backbone.input)
    views = ViewDataset(images, [policy])
    parts: list[list[Tensor]] = [[] for _ in positions]
    with frozen(backbone, device):
        for batch in view_batches(views, batch_size, num_workers, device):
            maps = backbone.maps(batch.images[0])
            for part, position in zip(parts, positions, strict=True):
                part.append(maps[position].float().cpu())
    remedy = "The backbone's weights are broken; load another checkpoint."
    return [
        checks.all_finite("maps", torch.cat(part), row="image", remedy=remedy) for part in parts
    ]


def stages_of_all(
    backbones: Mapping[str, Backbone], stages: Sequence[int] | None, most: int
) -> list[int]:
    """Numbers of the stages that are looked at in every network.

    Args:
        backbones: by name.
        stages: numbers from 1; ``None`` for those that every network has, and of more than `most`
            so many at equal distances, the last among them.
        most: see `stages`.

    Raises:
        TypeError, ValueError: see `stage_positions`.

    Example:
        >>> stages_of_all({"a": Backbone("test_resnet")}, None, most=2)
        [2, 4]
    """
    if stages is not None:
        for backbone in backbones.values():
            stage_positions(stages, backbone)
        return list(dict.fromkeys(stages))
    count = min(len(backbone.stages) for backbone in backbones.values())
    if count <= most:
        return list(range(1, count + 1))
    return [round(count * place / most) for place in range(1, most + 1)]


def large_enough(
    maps: Mapping[str, Sequence[Tensor]],
    numbers: Sequence[int],
    stages: Sequence[int] | None,
    fewest: int,
) -> list[int]:
    """Which of some stages have maps of enough cells in every network.

    Args:
        maps: of each network and stage ``(M, C, h, w)``.
        numbers: of the stages, from 1.
        stages: those that the user asked for, if any.
        fewest: cells of a map.

    Raises:
        ValueError: if one that was asked for has fewer, or all have.
    """
    cells = [
        min(network[place].shape[2] * network[place].shape[3] for network in maps.values())
        for place in range(len(numbers))
    ]
    kept = [place for place, count in enumerate(cells) if count >= fewest]
    few = [numbers[place] for place, count in enumerate(cells) if count < fewest]
    if few and (stages is not None or not kept):
        size = cells[numbers.index(few[0])]
        checks.refuse(
            "stages",
            f"with maps of at least {fewest} cells",
            few[0],
            f"At this `image_size` its map has {size}: choose a larger one, or a shallower stage.",
        )
    if few:
        say_once(
            f"left out {len(few)} of {len(numbers)} stages, whose maps have fewer than {fewest} "
            f"cells at this `image_size`: stage {few[0]} first"
        )
    return kept
