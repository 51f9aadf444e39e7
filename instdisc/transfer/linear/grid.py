"""Linear evaluation by the recipe of Islam et al.: a grid, trained in one pass."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import ImageSource, ViewPolicy, evaluation_policy, view_policy
from instdisc.data.views.sizes import scaled
from instdisc.metrics import accuracy
from instdisc.models import Backbone
from instdisc.records import Run
from instdisc.types import About, ImageSize, InputSpec, Record

from ..features.extract import Features, extract_features
from ..labelled import count_classes
from ..provenance import checked, former_keywords
from ..scores import score_records
from ..tuning import labelled_sets, tuning_split
from .heads import LinearHeads, Recipe, Training, check_grid, train_heads

ISLAM_GRID = tuple(
    Recipe(learning_rate, batch_size, weight_decay)
    for learning_rate in (0.01, 0.001)
    for batch_size in (128, 32)
    for weight_decay in (0.0, 1e-4, 1e-5)
)
Heads = list[LinearHeads]


@former_keywords
@checked_call(filled=["grid"], share=partial(checks.share, zero=False))
def evaluate_linear_grid(
    backbone: Backbone,
    train: ImageSource,
    test: ImageSource,
    *,
    seed: int = 0,
    grid: Sequence[Recipe] = ISLAM_GRID,
    tune_epochs: int = 20,
    epochs: int = 50,
    milestones: Sequence[float] = (0.5, 0.75),
    share: float = 1.0,
    per_class: int | None = None,
    image_size: ImageSize | None = None,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    progress: Callable[[int, int], None] | None = None,
    about: About | None = None,
    predictions: str | Path | None = None,
) -> list[Record]:
    """Linear evaluation with the best recipe of a grid, all of it trained in one pass.

    A classifier (batch norm without affine parameters, then linear) is trained by SGD with momentum
    0.9 on random crops and flips, its rate divided by ten at each milestone. The recipe is chosen
    by the top-1 on a random 30 % of the training images, after `tune_epochs` on the others; with it
    a new classifier is trained on all of them for `epochs`, and its last state is scored.

    Args:
        backbone: frozen, batch norm included; checked not to change.
        train: images to learn from; those of unknown class are left out.
        test: what is classified; likewise.
        seed: of the split, the first weights, the order, the views and the intervals.
        grid: the recipes; the first of the best wins. One alone is not tuned.
        tune_epochs: for the choice.
        epochs: for the result.
        milestones: increasing shares of the epochs, in (0, 1), after which the rate is divided by
            ten. On ImageNet itself they train 100 epochs with (0.5, 0.75, 0.9).
        share: of the labels of each class to learn from.
        per_class: so many labels of each class instead.
        image_size: side of a view in pixels, or its height and width; ``None``: at which the
            backbone was trained. Its normalisation is the backbone's.
        num_workers: processes that read.
        device: where to compute.
        progress: called with the training images done and those of both trainings.
        about: what the records say instead of what backbone and test set tell.
        predictions: a ``.npz`` file for what `score_records` keeps; ``None``: none.

    Returns:
        The records of `score_records`; their settings hold the validation top-1 of every recipe.
        The temperature is fitted on the validation images with the classifier that was tuned, and
        has not seen them; without a choice of recipes there is none.

    Raises:
        ValueError: if a label is outside the classes, `train` shows fewer than two classes or
            too few images to tune on, `test` no image of known class, the features are not
            finite, or a recipe or a number of epochs is out of range.
        RuntimeError: if the backbone changed.

    Source:
        Islam et al., "A Broad Study on the Transferability of Visual Representations with
        Contrastive Learning" (2021), from their code. Differs from it: the validation images are
        seen with the test's transform and all count; there they had the training's.

    Example:
        >>> from instdisc.data import Scenes
        >>> images = Scenes(40, image_size=32, num_categories=2)
        >>> records = evaluate_linear_grid(Backbone("test_resnet"), images, images,
        ...     image_size=32, tune_epochs=1, epochs=1)
        >>> [record.metric for record in records]
        ['top-1', 'mean per class', 'ECE', ...]
    """
    start = time.perf_counter()
    check_milestones(milestones)
    check_grid(grid)
    image_size = backbone.input.size if image_size is None else image_size
    train, test = labelled_sets(train, test, share=share, per_class=per_class, seed=seed)
    num_classes = count_classes(train.labels, train.classes, "train")
    tuned = tuning_split(train, seed) if len(grid) > 1 else None
    tuning = tune_epochs * len(tuned[0]) if tuned else 0
    total = tuning + epochs * len(train)
    test_policy = islam_test_policy(image_size, seen=backbone.input)
    # Before any training: broken weights show at once.
    seen = extract_features(
        backbone, test, policy=test_policy, num_workers=num_workers, device=device
    )

    def fit(images: ImageSource, recipes: Sequence[Recipe], passes: int, done: int) -> Heads:
        return train_heads(
            backbone,
            images,
            recipes,
            num_classes=num_classes,
            training=Training(passes, [int(share * passes) for share in milestones]),
            policy=view_policy("islam_weak", image_size, seen=backbone.input),
            seed=seed,
            num_workers=num_workers,
            device=device,
            progress=progress and (lambda now, _: progress(done + now, total)),
        )

    best, table = grid[0], []
    unseen: tuple[Tensor, Tensor] | None = None
    if tuned:
        validation = extract_features(
            backbone,
            tuned[1],
            policy=test_policy,
            num_workers=num_workers,
            device=device,
        )
        groups = fit(tuned[0], grid, tune_epochs, 0)
        logits = _logits(groups, validation, device)
        scores = {recipe: _score(logits[recipe], validation.labels) for recipe in grid}
        best = max(grid, key=scores.__getitem__)  # the first of the best
        unseen = logits[best], validation.labels
        if scores[best] < 0:
            raise ValueError(
                f"every recipe of `grid` diverged on {train.name!r}: lower its learning rates, got "
                f"{', '.join(str(recipe.learning_rate) for recipe in grid)}"
            )
        table = [
            {
                **recipe._asdict(),
                "validation": None if scores[recipe] < 0 else 100 * scores[recipe],
            }
            for recipe in grid
        ]
    heads = fit(train, [best], epochs, tuning)[0]
    return score_records(
        "linear_grid",
        heads.logits(seen.features.to(device))[0],
        seen.labels,
        Run(
            seen.about.update(checked(about)),
            seed,
            time.perf_counter() - start,
            {
                **best._asdict(),
                "grid": table,
                "tune_epochs": tune_epochs,
                "epochs": epochs,
                "milestones": list(milestones),
                "share": share,
                "per_class": per_class,
                "image_size": image_size,
                "train": len(train),
                "num_classes": num_classes,
            },
            str(device),
        ),
        names=seen.names,
        predictions=predictions,
        validation=unseen,
    )


@checked_call()
def islam_test_policy(
    image_size: ImageSize | None = None, *, seen: InputSpec | None = None
) -> ViewPolicy:
    """The test view of Islam et al.: squeezed to a square of 1.15 times the side, then the centre.

    Args:
        image_size: side of the view in pixels; ``None`` for that of `seen`.
        seen: how the backbone was trained to see images (`Backbone.input`): its normalisation and
            interpolation; ``None`` for 224 px, bilinear, ImageNet's mean.

    Example:
        >>> islam_test_policy(224).frame.resize
        257
    """
    size = (seen or InputSpec()).size if image_size is None else image_size
    return evaluation_policy(size, resize=scaled(size, 1.15, int), keep_aspect=False, seen=seen)


def check_milestones(milestones: Sequence[float]) -> None:
    """Raises a ValueError if they are no increasing shares."""
    marks = list(milestones)
    if marks != sorted(set(marks)) or not all(0 < mark < 1 for mark in marks):
        raise ValueError(
            "`milestones` are shares of the epochs and must increase within (0, 1), got "
            f"{tuple(marks)}. For epochs 50, 75 and 90 of 100 write (0.5, 0.75, 0.9)."
        )


def _logits(groups: Heads, seen: Features, device: str | torch.device) -> dict[Recipe, Tensor]:
    """``(N, C)`` of each recipe, on the CPU."""
    return {
        recipe: logits.cpu()
        for heads in groups
        for recipe, logits in zip(
            heads.recipes, heads.logits(seen.features.to(device)), strict=True
        )
    }


def _score(logits: Tensor, labels: Tensor) -> float:
    """Top-1; -1 where the training diverged, which loses."""
    if not bool(logits.isfinite().all()):
        return -1.0
    return float(accuracy(logits.argmax(1), labels))
