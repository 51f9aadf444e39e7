"""Principal components of the stages of several networks as colours.

Legend: K checkpoints, M images, T stages, h x w cells of a map, S side of a thumbnail.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from instdisc.checks import checked_call
from instdisc.data import ImageSource, image_names
from instdisc.models import Backbone
from instdisc.records import Run
from instdisc.transfer import save_predictions
from instdisc.types import About, Record

from .choose import choose_images
from .components import align_components, principal_components
from .maps import large_enough, stage_maps, stages_of_all
from .sheet import Sheet, need_arrays
from .stage_sheet import stage_sheet
from .subjects import (
    about_subject,
    check_backbones,
    class_names,
    policies_of,
    thumbnail_side,
    thumbnails,
)

_MOST_STAGES = 4
_FEWEST_CELLS = 4


@checked_call(thumbnail=thumbnail_side)
def compare_components(
    backbones: Mapping[str, Backbone],
    test: ImageSource,
    *,
    stages: Sequence[int] | None = None,
    num_images: int = 8,
    shown: Sequence[int | str] | None = None,
    thumbnail: int = 64,
    seed: int = 0,
    image_size: int | None = None,
    batch_size: int = 64,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    about: About | None = None,
    arrays: str | Path | None = None,
) -> list[Record]:
    """Which parts of images a stage holds together: its three strongest components as colours.

    For each stage the components are those of the cells of all images shown; those of the second
    and further networks are turned to resemble the first's, see `align_components`.

    Args:
        backbones: by name; frozen, and checked not to change.
        test: whose images are shown.
        stages: numbers from 1; ``None`` for all, or for 4 of more. Those whose maps have fewer
            than 4 cells at this image size are then left out, with a line in the log.
        num_images: M, see `choose_images`.
        shown: positions or names of the images to show instead.
        thumbnail: S in pixels; 0 for none.
        seed: of the choice of images.
        image_size: see `extract_features`; a larger one than in training gives finer maps.
        batch_size: images at once.
        num_workers: processes that read.
        device: where the maps are computed.
        about: what the records say instead of what backbones and test set tell.
        arrays: a ``.npz`` file for ``checkpoint (K,)``, ``image (M,)`` and ``class (M,)`` texts,
            ``stage (T,)``, ``share (K, T, 3)``, ``thumbnail (M, S, S, 3)`` and for each checkpoint
            i and stage t ``scores_i_t (M, h, w, 3)``; ``None``: none.

    Returns:
        Of each checkpoint and stage the share of the variance in the three components, in
        percent and without an interval: a description of the picture. Low is called better, as a
        representation of high rank is (see `rankme`).

    Raises:
        TypeError, ValueError: see `choose_images` and `stage_maps`; if a stage that is asked for
            has fewer than 4 cells.

    Source:
        See `principal_components`.

    Example:
        >>> from instdisc.data import Scenes
        >>> records = compare_components({"random": Backbone("test_resnet")},
        ...     Scenes(4, image_size=32), image_size=32, num_images=2)
        >>> [record.task for record in records]
        ['stage1_components', 'stage2_components', 'stage3_components']
    """
    names = check_backbones(backbones)
    chosen = choose_images(test, num_images, shown=shown, seed=seed)
    images = test.subset(chosen)
    policies = policies_of(backbones, image_size)
    numbers = stages_of_all(backbones, stages, _MOST_STAGES)
    starts, maps = {}, {}
    for name, backbone in backbones.items():
        starts[name] = time.perf_counter()
        maps[name] = stage_maps(
            backbone,
            images,
            stages=numbers,
            image_size=image_size,
            batch_size=batch_size,
            num_workers=num_workers,
            device=device,
        )
    kept = large_enough(maps, numbers, stages, _FEWEST_CELLS)
    records: list[Record] = []
    shares: list[list[torch.Tensor]] = []
    scores: dict[str, torch.Tensor] = {}
    for order, (name, backbone) in enumerate(backbones.items()):
        run = Run(
            about_subject(name, backbone, test, about, policies[name]),
            seed,
            device=str(device),
        )
        shares.append([])
        for place in kept:
            stage = numbers[place]
            result = principal_components(maps[name][place])
            turned = result.scores
            if order:
                turned = align_components(turned, scores[f"scores_0_{stage}"])
            scores[f"scores_{order}_{stage}"] = turned
            shares[-1].append(result.shares)
            height, width = turned.shape[1:3]
            settings = {"stage": stage, "cells": [height, width], "images": len(chosen)}
            run = run._replace(settings=settings, seconds=time.perf_counter() - starts[name])
            records.append(
                run.record(
                    f"stage{stage}_components",
                    "variance in 3 components",
                    100 * float(result.shares.sum()),
                    n=len(chosen),
                    higher_is_better=False,
                )
            )
    called = image_names(test)
    save_predictions(
        arrays,
        {
            "checkpoint": names,
            "image": [called[position] for position in chosen.tolist()],
            "class": class_names(test, test.labels[chosen]),
            "stage": torch.tensor([numbers[place] for place in kept]),
            "share": torch.stack([torch.stack(row) for row in shares]),
            "thumbnail": thumbnails(test, chosen, thumbnail, policies[names[0]]),
            **{name: value.float() for name, value in scores.items()},
        },
    )
    return records


_TAILS = (0.01, 0.99)  # quantiles of a component that become no and full colour


@checked_call()
def components_figure(arrays: Mapping[str, np.ndarray]) -> Figure:
    """A column for each image; below it a block for each stage with a row for each checkpoint.

    Red, green and blue are the three components, each from its first to its last percentile over
    all images of a row; cells of one colour are alike to the network. Colours can be compared
    within a row; between rows only as far as the networks are alike.

    Args:
        arrays: that `compare_components` wrote.

    Raises:
        ValueError: if an array is lacking.

    Example:
        >>> figure = components_figure({
        ...     "checkpoint": np.array(["random"]), "image": np.array(["a.png"]),
        ...     "class": np.array(["cat"]), "stage": np.array([2]),
        ...     "share": np.array([[[0.5, 0.2, 0.1]]]),
        ...     "thumbnail": np.zeros((1, 0, 0, 3), np.uint8),
        ...     "scores_0_2": np.zeros((1, 4, 4, 3))})
        >>> type(figure).__name__
        'Figure'
    """
    need_arrays(arrays, ("checkpoint", "stage", "share"))
    stages, checkpoints = arrays["stage"].tolist(), range(len(arrays["checkpoint"]))
    need_arrays(arrays, [f"scores_{order}_{stage}" for order in checkpoints for stage in stages])
    colors = {
        (order, stage): _colors(arrays[f"scores_{order}_{stage}"])
        for order in checkpoints
        for stage in stages
    }

    def draw(
        sheet: Sheet, order: int, stage: int, column: int, x: float, y: float, side: float
    ) -> None:
        sheet.picture(x, y, side, colors[order, stage][column], smooth=False)

    shares = 100 * arrays["share"].sum(2)
    return stage_sheet(
        arrays,
        draw,
        title="Principal components of the maps of each stage",
        note="red, green, blue: components 1, 2, 3; below the name their share of the variance",
        headings=[f"Stage {stage}" for stage in stages],
        beside=[[f"{share:.0f} %" for share in row] for row in shares],
    )


def _colors(scores: np.ndarray) -> np.ndarray:
    """``(M, h, w, 3)`` float in [0, 1]; grey where a component does not vary."""
    scores = scores.astype(np.float64)
    low, high = np.quantile(scores.reshape(-1, 3), _TAILS, axis=0)
    spread = np.where(high > low, high - low, 1.0)
    colors = np.where(high > low, (scores - low) / spread, 0.5)
    return np.asarray(colors.clip(0, 1))
