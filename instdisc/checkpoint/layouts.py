"""How the field names the weights of a backbone, and how to tell layouts apart by their keys."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

from torch import Tensor

from . import companions

State = dict[str, Tensor]

# Blocks per layer and convolutions per block of the ResNets that torchvision and timm build alike.
PLAIN_RESNETS = {
    "resnet18": ((2, 2, 2, 2), 2),
    "resnet34": ((3, 4, 6, 3), 2),
    "resnet50": ((3, 4, 6, 3), 3),
    "resnet101": ((3, 4, 23, 3), 3),
    "resnet152": ((3, 8, 36, 3), 3),
}


class Layout(NamedTuple):
    """One published way to store a backbone among other things.

    Attributes:
        name: what reports call it.
        prefix: how the keys of the backbone begin.
        sign: how at least one key begins.
        companions: modules and buffers that are left aside.
    """

    name: str
    prefix: str
    sign: str
    companions: tuple[str, ...]


class Recognised(NamedTuple):
    """What `recognise` found.

    Attributes:
        layout: name of the layout.
        state: the weights of the backbone under timm's names, perhaps with those of a classifier.
        strangers: keys that the layout does not explain.
    """

    layout: str
    state: State
    strangers: list[str]


# A state dict of one of this library's modules, or of the very network that is to be filled.
BARE = "weights alone"

# An empty tensor in exports of a ResNet without max-pool, for readers that go by the weights alone:
# they have no such weight, and refuse the file.
NO_POOL = "stem.no_pool"

# Keys without any of these signs are torchvision's or timm's own.
LAYOUTS = (
    Layout("facebookresearch/moco", "encoder_q.", "encoder_q.", companions.MOCO),
    Layout("transfer_broad", "feature.", "feature.", companions.TRANSFER_BROAD),
    Layout("lightly", "backbone.", "backbone.", companions.LIGHTLY),
    Layout("solo-learn", "backbone.", "backbone.", companions.SOLO_LEARN),
    # Before 2022; other networks too have an `encoder`, so look closer.
    Layout("solo-learn", "encoder.", "encoder.conv1.", companions.SOLO_LEARN),
)


def recognise(stored: Mapping[str, Tensor], names: Collection[str] = ()) -> Recognised:
    """Finds the backbone in a state dict, names its weights as timm does, and says what is left.

    Where several layouts fit, the one that explains most keys is taken.

    Args:
        stored: a state dict as published.
        names: of the weights of a network: a state dict of just these is taken as it is.

    Source:
        facebookresearch/moco (moco/builder.py), asrafulashiq/transfer_broad
        (system/system_abstract_moco.py), vturrisi/solo-learn (solo/methods/base.py), lightly's
        examples and benchmarks, where ``backbone`` is the network that lightly itself evaluates.

    Example:
        >>> import torch
        >>> weight = torch.zeros(64, 3, 7, 7)
        >>> found = recognise({"module.encoder_q.conv1.weight": weight, "module.queue": weight})
        >>> found.layout, list(found.state)
        ('facebookresearch/moco', ['conv1.weight'])
    """
    stored = _without_wrappers(stored)
    if set(stored) == set(names):
        return Recognised(BARE, stored, [])
    if any(key.startswith(("net.", "backbone.net.")) for key in stored):
        return _bare(stored)
    if "stem.conv1.weight" in stored and any(key.startswith("res2.0.") for key in stored):
        return Recognised("detectron2", {_plain_name(key): stored[key] for key in stored}, [])
    fitting = []
    for layout in LAYOUTS:
        if any(key.startswith(layout.sign) for key in stored):
            inside = [key for key in stored if key.startswith(layout.prefix)]
            others = [key for key in stored if not key.startswith(layout.prefix)]
            strangers = [key for key in others if not within(key, layout.companions)]
            state = {key.removeprefix(layout.prefix): stored[key] for key in inside}
            fitting.append((layout.name, state, strangers))
    if fitting:
        name, state, strangers = min(fitting, key=lambda fit: len(fit[2]))
    else:
        name, state, strangers = "timm", stored, []
    if all(key.split(".")[0].isdigit() for key in state):
        state = _from_sequential(state)
    if name == "timm" and plain_resnet(state):
        name = "torchvision"
    return Recognised(name, state, strangers)


def plain_resnet(state: Mapping[str, Tensor]) -> str | None:
    """The name of the plain ResNet whose weights these are; ``None`` if they are something else.

    Looks at a few telling keys only: a file that lacks one weight is still known for what it is.

    Args:
        state: weights under timm's names.
    """
    blocks = tuple(
        len({key.split(".")[1] for key in state if key.startswith(f"layer{stage}.")})
        for stage in (1, 2, 3, 4)
    )
    convolutions = 3 if any(key.startswith("layer1.0.conv3.") for key in state) else 2
    inner = state.get("layer1.0.conv2.weight")
    parts = (".se.", ".attn", "conv1.0.", ".shortcut.")
    strange = any(part in key for key in state for part in parts)
    if inner is None or tuple(inner.shape) != (64, 64, 3, 3) or strange:
        return None  # wide, grouped, with attention, a deep stem, or lightly's own
    for name, anatomy in PLAIN_RESNETS.items():
        if anatomy == (blocks, convolutions):
            return name
    return None


def detectron2_name(key: str) -> str:
    """What detectron2 calls a ResNet weight of torchvision.

    Source:
        facebookresearch/moco, detection/convert-pretrain-to-detectron2.py.

    Example:
        >>> detectron2_name("layer1.0.downsample.1.weight"), detectron2_name("bn1.bias")
        ('res2.0.shortcut.norm.weight', 'stem.conv1.norm.bias')
    """
    parts = key.split(".")
    if parts[0].startswith("layer"):
        parts[0] = f"res{int(parts[0].removeprefix('layer')) + 1}"
    else:
        parts.insert(0, "stem")
    name = ".".join(parts)
    for number in (1, 2, 3):
        name = name.replace(f"bn{number}.", f"conv{number}.norm.")
    return name.replace("downsample.0.", "shortcut.").replace("downsample.1.", "shortcut.norm.")


def _plain_name(key: str) -> str:
    """Takes back `detectron2_name`."""
    name = key.replace("shortcut.norm.", "downsample.1.").replace("shortcut.", "downsample.0.")
    name = re.sub(r"conv(\d)\.norm\.", r"bn\1.", name).removeprefix("stem.")
    return re.sub(r"^res(\d)\.", lambda stage: f"layer{int(stage[1]) - 1}.", name)


def _bare(stored: State) -> Recognised:
    """The state dict of a `Backbone` or of a module that trains one."""
    inside = [key for key in stored if key.startswith("backbone.")]
    if not any(key.startswith("backbone.net.") for key in inside):
        return Recognised(
            BARE, named_inside({f"backbone.{key}": stored[key] for key in stored}), []
        )
    strangers = [
        key for key in stored if key not in inside and not within(key, companions.INSTDISC_MODULES)
    ]
    return Recognised(BARE, named_inside({key: stored[key] for key in inside}), strangers)


def named_inside(state: State) -> State:
    """Plain names for the network of a backbone; what else a user's own has keeps ``backbone.``.

    Args:
        state: names that begin with ``backbone.``.
    """
    return {key.removeprefix("backbone.net."): value for key, value in state.items()}


def within(key: str, modules: tuple[str, ...]) -> bool:
    """Whether `key` is one of `modules`, or lies inside one of them."""
    return any(key == module or key.startswith(f"{module}.") for module in modules)


def _without_wrappers(stored: Mapping[str, Tensor]) -> State:
    """Takes off what torch.compile and DistributedDataParallel put before names."""
    state = {key.replace("_orig_mod.", ""): value for key, value in stored.items()}
    if all(key.startswith("module.") for key in state):
        state = {key.removeprefix("module."): value for key, value in state.items()}
    return state


def _from_sequential(state: State) -> State:
    """Names for ``nn.Sequential(*resnet.children())``: conv1, bn1, ReLU, max-pool, layer1, ..."""
    names = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
    renamed = {}
    for key, value in state.items():
        position, _, rest = key.partition(".")
        renamed[f"{names.get(position, position)}.{rest}"] = value
    return renamed
