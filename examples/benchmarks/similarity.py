"""Rows of the benchmark: CKA of 18 layers of ResNet-18s, beside two packages for it.

``pip install pytorch-cka torch-cka`` for the peers; without them the rows show the rest.
"""

import argparse
import importlib.util
import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from instdisc.analysis.similarity import MinibatchCKA
from instdisc.analysis.similarity.gram import linear_gram
from instdisc.analysis.similarity.layers import LayerReader
from instdisc.data import Scenes
from instdisc.models import Backbone

Contenders = dict[str, Callable[[], Any]]


class Inputs:
    """Networks in eval mode, their 17 convolutions and pooled output, and batches of scenes.

    Args:
        options: of the benchmark.
        networks: how many.
    """

    def __init__(self, options: argparse.Namespace, networks: int = 2) -> None:
        torch.manual_seed(0)
        self.device = options.device
        self.nets = [Backbone("resnet18").eval().to(self.device) for _ in range(networks)]
        modules = self.nets[0].net.named_modules()
        self.layers = [
            name
            for name, module in modules
            if isinstance(module, nn.Conv2d) and "downsample" not in name
        ] + ["global_pool"]
        # Scenes, not noise: of noise all images are alike deep inside, and float32 has no digits.
        scenes = Scenes(options.cka_batches * options.cka_images, image_size=options.cka_size)
        images = torch.stack([scenes.read(place) for place in range(len(scenes))]).to(self.device)
        self.batches = (images / 64 - 2).split(options.cka_images)

    def ours(self) -> Tensor:
        """Every layer of all networks beside every other: ``(36, 36)`` of two."""
        meter = MinibatchCKA()
        readers = [LayerReader(net, self.layers, linear_gram) for net in self.nets]
        with torch.inference_mode():
            for batch in self.batches:
                shown = batch.contiguous(memory_format=torch.channels_last)
                meter.update_grams(torch.stack([g for read in readers for g in read(shown)]))
        return meter.compute()

    def forward(self) -> None:
        """The networks alone."""
        with torch.inference_mode():
            for batch in self.batches:
                for net in self.nets:
                    net(batch.contiguous(memory_format=torch.channels_last))

    def pytorch_cka(self, a: int, b: int) -> Tensor:
        """``(18, 18)`` by pytorch-cka."""
        peer = importlib.import_module("cka")
        nets = [self.nets[place].net for place in (a, b)]
        options = {"layers": self.layers, "device": self.device, "progress": False}
        (matrix,) = peer.compute_cka(*nets, _Batches(self.batches), **options)
        return torch.as_tensor(matrix)

    def torch_cka(self) -> Tensor:
        """``(18, 18)`` by torch-cka."""
        peer = importlib.import_module("torch_cka")
        nets = [net.net for net in self.nets]
        names = {"model1_layers": self.layers, "model2_layers": self.layers}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            meter = peer.CKA(*nets, "first", "second", **names, device=self.device)
            with torch.no_grad():
                meter.compare(_Batches(self.batches))
        for net in nets:  # it leaves its hooks
            for module in net.modules():
                module._forward_hooks.clear()
        return torch.as_tensor(meter.hsic_matrix)


def one_map(options: argparse.Namespace) -> Contenders:
    """Each layer of one network beside each layer of the other."""
    inputs = Inputs(options)
    contenders: Contenders = {}
    reference = inputs.ours()[:18, 18:]
    if importlib.util.find_spec("cka"):
        contenders["pytorch-cka"] = lambda: inputs.pytorch_cka(0, 1)
    if importlib.util.find_spec("torch_cka"):
        contenders["torch-cka"] = inputs.torch_cka
    for name, call in contenders.items():
        _check_agreement(name, call(), reference)
    return {**contenders, "ours, and each with itself": inputs.ours, "limit": inputs.forward}


def all_maps(options: argparse.Namespace) -> Contenders:
    """Three networks, each beside itself and the others: the peer runs them for each of 6 maps."""
    inputs = Inputs(options, networks=3)
    contenders: Contenders = {}
    if importlib.util.find_spec("cka"):
        pairs = list(itertools.combinations_with_replacement(range(3), 2))
        contenders["pytorch-cka, six calls"] = lambda: [inputs.pytorch_cka(*p) for p in pairs]
    return {**contenders, "ours": inputs.ours, "limit": inputs.forward}


class _Batches:
    """What the peers take for a loader; no list, which they take for several."""

    dataset = "scenes"

    def __init__(self, batches: Sequence[Tensor]) -> None:
        self.batches = [[batch] for batch in batches]

    def __iter__(self) -> Iterator[list[Tensor]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def _check_agreement(name: str, peer: Tensor, reference: Tensor) -> None:
    difference = float((peer.double().cpu() - reference.cpu()).abs().max())
    if difference > 1e-3:  # they sum uncentred products in float32
        raise RuntimeError(f"{name} differs by {difference}")
