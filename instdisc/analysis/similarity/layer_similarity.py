"""Every layer of some networks beside every other, from one pass over the images.

Legend: N images, n images of a batch, C networks, L layers of all networks together, k neighbours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import torch
from torch import Tensor

from instdisc import checks
from instdisc.data import (
    ImageSource,
    ImageSubset,
    ViewDataset,
    ViewPolicy,
    describe_view,
    evaluation_policy,
)
from instdisc.data.left_out import say_once
from instdisc.models import Backbone
from instdisc.transfer.features.frozen import frozen

from ..inputs import FEWEST
from ..showing import view_batches
from .gram import linear_gram
from .layers import LayerReader, has_channels_last, pool
from .minibatch import Intervals, MinibatchCKA


class LayerSimilarity(NamedTuple):
    """What one pass gives.

    Attributes:
        layers: names of the layers of each network.
        cka: ``(L, L)`` float64; the layers of the first network come first.
        intervals: of `cka`.
        features: of each layer ``(N, D)`` float32 on the CPU, averaged over places.
        num_images: in `cka`; those of a last batch of 3 or fewer are not.
        policies: how each network saw the images.
    """

    layers: list[list[str]]
    cka: Tensor
    intervals: Intervals
    features: list[Tensor]
    num_images: int
    policies: list[ViewPolicy]


def layer_similarity(
    backbones: Mapping[str, Backbone],
    images: ImageSource,
    *,
    seed: int,
    layers: Sequence[str] | None,
    pooled: bool,
    image_size: int | None,
    batch_size: int,
    num_workers: int,
    device: str | torch.device,
) -> LayerSimilarity:
    """Reads each image once, in random order, and shows it to all networks.

    Args:
        backbones: by name; frozen, and checked not to change.
        images: what all see, each as it was trained to.
        seed: of the order, and so of the batches.
        layers: see `LayerReader`.
        pooled: whether CKA is of maps averaged over places, or of whole maps.
        image_size: side of the view in pixels; ``None``: at which each backbone was trained.
        batch_size: images at once, at least 4.
        num_workers: processes that read.
        device: where to compute.

    Raises:
        TypeError, ValueError: if there is no network, there are fewer than 4 images, a layer does
            not exist or is the same for all images, or a number is not finite.
        RuntimeError: if a backbone changed.
    """
    device = checks.device("device", device)
    _check(backbones, images, batch_size)
    policies = [evaluation_policy(image_size, seen=net.input) for net in backbones.values()]
    keys = [json.dumps(describe_view(policy), sort_keys=True) for policy in policies]
    views = dict(zip(keys, policies, strict=True))  # networks that see alike share a view
    places = [list(views).index(key) for key in keys]
    readers = [_reader(net, layers, pooled) for net in backbones.values()]
    names = [reader.names for reader in readers]
    titles = [f"{layer} of {net}" for net, of in zip(backbones, names, strict=True) for layer in of]
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    shown = ViewDataset(ImageSubset(images, order), list(views.values()))
    meter, tables = MinibatchCKA(), []
    with ExitStack() as stack:
        for net in backbones.values():
            stack.enter_context(frozen(net, device))
        for batch in view_batches(shown, batch_size, num_workers, device):
            seen = [
                # Convolutions are faster in this layout; the numbers are the same.
                view.contiguous(memory_format=torch.channels_last)
                for view in batch.images
            ]
            kept = [pair for i, read in zip(places, readers, strict=True) for pair in read(seen[i])]
            grams = torch.stack([gram for gram, _ in kept])
            for name, finite in zip(titles, grams.isfinite().all(2).all(1).tolist(), strict=True):
                if not finite:
                    remedy = "The weights are broken: load another checkpoint."
                    checks.refuse("layers", "finite for every image", name, remedy)
            meter.update_grams(grams)
            tables.append([vectors for _, vectors in kept])
    if meter.num_left_out:
        say_once(
            f"CKA on {images.name!r} leaves out the last {meter.num_left_out} images: fewer than "
            f"{FEWEST} in a batch"
        )
    features = [torch.cat(columns) for columns in zip(*tables, strict=True)]
    for name, table in zip(titles, features, strict=True):
        if bool((table == table[0]).all()):
            remedy = "The representation has collapsed."
            checks.refuse("layers", "different for some images", name, remedy)
    return LayerSimilarity(
        names, meter.compute().cpu(), meter.intervals(), features, meter.num_images, policies
    )


def _reader(
    backbone: Backbone, layers: Sequence[str] | None, pooled: bool
) -> LayerReader[tuple[Tensor, Tensor]]:
    last = layers is not None and has_channels_last(backbone)  # maps() has channels first

    def keep(output: Tensor) -> tuple[Tensor, Tensor]:
        vectors = pool(output, channels_last=last)
        return linear_gram(vectors if pooled else output), vectors.cpu()

    return LayerReader(backbone, layers, keep)


def _check(backbones: Mapping[str, Backbone], images: ImageSource, batch_size: int) -> None:
    checks.instance("backbones", backbones, Mapping, "a mapping of names to backbones")
    if not backbones:
        checks.refuse("backbones", "at least one", dict(backbones))
    for net in backbones.values():
        checks.instance("backbones", net, Backbone, "a mapping of names to backbones")
    checks.instance("images", images, ImageSource, "an ImageSource")
    if len(images) < FEWEST:
        checks.refuse("images", f"at least {FEWEST} images", len(images))
    checks.whole("batch_size", batch_size, at_least=FEWEST)
