"""From a file to a backbone, strictly: own files, Lightning checkpoints, what others publish."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from instdisc.checks import checked_call, input_file, instance
from instdisc.models import Backbone
from instdisc.models.identity import published_input
from instdisc.types import About

from .fit import another_architecture, check_fit, check_spec
from .info import INSTDISC_LAYOUTS, CheckpointInfo, inspect_checkpoint, pretraining_of
from .layouts import BARE, Recognised, State, named_inside, plain_resnet, within
from .read import some


@checked_call(path=input_file)
def load_backbone(
    path: str | Path,
    name: str | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    backbone: Backbone | None = None,
) -> Backbone:
    """Reads a backbone; the layout of the file is recognised from its keys.

    Reads what `export_backbone` writes, Lightning checkpoints of this library, bare state dicts
    (of a pretraining module, of a `Backbone`, of its ``net``), and the layouts of
    facebookresearch/moco, torchvision, timm, lightly, solo-learn and transfer_broad. Heads,
    momentum copies, queues and optimiser states are left aside by explicit lists; every other key
    must fit, and every weight must be there. The one exception is torch's own: a missing counter
    ``num_batches_tracked`` starts at 0; no feature depends on it. Nothing in the file is executed:
    not in torch's files (``weights_only=True``), nor in detectron2's.

    Args:
        path: the file.
        name: timm name of the architecture. Needed only where the file does not tell: plain
            ResNets (18, 34, 50, 101, 152) are known by their keys. Where it tells, the name is
            checked.
        options: further arguments of `Backbone` with which a foreign file was trained and which
            it does not tell, e.g. ``{"img_size": 32}`` for a ViT or ``{"stem": "no_pool"}``. The
            library's own files know theirs; a bare state dict does not, and what leaves no trace
            in weights (``{"stem": "no_pool"}``) is not missed there.
        backbone: the network that the file is of, if `name` and `options` cannot build it: a
            `Backbone` with a ``net`` of your own, or of a class of your own. It is filled and
            returned; if the file does not fit it stays as it is. Its device and dtype stay.

    Returns:
        `backbone`, or a new one on the CPU in float32, in train mode like any new module. Its
        `origin` names the file and how it was made. Its `input` is what the file tells; for timm's
        layout what timm says of the name (its tag tells which weights, as in
        ``"vit_small_patch16_224.dino"``); else ImageNet's mean at 224 px, or what `backbone` has.

    Raises:
        FileNotFoundError: if there is no such file.
        TypeError: if `backbone` is no `Backbone`.
        ValueError: if `backbone` is given beside `name` or `options`; if the file is truncated,
            foreign or unsafe to read, of another architecture, or if a key is missing, unexpected
            or of another shape.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from instdisc.checkpoint import export_backbone
        >>> with TemporaryDirectory() as folder:
        ...     backbone = Backbone("resnet18", stem="cifar")
        ...     path = export_backbone(backbone, f"{folder}/backbone.safetensors")
        ...     load_backbone(path).spec
        {'name': 'resnet18', 'stem': 'cifar'}
    """
    return load_with_info(Path(path), name, options, backbone)[0]


def load_with_info(
    path: Path,
    name: str | None = None,
    options: Mapping[str, Any] | None = None,
    backbone: Backbone | None = None,
    *,
    momentum: bool = False,
) -> tuple[Backbone, CheckpointInfo]:
    """`load_backbone` and how the file was made, in one reading.

    With `momentum` the backbone is that of the momentum encoder.
    """
    if backbone is not None:
        instance("backbone", backbone, Backbone, "a Backbone")
        if name is not None or options is not None:
            raise ValueError(
                "`backbone` is the network itself: leave out `name` and `options`, got "
                f"{name!r} and {options}"
            )
    names = () if backbone is None else _named(backbone)
    info, recognised = inspect_checkpoint(path, names, momentum=momentum)
    if backbone is None:
        filled = _build(path, _spec(path, info, recognised, name, options))
    else:
        filled = backbone
        check_spec(path, info, filled)
    state = _of_the_network(recognised, info, filled)
    wanted = _named(filled)
    counters = [key for key in wanted if key.endswith("num_batches_tracked")]
    state = {key: torch.zeros_like(wanted[key]) for key in counters} | state
    spec = filled.spec if backbone is None else None
    check_fit(path, info, wanted, state, recognised.strangers, spec=spec)
    for key, value in state.items():
        wanted[key].copy_(value)
    if info.input is not None:
        filled.input = info.input
    elif info.layout == "timm" and backbone is None:
        net: Any = filled.net
        size = filled.input.size
        filled.input = published_input(net.pretrained_cfg)._replace(size=size)
    filled.origin = About(
        method=info.method or path.stem,
        checkpoint=str(path),
        pretraining=pretraining_of(info.method, info.recipe) or info.layout,
        weights=filled.about().weights,
    )
    return filled, info._replace(backbone=filled.spec)


def _build(path: Path, spec: dict[str, Any]) -> Backbone:
    try:
        with torch.random.fork_rng(devices=[]):  # loading must not disturb a seeded run
            return Backbone(**spec)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path}: cannot build Backbone(**{spec}): {error}") from error


def _named(backbone: Backbone) -> State:
    """The weights and buffers themselves, as `named_inside` names them."""
    return named_inside({f"backbone.{key}": value for key, value in backbone.state_dict().items()})


def _of_the_network(recognised: Recognised, info: CheckpointInfo, backbone: Backbone) -> State:
    """Without the classifier that a foreign file may hold."""
    if info.layout in (*INSTDISC_LAYOUTS, BARE):
        return recognised.state
    config = getattr(backbone.net, "pretrained_cfg", None) or {}
    heads = config.get("classifier") or ()
    heads = (heads,) if isinstance(heads, str) else tuple(heads)
    return {key: value for key, value in recognised.state.items() if not within(key, heads)}


def _spec(
    path: Path,
    info: CheckpointInfo,
    recognised: Recognised,
    name: str | None,
    options: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The arguments of `Backbone`, from the file and from the caller."""
    if info.layout in INSTDISC_LAYOUTS:
        if options:
            raise ValueError(
                f"`options` must not be given for a file of instdisc, which knows its own "
                f"({info.backbone}), got {dict(options)}. Leave them out."
            )
        if name is not None and name != info.backbone["name"]:
            raise ValueError(another_architecture(path, info, name))
        return info.backbone
    if any(".shortcut." in key for key in recognised.state):
        raise ValueError(
            f"{path} holds lightly's own ResNet (ResNetGenerator), which is none of timm's: cut "
            "into nn.Sequential, as lightly's examples do, it has no ReLU after its first batch "
            "norm. Train one of torchvision's or timm's ResNets there."
        )
    named = {} if name is None else {"name": name}
    spec = {**info.backbone, **named, **(options or {})}
    if "name" not in spec:
        look = "cannot be recognised" if info.layout == "timm" else f"looks like {info.layout}'s"
        raise ValueError(
            f"{path} {look}, and its keys do not tell the architecture: "
            f"{some(list(recognised.state))}. "
            "If it is one of timm's, give its `name`, e.g. 'vit_small_patch16_224'; on a "
            "command line FILE:vit_small_patch16_224."
        )
    conv = recognised.state.get("conv1.weight")
    if plain_resnet(recognised.state) and conv is not None and conv.shape[-1] == 3:
        if info.layout == "solo-learn":
            raise ValueError(
                f"{path} is solo-learn's ResNet for CIFAR, whose first convolution pads by 2. No "
                "stem of Backbone does, and with another padding the features differ."
            )
        if "stem" not in spec:
            raise ValueError(
                f"{path} holds a {spec['name']} whose first convolution is 3 x 3, and does not "
                "tell its stride and padding or whether a max-pool follows. If they are 1, 1 and "
                "none, give `options`={'stem': 'cifar'}."
            )
    return spec
