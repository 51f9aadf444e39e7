"""Linear evaluation by MoCo's ImageNet recipe."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch

from instdisc.checks import checked_call
from instdisc.data import ImageSource, evaluation_policy, view_policy
from instdisc.models import Backbone
from instdisc.records import Run
from instdisc.types import About, ImageSize, Record

from ..features.extract import extract_features
from ..labelled import count_classes
from ..provenance import checked, former_keywords
from ..scores import score_records
from ..tuning import labelled_sets
from .heads import Recipe, Training, train_heads


@former_keywords
@checked_call()
def evaluate_moco_linear(
    backbone: Backbone,
    train: ImageSource,
    test: ImageSource,
    *,
    seed: int = 0,
    learning_rate: float = 30.0,
    batch_size: int = 256,
    epochs: int = 100,
    image_size: ImageSize | None = None,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    progress: Callable[[int, int], None] | None = None,
    about: About | None = None,
    predictions: str | Path | None = None,
) -> list[Record]:
    """Linear evaluation by MoCo's ImageNet recipe, after the last epoch.

    One linear classifier on the frozen features, trained by SGD with momentum 0.9 and without
    weight decay on random crops (8 to 100 % of the area) and flips; its rate is divided by ten
    after 60 and after 80 % of the epochs.

    Args:
        backbone: frozen, batch norm included; checked not to change.
        train: images to learn from; those of unknown class are left out.
        test: what is classified; likewise.
        seed: of the first weights, the order, the views and the intervals.
        learning_rate: for `batch_size`. MoCo's features are small and want a large one;
            supervised ones want less.
        batch_size: images per step.
        epochs: passes over `train`.
        image_size: side of a view in pixels, or its height and width; ``None``: at which the
            backbone was trained. Its normalisation is the backbone's.
        num_workers: processes that read.
        device: where to compute.
        progress: called with the training images done and those of all epochs.
        about: what the records say instead of what backbone and test set tell.
        predictions: a ``.npz`` file for what `score_records` keeps; ``None``: none.

    Returns:
        The records of `score_records`.

    Raises:
        ValueError: if a label is outside the classes, `train` shows fewer than two classes,
            `test` no image of known class, the features are not finite, or a number is out of
            range.
        RuntimeError: if the backbone changed.

    Source:
        He et al., "Momentum Contrast for Unsupervised Visual Representation Learning" (2020),
        from its code; Zhao et al. (2021) use it for every pretraining. Differs from it: the
        score is that of the last epoch, not the best on the test images.

    Example:
        >>> from instdisc.data import Scenes
        >>> images = Scenes(40, image_size=32, num_categories=2)
        >>> records = evaluate_moco_linear(Backbone("test_resnet"), images, images,
        ...     image_size=32, epochs=1)
        >>> records[0].settings["learning_rate"]
        30.0
    """
    start = time.perf_counter()
    image_size = backbone.input.size if image_size is None else image_size
    train, test = labelled_sets(train, test)
    num_classes = count_classes(train.labels, train.classes, "train")
    seen = extract_features(
        backbone,
        test,
        policy=evaluation_policy(image_size, seen=backbone.input),
        num_workers=num_workers,
        device=device,
    )
    recipe = Recipe(learning_rate, batch_size, 0.0)
    heads = train_heads(
        backbone,
        train,
        [recipe],
        num_classes=num_classes,
        training=Training(
            epochs,
            (3 * epochs // 5, 4 * epochs // 5),
            batch_norm=False,
            spread=0.01,
            drop_last=False,
        ),
        policy=view_policy("islam_weak", image_size, scale=(0.08, 1.0), seen=backbone.input),
        seed=seed,
        num_workers=num_workers,
        device=device,
        progress=progress,
    )[0]
    return score_records(
        "moco_linear",
        heads.logits(seen.features.to(device))[0],
        seen.labels,
        Run(
            seen.about.update(checked(about)),
            seed,
            time.perf_counter() - start,
            {
                **recipe._asdict(),
                "epochs": epochs,
                "image_size": image_size,
                "train": len(train),
                "num_classes": num_classes,
            },
            str(device),
        ),
        names=seen.names,
        predictions=predictions,
    )
