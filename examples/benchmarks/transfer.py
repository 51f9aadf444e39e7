"""Rows of the benchmark: few-shot and readouts on cached features, the grid of linear heads."""

import argparse
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn import functional as F

from instdisc.data import ImagesInMemory, Scenes, draw_episodes, view_policy
from instdisc.models import Backbone
from instdisc.transfer import (
    ISLAM_GRID,
    PENALTIES,
    Features,
    Recipe,
    SoftmaxPath,
    evaluate_few_shot,
    fit_softmax_path,
)
from instdisc.transfer.linear.heads import Training, train_heads

Contenders = dict[str, Callable[[], Any]]
_DIM, _CLASSES, _PER_CLASS = 512, 20, 100
_ITERATIONS = 1000


def few_shot(options: argparse.Namespace, shots: int) -> Contenders:
    """Episodes of 5-way classification: fit on the support set, accuracy on 15 queries a class."""
    features = _features()
    episodes = draw_episodes(features.labels, shots=shots, episodes=options.episodes)
    table = F.normalize(features.features, dim=1).numpy()
    ways = np.arange(5)

    def scikit_learn() -> float:
        accuracies = []
        lists = zip(episodes.support.numpy(), episodes.queries.numpy(), strict=True)
        with threadpool_limits(1):  # more threads make such small problems slower
            for support, queries in lists:
                model = LogisticRegression(C=1, max_iter=1000)
                model.fit(table[support.ravel()], ways.repeat(shots))
                truth = ways.repeat(queries.shape[1])
                accuracies.append(model.score(table[queries.ravel()], truth))
        return float(np.mean(accuracies))

    def ours(classifier: str) -> Callable[[], float]:
        def call() -> float:
            (record,) = evaluate_few_shot(
                features,
                shots=[shots],
                episodes=episodes,
                classifier=classifier,
                device=options.device,
            )
            return record.value / 100

        return call

    _check_agreement(scikit_learn(), ours("logistic")(), episodes.queries.numel())
    return {
        "scikit-learn: LogisticRegression, one by one": _silent(scikit_learn),
        "ours: logistic": _silent(ours("logistic")),
        "ours: nearest centroid": _silent(ours("euclidean")),
    }


def readouts(options: argparse.Namespace) -> Contenders:
    """Logistic regression at 45 regularisers to the tolerance 1e-6, from the strongest on."""
    features, labels = _overlapping(options.readout_images)
    penalties = sorted(PENALTIES, reverse=True)

    def scikit_learn(dtype: type[np.floating]) -> list[tuple[np.ndarray, np.ndarray]]:
        model = LogisticRegression(tol=1e-6, max_iter=_ITERATIONS, warm_start=True)
        found = []
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore")  # of weak regularisers that do not converge
            for penalty in penalties:
                model.set_params(C=1 / penalty)
                model.fit(features.numpy().astype(dtype), labels.numpy())
                found.append((model.coef_.copy(), model.intercept_.copy()))
        return found

    def ours(together: bool = False) -> SoftmaxPath:
        return fit_softmax_path(
            features.to(options.device),
            labels.to(options.device),
            penalties,
            num_classes=int(labels.max()) + 1,
            max_iter=_ITERATIONS,
            together=together,
        )

    path = ours()
    for i, (weight, bias) in enumerate(scikit_learn(np.float64)):
        peer = _objective(torch.tensor(weight), torch.tensor(bias), penalties[i], features, labels)
        own = _objective(path.weight[i].cpu(), path.bias[i].cpu(), penalties[i], features, labels)
        if penalties[i] >= 0.1 and own > peer + 1e-7:
            raise RuntimeError(f"penalty {penalties[i]}: objective {own}, scikit-learn's {peer}")
    return {
        "scikit-learn: LogisticRegression, warm start": _silent(lambda: scikit_learn(np.float64)),
        "the same in float32, which stops early": _silent(lambda: scikit_learn(np.float32)),
        "ours: fit_softmax_path": _silent(ours),
        "ours: all at once": _silent(lambda: ours(together=True)),
    }


def grid(options: argparse.Namespace) -> Contenders:
    """An epoch of the 12 classifiers of Islam et al. on a frozen ResNet-18 at 64 px."""
    backbone = Backbone("resnet18")
    images = ImagesInMemory(Scenes(options.grid_images, image_size=64))

    def train(recipes: Sequence[Recipe]) -> None:
        train_heads(
            backbone,
            images,
            recipes,
            num_classes=10,
            training=Training(1, ()),
            policy=view_policy("islam_weak", 64),
            device=options.device,
        )

    def one_by_one() -> None:
        for recipe in ISLAM_GRID:
            train([recipe])

    return {
        "ours: 12 runs one by one": one_by_one,
        "ours: the grid in one pass": lambda: train(ISLAM_GRID),
        "limit: one run": lambda: train(ISLAM_GRID[:1]),
    }


def _overlapping(count: int) -> tuple[Tensor, Tensor]:
    """Features of a decaying spectrum, non-negative as those of a ResNet, of 20 classes."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 20
    mixing = torch.randn(256, 256, generator=generator) / 16
    mixing *= torch.linspace(0, -3, 256).exp()
    centres = 0.15 * torch.randn(20, 256, generator=generator)
    noise = torch.randn(count, 256, generator=generator)
    return ((centres[labels] + noise) @ mixing + 0.1).relu().double(), labels


def _objective(
    weight: Tensor, bias: Tensor, penalty: float, features: Tensor, labels: Tensor
) -> float:
    loss = F.cross_entropy(features @ weight.T + bias, labels)
    return float(loss + 0.5 * penalty / len(labels) * (weight**2).sum())


def _features() -> Features:
    """Features that classes overlap in, non-negative as those of a ResNet."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(_CLASSES).repeat_interleave(_PER_CLASS)
    centres = torch.randn(_CLASSES, _DIM, generator=generator)
    noise = torch.randn(len(labels), _DIM, generator=generator)
    return Features((centres[labels] + 3 * noise).relu(), labels)


def _check_agreement(peer: float, own: float, queries: int) -> None:
    if abs(peer - own) > max(0.001, 2.5 / queries):  # the peer stops short of its minimum
        raise RuntimeError(f"the contenders disagree: accuracy {peer} and {own}")


def _silent(call: Callable[[], float]) -> Callable[[], None]:
    """Without its result, which the benchmark would take for seconds."""

    def silent() -> None:
        call()

    return silent
