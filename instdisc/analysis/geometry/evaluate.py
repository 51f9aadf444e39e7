"""Geometry of the features of every stage of a checkpoint.

Legend: N images, S stages.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import ImageSource
from instdisc.models import Backbone
from instdisc.records import Run
from instdisc.transfer import extract_stages, save_predictions
from instdisc.transfer.provenance import about_run
from instdisc.types import About, Record

from ..inputs import check_network, stage_positions
from .measure import HIGHER_IS_BETTER, measure_stage, number_table
from .sphere import MAX_IMAGES
from .views import extract_views


@checked_call()
def evaluate_geometry(
    backbone: Backbone,
    test: ImageSource,
    *,
    seed: int = 0,
    stages: Sequence[int] | None = None,
    policy: str = "moco_v2",
    max_images: int = MAX_IMAGES,
    image_size: int | None = None,
    batch_size: int = 256,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    about: About | None = None,
    arrays: str | Path | None = None,
) -> list[Record]:
    """What classes and spectrum of the averaged map of every stage look like.

    Per stage: class separation, variability collapse, intra-class spread and silhouette of the
    images of known class; alignment of two random views; uniformity; RankMe, alpha, participation
    ratio and stable rank. Run it on the set of the pretraining and on sets to transfer to. Of a
    set without two classes the numbers of classes are left out, which the log says.

    Which way is better, in the records, is what the papers argue for transfer: less separation and
    collapse of the classes of the pretraining, wider classes (Zhao et al. 2021; Kornblith et al.
    2021), more and more even directions (Garrido et al. 2023; Agrawal et al. 2022), views nearer
    to each other and features more even on the sphere (Wang and Isola 2020). On the classes of the
    target itself separation is what a classifier wants.

    Args:
        backbone: frozen; checked not to change.
        test: the images.
        seed: of the random views and of the draw of images for pairs.
        stages: numbers from 1, shallow to deep; ``None`` for all.
        policy: of the random views, a name for `instdisc.data.view_policy`.
        max_images: at most so many images whose pairs are compared (uniformity, silhouette).
        image_size: side of the view in pixels; ``None``: at which the backbone was trained.
        batch_size: images at once.
        num_workers: processes that read.
        device: where the backbone computes.
        about: what the records say instead of what backbone and test set tell.
        arrays: a ``.npz`` file for ``stage`` and, per stage, each number (``class_separation``,
            ``rankme`` and so on, with ``_low`` and ``_high``; NaN where there is none), and of
            stage K ``stageK_singular_values``, ``stageK_eigenvalues``, ``stageK_class_within`` and
            ``stageK_class_spread`` (of each class in ``class``).

    Returns:
        For each stage a record per number, under tasks like ``"stage4_geometry"``. Intervals are
        normal, from how much each image moves the number; ranks and alpha have none, since they
        depend on the number of images.

    Raises:
        TypeError, ValueError: if an argument is out of range, there is no such stage, there are
            fewer than 4 images, or the features of a stage are not finite, all the same or zero.
        RuntimeError: if the backbone changed.

    Example:
        >>> from instdisc.data import Scenes
        >>> images = Scenes(12, image_size=32, num_categories=2)
        >>> records = evaluate_geometry(Backbone("test_resnet"), images, image_size=32, stages=[4])
        >>> [record.metric for record in records][:3]
        ['class separation', 'variability collapse', 'intra-class spread']
    """
    start = time.perf_counter()
    check_network(backbone, device, test=test)
    checks.whole("max_images", max_images, at_least=4)
    chosen = stage_positions(stages, backbone)
    seen = {
        "image_size": image_size,
        "batch_size": batch_size,
        "num_workers": num_workers,
        "device": device,
    }
    plain = extract_stages(backbone, test, **seen)  # type: ignore[arg-type]
    views = extract_views(
        backbone,
        test,
        policy=policy,
        num_views=2,
        seed=seed,
        stages=True,
        **seen,  # type: ignore[arg-type]
    )
    about = about_run(backbone, test, about, view=plain[0].about.view)
    rows, columns = [], {"stage": torch.tensor(chosen) + 1}
    for stage in chosen:
        name = f"features of stage {stage + 1}"
        numbers, kept = measure_stage(
            name, plain[stage], views[stage], max_images=max_images, seed=seed
        )
        rows.append((stage, numbers))
        columns.update({f"stage{stage + 1}_{name}": value for name, value in kept.items()})
    labels = plain[0].labels[plain[0].labels >= 0].unique()
    named = [test.classes[k] if k < len(test.classes) else str(k) for k in labels.tolist()]
    save_predictions(
        arrays, {**columns, "class": named, **number_table([numbers for _, numbers in rows])}
    )
    seconds = time.perf_counter() - start
    records = []
    for stage, numbers in rows:
        place = {
            "stage": stage + 1,
            "stages": len(backbone.strides),
            "stride": backbone.strides[stage],
            "width": backbone.widths[stage],
            "image_size": backbone.input.size if image_size is None else image_size,
        }
        numbers["alignment"] = numbers["alignment"]._replace(settings={"policy": policy})
        for name, number in numbers.items():
            run = Run(about, seed, seconds, {**place, **number.settings}, str(device))
            records.append(
                run.record(
                    f"stage{stage + 1}_geometry",
                    name,
                    number.value,
                    ends=number.ends,
                    interval=f"normal, influence of each of {number.n} images",
                    n=number.n,
                    unit="",
                    higher_is_better=HIGHER_IS_BETTER[name],
                )
            )
    return records
