"""How much of a network a task needs to train: fine-tuning the last k stages.

Legend: K choices of how many stages train, S stages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import ImageSource, describe_view
from instdisc.models import Backbone
from instdisc.records import Run
from instdisc.transfer import ISLAM_GRID, Recipe, finetune, save_predictions
from instdisc.transfer.provenance import about_run
from instdisc.types import About, Record

from .layer_similarity import layer_similarity


@checked_call()
def evaluate_last_stages(
    backbone: Backbone,
    train: ImageSource,
    test: ImageSource,
    *,
    seed: int = 0,
    last_stages: Sequence[int] | None = None,
    grid: Sequence[Recipe] = ISLAM_GRID,
    tune_epochs: int = 20,
    epochs: int = 50,
    share: float = 1.0,
    per_class: int | None = None,
    image_size: int | None = None,
    batch_size: int = 256,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    progress: Callable[[int, int], None] | None = None,
    about: About | None = None,
    arrays: str | Path | None = None,
) -> list[Record]:
    """Fine-tunes the last k stages for each k, and tells which stages moved.

    A network whose low and middle levels fit a task reaches the accuracy of the whole network
    with few stages. Afterwards each stage is compared with what it was, on the test images: a CKA
    of 1 is a stage that tells images apart as before, a low one has moved.

    Args:
        backbone: where to start, each time; it is not changed.
        train: the training set.
        test: the test set, of the same classes.
        seed: see `finetune`; also of the batches of CKA.
        last_stages: each k, from 0 (the classifier alone) to the number of stages; ``None``: all.
            The layers before the first stage never train here.
        grid: see `finetune`.
        tune_epochs: with each recipe of the grid.
        epochs: for the result.
        share: of the labels of each class.
        per_class: so many labels of each class instead.
        image_size: side of the views in pixels; ``None``: at which the backbone was trained.
        batch_size: images in a Gram matrix of CKA; that of the training stands in the recipe.
        num_workers: processes that read.
        device: where to compute.
        progress: called as ``progress(done, total)`` after each epoch.
        about: what the records say instead of what backbone and test set tell.
        arrays: a ``.npz`` file for ``last_stages`` (K), ``top1``, ``top1_low``, ``top1_high`` (K,
            in %), ``stage`` (S names), and ``cka``, ``cka_low``, ``cka_high`` ``(K, S)``.

    Returns:
        The records of `finetune` for each k, of tasks like ``"last2_finetune"``; then the CKA of
        each stage before and after, ``"last2_layer3_moved"``. Neither direction of the CKA is
        better; the records call more alike better.

    Raises:
        TypeError, ValueError: see `finetune`; if `last_stages` names a number twice.

    Source:
        Islam et al. (2021): their code trains the last k stages (``unfreeze_lastk``) and their
        conclusion is on levels and CKA; the figure is not public. Ours.

    Example:
        >>> from instdisc.data import Scenes
        >>> scenes = Scenes(16, image_size=32, num_categories=2)
        >>> records = evaluate_last_stages(Backbone("test_resnet"), scenes, scenes, image_size=32,
        ...     last_stages=[1], grid=[Recipe(0.01, 8, 0.0)], epochs=1)
        >>> [record.task for record in records if record.metric in ("top-1", "CKA")]
        ['last1_finetune', 'last1_layer1_moved', 'last1_layer2_moved', 'last1_layer3_moved',
        'last1_layer4_moved']
    """
    start = time.perf_counter()
    counts = _counts(last_stages, backbone)
    place = checks.device("device", device)
    rounds = epochs + (len(grid) * tune_epochs if len(grid) > 1 else 0)
    records: list[Record] = []
    rows = []
    for turn, count in enumerate(counts):
        tuned = finetune(
            backbone,
            train,
            test,
            seed=seed,
            image_size=image_size,
            grid=grid,
            tune_epochs=tune_epochs,
            epochs=epochs,
            test_every=epochs,
            last_stages=count,
            share=share,
            per_class=per_class,
            accelerator="cpu" if place.type == "cpu" else "gpu",
            devices=1 if place.index is None else [place.index],
            num_workers=num_workers,
            progress=_later(progress, turn * rounds, len(counts) * rounds),
            about=about,
        )
        # The last epoch is the only one tested, so there is no best one apart.
        records += [record._replace(task=f"last{count}_finetune") for record in tuned[:-1]]
        similarity = layer_similarity(
            {"before": backbone, "after": tuned.backbone},
            test,
            seed=seed,
            layers=None,
            pooled=True,
            image_size=image_size,
            batch_size=batch_size,
            num_workers=num_workers,
            device=place,
        )
        stages = len(backbone.stages)
        spans = [
            matrix[:stages, stages:].diagonal().cpu().numpy()
            for matrix in (similarity.cka, *similarity.intervals)
        ]
        rows.append((tuned[0], spans))
        view = describe_view(similarity.policies[0])
        run = Run(
            about_run(backbone, test, about, view=view),
            seed,
            time.perf_counter() - start,
            {**tuned[0].settings, "cka_batch_size": batch_size},
            str(place),
        )
        records += [
            run.record(
                f"last{count}_{stage}_moved",
                "CKA",
                value,
                ends=(low, high),
                interval="normal over images",
                n=similarity.num_images,
                unit="",
            )
            for stage, value, low, high in zip(backbone.stages, *spans, strict=True)
        ]
    save_predictions(arrays, _columns(counts, backbone, rows))
    return records


def _counts(last_stages: Sequence[int] | None, backbone: Backbone) -> list[int]:
    stages = len(backbone.stages)
    if last_stages is None:
        return list(range(stages + 1))
    checks.instance("last_stages", last_stages, (list, tuple), "a list of numbers, or None")
    for count in last_stages:
        remedy = f"{backbone.name!r} has {stages} stages."
        checks.whole("last_stages", count, at_least=0, at_most=stages, remedy=remedy)
    if not last_stages or len(set(last_stages)) < len(last_stages):
        checks.refuse("last_stages", "at least one number, each once", list(last_stages))
    return sorted(last_stages)


def _later(
    progress: Callable[[int, int], None] | None, before: int, total: int
) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda done, _: progress(before + done, total)


def _columns(
    counts: list[int], backbone: Backbone, rows: list[tuple[Record, list[np.ndarray]]]
) -> Mapping[str, np.ndarray]:
    first = [record for record, _ in rows]
    nan = float("nan")
    columns = {
        "last_stages": np.array(counts),
        "stage": np.array(backbone.stages),
        "top1": np.array([record.value for record in first]),
        "top1_low": np.array([nan if r.low is None else r.low for r in first]),
        "top1_high": np.array([nan if r.high is None else r.high for r in first]),
    }
    for place, name in enumerate(("cka", "cka_low", "cka_high")):
        columns[name] = np.stack([spans[place] for _, spans in rows])
    return columns
