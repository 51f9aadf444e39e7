"""Which layers of which checkpoints are alike: three measures, as records and arrays.

Legend: N images, C checkpoints, L layers of all checkpoints together, k neighbours.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data import ImageSource, describe_view
from instdisc.metrics import bootstrap_interval
from instdisc.models import Backbone
from instdisc.records import Run
from instdisc.transfer import save_predictions
from instdisc.transfer.provenance import about_run
from instdisc.types import About, Record

from .layer_similarity import LayerSimilarity, layer_similarity
from .neighbours import nearest_neighbours, shared_neighbours
from .procrustes import procrustes_interval

_NORMAL = "normal over images"


@checked_call()
def compare_layers(
    backbones: Mapping[str, Backbone],
    images: ImageSource,
    *,
    seed: int = 0,
    layers: Sequence[str] | None = None,
    pooled: bool = True,
    k: int = 10,
    image_size: int | None = None,
    batch_size: int = 256,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    about: About | None = None,
    arrays: str | Path | None = None,
) -> list[Record]:
    """CKA, mutual k-NN and Procrustes distance between the layers of checkpoints.

    All pairs of layers, of one network and of any two, from one pass over the images; see `cka`,
    `mutual_knn` and `procrustes`. With one network before and after fine-tuning it shows which
    stages moved: a low CKA is a stage that did.

    Args:
        backbones: by name; frozen, and checked not to change.
        images: what all see, each as it was trained to; labels are not used.
        seed: of the order of the images, which makes the batches of CKA, and of the bootstrap.
        layers: names of parts of ``net`` that each backbone has, e.g. ``["conv1", "layer1.0"]``;
            ``None``: the stages of each.
        pooled: whether CKA is of maps averaged over places; else of whole maps, which compares
            what is where. Mutual k-NN and Procrustes are of averaged maps always.
        k: neighbours of mutual k-NN.
        image_size: side of the view in pixels; ``None``: at which each backbone was trained.
        batch_size: images at once, and in one Gram matrix: at least 4, better 128 or more.
        num_workers: processes that read.
        device: where the networks run.
        about: what the records say instead of what backbones and images tell.
        arrays: a ``.npz`` file for ``checkpoint`` (C names), ``layer`` (L names, and ``layer_ends``
            for each checkpoint), and ``(L, L)`` ``cka``, ``cka_low``, ``cka_high``, ``mutual_knn``,
            ``procrustes`` (NaN but for matching layers), and its ends; ``k``; ``None``: none.

    Returns:
        For each pair of checkpoints, whose record calls them ``"A and B"``, and for each layer that
        both have in the same place, records of a task like ``"layer3_similarity"``. Of networks
        with different numbers of stages the last are compared: ``"last_similarity"``. Then, of
        each checkpoint by itself, the CKA of each layer with the one before it: how far the
        network goes from layer to layer. "Better" means more alike, no more. Intervals are over
        images.

    Raises:
        TypeError, ValueError: if an argument is out of range, there are 3 images or fewer or no
            more than `k`, a layer does not exist or runs more than once, or is the same for all.
        RuntimeError: if a backbone changed.

    Source:
        Islam et al. (2021) compare the hidden representations of their networks by CKA; which
        layers, and how, is not public. The measures: see each.

    Example:
        >>> from instdisc.data import Scenes
        >>> nets = {"a": Backbone("test_resnet"), "b": Backbone("test_resnet")}
        >>> records = compare_layers(nets, Scenes(16, image_size=32), image_size=32)
        >>> [(r.method, r.task, r.metric) for r in records[:2]]
        [('a and b', 'layer1_similarity', 'CKA'), ('a and b', 'layer1_similarity', 'mutual 10-NN')]
    """
    start = time.perf_counter()
    if len(images) <= k:
        checks.refuse("images", f"more than `k` = {k}", len(images))
    similarity = layer_similarity(
        backbones,
        images,
        seed=seed,
        layers=layers,
        pooled=pooled,
        image_size=image_size,
        batch_size=batch_size,
        num_workers=num_workers,
        device=device,
    )
    near = [nearest_neighbours(table.to(device), k).cpu() for table in similarity.features]
    matches = _matches(similarity.layers)
    distances = {
        (i, j): procrustes_interval(similarity.features[i], similarity.features[j])
        for *_, i, j in matches
    }
    save_predictions(arrays, _columns(list(backbones), similarity, near, distances, k))
    settings = {
        "layers": None if layers is None else list(layers),
        "pooled": pooled,
        "k": k,
        "image_size": image_size,
        "batch_size": batch_size,
    }
    seconds = time.perf_counter() - start
    abouts = [
        about_run(net, images, view=describe_view(policy))
        for net, policy in zip(backbones.values(), similarity.policies, strict=True)
    ]
    names = list(backbones)
    records = []
    for a, b, layer, i, j in matches:
        whose = _pair(names[a], names[b], abouts[a], abouts[b]).update(about)
        run = Run(whose, seed, seconds, settings, str(device))
        records += _records(
            run, f"{layer}_similarity", similarity, (i, j), near, distances[i, j], k
        )
    first = 0
    for name, net, layer_names in zip(names, abouts, similarity.layers, strict=True):
        run = Run(net._replace(method=name).update(about), seed, seconds, settings, str(device))
        for place in range(first + 1, first + len(layer_names)):
            task, pair = f"{layer_names[place - first]}_similarity", (place, place - 1)
            records.append(_cka_record(run, task, "CKA with the layer before", similarity, pair))
        first += len(layer_names)
    return records


def _matches(layers: list[list[str]]) -> list[tuple[int, int, str, int, int]]:
    """First and second checkpoint, what the layer is called, and its two places among all."""
    ends = [0, *itertools.accumulate(map(len, layers))]
    matches = []
    for a, b in itertools.combinations(range(len(layers)), 2):
        if len(layers[a]) == len(layers[b]):
            for s, name in enumerate(layers[a]):
                matches.append((a, b, name, ends[a] + s, ends[b] + s))
        else:
            matches.append((a, b, "last", ends[a + 1] - 1, ends[b + 1] - 1))
    return matches


def _records(
    run: Run,
    task: str,
    similarity: LayerSimilarity,
    pair: tuple[int, int],
    near: list[Tensor],
    distance: Any,
    k: int,
) -> list[Record]:
    i, j = pair
    shares = shared_neighbours(near[i], near[j])
    return [
        _cka_record(run, task, "CKA", similarity, pair),
        run.record(
            task,
            f"mutual {k}-NN",
            float(shares.mean()),
            ends=bootstrap_interval(lambda column: column.mean(1), [shares], seed=run.seed),
            interval="bootstrap over images",
            n=len(shares),
            unit="",
        ),
        run.record(
            task,
            "Procrustes distance",
            distance.value,
            ends=distance.interval,
            interval=_NORMAL,
            n=len(shares),
            unit="",
            higher_is_better=False,
        ),
    ]


def _cka_record(
    run: Run, task: str, metric: str, similarity: LayerSimilarity, pair: tuple[int, int]
) -> Record:
    ends = (float(similarity.intervals.low[pair]), float(similarity.intervals.high[pair]))
    value, count = float(similarity.cka[pair]), similarity.num_images
    return run.record(task, metric, value, ends=ends, interval=_NORMAL, n=count, unit="")


def _columns(
    names: list[str],
    similarity: LayerSimilarity,
    near: list[Tensor],
    distances: Mapping[tuple[int, int], Any],
    k: int,
) -> dict[str, Any]:
    shared = np.eye(len(near))
    for i, j in itertools.combinations(range(len(near)), 2):
        shared[i, j] = shared[j, i] = float(shared_neighbours(near[i], near[j]).mean())
    spans = np.full((3, len(near), len(near)), np.nan)
    for (i, j), (value, (low, high)) in distances.items():
        spans[:, i, j] = spans[:, j, i] = value, low, high
    return {
        "checkpoint": names,
        "layer": [np.array(layers) for layers in similarity.layers],
        "cka": similarity.cka,
        "cka_low": similarity.intervals.low,
        "cka_high": similarity.intervals.high,
        "mutual_knn": shared,
        "procrustes": spans[0],
        "procrustes_low": spans[1],
        "procrustes_high": spans[2],
        "k": np.array(k),
    }


def _pair(first: str, second: str, a: About, b: About) -> About:
    """What a record says of two checkpoints."""

    def both(name: str) -> str:
        values = [getattr(a, name), getattr(b, name)]
        return values[0] if values[0] == values[1] else " and ".join(map(str, values))

    return a._replace(
        method=f"{first} and {second}",
        checkpoint=both("checkpoint") if a.checkpoint and b.checkpoint else "",
        pretraining=both("pretraining") if a.pretraining and b.pretraining else "",
        architecture=both("architecture"),
        parameters=a.parameters if a.parameters == b.parameters else 0,
        weights=both("weights"),
    )
