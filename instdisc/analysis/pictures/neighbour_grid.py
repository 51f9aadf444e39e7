"""Nearest neighbours of the same images in several networks, side by side.

Legend: M checkpoints, Q queries shown, k neighbours, U images shown in all, S side of a thumbnail.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import ImageSource, image_names
from instdisc.metrics import bootstrap_interval
from instdisc.models import Backbone
from instdisc.records import Run
from instdisc.transfer import extract_features, save_predictions
from instdisc.types import About, Record

from .choose import choose_images
from .neighbours import neighbours
from .sheet import RIGHT, WIDEST, WRONG, Sheet, need_arrays
from .subjects import (
    about_subject,
    check_backbones,
    class_names,
    policies_of,
    thumbnail_side,
    thumbnails,
)

Arrays = Mapping[str, np.ndarray]


@checked_call(thumbnail=thumbnail_side)
def compare_neighbours(
    backbones: Mapping[str, Backbone],
    test: ImageSource,
    *,
    k: int = 8,
    num_images: int = 6,
    shown: Sequence[int | str] | None = None,
    num_queries: int = 1000,
    thumbnail: int = 64,
    seed: int = 0,
    image_size: int | None = None,
    batch_size: int = 256,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    about: About | None = None,
    arrays: str | Path | None = None,
) -> list[Record]:
    """What each network takes for similar: the nearest neighbours of the same images.

    Args:
        backbones: by name; frozen, and checked not to change.
        test: where queries and neighbours come from.
        k: neighbours of each image.
        num_images: Q queries that the figure shows, see `choose_images`.
        shown: positions or names of the queries to show instead.
        num_queries: images that the records ask about, drawn likewise; of known class if any is.
        thumbnail: S in pixels; 0: the figure shows names instead of pictures.
        seed: of the draws and of the interval.
        image_size: see `extract_features`.
        batch_size: images at once.
        num_workers: processes that read.
        device: where features are computed.
        about: what the records say instead of what backbones and test set tell.
        arrays: a ``.npz`` file for ``checkpoint (M,)``, ``image (U,)`` and ``class (U,)`` texts,
            ``label (U,)``, ``query (Q,)`` and ``neighbour (M, Q, k)`` rows of these,
            ``cosine (M, Q, k)`` and ``thumbnail (U, S, S, 3)``; ``None``: none.

    Returns:
        Of each checkpoint the mean share of the k neighbours that are of the query's class (not
        where no class is known), and their mean cosine with the query, each with a bootstrap
        interval over the queries. A low cosine is called better: features that fill the sphere.

    Raises:
        TypeError, ValueError: see `neighbours`, `choose_images` and `extract_features`; if there
            is no backbone.

    Source:
        None: ours. The share is the precision at k of image retrieval.

    Example:
        >>> from instdisc.data import Scenes
        >>> scenes = Scenes(20, image_size=32, num_categories=2)
        >>> records = compare_neighbours({"random": Backbone("test_resnet")}, scenes, k=3,
        ...     image_size=32)
        >>> [(record.task, record.metric, record.n) for record in records]
        [('neighbours', 'neighbours of the class', 20), ('neighbours', 'cosine of neighbours', 20)]
    """
    names = check_backbones(backbones)
    checks.whole("num_queries", num_queries)
    chosen = choose_images(test, num_images, shown=shown, seed=seed)
    labelled = (test.labels >= 0).nonzero()[:, 0]
    asked = labelled if len(labelled) else torch.arange(len(test))
    asked = asked[choose_images(test.subset(asked), num_queries, seed=seed)]
    policies = policies_of(backbones, image_size)
    records, rows, cosines = [], [], []
    for name, backbone in backbones.items():
        start = time.perf_counter()
        features = extract_features(
            backbone,
            test,
            batch_size=batch_size,
            num_workers=num_workers,
            device=device,
            policy=policies[name],
        )
        drawn = neighbours(features, chosen, k=k)
        rows.append(drawn.rows)
        cosines.append(drawn.cosines)
        nearest = neighbours(features, asked, k=k)
        run = Run(
            about_subject(name, backbone, test, about, policies[name]),
            seed,
            time.perf_counter() - start,
            {"k": k, "bank": len(test)},
            str(device),
        )
        if len(labelled):
            same = test.labels[nearest.rows] == test.labels[asked, None]  # (queries, k)
            records.append(_mean(run, "neighbours of the class", 100 * same.double(), "%", True))
        records.append(_mean(run, "cosine of neighbours", nearest.cosines, "", False))
    everything = torch.cat([chosen, torch.stack(rows).flatten()])
    union, places = everything.unique(return_inverse=True)
    called = image_names(test)
    save_predictions(
        arrays,
        {
            "checkpoint": names,
            "image": [called[position] for position in union.tolist()],
            "class": class_names(test, test.labels[union]),
            "label": test.labels[union],
            "query": places[: len(chosen)],
            "neighbour": places[len(chosen) :].view(len(names), len(chosen), k),
            "cosine": torch.stack(cosines),
            "thumbnail": thumbnails(test, union, thumbnail, policies[names[0]]),
        },
    )
    return records


def _mean(run: Run, metric: str, values: Tensor, unit: str, higher: bool) -> Record:
    """The mean of ``(queries, k)`` values."""
    rows = values.mean(1)
    ends = bootstrap_interval(lambda drawn: drawn.mean(1), [rows], seed=run.seed)
    return run.record(
        "neighbours",
        metric,
        float(rows.mean()),
        ends=ends,
        interval=f"bootstrap, {len(rows)} queries",
        n=len(rows),
        unit=unit,
        higher_is_better=higher,
    )


_MARGIN, _GAP, _LABEL, _SIDE = 0.12, 0.06, 1.2, 0.9  # inches


@checked_call()
def neighbours_figure(arrays: Arrays) -> Figure:
    """A block for each query: the query, and a row of neighbours for each checkpoint.

    A neighbour of the query's class has a full green frame, another a dashed red one; where the
    class is unknown there is none. Under the pictures stands what the images are called if there
    are no pictures.

    Args:
        arrays: that `compare_neighbours` wrote.

    Raises:
        ValueError: if an array is lacking.

    Example:
        >>> nothing = np.zeros((2, 0, 0, 3), np.uint8)
        >>> figure = neighbours_figure({
        ...     "checkpoint": np.array(["random"]), "image": np.array(["a.png", "b.png"]),
        ...     "class": np.array(["cat", "dog"]), "label": np.array([0, 1]),
        ...     "query": np.array([0]), "neighbour": np.array([[[1]]]),
        ...     "cosine": np.array([[[0.5]]]), "thumbnail": nothing})
        >>> type(figure).__name__
        'Figure'
    """
    need_arrays(
        arrays, ("checkpoint", "image", "class", "label", "query", "neighbour", "thumbnail")
    )
    checkpoints = [str(name) for name in arrays["checkpoint"]]
    queries, nearest = arrays["query"], arrays["neighbour"]
    pictures, labels = arrays["thumbnail"], arrays["label"]
    k = nearest.shape[2]
    # Query, words, then the neighbours; narrower if they would not fit.
    side = min(_SIDE, (WIDEST - 2 * _MARGIN - _LABEL - (k + 2) * _GAP) / (k + 1))
    left = _MARGIN + side + 2 * _GAP + _LABEL
    row = side + _GAP
    block = max(len(checkpoints) * row, side + 0.3) + 0.16
    top = 0.55
    sheet = Sheet(left + k * row + _MARGIN, top + len(queries) * block)
    sheet.words(
        _MARGIN, 0.1, f"The {k} nearest neighbours of each image on the left", size=11, bold=True
    )
    key = "green: of the image's class; dashed red: of another"
    sheet.words(_MARGIN, 0.32, key, color="#444444")
    for place, query in enumerate(queries.tolist()):
        y = top + place * block
        sheet.picture(_MARGIN, y, side, pictures[query])
        under = str(arrays["class"][query]) or str(arrays["image"][query])
        sheet.words(
            _MARGIN + side / 2, y + side + 0.03, under, width=side, align="center", bold=True
        )
        for order, name in enumerate(checkpoints):
            at = y + order * row
            sheet.words(
                left - _LABEL + 0.02, at + side / 2 - 0.07, name, width=_LABEL - 0.1, size=9
            )
            for column, image in enumerate(nearest[order, place].tolist()):
                x = left + column * row
                sheet.picture(x, at, side, pictures[image])
                if not pictures.size:
                    sheet.words(x + 0.04, at + 0.1, str(arrays["class"][image]), width=side - 0.08)
                    sheet.words(
                        x + 0.04, at + 0.3, str(arrays["image"][image]), width=side - 0.08, size=6
                    )
                if labels[query] >= 0 and labels[image] >= 0:
                    same = labels[query] == labels[image]
                    inset = 0.02
                    color = RIGHT if same else WRONG
                    sheet.frame(x + inset, at + inset, side - 2 * inset, color, dashed=not same)
    return sheet.figure
