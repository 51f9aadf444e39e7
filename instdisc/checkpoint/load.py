"""From a file to a backbone, strictly: own files, Lightning checkpoints, what others publish."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import timm
import torch

from instdisc.models import Backbone
from instdisc.models.identity import hash_weights, input_from_json, published_input
from instdisc.types import About, InputSpec

from .layouts import Recognised, State, plain_resnet, recognise, within
from .read import read_file, some

OWN_LAYOUTS = ("instdisc", "lightning")


class CheckpointInfo(NamedTuple):
    """How a file was made, as far as it tells.

    Attributes:
        layout: ``"instdisc"``; ``"lightning"`` (a checkpoint of this library's training); or a
            published layout: ``"facebookresearch/moco"``, ``"torchvision"`` (plain ResNets, whose
            names timm shares), ``"timm"``, ``"lightly"``, ``"solo-learn"``, ``"transfer_broad"``.
        backbone: what builds the architecture, ``Backbone(**backbone)``; without a name if the
            file does not tell.
        method: the class that trained it; ``""`` if the file does not tell.
        recipe: its settings, JSON values only; empty if the file does not tell.
        version: of the instdisc that made it; ``""`` for a file from elsewhere.
        input: how the backbone saw images; ``None`` if the file does not tell.
    """

    layout: str
    backbone: dict[str, Any]
    method: str
    recipe: dict[str, Any]
    version: str
    input: InputSpec | None = None


def load_backbone(
    path: str | Path, name: str | None = None, *, options: Mapping[str, Any] | None = None
) -> Backbone:
    """Reads a backbone; the layout of the file is recognised from its keys.

    Reads what `export_backbone` writes (but for detectron2), Lightning checkpoints of this
    library, and the layouts of facebookresearch/moco, torchvision, timm, lightly, solo-learn and
    transfer_broad. Heads, momentum copies, queues and optimiser states are left aside by explicit
    lists; every other key must fit, and every weight must be there. The one exception is torch's
    own: a missing counter ``num_batches_tracked`` starts at 0; no feature depends on it. Nothing
    in the file is executed (``weights_only=True``).

    Args:
        path: the file.
        name: timm name of the architecture. Needed only where the file does not tell: plain
            ResNets (18, 34, 50, 101, 152) are known by their keys. Where it tells, the name is
            checked.
        options: further arguments of `Backbone` with which a foreign file was trained and which
            it does not tell, e.g. ``{"img_size": 32}`` for a ViT or ``{"stem": "no_pool"}``. The
            library's own files know theirs.

    Returns:
        The backbone on the CPU in float32, in train mode like any new module. Its `origin` names
        the file and how it was made. Its `input` is what the file tells; for timm's layout what
        timm says of the name (its tag tells which weights, as in ``"vit_small_patch16_224.dino"``);
        else ImageNet's mean at 224 px.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is truncated, foreign or unsafe to read, of another architecture,
            or if a key is missing, unexpected or of another shape.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from instdisc.checkpoint import export_backbone
        >>> with TemporaryDirectory() as folder:
        ...     backbone = Backbone("resnet18", stem="cifar")
        ...     path = export_backbone(backbone, f"{folder}/backbone.safetensors")
        ...     load_backbone(path).spec
        {'name': 'resnet18', 'stem': 'cifar'}
    """
    return load_with_info(Path(path), name, options)[0]


def describe_checkpoint(path: str | Path) -> CheckpointInfo:
    """Says how a file was made, without building the backbone.

    Args:
        path: any file that `load_backbone` reads.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file cannot be read.
    """
    return _inspect(Path(path))[0]


def load_with_info(
    path: Path, name: str | None = None, options: Mapping[str, Any] | None = None
) -> tuple[Backbone, CheckpointInfo]:
    """`load_backbone` and `describe_checkpoint` in one reading."""
    info, found = _inspect(path)
    spec = _spec(path, info, found, name, options)
    try:
        with torch.random.fork_rng(devices=[]):  # loading must not disturb a seeded run
            backbone = Backbone(**spec)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path}: cannot build Backbone(**{spec}): {error}") from error
    net: Any = backbone.net
    state = found.state
    if info.layout not in OWN_LAYOUTS:
        heads = net.pretrained_cfg.get("classifier") or ()
        heads = (heads,) if isinstance(heads, str) else tuple(heads)
        state = {key: value for key, value in state.items() if not within(key, heads)}
    wanted: State = net.state_dict()
    counters = [key for key in wanted if key.endswith("num_batches_tracked")]
    state = {key: torch.zeros_like(wanted[key]) for key in counters} | state
    differences = _differences(wanted, state, found.strangers)
    if differences:
        raise ValueError(f"{path} {_advice(info, spec)} {differences}")
    broken = [key for key, value in state.items() if not bool(value.isfinite().all())]
    if broken:
        raise ValueError(
            f"{path} holds weights that are not finite: {some(broken)}. The training diverged; "
            "load an earlier checkpoint."
        )
    net.load_state_dict(state)
    if info.input is not None:
        backbone.input = info.input
    elif info.layout == "timm":
        size = backbone.input.size
        backbone.input = published_input(net.pretrained_cfg)._replace(size=size)
    backbone.origin = About(
        method=info.method or path.stem,
        checkpoint=str(path),
        pretraining=pretraining_of(info.method, info.recipe) or info.layout,
        weights=hash_weights(net, backbone.spec),
    )
    return backbone, info._replace(backbone=backbone.spec)


def pretraining_of(method: str, recipe: Mapping[str, Any]) -> str:
    """How records tell the way to a backbone: what trained it, and what had trained its start.

    Args:
        method: name of the class that trained it; ``""`` if nobody knows.
        recipe: of that training; under ``start`` what is known of the weights it began with.
    """
    start = recipe.get("start")
    before = start.get("pretraining") if isinstance(start, dict) else None
    return f"{method}, from {before}" if method and before else method


def _inspect(path: Path) -> tuple[CheckpointInfo, Recognised]:
    stored, rest = read_file(path)
    try:
        if rest.get("layout") == "instdisc":
            spec, recipe = json.loads(rest["backbone"]), json.loads(rest["recipe"])
            seen = input_from_json(json.loads(rest["input"])) if "input" in rest else None
            info = CheckpointInfo("instdisc", spec, rest["method"], recipe, rest["version"], seen)
            return info, Recognised(info.layout, stored, [])
        entry = rest.get("instdisc")
        if entry is not None:
            told = ("backbone", "method", "recipe", "version")
            seen = input_from_json(entry["input"]) if "input" in entry else None
            info = CheckpointInfo("lightning", **{key: entry[key] for key in told}, input=seen)
            named = {key.replace("_orig_mod.", ""): value for key, value in stored.items()}
            # Everything else in the checkpoint belongs to the training, which has ended here.
            own = [key for key in named if key.startswith("backbone.")]
            state = {key.removeprefix("backbone.net."): named[key] for key in own}
            return info, Recognised(info.layout, state, [])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} does not tell how it was made as instdisc's files do ({error!r}): it was "
            "damaged or edited. Export it again."
        ) from error
    found = recognise(stored)
    name = plain_resnet(found.state) or rest.get("arch")
    spec = {"name": name} if isinstance(name, str) and timm.is_model(name) else {}
    return CheckpointInfo(found.layout, spec, "", {}, ""), found


def _spec(
    path: Path,
    info: CheckpointInfo,
    found: Recognised,
    name: str | None,
    options: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The arguments of `Backbone`, from the file and from the caller."""
    if info.layout in OWN_LAYOUTS:
        if options:
            raise ValueError(
                f"`options` must not be given for a file of instdisc, which knows its own "
                f"({info.backbone}), got {dict(options)}. Leave them out."
            )
        if name is not None and name != info.backbone["name"]:
            raise ValueError(_another_architecture(path, info, name))
        return info.backbone
    if any(".shortcut." in key for key in found.state):
        raise ValueError(
            f"{path} holds lightly's own ResNet (ResNetGenerator), which is none of timm's: cut "
            "into nn.Sequential, as lightly's examples do, it has no ReLU after its first batch "
            "norm. Train one of torchvision's or timm's ResNets there."
        )
    given = {} if name is None else {"name": name}
    spec = {**info.backbone, **given, **(options or {})}
    if "name" not in spec:
        look = "cannot be recognised" if info.layout == "timm" else f"looks like {info.layout}'s"
        raise ValueError(
            f"{path} {look}, and its keys do not tell the architecture: {some(list(found.state))}. "
            "If it is one of timm's, give its `name`, e.g. 'vit_small_patch16_224'."
        )
    conv = found.state.get("conv1.weight")
    if plain_resnet(found.state) and conv is not None and conv.shape[-1] == 3:
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


def _differences(wanted: State, state: State, strangers: list[str]) -> str:
    """What hinders a strict load, as text; empty if nothing does."""
    missing = [key for key in wanted if key not in state]
    unexpected = [key for key in state if key not in wanted] + strangers
    shapes = [
        f"{key} {tuple(state[key].shape)} in the file and {tuple(wanted[key].shape)} in the model"
        for key in wanted
        if key in state and state[key].shape != wanted[key].shape
    ]
    kinds = {"Missing keys": missing, "Unexpected keys": unexpected, "Shapes that differ": shapes}
    return " ".join(f"{kind}: {some(keys)}." for kind, keys in kinds.items() if keys)


def _advice(info: CheckpointInfo, spec: dict[str, Any]) -> str:
    """What a file that does not fit looks like, and what to do."""
    if info.layout in OWN_LAYOUTS:
        return f"says it holds {spec}, but does not: it was damaged or edited. Export it again."
    told = info.backbone.get("name")
    if told is not None and told != spec["name"].split(".")[0]:
        return _another_architecture(None, info, spec["name"])
    return (
        f"looks like a {spec['name']} in the layout of {info.layout}, but does not fit "
        f"Backbone(**{spec}). Give the `name` and `options` it was trained with, and remove from "
        "the file what is no part of the backbone."
    )


def _another_architecture(path: Path | None, info: CheckpointInfo, name: str) -> str:
    return (
        f"{path or ''} is a checkpoint of another architecture: `name` is {name!r}, the file "
        f"({info.layout}) holds {info.backbone['name']!r}. Leave `name` out, or load another file."
    ).strip()
