"""LPIPS with weights that lie on this machine.

torchmetrics brings the few weights that were learnt from people's judgements; those of the network
beneath are ImageNet's, which it would download. Here they are read from torch's cache or from a
file, or the distance is refused.

Legend: B images, H x W their size.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.data.left_out import say_once

_LEAST = 32  # px: less leaves nothing of the deepest map


class Trunk(NamedTuple):
    """A network beneath LPIPS.

    Attributes:
        title: its name in a table.
        file: what torchvision calls its weights.
    """

    title: str
    file: str


TRUNKS = {
    "alex": Trunk("AlexNet", "alexnet-owt-7be5be79.pth"),
    "vgg": Trunk("VGG-16", "vgg16-397923af.pth"),
    "squeeze": Trunk("SqueezeNet", "squeezenet1_1-b8a52dc0.pth"),
}


@checked_call()
def perceptual_distance(
    images: Tensor, others: Tensor, network: str = "alex", *, weights: str | Path | None = None
) -> Tensor:
    """LPIPS of pairs of images: 0 = alike.

    Nothing is downloaded.

    Args:
        images: ``(B, 3, H, W)`` float32 from 0 to 1, at least 32 px a side.
        others: likewise.
        network: ``"alex"``, ``"vgg"`` or ``"squeeze"``.
        weights: torchvision's file of ImageNet weights; ``None``: where torch's cache has it.

    Returns:
        ``(B,)`` float32.

    Raises:
        FileNotFoundError: if there is no such file; says which, where it was looked for and where
            it comes from.
        ValueError: if there is no such network, the file holds another network's weights or is
            damaged, or an image is too small.

    Other weights of the same network than torchvision's are taken, with one line in the log.

    Source:
        Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric"
        (2018), version 0.1, by torchmetrics.

    Example:
        >>> perceptual_distance(torch.zeros(1, 3, 64, 64), torch.ones(1, 3, 64, 64), "resnet")
        Traceback (most recent call last):
        ValueError: `network` must be one of 'alex', 'vgg', 'squeeze', got 'resnet'
    """
    checks.choice("network", network, TRUNKS)
    for name, value in (("images", images), ("others", others)):
        checks.shape(name, value, ("B", 3, "H", "W"))
        if min(value.shape[2:]) < _LEAST:
            checks.refuse(name, f"of at least {_LEAST} px a side for LPIPS", value)
    path = weights_file(network, weights)
    model = _model(network, path, path.stat().st_mtime_ns).to(images.device)
    with torch.no_grad():
        values: Tensor = model(images, others, normalize=True)
    return values.reshape(len(images))


def weights_file(network: str, weights: str | Path | None = None) -> Path:
    """Where the weights of a network beneath LPIPS lie.

    Args:
        network: ``"alex"``, ``"vgg"`` or ``"squeeze"``.
        weights: the file; ``None``: where torch's cache has it.

    Raises:
        FileNotFoundError: if it is not there.
    """
    trunk = TRUNKS[network]
    cached = Path(torch.hub.get_dir()) / "checkpoints" / trunk.file
    path = cached if weights is None else Path(weights)
    if not path.is_file():
        name = "lpips_weights" if weights is not None else "distances"
        raise FileNotFoundError(
            f"`{name}`: LPIPS with {trunk.title} needs torchvision's weights, looked for at "
            f"{path}. Nothing is downloaded: put {trunk.file} of "
            f"https://download.pytorch.org/models/ there, or give its path as "
            f"lpips_weights={{{network!r}: PATH}}."
        )
    return path


@lru_cache(maxsize=3)
def _model(network: str, path: Path, changed: int) -> Any:
    """LPIPS with the weights of a file; `changed` is when it was written."""
    weights = _trunk_weights(network, path)
    from torchmetrics.functional.image.lpips import _LPIPS  # nothing public leaves out the download

    with torch.random.fork_rng(devices=[]):  # it draws weights that are replaced at once
        model: Any = _LPIPS(pretrained=True, net=network, pnet_rand=True)  # type: ignore[arg-type]
    model.net.load_state_dict(_renamed(model.net.state_dict(), weights))
    return model.eval().requires_grad_(False)


def _trunk_weights(network: str, path: Path) -> Mapping[str, Tensor]:
    """The convolutions of a file of torchvision weights, checked to be of the network."""
    wanted = TRUNKS[network].title
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        weights = {name: value for name, value in content.items() if name.startswith("features.")}
    except Exception as error:  # torch and zipfile raise anything at broken bytes
        raise ValueError(
            f"`lpips_weights` must be torchvision's weights of {wanted}, got {str(path)!r}, which "
            f"holds none or is damaged ({type(error).__name__})"
        ) from error
    shapes = {name: tuple(value.shape) for name, value in weights.items()}
    fitting = [name for name in TRUNKS if shapes == _shapes(name)]
    if network not in fitting:
        got = f"those of {TRUNKS[fitting[0]].title}" if fitting else "those of another network"
        raise ValueError(
            f"`lpips_weights` must be torchvision's weights of {wanted}, got {got} in {str(path)!r}"
        )
    published = TRUNKS[network].file.rpartition("-")[2].partition(".")[0]
    if not _digest(path).startswith(published):
        say_once(
            f"{path} holds other weights of {wanted} than torchvision's {TRUNKS[network].file}: "
            "its LPIPS is not comparable with published ones"
        )
    return weights


def _digest(path: Path) -> str:
    """The hash with which torchvision names its files."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


@lru_cache
def _shapes(network: str) -> dict[str, tuple[int, ...]]:
    """The shapes of a network's convolutions."""
    import torchvision

    name = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}[network]
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        layers = getattr(torchvision.models, name)(weights=None).features.state_dict()
    return {f"features.{key}": tuple(value.shape) for key, value in layers.items()}


def _renamed(slots: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights under the names of LPIPS's slices: "slices.1.3.expand1x1.bias" is "3.expand1x1.bias".

    The number of a layer is the same in both.
    """
    return {
        slot: weights["features." + re.sub(r"^(slices\.\d+|slice\d+)\.", "", slot)]
        for slot in slots
    }
