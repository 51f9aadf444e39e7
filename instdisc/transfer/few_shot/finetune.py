"""Few-shot classification by training the network on each episode's support set.

Legend: B batch, E episodes, S size of a view.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor, nn
from torch.nn import functional as F

from instdisc import checks
from instdisc.checks import checked_call, not_negative, share, whole
from instdisc.data import Episodes, ImageSource, ViewDataset, ViewFinisher, describe_view
from instdisc.data.views.dataset import RawViews
from instdisc.models import Backbone, split_batch_norm
from instdisc.models.few_values import refuse_few_values
from instdisc.predictions import save_predictions
from instdisc.records import Run
from instdisc.types import About, Record

from ..finetuning.module import freeze_first_stages, frozen_modules
from ..linear.grid import islam_test_policy
from ..provenance import about_run, former_keywords
from .frozen import episode_lists, episode_predictions, episode_record


@checked_call(backbone_rate=not_negative, dampening=share)
class EpisodeRecipe(NamedTuple):
    """How an episode is trained: SGD at constant rates, without augmentation.

    Attributes:
        epochs: passes over the support set.
        batch_size: images at once; a single image that is left over joins the batch before it.
        head_rate: learning rate of the linear layer.
        backbone_rate: of the backbone; 0 = frozen, in eval mode.
        momentum: of the linear layer; the backbone has none.
        dampening: of that momentum.
        weight_decay: of the linear layer.
    """

    epochs: int = 100
    batch_size: int = 4
    head_rate: float = 0.01
    backbone_rate: float = 0.01
    momentum: float = 0.9
    dampening: float = 0.9
    weight_decay: float = 1e-3


BSCD_FSL_RECIPE = EpisodeRecipe()
"""Guo et al. (2020), their `finetune.py`."""

ISLAM_RECIPE = EpisodeRecipe(100, 12, 1.0, 1.0, 0.9, 0.0, 0.0)
"""Islam et al. (2021), their classifier "deep"; whether its backbone had momentum is not known."""


@former_keywords
@checked_call(filled=["shots"], shots=whole)
def finetune_few_shot(
    backbone: Backbone,
    images: ImageSource,
    *,
    shots: Sequence[int] = (5,),
    ways: int = 5,
    queries: int = 15,
    episodes: int | Episodes = 600,
    recipe: EpisodeRecipe = BSCD_FSL_RECIPE,
    last_stages: int | None = None,
    train_norm: bool = True,
    image_size: int | None = None,
    seed: int = 0,
    device: str | torch.device = "cpu",
    progress: Callable[[int, int], None] | None = None,
    about: About | None = None,
    predictions: str | Path | None = None,
) -> list[Record]:
    """Mean accuracy over episodes; backbone and a new linear layer are trained on each support set.

    Every episode starts from the given backbone. This is slow: each is a training of its own.

    Args:
        backbone: where to start; it is not changed.
        images: of the classes to tell apart; those of unknown class are left out.
        shots: support images per class; see `evaluate_few_shot`.
        ways: classes per episode.
        queries: test images per class.
        episodes: how many, or a fixed list.
        recipe: of the training; `BSCD_FSL_RECIPE`, `ISLAM_RECIPE` or your own.
        last_stages: train only so many stages of the backbone, from the last on; 0 = none.
            ``None`` trains all.
        train_norm: whether batch norm uses and learns the statistics of the support batches;
            False keeps it in eval mode, its weights still train.
        image_size: side of the views in pixels, ``None``: at which the backbone was trained; see
            `islam_test_policy`, their view.
        seed: of the episodes, the linear layers and the order of the batches.
        device: where to train.
        progress: called as ``progress(done, total)`` after each episode.
        about: what the records say instead of what backbone and images tell.
        predictions: a ``.npz`` file for the ``accuracy_SHOTS`` of every episode and the hash of its
            list, ``episodes_SHOTS``; ``None``: none.

    Returns:
        As of `evaluate_few_shot`.

    Raises:
        ValueError: as `evaluate_few_shot`; if the recipe or `last_stages` is out of range, an
            image is skipped as unreadable, or a training diverged (names the episode).

    Source:
        BSCD-FSL (Guo et al., 2020) and Islam et al. (2021), released code; the recipes say which.

    Differs from it:
        A fixed list of episodes; no batch of a single image, which batch norm cannot take.

    Example:
        >>> from instdisc.data import Scenes
        >>> (record,) = finetune_few_shot(Backbone("test_resnet"),
        ...     Scenes(12, image_size=32, num_categories=2), shots=[2], ways=2, queries=3,
        ...     episodes=2, recipe=EpisodeRecipe(epochs=1), image_size=32)
        >>> record.metric
        '2-way 2-shot fine-tuned'
    """
    recipe = EpisodeRecipe(*recipe)  # a list of JSON becomes one
    _check(recipe, last_stages, backbone, shots)
    listed = episode_lists(
        images.labels, shots, ways, queries, episodes, seed=seed, classes=images.classes
    )
    done, total = 0, sum(len(drawn.support) for drawn in listed)
    views = ViewDataset(images, [islam_test_policy(image_size, seen=backbone.input)])
    whose = about_run(backbone, images, about, view=describe_view(views.policies[0]))
    finish = ViewFinisher(views.policies)
    records, kept = [], {}
    for drawn in listed:
        start = time.perf_counter()
        trainer = _EpisodeTrainer(backbone, ways, recipe, last_stages, train_norm, device)
        accuracies = []
        for episode, (support, asked) in enumerate(zip(drawn.support, drawn.queries, strict=True)):
            batches = [_views(views, finish, part, device) for part in (support, asked)]
            accuracies.append(trainer.accuracy(*batches, seed=seed, episode=episode))
            done += 1
            if progress is not None:
                progress(done, total)
        records.append(
            episode_record(
                torch.tensor(accuracies, dtype=torch.float64),
                drawn,
                "fine-tuned",
                Run(
                    whose,
                    seed,
                    time.perf_counter() - start,
                    {
                        **recipe._asdict(),
                        "last_stages": last_stages,
                        "train_norm": train_norm,
                        "image_size": views.policies[0].frame.size,
                    },
                    str(device),
                ),
            )
        )
        kept.update(episode_predictions(torch.tensor(accuracies, dtype=torch.float64), drawn))
    save_predictions(predictions, kept)
    return records


class _EpisodeTrainer:
    """One copy of the backbone that is set back to its start for each episode."""

    def __init__(
        self,
        backbone: Backbone,
        ways: int,
        recipe: EpisodeRecipe,
        last_stages: int | None,
        train_norm: bool,
        device: str | torch.device,
    ) -> None:
        self.net = copy.deepcopy(backbone).to(checks.device("device", device)).requires_grad_(True)
        split_batch_norm(self.net, 1)  # a run under way may have split it
        trained = last_stages if recipe.backbone_rate else 0
        if trained is not None:
            freeze_first_stages(self.net, trained)
        self.start = {name: value.clone() for name, value in self.net.state_dict().items()}
        self.training = [weight for weight in self.net.parameters() if weight.requires_grad]
        self.still = frozen_modules(self.net)
        if not train_norm:
            self.still += [m for m in self.net.modules() if isinstance(m, nn.BatchNorm2d)]
        self.recipe, self.ways, self.device = recipe, ways, device

    def accuracy(self, support: Tensor, queries: Tensor, *, seed: int, episode: int) -> float:
        """Trains on images ``(B, 3, S, S)``, as many of each class in turn, and tests."""
        self.net.load_state_dict(self.start)
        with isolate_rng():
            torch.manual_seed(int(np.random.PCG64((seed, episode)).random_raw() >> 1))
            head = self._train(support)
        self.net.eval()
        with torch.no_grad():
            logits = torch.cat([head(self.net(part)) for part in queries.split(64)])
        if not logits.isfinite().all():
            raise ValueError(
                f"the training of episode {episode} diverged with {self.recipe}: lower its rates"
            )
        return float((logits.argmax(1) == self._labels(queries)).double().mean())

    def _train(self, inputs: Tensor) -> nn.Linear:
        recipe = self.recipe
        encoder: nn.Module = self.net.train()
        for module in self.still:
            module.eval()
        if not self.training:  # the features never change
            with torch.no_grad():
                inputs = torch.cat([encoder(part) for part in inputs.split(64)])
            encoder = nn.Identity()
        head = nn.Linear(self.net.dim, self.ways).to(self.device)
        groups = [
            {
                "params": list(head.parameters()),
                "lr": recipe.head_rate,
                "momentum": recipe.momentum,
                "dampening": recipe.dampening,
                "weight_decay": recipe.weight_decay,
            }
        ]
        if self.training:
            groups.append({"params": self.training, "lr": recipe.backbone_rate})
        optimizer = torch.optim.SGD(groups)
        labels = self._labels(inputs)
        for _ in range(recipe.epochs):
            for batch in _batches(torch.randperm(len(inputs)), recipe.batch_size):
                batch = batch.to(inputs.device)
                try:
                    features = encoder(inputs[batch])
                except ValueError as error:
                    refuse_few_values(error, len(batch))
                    raise
                loss = F.cross_entropy(head(features), labels[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return head

    def _labels(self, images: Tensor) -> Tensor:
        ways = torch.arange(self.ways, device=images.device)
        return ways.repeat_interleave(len(images) // self.ways)


def _batches(order: Tensor, size: int) -> list[Tensor]:
    """Pieces of the order; batch norm cannot take a piece of one."""
    pieces = list(order.split(size))
    if len(pieces) > 1 and len(pieces[-1]) == 1:
        pieces[-2:] = [torch.cat(pieces[-2:])]
    return pieces


def _views(
    views: ViewDataset, finish: ViewFinisher, positions: Tensor, device: str | torch.device
) -> Tensor:
    """The images of a part of an episode, ``(ways * n, 3, S, S)``."""
    wanted = positions.flatten()
    raw = views.batch([(0, position) for position in wanted.tolist()])
    assert isinstance(raw, RawViews)
    if not torch.equal(raw.indices, wanted):
        first = int(wanted[raw.indices != wanted][0])
        raise ValueError(
            f"image {first} of {views.images.name!r} is unreadable and belongs to an episode: "
            "another cannot take its place. Repair it, or take it out of the set."
        )
    # Colours are computed where the views are wanted: in bytes they are the sooner there.
    on_device = [view.to(device) for view in raw.views], [row.to(device) for row in raw.numbers]
    return finish(RawViews(*on_device, raw.labels, raw.indices)).images[0]


def _check(
    recipe: EpisodeRecipe, last_stages: int | None, backbone: Backbone, shots: Sequence[int]
) -> None:
    if min(recipe.epochs, recipe.batch_size) < 1 or not recipe.head_rate > 0:
        raise ValueError(f"`recipe` must have positive epochs, batch_size, head_rate, got {recipe}")
    if recipe.backbone_rate < 0 or (not recipe.backbone_rate and last_stages):
        raise ValueError(
            "the `recipe` must have a positive backbone_rate to train `last_stages` (0 trains "
            f"none), got {recipe.backbone_rate} with last_stages={last_stages}"
        )
    if last_stages is not None and not 0 <= last_stages <= len(backbone.stages):
        raise ValueError(
            f"`last_stages` must be 0 to {len(backbone.stages)}, the stages of {backbone.name!r}, "
            f"or None for the whole network, got {last_stages}"
        )
    if not shots:
        raise ValueError("`shots` must hold at least one number, got none")
