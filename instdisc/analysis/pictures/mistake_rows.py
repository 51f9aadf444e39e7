"""The mistakes of a quick probe on several networks, as records and as pictures.

Legend: K checkpoints, U images shown in all, E shown of a kind.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from matplotlib.figure import Figure

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import ImageSource
from instdisc.models import Backbone
from instdisc.records import Run
from instdisc.transfer import (
    evaluate_knn,
    evaluate_readout,
    extract_features,
    read_predictions,
)
from instdisc.transfer.tuning import labelled_sets
from instdisc.types import About, Record

from .mistake_records import mistake_records
from .sheet import need_arrays
from .subjects import about_subject, check_backbones, policies_of, thumbnail_side
from .tile_sheet import Tile, TileRow, tile_sheet

PROBES = ("knn", "readout")


@checked_call(thumbnail=thumbnail_side)
def compare_mistakes(
    backbones: Mapping[str, Backbone],
    train: ImageSource,
    test: ImageSource,
    *,
    probe: str = "knn",
    num_errors: int = 8,
    thumbnail: int = 64,
    seed: int = 0,
    image_size: int | None = None,
    batch_size: int = 256,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    about: About | None = None,
    arrays: str | Path | None = None,
) -> list[Record]:
    """`compare_predictions` of a probe that is fitted to the frozen features of each network.

    Args:
        backbones: by name; frozen, and checked not to change.
        train: images to learn from; those of unknown class are left out.
        test: what is classified; likewise.
        probe: ``"knn"`` (see `evaluate_knn`) or ``"readout"`` (see `evaluate_readout`).
        num_errors: see `compare_predictions`.
        thumbnail: in pixels; 0 for none.
        seed: of the readout and the intervals.
        image_size: see `extract_features`.
        batch_size: images at once.
        num_workers: processes that read.
        device: where features are computed.
        about: what the records say instead of what backbones and test set tell.
        arrays: see `compare_predictions`.

    Returns:
        See `compare_predictions`.

    Raises:
        TypeError, ValueError: see the probe; if the sets' classes differ, or there is no such
            probe.

    Source:
        See `compare_predictions`.

    Example:
        >>> from instdisc.data import Scenes
        >>> scenes = Scenes(20, image_size=32, num_categories=2)
        >>> records = compare_mistakes({"a": Backbone("test_resnet"), "b": Backbone("test_resnet")},
        ...     scenes, scenes, image_size=32)
        >>> [(record.method, record.metric) for record in records][1:]
        [('b', 'top-1'), ('a and b', 'top-1 difference'), ('a and b', 'McNemar p')]
    """
    names = check_backbones(backbones)
    checks.choice("probe", probe, PROBES)
    train, test = labelled_sets(train, test)
    policies = policies_of(backbones, image_size)
    runs, predictions = {}, {}
    for name, backbone in backbones.items():
        start = time.perf_counter()
        seen, asked = (
            extract_features(
                backbone,
                images,
                batch_size=batch_size,
                num_workers=num_workers,
                device=device,
                policy=policies[name],
            )
            for images in (train, test)
        )
        with TemporaryDirectory() as folder:
            file = Path(folder) / "probe.npz"
            if probe == "knn":
                evaluate_knn(seen, asked, seed=seed, predictions=file)
            else:
                evaluate_readout(seen, asked, seed=seed, device=device, predictions=file)
            predictions[name] = read_predictions(file)
        runs[name] = Run(
            about_subject(name, backbone, test, about, policies[name]),
            seed,
            time.perf_counter() - start,
            {"probe": probe, "train": len(train)},
            str(device),
        )
    return mistake_records(
        runs,
        predictions,
        test,
        num_errors=num_errors,
        thumbnail=thumbnail,
        about=about,
        arrays=arrays,
        policy=policies[names[0]],
    )


@checked_call()
def mistakes_figure(arrays: Mapping[str, np.ndarray]) -> Figure:
    """A row of the surest errors for each checkpoint, then what each pair disagrees on.

    Below a picture stands its class, and below that what was predicted and how surely. Of three
    and more checkpoints the pairs of the first with each other one are shown.

    Args:
        arrays: that `compare_mistakes` or `compare_predictions` wrote.

    Raises:
        ValueError: if an array is lacking.

    Example:
        >>> figure = mistakes_figure({
        ...     "checkpoint": np.array(["random"]), "image": np.array(["a.png"]),
        ...     "class": np.array(["cat", "dog"]), "label": np.array([0]),
        ...     "prediction": np.array([[1]]), "confidence": np.array([[0.9]]),
        ...     "thumbnail": np.zeros((1, 0, 0, 3), np.uint8), "error": np.array([[0, -1]]),
        ...     "only": np.full((1, 1, 2), -1), "count": np.zeros((1, 1)),
        ...     "p_value": np.ones((1, 1)), "top": np.array([50.0])})
        >>> type(figure).__name__
        'Figure'
    """
    columns = ("image", "class", "label", "prediction", "confidence", "thumbnail")
    need_arrays(arrays, ("checkpoint", *columns, "error", "only", "count", "p_value", "top"))
    checkpoints = [str(name) for name in arrays["checkpoint"]]

    def tiles(rows: np.ndarray, whose: int) -> list[Tile]:
        return [_tile(arrays, row, whose) for row in rows.tolist() if row >= 0]

    blocks = [
        TileRow(
            f"{name}: the errors it is surest of (top-1 {arrays['top'][order]:.1f} %)",
            tiles(arrays["error"][order], order),
        )
        for order, name in enumerate(checkpoints)
    ]
    for other in range(1, len(checkpoints)):
        p_value = float(arrays["p_value"][0, other])
        for right, wrong in ((0, other), (other, 0)):
            heading = (
                f"{checkpoints[right]} right, {checkpoints[wrong]} wrong: "
                f"{int(arrays['count'][right, wrong])} images"
            )
            if not right:
                heading += f" (McNemar's p = {_short(p_value)})"
            blocks.append(TileRow(heading, tiles(arrays["only"][right, wrong], wrong)))
    return tile_sheet(
        blocks,
        num_columns=arrays["error"].shape[1],
        title="Mistakes",
        note="first line: the image's class; second line: what was predicted, and how surely",
    )


def _tile(arrays: Mapping[str, np.ndarray], row: int, whose: int) -> Tile:
    guess = int(arrays["prediction"][whose, row])
    return Tile(
        arrays["thumbnail"][row],
        class_text(arrays["class"], int(arrays["label"][row])),
        class_text(arrays["class"], guess),
        float(arrays["confidence"][whose, row]),
        str(arrays["image"][row]),
    )


def class_text(classes: np.ndarray, label: int) -> str:
    """The name of a class, or its number if it has none."""
    return str(classes[label]) if 0 <= label < len(classes) else str(label)


def _short(p_value: float) -> str:
    return f"{p_value:.2g}" if p_value >= 1e-4 else f"{p_value:.0e}"
