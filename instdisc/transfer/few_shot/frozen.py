"""Few-shot classification of frozen features.

Legend: E episodes, N images, D width.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from instdisc import checks
from instdisc.checks import checked_call, choice
from instdisc.data import Episodes, draw_episodes
from instdisc.predictions import save_predictions
from instdisc.records import Run
from instdisc.types import About, Record

from ..features.extract import Features
from ..labelled import check_table
from ..provenance import checked, former_keywords
from .logistic import fit_episode_logistic

Classifier = Literal["logistic", "euclidean", "cosine"]
_CLASSIFIERS = ("logistic", "euclidean", "cosine")
_Z95 = 1.96  # as published
# Bytes of features or Gram matrices at once: on the CPU what stays in its caches.
_PIECE_CPU, _PIECE_GPU = 4 * 2**20, 2**30


@former_keywords
@checked_call(filled=["shots"], shots=checks.whole)
def evaluate_few_shot(
    features: Features,
    *,
    shots: Sequence[int] = (1, 5, 20),
    ways: int = 5,
    queries: int = 15,
    episodes: int | Episodes = 600,
    classifier: Classifier = "logistic",
    strength: float = 1.0,
    normalize: bool = True,
    seed: int = 0,
    classes: Sequence[str] = (),
    device: str | torch.device = "cpu",
    about: About | None = None,
    predictions: str | Path | None = None,
) -> list[Record]:
    """Mean accuracy over n-way k-shot episodes, by a classifier on each episode's support set.

    Args:
        features: of the classes to tell apart; images of unknown class are left out.
        shots: support images per class; a record for each number. See `draw_episodes` for how the
            episodes of different numbers of shots belong together.
        ways: classes per episode.
        queries: test images per class.
        episodes: how many to draw, or a fixed list (see `Episodes`), which must have these `ways`
            and `queries` and at least ``max(shots)`` support images.
        classifier: ``"logistic"`` regression, or the nearest centroid, by ``"euclidean"``
            distance or by ``"cosine"``.
        strength: of the logistic regression; scikit-learn's C.
        normalize: scale each feature to unit length first.
        seed: of the episodes that are drawn.
        classes: names of the classes, for messages.
        device: where to compute; features are held there. float32, but for the logistic
            regression of features that are not normalised: float64.
        about: what the records say instead of what the features tell.
        predictions: a ``.npz`` file for the ``accuracy_SHOTS`` of every episode and the hash of its
            list, ``episodes_SHOTS``; ``None``: none.

    Returns:
        For each number of shots the mean accuracy in percent with its 95 % interval, 1.96 standard
        deviations over the root of the number of episodes (``None`` for one episode). It says how
        well the episodes fix the mean; it says nothing about another pretraining seed.

    Raises:
        ValueError: see `draw_episodes`, `Episodes.check` and `Episodes.first`; if features are not
            finite (names the image), or an argument is out of range.

    Source:
        Islam et al. (2021), released code: 5-way, 15 queries, 600 episodes; logistic regression
        (C = 1) or centroids of features of unit length.

    Differs from it:
        One fixed list of episodes for all backbones, whatever the number of workers; see
        `draw_episodes`. The regression is run to its minimum. Two ways: multinomial, as there;
        scikit-learn of today fits another objective (see `fit_episode_logistic`).

    Example:
        >>> labels = torch.arange(5).repeat(20)
        >>> some = Features(torch.eye(5)[labels], labels)
        >>> (record,) = evaluate_few_shot(some, shots=[5])
        >>> record.metric, record.value, record.ci
        ('5-way 5-shot logistic', 100.0, 0.0)
    """
    choice("classifier", classifier, _CLASSIFIERS)
    check_table(features, "features")
    if len(classes) and int(features.labels.max()) >= len(classes):
        rule = f"the names of all classes of `features`, {int(features.labels.max()) + 1}"
        checks.refuse("classes", rule, list(classes))
    table = features.features.detach()
    lengths = table.norm(dim=1)
    bad = ~lengths.isfinite()
    if bad.any():
        raise ValueError(
            f"`features` must be finite, those of image {int(bad.nonzero()[0])} are not "
            f"({int(bad.sum())} such images). Look at the image and the backbone's weights."
        )
    if not shots:
        raise ValueError("`shots` must hold at least one number, got none")
    listed = episode_lists(
        features.labels, shots, ways, queries, episodes, seed=seed, classes=classes
    )
    if normalize:
        table = table / lengths.clamp(min=1e-12)[:, None]
    table = table.to(device)
    if classifier == "logistic" and not normalize:
        table = table.double()
    whose = features.about.update(checked(about))
    records, kept = [], {}
    for drawn in listed:
        start = time.perf_counter()
        accuracies = _accuracies(table, drawn, classifier, strength)
        settings: dict[str, Any] = {"classifier": classifier, "normalize": normalize}
        if classifier == "logistic":
            settings["C"] = strength
        records.append(
            episode_record(
                accuracies,
                drawn,
                classifier,
                Run(whose, seed, time.perf_counter() - start, settings, str(device)),
            )
        )
        kept.update(episode_predictions(accuracies, drawn))
    save_predictions(predictions, kept)
    return records


def episode_lists(
    labels: Tensor,
    shots: Sequence[int],
    ways: int,
    queries: int,
    episodes: int | Episodes,
    *,
    seed: int,
    classes: Sequence[str],
) -> list[Episodes]:
    """The episodes for each number of shots, drawn or cut from a fixed list.

    Raises:
        ValueError: see `evaluate_few_shot`.
    """
    if isinstance(episodes, int):
        drawn = draw_episodes(
            labels,
            ways=ways,
            shots=max(shots),
            queries=queries,
            episodes=episodes,
            seed=seed,
            classes=classes,
        )
        return [drawn.first(count) for count in shots]
    episodes.check(labels)
    sizes = (episodes.support.shape[1], episodes.queries.shape[2])
    if sizes != (ways, queries):
        raise ValueError(
            f"`ways`={ways} and `queries`={queries} must be those of the list of `episodes`, "
            f"{sizes[0]} and {sizes[1]}. Pass these, or draw another list."
        )
    return [episodes.first(count) for count in shots]


def episode_record(
    accuracies: Tensor,
    episodes: Episodes,
    classifier: str,
    run: Run,
) -> Record:
    """Mean accuracy with the normal 95 % interval over episodes.

    Args:
        accuracies: ``(E,)`` float64 in [0, 1].
        episodes: what they were measured on.
        classifier: its name, for the metric.
        run: what the records of the run have in common; the settings of the episodes are added.
    """
    count, ways, shots = episodes.support.shape
    mean = 100 * float(accuracies.mean())
    half = 100 * _Z95 * float(accuracies.std()) / math.sqrt(count) if count > 1 else None
    drawn = {
        "ways": ways,
        "shots": shots,
        "queries": episodes.queries.shape[2],
        "episodes": count,
        "episode_seed": episodes.seed,
        "labels_digest": episodes.labels_digest,
        "episodes_digest": episodes.digest,
    }
    return run._replace(settings={**drawn, **run.settings}).record(
        "few_shot",
        f"{ways}-way {shots}-shot {classifier}",
        mean,
        ends=None if half is None else (mean - half, mean + half),
        interval=f"normal over {count} episodes",
        n=count,
    )


def episode_predictions(accuracies: Tensor, episodes: Episodes) -> dict[str, Any]:
    """What is kept of a list of episodes: each one's accuracy, and which list it was.

    Args:
        accuracies: ``(E,)`` float64 in [0, 1].
        episodes: what they were measured on.
    """
    shots = episodes.support.shape[2]
    return {f"accuracy_{shots}": accuracies, f"episodes_{shots}": [episodes.digest]}


def _accuracies(
    table: Tensor, episodes: Episodes, classifier: Classifier, strength: float
) -> Tensor:
    """``(E,)`` float64 on the CPU."""
    support = episodes.support.to(table.device)
    queries = episodes.queries.to(table.device)
    _, ways, shots = support.shape
    labels = torch.arange(ways, device=table.device)
    weights, offsets = [], []
    width = max(table.shape[1], ways * shots)
    for _, features in _pieces(table, support, width):
        if classifier == "logistic":
            truth = labels.repeat_interleave(shots).expand(len(features), -1)
            fitted = fit_episode_logistic(features, truth, strength=strength)
            weights.append(fitted.coef)
            offsets.append(fitted.intercept)
            continue
        centroids = features.unflatten(1, (ways, shots)).mean(2)
        if classifier == "cosine":
            weights.append(F.normalize(centroids, dim=2))
            offsets.append(centroids.new_zeros(centroids.shape[:2]))
        else:  # the nearest has the highest <x, m> - |m|^2 / 2
            weights.append(centroids)
            offsets.append(-centroids.square().sum(2) / 2)
    weight, offset = torch.cat(weights), torch.cat(offsets)
    correct = []
    for piece, asked in _pieces(table, queries, table.shape[1]):
        logits = torch.baddbmm(offset[piece][:, None], asked, weight[piece].mT)
        predictions = logits.argmax(2).unflatten(1, (ways, -1))
        correct.append((predictions == labels[:, None]).double().mean((1, 2)))
    return torch.cat(correct).cpu()


def _pieces(table: Tensor, positions: Tensor, width: int) -> Iterator[tuple[slice, Tensor]]:
    """Slices of the episodes with their features, so few that `width` numbers per image fit.

    Args:
        table: ``(N, D)``.
        positions: ``(E, ways, images)``.
        width: at least D.

    Yields:
        The slice and ``(e, ways * images, D)``, which the next one overwrites: pages of memory
        that are always new would take longer than the copying.
    """
    count, images = len(positions), positions[0].numel()
    limit = _PIECE_CPU if table.device.type == "cpu" else _PIECE_GPU
    size = min(count, max(1, limit // (images * width * table.element_size())))
    space = table.new_empty(size * images, table.shape[1])
    for first in range(0, count, size):
        piece = slice(first, first + size)
        wanted = positions[piece].flatten()
        rows = torch.index_select(table, 0, wanted, out=space[: len(wanted)])
        yield piece, rows.unflatten(0, (-1, images))
