"""Similarity of one place to all others in several networks, over the images.

Legend: K checkpoints, M images, T stages, h x w cells of a map, S side of a thumbnail.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure

from instdisc.checks import checked_call
from instdisc.data import ImageSource, image_names
from instdisc.metrics import bootstrap_interval
from instdisc.models import Backbone
from instdisc.records import Run
from instdisc.transfer import save_predictions
from instdisc.types import About, Record

from .choose import choose_images
from .location import cell_at, similarity_map
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
def compare_locations(
    backbones: Mapping[str, Backbone],
    test: ImageSource,
    *,
    location: Sequence[float] = (0.5, 0.5),
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
    """How far features distinguish places of an image: cosines of one cell with all.

    Args:
        backbones: by name; frozen, and checked not to change.
        test: whose images are shown.
        location: x and y as shares of the view, see `similarity_map`.
        stages: see `compare_components`.
        num_images: M, see `choose_images`.
        shown: positions or names of the images to show instead.
        thumbnail: S in pixels; 0 for none: then the maps are drawn alone.
        seed: of the choice of images and of the interval.
        image_size: see `extract_features`; a larger one than in training gives finer maps.
        batch_size: images at once.
        num_workers: processes that read.
        device: where the maps are computed.
        about: what the records say instead of what backbones and test set tell.
        arrays: a ``.npz`` file for ``checkpoint (K,)``, ``image (M,)`` and ``class (M,)`` texts,
            ``stage (T,)``, ``location (2,)``, ``thumbnail (M, S, S, 3)`` and for each checkpoint i
            and stage t ``cosine_i_t (M, h, w)``; ``None``: none.

    Returns:
        Of each checkpoint and stage the mean cosine of the place with the other cells, over the
        images shown, with a bootstrap interval over them. Low is called better: where all cells
        are alike, a dense task has nothing to tell places by.

    Raises:
        TypeError, ValueError: see `similarity_map`, `choose_images` and `stage_maps`; if a stage
            that is asked for has fewer than 4 cells.

    Source:
        None: the common picture of the field.

    Example:
        >>> from instdisc.data import Scenes
        >>> records = compare_locations({"random": Backbone("test_resnet")},
        ...     Scenes(4, image_size=32), image_size=32, stages=[1])
        >>> [(record.task, record.metric, record.n) for record in records]
        [('stage1_location', 'cosine of other places', 4)]
    """
    names = check_backbones(backbones)
    cell_at(location, 1, 1)  # refused before anything is computed
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
    records = []
    cosines: dict[str, torch.Tensor] = {}
    for order, (name, backbone) in enumerate(backbones.items()):
        whose = about_subject(name, backbone, test, about, policies[name])
        for place in kept:
            stage = numbers[place]
            similarity = similarity_map(maps[name][place], location)
            cosines[f"cosine_{order}_{stage}"] = similarity
            height, width = similarity.shape[1:]
            column, row = cell_at(location, width, height)
            others = torch.ones(height, width, dtype=torch.bool)
            others[row, column] = False
            means = similarity[:, others].mean(1)  # (M,)
            settings = {"stage": stage, "cells": [height, width], "location": list(location)}
            run = Run(whose, seed, time.perf_counter() - starts[name], settings, str(device))
            ends = bootstrap_interval(lambda drawn: drawn.mean(1), [means], seed=seed)
            records.append(
                run.record(
                    f"stage{stage}_location",
                    "cosine of other places",
                    float(means.mean()),
                    ends=ends,
                    interval=f"bootstrap, {len(means)} images",
                    n=len(means),
                    unit="",
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
            "location": torch.tensor(list(location), dtype=torch.float64),
            "thumbnail": thumbnails(test, chosen, thumbnail, policies[names[0]]),
            **{name: value.float() for name, value in cosines.items()},
        },
    )
    return records


_OPACITY = 0.6


@checked_call()
def location_figure(arrays: Mapping[str, np.ndarray]) -> Figure:
    """A column for each image; below it a block for each stage with a row for each checkpoint.

    The cosines of the cell under the cross are laid over the image in grey. Dark blue is the
    lowest cosine of the block, yellow 1: colours can be compared within a block.

    Args:
        arrays: that `compare_locations` wrote.

    Raises:
        ValueError: if an array is lacking.

    Example:
        >>> figure = location_figure({
        ...     "checkpoint": np.array(["random"]), "image": np.array(["a.png"]),
        ...     "class": np.array(["cat"]), "stage": np.array([2]),
        ...     "location": np.array([0.5, 0.5]), "thumbnail": np.zeros((1, 0, 0, 3), np.uint8),
        ...     "cosine_0_2": np.ones((1, 4, 4))})
        >>> type(figure).__name__
        'Figure'
    """
    need_arrays(arrays, ("checkpoint", "stage", "location", "thumbnail"))
    stages, checkpoints = arrays["stage"].tolist(), range(len(arrays["checkpoint"]))
    need_arrays(arrays, [f"cosine_{order}_{stage}" for order in checkpoints for stage in stages])
    lowest = {
        stage: min(float(arrays[f"cosine_{order}_{stage}"].min()) for order in checkpoints)
        for stage in stages
    }
    grey = arrays["thumbnail"].mean(3, keepdims=True).repeat(3, 3) / 255
    scale = matplotlib.colormaps["viridis"]

    def draw(
        sheet: Sheet, order: int, stage: int, column: int, x: float, y: float, side: float
    ) -> None:
        cosines = arrays[f"cosine_{order}_{stage}"][column].astype(np.float64)
        low = lowest[stage]
        heat = scale((cosines - low) / max(1 - low, 1e-12))[..., :3]
        if grey.size:
            sheet.picture(x, y, side, grey[column])
        sheet.picture(x, y, side, heat, smooth=False, opacity=_OPACITY if grey.size else 1.0)
        height, width = cosines.shape
        across, down = cell_at(arrays["location"].tolist(), width, height)
        sheet.marker(x + (across + 0.5) / width * side, y + (down + 0.5) / height * side, 6)

    return stage_sheet(
        arrays,
        draw,
        title="Cosine of one place of the image (the cell with the cross) with all others",
        note="yellow: alike (1); dark blue: the lowest cosine of the stage",
        headings=[f"Stage {stage}: from {lowest[stage]:.2f} to 1" for stage in stages],
    )
