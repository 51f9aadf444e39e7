"""The table of factors and stages of a backbone, as records and arrays.

Legend: F factors, S stages.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import ImageSource, describe_view
from instdisc.models import Backbone
from instdisc.records import Run
from instdisc.transfer import save_predictions
from instdisc.transfer.provenance import about_run
from instdisc.types import About, Record

from ..inputs import check_network
from .pairing import Factors
from .probes import PENALTIES, FactorProbes, factor_probes
from .scores import RESAMPLES
from .sources import factors_of
from .views import pooled_stages, whole_view


@checked_call()
def evaluate_factors(
    backbone: Backbone,
    train: ImageSource,
    test: ImageSource,
    *,
    factors: Sequence[str] | None = None,
    grid: int = 1,
    penalties: Sequence[float] = PENALTIES,
    seed: int = 0,
    image_size: int | None = None,
    batch_size: int = 256,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    about: About | None = None,
    arrays: str | Path | None = None,
) -> list[Record]:
    """What does each stage know? Linear probes for every factor that the images come with.

    The view is the whole image (`whole_view`), not its centre, which would change where things
    are and cut some of them off.

    Args:
        backbone: frozen; checked not to change.
        train: images to fit the probes to, whose factors are known: `Scenes`, which know position,
            size, orientation, colours, texture, category and more (`Scenes.factors`); sets with
            boxes (`object_factors`) or points (`landmark_factors`); or a set of your own with a
            method ``factors(positions)`` that gives tensors by name.
        test: images to score them on, of the same factors.
        factors: names of those to look at; ``None`` for all.
        grid: cells along each side that a stage is averaged over; 1 averages over the whole image,
            as a readout does. More leave the stage the place of things.
        penalties: see `factor_probes`.
        seed: of the bootstrap.
        image_size: see `whole_view`.
        batch_size: images at once.
        num_workers: processes that read.
        device: where to compute features; the probes are fitted on the CPU.
        about: what the records say instead of what backbone and test set tell.
        arrays: a ``.npz`` file, for `factors_figure`: ``factors`` and ``metrics`` (F,), ``scores``
            (F, S), ``low`` and ``high`` (F, S), ``chance`` (F,), ``penalties`` (F, S), ``stages``
            (S,) by name.

    Returns:
        For each stage and factor a record, under tasks like ``"stage1_factors"``, of boxes
        ``"stage1_object_factors"`` and of points ``"stage1_landmark_factors"``: ``"R2 position"``
        (1 at best, not clamped at 0) or ``"accuracy category"`` (in percent). More is better: it
        says that more is known.

    Raises:
        TypeError, ValueError: if a set knows no factors, has no such factor, or both name classes
            differently; see `factor_probes`.
        RuntimeError: if the backbone changed.

    Source:
        The library's own; see `factor_probes`.

    Example:
        >>> from instdisc.data import Scenes
        >>> records = evaluate_factors(Backbone("test_resnet"), Scenes(24, image_size=32),
        ...     Scenes(12, image_size=32, split="test"), image_size=32, factors=["position"])
        >>> [(record.task, record.metric) for record in records][::3]
        [('stage1_factors', 'R2 position'), ('stage4_factors', 'R2 position')]
    """
    start = time.perf_counter()
    check_network(backbone, device, train=train, test=test)
    sides = {"train": train, "test": test}
    of_images = {name: _chosen(name, images, factors) for name, images in sides.items()}
    if train.classes and test.classes and list(train.classes) != list(test.classes):
        checks.refuse("test", "a set with the classes of `train`", list(test.classes))
    policy = whole_view(backbone, image_size)
    about = about_run(backbone, test, about, view=describe_view(policy))
    stages: list[list[Tensor]] = []
    for name, images in sides.items():
        features, positions = pooled_stages(
            backbone,
            images,
            policy,
            grid=grid,
            batch_size=batch_size,
            num_workers=num_workers,
            device=device,
        )
        stages.append(features)
        of_images[name] = {key: column[positions] for key, column in of_images[name].items()}
    probes = factor_probes(
        stages[0],
        of_images["train"],
        stages[1],
        of_images["test"],
        penalties=penalties,
        seed=seed,
    )
    save_predictions(arrays, _arrays(probes, backbone))
    seconds = time.perf_counter() - start
    settings = {
        "train": len(train),
        "grid": grid,
        "stages": len(backbone.stages),
        "image_size": policy.frame.size,
        "penalties": list(penalties),
    }
    run = Run(about, seed, seconds, settings, str(device))
    kind = {"objects": "object_factors", "landmarks": "landmark_factors"}
    task = kind.get(test.kind, "factors")
    return [
        _record(run, f"stage{stage + 1}_{task}", probes, factor, stage, backbone)
        for stage in range(len(backbone.stages))
        for factor in range(len(probes.factors))
    ]


def _chosen(name: str, images: ImageSource, factors: Sequence[str] | None) -> Factors:
    columns = factors_of(name, images)
    if factors is None:
        return columns
    checks.instance("factors", factors, (list, tuple), "a list of names, or None")
    if not factors:
        checks.refuse("factors", "a list of at least one name, or None", factors)
    if len(set(factors)) < len(factors):
        checks.refuse("factors", "names each of which stands there once", list(factors))
    return {checks.choice("factors", factor, list(columns)): columns[factor] for factor in factors}


def _arrays(probes: FactorProbes, backbone: Backbone) -> dict[str, Any]:
    return {
        "factors": probes.factors,
        "metrics": probes.metrics,
        "scores": probes.scores,
        "low": probes.intervals[..., 0],
        "high": probes.intervals[..., 1],
        "chance": probes.chance,
        "penalties": probes.penalties,
        "stages": backbone.stages,
    }


def _record(
    run: Run, task: str, probes: FactorProbes, factor: int, stage: int, backbone: Backbone
) -> Record:
    metric, count = probes.metrics[factor], int(probes.counts[factor])
    is_share = metric == "accuracy"
    scale = 100 if is_share else 1
    low, high = probes.intervals[factor, stage].tolist()
    place = {
        "stage": stage + 1,
        "stride": backbone.strides[stage],
        "width": backbone.widths[stage],
        "penalty": float(probes.penalties[factor, stage]),
        "chance": scale * float(probes.chance[factor]),
    }
    interval = f"Wilson, {count} images"
    if not is_share:
        interval = f"bootstrap over {count} images, {RESAMPLES} resamples"
    return run._replace(settings={**run.settings, **place}).record(
        task,
        f"{metric} {probes.factors[factor]}",
        scale * float(probes.scores[factor, stage]),
        ends=(scale * low, scale * high),
        interval=interval,
        n=count,
        unit="%" if is_share else "",
    )
