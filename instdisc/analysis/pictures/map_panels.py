"""Maps of the features of several networks, side by side.

Legend: K checkpoints, N images, C classes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from instdisc import checks
from instdisc.analysis.analysis import plain_text
from instdisc.checks import checked_call
from instdisc.data import ImageSource, image_names
from instdisc.models import Backbone
from instdisc.records import Run
from instdisc.transfer import extract_features, save_predictions
from instdisc.types import About, Record

from .choose import choose_images
from .feature_map import align_map, feature_map
from .sheet import DPI, NEUTRAL, PALETTE, need_arrays, shorten
from .subjects import about_subject, check_backbones, policies_of

MOST_CLASSES = 3 * len(PALETTE)  # colours times markers
_NEAR = 10  # neighbours that trustworthiness asks about


@checked_call()
def compare_maps(
    backbones: Mapping[str, Backbone],
    test: ImageSource,
    *,
    projection: str = "tsne",
    num_images: int = 500,
    num_classes: int = 8,
    shown_classes: Sequence[str] | None = None,
    seed: int = 0,
    image_size: int | None = None,
    batch_size: int = 256,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    about: About | None = None,
    arrays: str | Path | None = None,
) -> list[Record]:
    """Which images each network puts together, as a map in two dimensions.

    Every network has a map of its own; those of the second and further ones are turned and
    mirrored to lie as the first's does, see `align_map`.

    Args:
        backbones: by name; frozen, and checked not to change.
        test: the images.
        projection: see `feature_map`.
        num_images: N, see `choose_images`.
        num_classes: at most so many classes are shown, drawn by the seed; colours for more than
            24 cannot be told apart. A set without classes is shown whole, in grey.
        shown_classes: names of the classes to show instead.
        seed: of the draws and the projection.
        image_size: see `extract_features`.
        batch_size: images at once.
        num_workers: processes that read.
        device: where features are computed.
        about: what the records say instead of what backbones and test set tell.
        arrays: a ``.npz`` file for ``checkpoint (K,)``, ``image (N,)`` and ``class (C,)`` texts,
            ``label (N,)`` (a row of ``class``; -1 = unknown), ``point (K, N, 2)`` and
            ``projection``; ``None``: none.

    Returns:
        Of each checkpoint the trustworthiness of its map: from 0 to 1, how few of a point's 10
        neighbours in the map are far in the features. Below about 0.9 do not believe the picture.
        It is of these images as they are, so it has no interval.

    Raises:
        TypeError, ValueError: see `feature_map` and `extract_features`; if fewer than 4 images
            are left, `num_classes` is above 24, or there is no class of such a name.

    Source:
        Venna and Kaski, "Neighborhood preservation in nonlinear projection methods" (2001):
        trustworthiness.

    Example:
        >>> from instdisc.data import Scenes
        >>> scenes = Scenes(24, image_size=32, num_categories=3)
        >>> records = compare_maps({"random": Backbone("test_resnet")}, scenes, projection="pca",
        ...     image_size=32)
        >>> [(record.task, record.metric, record.n) for record in records]
        [('map', 'trustworthiness', 24)]
    """
    names = check_backbones(backbones)
    checks.whole("num_classes", num_classes, at_most=MOST_CLASSES)
    seen = _shown_classes(test, num_classes, shown_classes, seed)
    candidates = torch.isin(test.labels, seen).nonzero()[:, 0]
    drawn = choose_images(test.subset(candidates), num_images, seed=seed)
    chosen = candidates[drawn]
    images = test.subset(chosen)
    policies = policies_of(backbones, image_size)
    records: list[Record] = []
    points: list[Tensor] = []
    for name, backbone in backbones.items():
        start = time.perf_counter()
        features = extract_features(
            backbone,
            images,
            batch_size=batch_size,
            num_workers=num_workers,
            device=device,
            policy=policies[name],
        )
        projected = feature_map(features, projection=projection, seed=seed)
        points.append(align_map(projected, points[0]) if points else projected)
        run = Run(
            about_subject(name, backbone, test, about, policies[name]),
            seed,
            time.perf_counter() - start,
            {
                "projection": projection,
                "neighbours": _nearest(len(projected)),
                "classes": len(seen),
            },
            str(device),
        )
        value = _trustworthiness(features.features, projected)
        records.append(run.record("map", "trustworthiness", value, n=len(projected), unit=""))
    called = image_names(test)
    labelled = seen[seen >= 0]
    places = torch.full((len(test.classes) + 1,), -1)  # the last is that of -1
    places[labelled] = torch.arange(len(labelled))
    save_predictions(
        arrays,
        {
            "checkpoint": names,
            "image": [called[position] for position in chosen.tolist()],
            "class": np.array([test.classes[label] for label in labelled.tolist()], dtype=str),
            "label": places[test.labels[chosen]],
            "point": torch.stack(points),
            "projection": np.array(projection),
        },
    )
    return records


def _shown_classes(
    test: ImageSource, num_classes: int, shown: Sequence[str] | None, seed: int
) -> Tensor:
    """Numbers of the classes to show, sorted; -1 alone for a set without any."""
    seen = test.labels[test.labels >= 0].unique()
    if shown is not None:
        if isinstance(shown, str) or not shown:
            checks.refuse("shown_classes", "a list of at least one name, or None", shown)
        classes = [str(name) for name in test.classes]
        for name in shown:
            checks.choice("shown_classes", name, classes)
        numbers = sorted({classes.index(name) for name in shown})
        checks.whole("shown_classes", len(numbers), at_most=MOST_CLASSES)
        return torch.tensor(numbers)
    if not len(seen):
        return torch.tensor([-1])
    order = torch.randperm(len(seen), generator=torch.Generator().manual_seed(seed))
    return seen[order[:num_classes]].sort().values


def _nearest(count: int) -> int:
    return min(_NEAR, (count - 1) // 2)


def _trustworthiness(features: Tensor, points: Tensor) -> float:
    from sklearn.manifold import trustworthiness  # slow to import

    unit = F.normalize(features.double(), dim=1).numpy()
    near = _nearest(len(points))
    return float(trustworthiness(unit, points.numpy(), n_neighbors=near))


_SIDE, _ACROSS, _LEGEND = 3.8, 3, 1.9  # inches, panels in a row, inches
_MARKERS = ("o", "^", "s")


@checked_call()
def map_figure(arrays: Mapping[str, np.ndarray]) -> Figure:
    """A panel for each checkpoint, up to three in a row, and one legend of the classes.

    Args:
        arrays: that `compare_maps` wrote.

    Raises:
        ValueError: if an array is lacking.

    Example:
        >>> figure = map_figure({
        ...     "checkpoint": np.array(["random"]), "class": np.array(["cat", "dog"]),
        ...     "label": np.array([0, 1, 1]), "point": np.zeros((1, 3, 2)),
        ...     "projection": np.array("pca")})
        >>> len(figure.axes)
        1
    """
    need_arrays(arrays, ("checkpoint", "class", "label", "point", "projection"))
    checkpoints = [str(name) for name in arrays["checkpoint"]]
    labels, points = arrays["label"], arrays["point"]
    columns = 2 if len(checkpoints) == 4 else min(len(checkpoints), _ACROSS)
    rows = math.ceil(len(checkpoints) / columns)
    side = min(_SIDE, (12.0 - _LEGEND) / columns)
    width, height = columns * side + _LEGEND, rows * (side + 0.2) + 0.4
    figure = Figure(figsize=(width, height), dpi=DPI)
    called = {"tsne": "t-SNE", "pca": "principal components", "umap": "UMAP"}
    kind = called.get(str(arrays["projection"]), str(arrays["projection"]))
    figure.text(0.12 / width, 1 - 0.1 / height, f"Features by {kind}", va="top", weight="bold")
    handles = []
    for place, name in enumerate(checkpoints):
        row, column = divmod(place, columns)
        left, bottom = column * side + 0.12, height - 0.4 - (row + 1) * (side + 0.2) + 0.1
        axes = figure.add_axes(
            (left / width, bottom / height, (side - 0.2) / width, (side - 0.1) / height)
        )
        axes.set_title(plain_text(shorten(name, side - 0.3, 10)), fontsize=10)
        axes.set_xticks([])
        axes.set_yticks([])
        for label in np.unique(labels).tolist():
            members = points[place][labels == label]
            color = NEUTRAL if label < 0 else PALETTE[label % len(PALETTE)]
            marker = "o" if label < 0 else _MARKERS[label // len(PALETTE)]
            drawn = axes.scatter(
                members[:, 0],
                members[:, 1],
                s=14,
                color=color,
                marker=marker,
                alpha=0.8,
                linewidths=0,
            )
            if not place and label >= 0:
                text = plain_text(shorten(str(arrays["class"][label]), _LEGEND - 0.6, 9))
                handles.append((drawn, text))
        axes.set_aspect("equal", adjustable="datalim")
    if handles:
        figure.legend(
            [handle for handle, _ in handles],
            [text for _, text in handles],
            loc="upper left",
            bbox_to_anchor=((columns * side + 0.05) / width, 1 - 0.55 / height),
            frameon=False,
            fontsize=9,
            markerscale=1.6,
            handletextpad=0.3,
        )
    return figure
