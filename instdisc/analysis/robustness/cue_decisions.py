"""Whether decisions on frozen features go by shape or by texture.

Legend: N images, C classes, D width.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import ImageSource
from instdisc.data.left_out import say_left_out
from instdisc.models import Backbone
from instdisc.records import Run
from instdisc.transfer import Features, extract_features, fit_readout, save_predictions
from instdisc.transfer.intervals import share_record
from instdisc.transfer.labelled import count_classes, labelled_features
from instdisc.transfer.provenance import checked
from instdisc.types import About, Record

from ..analysis import Arrays, checkpoint_arrays
from .cue_conflict import CueConflict, shape_bias


@checked_call()
def evaluate_shape_bias(
    backbone: Backbone,
    train: ImageSource,
    cues: CueConflict | str | Path,
    *,
    classifier: Literal["class_mean", "readout"] = "class_mean",
    seed: int = 0,
    image_size: int | None = None,
    batch_size: int = 256,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    about: About | None = None,
    arrays: str | Path | None = None,
) -> list[Record]:
    """Whether decisions on frozen features go by shape or by texture.

    Args:
        backbone: frozen; checked not to change.
        train: plain images, whose classes are matched by name; a classifier learns from
            them. Cue-conflict images of other shapes or textures are counted and left out.
        cues: see `CueConflict`.
        classifier: ``"class_mean"``: the class whose mean of unit features is nearest by cosine;
            ``"readout"``: see `fit_readout`.
        seed: of the readout.
        image_size: see `extract_features`.
        batch_size: images at once.
        num_workers: processes that read.
        device: where to compute.
        about: what the records say.
        arrays: a ``.npz`` file for what `shape_bias_figure` draws: ``classes`` (C,), and
            ``image``, ``prediction``, ``shape`` and ``texture`` of each image whose cues disagree;
            ``None``: none.

    Returns:
        In percent: the shape bias with Wilson's interval over the decisions for either; and the
        share of decisions for either, likewise. A larger bias is called better: people have it,
        and Geirhos et al. find it with robustness; it is no accuracy.

    Raises:
        FileNotFoundError, ValueError: see `CueConflict`; if `train` has no names of classes, fewer
            than two of the cues', or no decision is for shape or texture.
        RuntimeError: if the backbone changed.

    Source:
        Geirhos et al. (2019). Differs from it: they map ImageNet's 1,000 classes to 16; here a
        classifier of those classes is fitted to the features, as a backbone has none.
    """
    start = time.perf_counter()
    if not isinstance(cues, CueConflict):
        cues = CueConflict(cues)
    place = {name: position for position, name in enumerate(train.classes)}
    number = torch.tensor([place.get(name, -1) for name in cues.classes])
    if int((number >= 0).sum()) < 2:
        checks.refuse(
            "train",
            f"of at least two of the classes {', '.join(cues.classes)}",
            list(train.classes)[:10],
        )
    shapes, textures = number[cues.labels], number[cues.textures]
    agree = cues.labels == cues.textures
    names = cues.image_names()
    unknown = (shapes < 0) | (textures < 0)
    for rows, why in (
        (agree, "show shape and texture of one class, and do not count, first "),
        (
            unknown & ~agree,
            "are of classes that were not trained on, first ",
        ),
    ):
        positions = rows.nonzero()[:, 0].tolist()
        say_left_out(positions, f"{cues.root}: %d images {why}", lambda row: names[row])
    kept = (~unknown & ~agree).nonzero()[:, 0]
    if not len(kept):
        checks.refuse("cues", "of at least one image whose cues disagree", str(cues.root))

    def extract(images: ImageSource) -> Features:
        return extract_features(
            backbone,
            images,
            image_size=image_size,
            batch_size=batch_size,
            num_workers=num_workers,
            device=device,
        )

    num_classes = count_classes(train.labels, train.classes, "train")
    seen, asked = extract(train), extract(cues.subset(kept))
    if classifier == "readout":
        readout = fit_readout(seen, num_classes=num_classes, seed=seed, device=device)
        predictions = readout.logits(asked.features).argmax(1)
    else:
        predictions = _nearest_mean(seen, asked.features, num_classes)
    shapes, textures = shapes[kept], textures[kept]
    save_predictions(
        arrays,
        {
            "classes": list(train.classes),
            "image": list(asked.names),
            "prediction": predictions,
            "shape": shapes,
            "texture": textures,
        },
    )
    counts = shape_bias(predictions, shapes, textures)
    run = Run(
        asked.about.update(checked(about)),
        seed,
        time.perf_counter() - start,
        {"classifier": classifier, "train": len(train), **counts._asdict()},
        str(device),
    )
    decided = (predictions == shapes) | (predictions == textures)
    return [
        share_record("shape_bias", "shape bias", (predictions == shapes)[decided], run),
        share_record("shape_bias", "shape or texture", decided, run),
    ]


@checked_call()
def shape_bias_figure(arrays: Mapping[str, Arrays]) -> Figure:
    """Shape bias by the class of the shape, a mark for each checkpoint; lines are the means.

    Args:
        arrays: by checkpoint, what `evaluate_shape_bias` keeps. Classes without a decision for
            shape or texture have no mark.

    Raises:
        ValueError: if there is no checkpoint, an array is missing, or they have other classes.

    Example:
        >>> some = {"classes": np.array(["cat", "dog"]), "prediction": np.array([0, 0]),
        ...     "shape": np.array([0, 1]), "texture": np.array([1, 0])}
        >>> len(shape_bias_figure({"MoCo": some}).axes)
        1
    """
    columns = ["classes", "prediction", "shape", "texture"]
    checkpoint_arrays("arrays", arrays, columns)
    classes = next(iter(arrays.values()))["classes"].tolist()
    figure = Figure(figsize=(5.2, 0.26 * len(classes) + 1.3), layout="constrained")
    axes = figure.subplots()
    for row, (checkpoint, content) in enumerate(arrays.items()):
        if content["classes"].tolist() != classes:
            checks.refuse("arrays", "of the same classes for every checkpoint", checkpoint)
        by_shape = content["prediction"] == content["shape"]
        decided = by_shape | (content["prediction"] == content["texture"])
        shares = [
            by_shape[decided & (content["shape"] == k)].mean()
            if (decided & (content["shape"] == k)).any()
            else np.nan
            for k in range(len(classes))
        ]
        color = f"C{row}"
        axes.scatter(shares, range(len(classes)), s=22, color=color, label=checkpoint, zorder=3)
        if decided.any():
            axes.axvline(by_shape[decided].mean(), color=color, linewidth=1)
    axes.set_yticks(range(len(classes)), classes, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("share of shape decisions (0 texture, 1 shape)", fontsize=8)
    axes.grid(axis="y", linewidth=0.3)
    figure.legend(loc="outside upper center", ncols=4, fontsize=8)
    return figure


def _nearest_mean(train: Features, features: Tensor, num_classes: int) -> Tensor:
    """``(N,)`` int64 class whose mean of unit features is nearest by cosine."""
    train = labelled_features(train, num_classes, "train")
    units = F.normalize(train.features.double(), dim=1)
    sums = units.new_zeros(num_classes, units.shape[1]).index_add_(0, train.labels, units)
    cosines = features.double() @ F.normalize(sums, dim=1).T  # the image's length changes no order
    absent = torch.bincount(train.labels, minlength=num_classes) == 0
    return cosines.masked_fill(absent, -torch.inf).argmax(1)
