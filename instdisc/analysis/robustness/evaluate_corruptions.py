"""How a classifier on frozen features errs on corrupted images.

Legend: B batch, N images, K corruptions, S severities, T side of a thumbnail.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import (
    ImageSource,
    ViewDataset,
    ViewPolicy,
    describe_view,
    evaluation_policy,
)
from instdisc.models import Backbone
from instdisc.records import Run
from instdisc.transfer import (
    Readout,
    bootstrap_records,
    extract_features,
    fit_readout,
    save_predictions,
)
from instdisc.transfer.features.frozen import frozen
from instdisc.transfer.labelled import count_classes
from instdisc.transfer.provenance import about_run
from instdisc.transfer.tuning import labelled_sets
from instdisc.types import About, Record

from ..showing import view_batches
from .corruptions import CORRUPTIONS, corrupt
from .strengths import SEVERITIES


@checked_call()
def evaluate_corruptions(
    backbone: Backbone,
    train: ImageSource,
    test: ImageSource,
    *,
    seed: int = 0,
    corruptions: Sequence[str] = CORRUPTIONS,
    severities: Sequence[int] = SEVERITIES,
    thumbnail: int = 64,
    image_size: int | None = None,
    batch_size: int = 64,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    about: About | None = None,
    arrays: str | Path | None = None,
) -> list[Record]:
    """The error of a readout of clean images on corrupted ones.

    A logistic regression (`fit_readout`) learns from the clean training images. Every test image
    is read once; its view is corrupted on the device, see `corrupt`.

    Args:
        backbone: frozen; checked not to change.
        train: clean images to learn from; those of unknown class are left out.
        test: what is corrupted and classified; likewise.
        seed: of the readout, the corruptions and the intervals.
        corruptions: kinds, see `CORRUPTIONS`.
        severities: 1 to 5.
        thumbnail: side in pixels of what is kept of the first test image; 0 for none.
        image_size: see `extract_features`.
        batch_size: images at once; each goes through the backbone K S + 1 times.
        num_workers: processes that read.
        device: where to compute.
        about: what the records say instead of what backbone and test set tell.
        arrays: a ``.npz`` file for what `corruption_figure` draws: ``corruption`` (K,),
            ``severity`` (S,), ``label`` (N,), ``clean`` (N,) and ``right`` (K, S, N) whether the
            prediction is right, and ``thumbnail`` (K + 1, T, T, 3) uint8, the clean image first,
            the others at the middle severity; ``None``: none.

    Returns:
        Errors in percent with bootstrap intervals over the images: of clean images; of each
        corruption, averaged over the severities, whose errors stand in the settings; their mean,
        and how far it lies above the error of clean images. It is not the mCE, which is a ratio to
        AlexNet's errors on the official files: for those see `evaluate_imagenet_c`.

    Raises:
        ValueError: if there is no such corruption or severity, one comes twice, and as
            `evaluate_readout`.
        RuntimeError: if the backbone changed.

    Source:
        Hendrycks and Dietterich (2019). Differs from it: see `corrupt`, and the classifier is a
        readout of the frozen backbone.

    Example:
        >>> from instdisc.data import Scenes
        >>> images = Scenes(40, image_size=32, num_categories=2)
        >>> records = evaluate_corruptions(Backbone("test_resnet"), images, images, image_size=32,
        ...     corruptions=["fog"], severities=[5])
        >>> [record.metric for record in records]
        ['error, clean', 'error, fog', 'mean corruption error', 'mean corruption error above clean']
    """
    start = time.perf_counter()
    check_corruptions(corruptions, severities)
    train, test = labelled_sets(train, test)
    policy = evaluation_policy(image_size, seen=backbone.input)
    whose = about_run(backbone, test, about, view=describe_view(policy))
    features = extract_features(
        backbone, train, policy=policy, batch_size=256, num_workers=num_workers, device=device
    )
    num_classes = count_classes(train.labels, train.classes, "train")
    readout = fit_readout(features, num_classes=num_classes, seed=seed, device=device)

    # Views in [0, 1]: they are corrupted before they are normalised.
    plain = ViewPolicy(policy.frame, flip=0.0, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    views = ViewDataset(test, [plain])
    clean, right, thumbnails = [], [], torch.zeros(0)
    with frozen(backbone, device):
        for batch in view_batches(views, batch_size, num_workers, device):
            images = batch.images[0]
            clean.append(_predict(backbone, readout, policy, images) == batch.labels)
            right.append(
                torch.stack(
                    [
                        _predict(
                            backbone,
                            readout,
                            policy,
                            corrupt(
                                images,
                                corruption,
                                severity=severity,
                                indices=batch.indices,
                                seed=seed,
                            ),
                        )
                        == batch.labels
                        for corruption in corruptions
                        for severity in severities
                    ]
                ).unflatten(0, (len(corruptions), len(severities)))
            )
            if thumbnail and not len(thumbnails):
                middle = severities[len(severities) // 2]
                thumbnails = corruption_thumbnails(
                    images[0], corruptions, middle, thumbnail, int(batch.indices[0]), seed
                )
    hit, hits_of = torch.cat(clean), torch.cat(right, -1)  # (N,), (K, S, N)
    save_predictions(
        arrays,
        {
            "corruption": list(corruptions),
            "severity": torch.tensor(severities),
            "label": test.labels,
            "clean": hit,
            "right": hits_of,
            **({"thumbnail": thumbnails} if len(thumbnails) else {}),
        },
    )
    settings = {
        "severities": list(severities),
        "image_size": policy.frame.size,
        "train": len(train),
        "penalty": readout.settings["penalty"],
    }
    run = Run(whose, seed, time.perf_counter() - start, settings, str(device))
    return _records(hit, hits_of, corruptions, run)


def check_corruptions(corruptions: Sequence[str], severities: Sequence[int]) -> None:
    """Raises an error unless they are at least one each, all of them there, none twice."""
    for name, values in (("corruptions", corruptions), ("severities", severities)):
        listed = isinstance(values, list | tuple) and values
        if not listed or len(set(values)) < len(values):
            checks.refuse(name, "a list of at least one, none of them twice", values)
    for corruption in corruptions:
        checks.choice("corruptions", corruption, CORRUPTIONS)
    for severity in severities:
        checks.whole("severities", severity, at_most=len(SEVERITIES))


def corruption_thumbnails(
    image: Tensor,
    corruptions: Sequence[str],
    severity: int,
    side: int,
    index: int = 0,
    seed: int = 0,
) -> Tensor:
    """``(K + 1, T, T, 3)`` uint8: an image ``(3, H, W)`` in [0, 1], clean and corrupted."""
    rows = [image[None]]
    for corruption in corruptions:
        rows.append(
            corrupt(
                image[None],
                corruption,
                severity=severity,
                indices=torch.tensor([index]),
                seed=seed,
            )
        )
    small = F.interpolate(torch.cat(rows), (side, side), mode="bilinear", antialias=True)
    return (small * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu()


def _predict(backbone: Backbone, readout: Readout, policy: ViewPolicy, images: Tensor) -> Tensor:
    mean, std = (images.new_tensor(values)[:, None, None] for values in (policy.mean, policy.std))
    return readout.logits(backbone((images - mean) / std)).argmax(1)


def _records(hit: Tensor, hits: Tensor, corruptions: Sequence[str], run: Run) -> list[Record]:
    errors = 1 - hits.double()  # (K, S, N)
    by_image = errors.mean(1)  # (K, N)
    columns = {
        "error, clean": (1 - hit.double(), run),
        **{
            f"error, {corruption}": (
                by_image[k],
                run._replace(
                    settings={**run.settings, "errors": (100 * errors[k].mean(1)).tolist()}
                ),
            )
            for k, corruption in enumerate(corruptions)
        },
        "mean corruption error": (by_image.mean(0), run),
        "mean corruption error above clean": (by_image.mean(0) - 1 + hit.double(), run),
    }
    return [
        record
        for metric, (values, whose) in columns.items()
        for record in bootstrap_records(
            "corruptions", {metric: lambda each: each.mean(1)}, [values], whose, lower=[metric]
        )
    ]
