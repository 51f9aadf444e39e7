"""Many linear classifiers trained at once on one pass of a frozen backbone.

Legend: B batch, N images, D width of the features, C classes, G classifiers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import ImageSource, ViewDataset, ViewLoader, ViewPolicy
from instdisc.models import Backbone

from ..features.frozen import frozen

_MOMENTUM = 0.9


@checked_call()
class Recipe(NamedTuple):
    """How one classifier is trained: a point of a grid.

    Attributes:
        learning_rate: of SGD with momentum 0.9.
        batch_size: images per step.
        weight_decay: of the weights and the bias.
    """

    learning_rate: float
    batch_size: int
    weight_decay: float


def check_grid(grid: Sequence[Recipe]) -> None:
    """Refuses recipes that cannot be trained.

    Raises:
        TypeError, ValueError: names the number, e.g. `grid[0].learning_rate`.

    Example:
        >>> check_grid([Recipe(0.1, 8, 0.0)._replace(batch_size=1)])
        Traceback (most recent call last):
        ValueError: `grid[0].batch_size` must be a whole number of at least 2, got 1. Batch norm
        needs two images.
    """
    for place, recipe in enumerate(checks.filled("grid", grid)):
        name = f"grid[{place}]"
        remedy = "Batch norm needs two images."
        checks.positive(f"{name}.learning_rate", recipe.learning_rate)
        checks.whole(f"{name}.batch_size", recipe.batch_size, at_least=2, remedy=remedy)
        checks.finite(f"{name}.weight_decay", recipe.weight_decay, at_least=0)


class Training(NamedTuple):
    """What the classifiers of a grid have in common.

    Attributes:
        epochs: passes over the images.
        milestones: epochs after which every learning rate is divided by ten.
        batch_norm: whether features are normalised by batch norm without affine parameters.
        spread: standard deviation of the first weights with bias 0, or ``None`` for
            `torch.nn.Linear`'s own way.
        drop_last: leave out the last, smaller batch of an epoch; a set smaller than a batch is
            one batch.
    """

    epochs: int
    milestones: Sequence[int]
    batch_norm: bool = True
    spread: float | None = None
    drop_last: bool = True


class LinearHeads:
    """G linear classifiers that take the same batches, each with its own recipe.

    Each is what it would be alone: the gradients of the sum of their losses are those of each,
    and the batch norm sees the features only. All logits are one matrix product.

    Args:
        weight: ``(C, D)`` with which all begin.
        bias: ``(C,)`` likewise.
        recipes: G recipes of one batch size.
        batch_norm: see `Training`.

    Attributes:
        weight: ``(G, C, D)``.
        bias: ``(G, C)``.

    Example:
        >>> recipes = [Recipe(0.1, 4, 0.0), Recipe(0.01, 4, 0.0)]
        >>> heads = LinearHeads(torch.zeros(3, 8), torch.zeros(3), recipes, batch_norm=True)
        >>> heads.step(torch.randn(4, 8), torch.tensor([0, 1, 2, 0]))
        >>> heads.logits(torch.randn(5, 8)).shape
        torch.Size([2, 5, 3])
    """

    def __init__(
        self, weight: Tensor, bias: Tensor, recipes: Sequence[Recipe], *, batch_norm: bool
    ) -> None:
        self.recipes = list(recipes)
        self.weight = weight.expand(len(recipes), -1, -1).clone()
        self.bias = bias.expand(len(recipes), -1).clone()
        self.mean, self.var = torch.zeros_like(weight[0]), torch.ones_like(weight[0])
        self.batch_norm = batch_norm
        self._momenta = [torch.zeros_like(self.weight), torch.zeros_like(self.bias)]
        self._rates = weight.new_tensor([recipe.learning_rate for recipe in recipes])
        self._decays = weight.new_tensor([recipe.weight_decay for recipe in recipes])

    def step(self, features: Tensor, labels: Tensor, *, scale: float = 1.0) -> None:
        """One step of SGD of every classifier on a batch.

        Args:
            features: ``(B, D)`` float32.
            labels: ``(B,)`` int64 in [0, C).
            scale: factor of the learning rates.
        """
        features = self._normalised(features, training=True)
        logits = self._products(features)  # (B, G, C)
        errors = logits.softmax(2)
        errors[torch.arange(len(labels), device=labels.device), :, labels] -= 1
        errors /= len(labels)  # the gradient of the mean cross-entropy of each classifier
        gradients = [
            (errors.flatten(1).T @ features).view_as(self.weight),
            errors.sum(0),
        ]
        for value, gradient, momentum in zip(
            (self.weight, self.bias), gradients, self._momenta, strict=True
        ):
            per_head = (-1,) + (1,) * (value.ndim - 1)
            gradient.addcmul_(value, self._decays.view(per_head))
            momentum.mul_(_MOMENTUM).add_(gradient)
            value.addcmul_(momentum, self._rates.view(per_head), value=-scale)

    def logits(self, features: Tensor) -> Tensor:
        """``(G, N, C)`` logits of features ``(N, D)``."""
        return self._products(self._normalised(features, training=False)).transpose(0, 1)

    def _products(self, features: Tensor) -> Tensor:
        flat = torch.addmm(self.bias.flatten(), features, self.weight.flatten(0, 1).T)
        return flat.view(-1, *self.bias.shape)

    def _normalised(self, features: Tensor, *, training: bool) -> Tensor:
        if not self.batch_norm:
            return features
        return F.batch_norm(features, self.mean, self.var, training=training)


def train_heads(
    backbone: Backbone,
    images: ImageSource,
    recipes: Sequence[Recipe],
    *,
    num_classes: int,
    training: Training,
    policy: ViewPolicy,
    seed: int = 0,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> list[LinearHeads]:
    """Trains one linear classifier per recipe; the frozen backbone sees each view once.

    A batch is as large as the largest of the recipes; classifiers of smaller batches take it in
    parts. Order and views depend on the seed alone, so each classifier is what it would be alone.

    Args:
        backbone: stays as it is.
        images: all of known class.
        recipes: one for each classifier; every batch size must divide the largest.
        num_classes: C.
        training: what they have in common.
        policy: of the training views.
        seed: of the first weights, the order and the views.
        num_workers: processes that read.
        device: where to compute.
        progress: called with the images done and their number in all epochs.

    Returns:
        Classifiers grouped by batch size, in the order in which these appear.

    Raises:
        ValueError: if a recipe or an epoch count is out of range, or the batch sizes do not fit
            each other.
        RuntimeError: if the backbone changed.
    """
    _check(recipes, training)
    sizes = list(dict.fromkeys(recipe.batch_size for recipe in recipes))
    weight, bias = _first_weights(num_classes, backbone.dim, training.spread, seed, device)
    groups = [
        LinearHeads(
            weight,
            bias,
            [recipe for recipe in recipes if recipe.batch_size == size],
            batch_norm=training.batch_norm,
        )
        for size in sizes
    ]
    views = ViewDataset(images, [policy], seed=seed)
    loader = ViewLoader(views, max(sizes), drop_last=False, num_workers=num_workers, device=device)
    done, total = 0, training.epochs * len(images)
    with frozen(backbone, device):
        for epoch in range(training.epochs):
            loader.load_state_dict({"epoch": epoch, "batches": 0})
            scale = 0.1 ** sum(epoch >= milestone for milestone in training.milestones)
            for batch in loader:
                features = backbone(batch.images[0]).float()
                labels = batch.labels
                for heads, size in zip(groups, sizes, strict=True):
                    least = min(size, len(images)) if training.drop_last else 1
                    for part, classes in zip(features.split(size), labels.split(size), strict=True):
                        if len(part) >= max(least, 2 if training.batch_norm else 1):
                            heads.step(part, classes, scale=scale)
                done += len(labels)
                if progress is not None:
                    progress(done, total)
    return groups


def _first_weights(
    num_classes: int, dim: int, spread: float | None, seed: int, device: str | torch.device
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    weight, bias = torch.empty(num_classes, dim), torch.zeros(num_classes)
    if spread is not None:
        weight.normal_(0, spread, generator=generator)
    else:
        bound = 1 / math.sqrt(dim)
        weight.uniform_(-bound, bound, generator=generator)
        bias.uniform_(-bound, bound, generator=generator)
    return weight.to(device), bias.to(device)


def _check(recipes: Sequence[Recipe], training: Training) -> None:
    if not recipes:
        raise ValueError("`grid` must hold at least one recipe, got none")
    if training.epochs < 1:
        raise ValueError(f"`epochs` must be positive, got {training.epochs}")
    for recipe in recipes:
        if not recipe.learning_rate > 0 or recipe.batch_size < 2 or recipe.weight_decay < 0:
            raise ValueError(
                "a recipe needs a positive `learning_rate`, a `batch_size` of at least 2 and a "
                f"`weight_decay` that is not negative, got {recipe}"
            )
    sizes = {recipe.batch_size for recipe in recipes}
    unfit = sorted(size for size in sizes if max(sizes) % size)
    if unfit:
        raise ValueError(
            f"every `batch_size` of the grid must divide the largest, {max(sizes)}, which the "
            f"backbone takes at once; {unfit[0]} does not"
        )
