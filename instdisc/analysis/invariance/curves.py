"""Invariance of every stage to changes of growing strength, and within a class, as records.

Legend: N images, S stages, G strengths of a transform.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import ImageSource, describe_view
from instdisc.data.left_out import say_once
from instdisc.models import Backbone
from instdisc.records import Run
from instdisc.transfer import save_predictions
from instdisc.transfer.provenance import about_run
from instdisc.types import About, Record

from ..inputs import check_network
from .passes import Progress, compare_passes
from .quotients import Quotient, StageQuotients, stage_quotients
from .scores import RESAMPLES
from .transforms import TRANSFORMS, Strengths, check_transforms
from .views import whole_view


@checked_call()
def evaluate_invariance(
    backbone: Backbone,
    test: ImageSource,
    *,
    transforms: Sequence[str] = tuple(TRANSFORMS),
    strengths: Strengths | None = None,
    num_images: int = 300,
    seed: int = 0,
    image_size: int | None = None,
    batch_size: int = 256,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    about: About | None = None,
    arrays: str | Path | None = None,
    progress: Progress | None = None,
) -> list[Record]:
    """What does each stage not react to? Curves of `invariance` over the strength of transforms.

    The features are the averaged maps of each stage. A record is the mean of a curve over its
    strengths, 0 left out.

    Args:
        backbone: frozen; checked not to change.
        test: images; their labels, where known, give the invariance within a class.
        transforms: names in `TRANSFORMS`.
        strengths: for a transform, numbers above 0 that grow, in its unit, in place of its own.
        num_images: N, drawn by `seed`; all if there are fewer.
        seed: of the drawing and of the bootstrap.
        image_size: see `whole_view`.
        batch_size: images at once.
        num_workers: processes that read.
        device: where to transform and to compute features.
        about: what the records say instead of what backbone and test set tell.
        arrays: a ``.npz`` file, for `invariance_figure`: ``transforms``, ``units`` and ``stages``
            by name, of each transform ``NAME_strengths`` (G + 1,) from 0 on and ``NAME`` (S, G +
            1), ``base`` (S,), and where classes are known ``intra_category`` (S,).
        progress: called as ``progress(done, total)``, counted in passes over the network.

    Returns:
        For each stage a record per transform, ``"invariance to crop"``, and
        ``"intra-category invariance"`` where some class shows two images, under tasks like
        ``"stage1_invariance"``; 1 = invariant, 0 = no more alike than two images. More counts as
        better for a transform, and less within a class: what tells images of a class apart is what
        transfers (Zhao et al.). Neither is a merit by itself: a detector must not be invariant to
        where things are. The interval is by bootstrap over images; the bases, means over pairs,
        are linearised.

    Raises:
        TypeError, ValueError: if a transform or strength is not possible, there are fewer than 4
            images, or to a stage all images look the same.
        RuntimeError: if the backbone changed.

    Source:
        See `invariance` and `intra_category_invariance`.

    Example:
        >>> from instdisc.data import Scenes
        >>> records = evaluate_invariance(Backbone("test_resnet"), Scenes(8, image_size=32,
        ...     num_categories=2), image_size=32, transforms=["grey"])
        >>> [record.metric for record in records][:2]
        ['invariance to grey', 'intra-category invariance']
    """
    start = time.perf_counter()
    check_network(backbone, device, test=test)
    curves = _strengths(transforms, strengths)
    checks.whole("num_images", num_images, at_least=4)
    generator = torch.Generator().manual_seed(seed)
    positions = torch.randperm(len(test), generator=generator)[:num_images].sort().values
    policy = whole_view(backbone, image_size)
    about = about_run(backbone, test, about, view=describe_view(policy))
    stages, labels = compare_passes(
        backbone,
        test,
        positions,
        policy,
        curves,
        batch_size=batch_size,
        num_workers=num_workers,
        device=device,
        progress=progress,
    )
    measured = [
        stage_quotients(f"features of stage {number}", stage, labels)
        for number, stage in enumerate(stages, start=1)
    ]
    if measured[0].of_class is None:
        say_once(
            f"no two of the {len(positions)} images of {test.name!r} are known to be of one class, "
            "of two that are known: the invariance within a class is left out"
        )
    save_predictions(arrays, _arrays(backbone, curves, measured))
    settings = {"images": len(positions), "image_size": policy.frame.size}
    run = Run(about, seed, time.perf_counter() - start, settings, str(device))
    return [
        record
        for number, stage in enumerate(measured)
        for record in _records(run, backbone, number, stage, curves)
    ]


def _strengths(transforms: Sequence[str], strengths: Strengths | None) -> dict[str, list[float]]:
    """The strengths of each transform, checked."""
    check_transforms(transforms, strengths)
    chosen = {} if strengths is None else strengths
    curves = {name: chosen.get(name, TRANSFORMS[name].strengths) for name in transforms}
    return {name: [float(value) for value in values] for name, values in curves.items()}


def _records(
    run: Run, backbone: Backbone, number: int, stage: StageQuotients, curves: dict[str, list[float]]
) -> list[Record]:
    task = f"stage{number + 1}_invariance"
    place = {
        "stage": number + 1,
        "stages": len(backbone.stages),
        "stride": backbone.strides[number],
        "width": backbone.widths[number],
        "base": stage.base,
    }
    run = run._replace(settings={**run.settings, **place})
    records = []
    for name, strengths in curves.items():
        shown = {"strengths": strengths, "curve": stage.curves[name]}
        of_curve = run._replace(settings={**run.settings, **shown})
        records.append(_record(of_curve, task, f"invariance to {name}", stage.means[name]))
    if stage.of_class is not None:
        records.append(_record(run, task, "intra-category invariance", stage.of_class, False))
    return records


def _record(
    run: Run, task: str, metric: str, quotient: Quotient, higher_is_better: bool = True
) -> Record:
    count = len(quotient.columns[0])
    return run.record(
        task,
        metric,
        quotient.value,
        ends=quotient.interval(run.seed),
        interval=f"bootstrap over {count} images, {RESAMPLES} resamples",
        n=count,
        unit="",
        higher_is_better=higher_is_better,
    )


def _arrays(
    backbone: Backbone, curves: dict[str, list[float]], stages: Sequence[StageQuotients]
) -> dict[str, Any]:
    arrays: dict[str, Any] = {
        "transforms": list(curves),
        "units": [TRANSFORMS[name].unit for name in curves],
        "stages": backbone.stages,
        "base": np.array([stage.base for stage in stages]),
    }
    for name, strengths in curves.items():
        arrays[f"{name}_strengths"] = np.array([0.0, *strengths])
        # Of strength 0 the image is itself.
        arrays[name] = np.array([[1.0, *stage.curves[name]] for stage in stages])
    of_class = [stage.of_class.value for stage in stages if stage.of_class is not None]
    if of_class:
        arrays["intra_category"] = np.array(of_class)
    return arrays
