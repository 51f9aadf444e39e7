"""What each stage of a backbone keeps of an image, measured on a test set.

Legend: N images, S stages, K distances, P side of a thumbnail, H x W size of the view.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from instdisc import checks
from instdisc.analysis.inputs import stage_positions
from instdisc.checks import checked_call
from instdisc.data import (
    ImageSource,
    ViewDataset,
    ViewLoader,
    describe_view,
    evaluation_policy,
    image_names,
)
from instdisc.metrics import t_interval
from instdisc.models import Backbone
from instdisc.records import Run
from instdisc.transfer.provenance import about_run
from instdisc.types import About, Record

from .arrays import Unfinished, save_inversions
from .distances import HIGHER_IS_BETTER, TITLES, check_distances, image_distances
from .invert import Inversion, invert
from .perceptual import weights_file

DISTANCES = ("ssim", "ms_ssim", "psnr")


@checked_call()
def evaluate_inversion(
    backbone: Backbone,
    test: ImageSource,
    *,
    seed: int = 0,
    num_images: int = 4,
    stages: Sequence[int] | None = None,
    steps: int | None = None,
    learning_rate: float | None = None,
    recipe: str = "zhao",
    channels: Sequence[int] | None = None,
    kernels: Sequence[int] | None = None,
    depth: int | None = None,
    total_variation: float = 0.0,
    distances: Sequence[str] = DISTANCES,
    lpips_weights: Mapping[str, str] | None = None,
    precision: str = "32-true",
    compile: bool = False,
    at_once: int = 8,
    thumbnail: int = 64,
    image_size: int | None = None,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    about: About | None = None,
    arrays: str | Path | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> list[Record]:
    """Images drawn anew from each stage, and how near they come to the originals.

    Args:
        backbone: see `invert`.
        test: from which images are drawn by the seed.
        seed: of the images, and of the networks: image n's begins from ``seed + n`` at every
            stage and for every backbone.
        num_images: N.
        stages: from 1; ``None`` for all.
        steps: see `invert`, like the options up to `total_variation`.
        learning_rate: of Adam.
        recipe: ``"zhao"`` or ``"dip"``.
        channels: of each level of the networks.
        kernels: side of each level's convolutions.
        depth: their number of levels.
        total_variation: its weight.
        distances: see `image_distances`.
        lpips_weights: likewise.
        precision: see `invert`, like `compile`.
        compile: by `torch.compile`.
        at_once: images that are inverted together.
        thumbnail: P, side in pixels of the pictures in `arrays`, where the view is larger; 0: none
            are kept, as where images must not be shown.
        image_size: side of the view, see `extract_features`.
        num_workers: processes that read.
        device: where to compute.
        about: what the records say instead of what backbone and test set tell.
        arrays: a ``.npz`` file for `inversion_figure`: ``stages`` (S,), ``image`` (N,) names,
            ``originals`` (N, P, P, 3) and ``reconstructions`` (S, N, P, P, 3) uint8,
            ``distance_names`` (K,) and ``distances`` (K, S, N), ``feature_errors`` (S, N),
            ``loss_steps`` and ``losses`` (S, steps, N) at a hundred of the steps. Beside it, while
            it runs, hidden files from which a killed run goes on.
        progress: called with steps done and all steps.

    Returns:
        For each stage, under tasks like ``"stage4_inversion"``, the mean of each distance over the
        images and of the feature error (see `Inversion`), with a t interval over the images. More
        similarity is called better: of two backbones the one that keeps more of the image has
        thrown away less that another task may need, which is the paper's argument. A large feature
        error means that the steps did not suffice: then the distances say nothing.

    Raises:
        TypeError, ValueError, FileNotFoundError, RuntimeError: see `invert`, `image_distances`.

    Source:
        Zhao et al. (2021): the last stage of ResNet-50 at 224 px, LPIPS over images, how many is
        not published. Differs from them: every stage, SSIM and PSNR by default.

    Example:
        >>> from instdisc.data import Scenes
        >>> records = evaluate_inversion(Backbone("test_resnet"), Scenes(4, image_size=32),
        ...     num_images=2, stages=[1], steps=2, channels=[8, 8], distances=["ssim"],
        ...     image_size=32)
        >>> [(record.task, record.metric) for record in records]
        [('stage1_inversion', 'SSIM'), ('stage1_inversion', 'feature error')]
    """
    start = time.perf_counter()
    positions = stage_positions(stages, backbone)
    check_distances(distances)
    for name in distances:
        if name.startswith("lpips_"):  # missing weights show before the hours of inversion
            network = name.removeprefix("lpips_")
            weights_file(network, (lpips_weights or {}).get(network))
    checks.whole("num_images", num_images, at_most=len(test))
    checks.whole("at_once", at_once)
    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(seed))
    chosen = test.subset(order[:num_images].sort().values)
    policy = evaluation_policy(image_size, seen=backbone.input)
    whose = about_run(backbone, test, about, view=describe_view(policy))
    pixels = _pixels(backbone, chosen, image_size, num_workers)
    options = {
        "steps": steps,
        "learning_rate": learning_rate,
        "recipe": recipe,
        "channels": channels,
        "kernels": kernels,
        "depth": depth,
        "total_variation": total_variation,
        "precision": precision,
        "compile": compile,
    }
    unfinished = Unfinished(arrays, pixels, {**options, "w": backbone.about().weights})
    inversions: list[Inversion] = []
    drawn, values = [], []
    for turn, position in enumerate(positions):
        parts = []
        for first in range(0, num_images, at_once):
            rows = range(first, min(first + at_once, num_images))
            parts.append(
                invert(
                    backbone,
                    pixels[rows.start : rows.stop],
                    stage=position + 1,
                    seed=[seed + row for row in rows],
                    device=device,
                    checkpoint=unfinished.file(position + 1, first, seed),
                    progress=_share(progress, turn, first, rows.stop, num_images, len(positions)),
                    **options,  # type: ignore[arg-type]
                )
            )
        inversions.append(_joined(parts))
        drawn.append(inversions[-1].reconstructions)
        values.append(image_distances(drawn[-1], pixels, distances, lpips_weights=lpips_weights))
    run = Run(
        whose,
        seed,
        time.perf_counter() - start,
        {
            **{name: value for name, value in options.items() if name != "compile"},
            "steps": len(inversions[0].losses),
            "num_images": num_images,
            "distances": list(distances),
            "image_size": pixels.shape[-1],
        },
        str(device),
    )
    save_inversions(arrays, thumbnail, positions, image_names(chosen), pixels, inversions, values)
    unfinished.remove()
    records = []
    for position, inversion, by_name in zip(positions, inversions, values, strict=True):
        stage = {
            "stage": position + 1,
            "stages": len(backbone.stages),
            "stride": backbone.strides[position],
            "width": backbone.widths[position],
        }
        at_stage = run._replace(settings={**run.settings, **stage})
        task = f"stage{position + 1}_inversion"
        for name, value in by_name.items():
            unit = "dB" if name == "psnr" else ""
            records.append(
                _record(at_stage, task, TITLES[name], value, unit, HIGHER_IS_BETTER[name])
            )
        errors = 100 * inversion.errors.double()
        records.append(_record(at_stage, task, "feature error", errors, "%", False))
    return records


def _record(
    run: Run, task: str, metric: str, values: Tensor, unit: str, higher_is_better: bool
) -> Record:
    count = len(values)
    return run.record(
        task,
        metric,
        float(values.mean()),
        ends=None if count < 2 else t_interval(values.tolist()),
        interval=f"t, {count} images",
        n=count,
        unit=unit,
        higher_is_better=higher_is_better,
    )


def _pixels(
    backbone: Backbone, images: ImageSource, image_size: int | None, num_workers: int
) -> Tensor:
    """The centre of each image, ``(N, 3, H, W)`` from 0 to 1."""
    plain = backbone.input._replace(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    views = ViewDataset(images, [evaluation_policy(image_size, seen=plain)])
    loader = ViewLoader(views, 64, shuffle=False, drop_last=False, num_workers=num_workers)
    return torch.cat([batch.images[0] for batch in loader]).clamp(0, 1)


def _joined(parts: Sequence[Inversion]) -> Inversion:
    return Inversion(
        torch.cat([part.reconstructions for part in parts]),
        torch.cat([part.losses for part in parts], 1),
        torch.cat([part.errors for part in parts]),
        parts[0].stage,
    )


def _share(
    progress: Callable[[int, int], object] | None,
    turn: int,
    first: int,
    last: int,
    count: int,
    turns: int,
) -> bool | Callable[[int, int], object]:
    """Reports one inversion of several, in image steps."""
    if progress is None:
        return False
    return lambda step, steps: progress(
        steps * (turn * count + first) + step * (last - first), steps * turns * count
    )
