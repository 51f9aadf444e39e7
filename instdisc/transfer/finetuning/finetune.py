"""Fine-tuning of the whole network.

Legend: B batch, D width, C classes, N images.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import (
    ImageSource,
    ViewDataset,
    ViewLoader,
    ViewPolicy,
    describe_view,
    image_names,
    view_policy,
)
from instdisc.models import Backbone
from instdisc.records import Run
from instdisc.types import About, ImageSize, InputSpec

from ..intervals import share_record
from ..labelled import count_classes
from ..linear.grid import ISLAM_GRID, islam_test_policy
from ..linear.heads import Recipe, check_grid
from ..provenance import about_run, former_keywords
from ..scores import score_records
from ..training import accelerator_device, quiet_trainer
from ..tuning import labelled_sets, tuning_split
from .module import FineTuner, Outputs
from .stages import check_reset_stages
from .tuned import TunedRecords


@former_keywords
@checked_call(filled=["grid"], reset_stages=checks.count, share=partial(checks.share, zero=False))
def finetune(
    backbone: Backbone,
    train: ImageSource,
    test: ImageSource,
    *,
    seed: int = 0,
    image_size: ImageSize | None = None,
    grid: Sequence[Recipe] = ISLAM_GRID,
    tune_epochs: int = 20,
    epochs: int = 50,
    test_every: int = 5,
    last_stages: int | None = None,
    reset_stages: int = 0,
    share: float = 1.0,
    per_class: int | None = None,
    accelerator: str = "auto",
    devices: int | str | list[int] = 1,
    precision: str = "32-true",
    num_workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
    about: About | None = None,
    predictions: str | Path | None = None,
) -> TunedRecords:
    """Trains backbone and classifier together; settings are chosen without the test set.

    A copy of the backbone is trained, with batch norm and a linear layer behind it, by SGD with
    momentum 0.9 on random crops and flips. The rate falls tenfold after half and after three
    quarters of the epochs. Each recipe of the grid is trained on a random 70 % of the training set
    and scored on the other 30 %, after its last epoch; with the best, the first of equals, a new
    copy is trained on the whole training set and tested. One recipe alone is not tuned.

    Args:
        backbone: where to start; it is not changed.
        train: the training set.
        test: the test set, of the same classes.
        seed: of the labels that are kept, the split, the classifier, the order and the crops.
        image_size: side of the views in pixels, or their height and width; ``None``: at which the
            backbone was trained. Their normalisation is the backbone's.
        grid: the recipes to choose from. A batch is that of all devices together; one larger than
            the set becomes the set. Images that do not fill a batch wait for another epoch.
        tune_epochs: for the choice, with each recipe.
        epochs: for the result.
        test_every: epochs between two looks at the test set in the final training; the last epoch
            is always tested.
        last_stages: train only so many stages, from the last on, with the classifier; the others
            are in eval mode. ``None`` trains the whole network, 0 the classifier alone.
        reset_stages: so many stages, from the last on, begin from random weights, as a new network
            of the same kind; so does what follows them, and the statistics of their batch norm.
            What remains of a gain over random weights lies in the stages before.
        share: of the labels of each class to train on, e.g. 0.01 and 0.1.
        per_class: so many labels of each class instead; ``None`` for `share`.
        accelerator: of Lightning's Trainer: ``"cpu"``, ``"gpu"``, ``"auto"``.
        devices: how many of them, or which.
        precision: e.g. ``"32-true"``, ``"bf16-mixed"`` or ``"16-mixed"``.
        num_workers: processes that read.
        progress: called as ``progress(done, total)`` after each epoch.
        about: what the records say instead of what backbone and test set tell.
        predictions: a ``.npz`` file for what `score_records` keeps, after the last epoch;
            ``None``: none.

    Returns:
        The records of `score_records` of the last epoch, with a temperature fitted on the
        validation images by the network that was tuned, and has not seen them, if recipes were
        tried; then the top-1 of the best epoch, which was chosen on the test set and therefore is
        too high: it is there for comparison with papers that report it. Intervals are over the
        test images. They come with the trained backbone, as it was after the last epoch.

    Raises:
        ValueError: if an argument is out of range, stages would begin anew that do not train, the
            sets do not fit each other (see `labelled_sets`), too few images are left to tune the
            grid, or training diverged.

    Source:
        `reset_stages`: the question of Zhao et al. (2021), finding 1, whether low and middle
        levels are what transfers. Theirs is answered by other means; ours.
        Islam et al. (2021), full-network transfer, their code: the head, the grid, the epochs and
        the schedule. Differs from it: the 30 % are seen with the test's transform and all count;
        there they had the training's. The headline is the last epoch, where their scripts take
        the best on the test set.

    Example:
        >>> from instdisc.data import Scenes
        >>> scenes = Scenes(12, image_size=32, num_categories=2)
        >>> records = finetune(Backbone("test_resnet"), scenes, scenes,
        ...     image_size=32, grid=[Recipe(0.01, 4, 0.0)], epochs=1,
        ...     accelerator="cpu")
        >>> [record.metric for record in records]
        ['top-1', 'mean per class', 'ECE', ..., 'top-1, best epoch']
    """
    start = time.perf_counter()
    check_grid(grid)
    if last_stages is not None and not 0 <= last_stages <= len(backbone.stages):
        raise ValueError(
            f"`last_stages` must be 0 to {len(backbone.stages)}, the stages of {backbone.name!r}, "
            f"or None for the whole network, got {last_stages}"
        )
    check_reset_stages(backbone, reset_stages, last_stages)
    train, test = labelled_sets(train, test, share=share, per_class=per_class, seed=seed)
    num_classes = count_classes(train.labels, train.classes, "train")
    image_size = backbone.input.size if image_size is None else image_size
    view = describe_view(islam_test_policy(image_size, seen=backbone.input))
    whose = about_run(backbone, test, about, view=view)
    total = epochs + (len(grid) * tune_epochs if len(grid) > 1 else 0)
    done = itertools.count(1)

    def fit(recipe: Recipe, on: ImageSource, scored: ImageSource, last: int, every: int) -> _Fit:
        with (
            isolate_rng(),
            quiet_trainer(
                accelerator, devices, precision, epochs=last, test_every=every
            ) as trainer,
        ):
            torch.manual_seed(seed)
            tuner = FineTuner(
                backbone,
                num_classes,
                learning_rate=recipe.learning_rate,
                weight_decay=recipe.weight_decay,
                epochs=last,
                last_stages=last_stages,
                on_epoch=lambda: progress and progress(next(done), total),
                reset_stages=reset_stages,
                seed=seed,
            )
            outputs = _run(
                trainer, tuner, recipe, on, scored, image_size, backbone.input, num_workers, seed
            )
            return outputs, tuner.backbone

    scores: list[float] = []
    unseen: tuple[Tensor, Tensor] | None = None
    if len(grid) > 1:
        tried, scored = tuning_split(train, seed)
        trials = [fit(recipe, tried, scored, tune_epochs, tune_epochs)[0] for recipe in grid]
        scores = [_accuracy(trial[tune_epochs]) for trial in trials]
        if not max(scores) > -math.inf:
            raise ValueError(
                f"every recipe of `grid` diverged on {train.name!r}: lower its learning rates, got "
                f"{', '.join(str(recipe.learning_rate) for recipe in grid)}"
            )
        winner = trials[scores.index(max(scores))][tune_epochs]
        unseen = winner.logits, winner.labels
    chosen = grid[scores.index(max(scores))] if scores else grid[0]
    run, tuned = fit(chosen, train, test, epochs, test_every)
    best = max(run, key=lambda epoch: _accuracy(run[epoch]))
    settings = {
        **chosen._asdict(),
        "grid": [
            # A recipe that diverged has no accuracy, and loses.
            {**recipe._asdict(), "validation": 100 * score if score > -math.inf else None}
            for recipe, score in zip(grid, scores, strict=bool(scores))
        ],
        "tune_epochs": tune_epochs if scores else 0,
        "epochs": epochs,
        "image_size": image_size,
        "last_stages": last_stages,
        "reset_stages": reset_stages,
        "share": share,
        "per_class": per_class,
        "precision": precision,
        "train": len(train),
        "num_classes": num_classes,
    }

    names, device = image_names(test), accelerator_device(accelerator)
    seconds = time.perf_counter() - start
    last, at_best = (
        Run(whose, seed, seconds, {**settings, "epoch": epoch}, device) for epoch in (epochs, best)
    )
    outputs = run[epochs]
    records = score_records(
        "finetune",
        outputs.logits,
        outputs.labels,
        last,
        names=[names[index] for index in outputs.indices.tolist()],
        predictions=predictions,
        validation=unseen,
    )
    hits = run[best].logits.argmax(1) == run[best].labels
    at_best_epoch = share_record("finetune", "top-1, best epoch", hits, at_best)
    return TunedRecords([*records, at_best_epoch], tuned)


_Runs = dict[int, Outputs]  # epoch -> what the test gave
_Fit = tuple[_Runs, Backbone]


def _run(
    trainer: Trainer,
    tuner: FineTuner,
    recipe: Recipe,
    train: ImageSource,
    test: ImageSource,
    image_size: ImageSize,
    seen: InputSpec,
    num_workers: int,
    seed: int,
) -> _Runs:
    if recipe.batch_size % trainer.world_size:
        raise ValueError(
            f"the batches of `grid` must be multiples of the {trainer.world_size} processes, got "
            f"{recipe.batch_size}"
        )
    batch_size = min(recipe.batch_size, len(train)) // trainer.world_size

    def loader(images: ImageSource, policy: ViewPolicy, size: int, shuffle: bool) -> ViewLoader:
        return ViewLoader(
            ViewDataset(images, [policy], seed=seed),
            size,
            shuffle=shuffle,
            drop_last=shuffle,
            num_workers=num_workers,
            pin_memory=torch.cuda.is_available(),
            raw=True,
        )

    training = loader(train, view_policy("islam_weak", image_size, seen=seen), batch_size, True)
    # No gradients: twice the batch takes no more memory.
    testing = loader(test, islam_test_policy(image_size, seen=seen), 2 * batch_size, False)
    trainer.fit(tuner, training, testing)
    if trainer.max_epochs not in tuner.outputs:
        trainer.validate(tuner, testing, verbose=False)
    tuner.check_frozen()
    return tuner.outputs


def _accuracy(outputs: Outputs) -> float:
    """Top-1; minus infinity where the training diverged."""
    if not bool(outputs.logits.isfinite().all()):
        return -math.inf
    return float((outputs.logits.argmax(1) == outputs.labels).double().mean())
