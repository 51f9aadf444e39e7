"""What each stage of a backbone knows: probes of low, middle and high level."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from instdisc.checks import checked_call, positive, whole
from instdisc.data import ImageSource
from instdisc.models import Backbone
from instdisc.types import About, ImageSize, Record

from ..features.extract import extract_stages
from ..knn import evaluate_knn
from ..labelled import count_classes, labelled_features
from ..provenance import checked, former_keywords
from ..tuning import labelled_sets
from .readout import evaluate_readout
from .regression import PENALTIES

PROBES = ("knn", "readout")


@former_keywords
@checked_call(filled=["penalties"], penalties=positive, folds=whole)
def evaluate_stages(
    backbone: Backbone,
    train: ImageSource,
    test: ImageSource,
    *,
    seed: int = 0,
    probes: Sequence[str] = PROBES,
    penalties: Sequence[float] = PENALTIES,
    tol: float = 1e-6,
    max_iter: int = 1000,
    folds: int = 1,
    image_size: ImageSize | None = None,
    batch_size: int = 256,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    about: About | None = None,
    predictions: str | Path | None = None,
) -> list[Record]:
    """Probes of the averaged map of every stage, shallow to deep, from one pass over the images.

    Args:
        backbone: frozen; checked not to change.
        train: images to learn from; those of unknown class are left out.
        test: what is classified; likewise.
        seed: see `evaluate_readout`.
        probes: ``"knn"`` (see `evaluate_knn`), ``"readout"`` (see `evaluate_readout`), or both.
        penalties: of the readouts, see `evaluate_readout`; likewise the two below.
        tol: where a solution ends.
        max_iter: iterations for each penalty.
        folds: see `evaluate_readout`.
        image_size: see `extract_features`.
        batch_size: images at once.
        num_workers: processes that read.
        device: where to compute.
        about: what the records say instead of what backbone and test set tell.
        predictions: a ``.npz`` file; ``STAGE_PROBE`` is put before its suffix for those of each
            probe, see `evaluate_knn`.

    Returns:
        For each stage the records of each probe, under tasks like ``"stage1_knn"``.

    Raises:
        ValueError: if a probe has no such name, a label is outside the classes, `train` shows
            fewer than two classes, `test` no image of known class, a feature is not finite, or a
            penalty, `tol`, `max_iter` or `folds` is not positive.
        RuntimeError: if the backbone changed.

    Source:
        Islam et al. (2021) compare low, middle and high levels. Theirs is not public; ours:
        frozen stages, averaged over the image.

    Example:
        >>> from instdisc.data import Scenes
        >>> images = Scenes(40, image_size=32, num_categories=2)
        >>> records = evaluate_stages(Backbone("test_resnet"), images, images, probes=["knn"],
        ...     image_size=32)
        >>> [record.task for record in records]
        ['stage1_knn', 'stage2_knn', 'stage3_knn', 'stage4_knn']
    """
    unknown = [probe for probe in probes if probe not in PROBES]
    if unknown or not probes:
        raise ValueError(f"`probes` must be among {', '.join(PROBES)}, got {list(probes)}")
    train, test = labelled_sets(train, test)
    num_classes = count_classes(train.labels, train.classes, "train")
    of_train, of_test = (
        extract_stages(
            backbone,
            images,
            image_size=image_size,
            batch_size=batch_size,
            num_workers=num_workers,
            device=device,
        )
        for images in (train, test)
    )
    records = []
    for stage, (seen, asked) in enumerate(zip(of_train, of_test, strict=True)):
        seen = labelled_features(seen, num_classes, "train")
        asked = labelled_features(asked, num_classes, "test")
        whose = checked(about)
        probed: list[Record] = []
        if "knn" in probes:
            kept = _beside(predictions, f"stage{stage + 1}_knn")
            probed.append(evaluate_knn(seen, asked, about=whose, seed=seed, predictions=kept))
        if "readout" in probes:
            kept = _beside(predictions, f"stage{stage + 1}_readout")
            probed += evaluate_readout(
                seen,
                asked,
                about=whose,
                seed=seed,
                penalties=penalties,
                tol=tol,
                max_iter=max_iter,
                folds=folds,
                device=device,
                predictions=kept,
            )
        place = {
            "stage": stage + 1,
            "stages": len(backbone.strides),
            "stride": backbone.strides[stage],
            "width": backbone.widths[stage],
            "image_size": backbone.input.size if image_size is None else image_size,
        }
        records += [
            record._replace(
                task=f"stage{stage + 1}_{record.task}", settings={**record.settings, **place}
            )
            for record in probed
        ]
    return records


def _beside(predictions: str | Path | None, name: str) -> Path | None:
    if predictions is None:
        return None
    path = Path(predictions)
    return path.with_name(f"{path.stem}_{name}{path.suffix}")
