"""How a checkpoint was made, as far as it tells."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import timm

from instdisc.checks import checked_call, input_file
from instdisc.models.identity import input_from_json
from instdisc.types import InputSpec

from .layouts import NO_POOL, Recognised, named_inside, plain_resnet, recognise
from .read import read_file

INSTDISC_LAYOUTS = ("instdisc", "lightning")
_MOMENTUM = "momentum_backbone.module."


@checked_call()
class CheckpointInfo(NamedTuple):
    """How a file was made, as far as it tells.

    Attributes:
        layout: ``"instdisc"``; ``"lightning"`` (a checkpoint of this library's training);
            ``"weights alone"`` (a state dict of one of its modules, or of the network that is to
            be filled); or a published layout: ``"facebookresearch/moco"``, ``"torchvision"`` (plain
            ResNets, whose names timm shares), ``"timm"``, ``"lightly"``, ``"solo-learn"``,
            ``"transfer_broad"``, ``"detectron2"``.
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


@checked_call(path=input_file)
def describe_checkpoint(path: str | Path) -> CheckpointInfo:
    """Says how a file was made, without building the backbone.

    Args:
        path: any file that `load_backbone` reads.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file cannot be read.
    """
    return inspect_checkpoint(Path(path))[0]


def pretraining_of(method: str, recipe: Mapping[str, Any]) -> str:
    """How records tell the way to a backbone: what trained it, and what had trained its start.

    Args:
        method: name of the class that trained it; ``""`` if unknown.
        recipe: of that training; under ``start`` what is known of the weights it began with.
    """
    start = recipe.get("start")
    before = start.get("pretraining") if isinstance(start, dict) else None
    return f"{method}, from {before}" if method and before else method


def momentum_of(method: str) -> str:
    """What trained the backbone of a method's momentum encoder, as records tell it.

    Example:
        >>> momentum_of("DINOModule")
        'DINOModule, momentum encoder'
    """
    return f"{method}, momentum encoder"


def refuse_momentum(source: str) -> NoReturn:
    """Raises the error of a source that has no momentum encoder.

    Args:
        source: what it is.

    Raises:
        ValueError: always.
    """
    raise ValueError(
        "`source` must be a pretraining module with a momentum encoder, or a Lightning checkpoint "
        f"of such a module, for `momentum`=True, got {source}. Leave out `momentum`."
    )


def inspect_checkpoint(
    path: Path, names: Collection[str] = (), *, momentum: bool = False
) -> tuple[CheckpointInfo, Recognised]:
    """How a file was made, and the weights of the backbone in it.

    Args:
        path: the file.
        names: of the weights of a network that is to be filled.
        momentum: read the backbone of the momentum encoder.

    Raises:
        ValueError: if the file cannot be read, or has no momentum encoder where that is asked for.
    """
    stored, rest = read_file(path)
    if momentum and not any(key.startswith(_MOMENTUM) for key in stored if "instdisc" in rest):
        refuse_momentum(f"{path}, which has none")
    try:
        if rest.get("layout") == "instdisc":
            spec, recipe = json.loads(rest["backbone"]), json.loads(rest["recipe"])
            seen = input_from_json(json.loads(rest["input"])) if "input" in rest else None
            info = CheckpointInfo("instdisc", spec, rest["method"], recipe, rest["version"], seen)
            named = {key: value for key, value in stored.items() if key != NO_POOL}
            return info, Recognised(info.layout, named, [])
        entry = rest.get("instdisc")
        if entry is not None:
            told = ("backbone", "method", "recipe", "version")
            seen = input_from_json(entry["input"]) if "input" in entry else None
            info = CheckpointInfo("lightning", **{key: entry[key] for key in told}, input=seen)
            named = {key.replace("_orig_mod.", ""): value for key, value in stored.items()}
            # Everything else in the checkpoint belongs to the training, which has ended here.
            if momentum:
                info = info._replace(method=momentum_of(info.method))
                named = {
                    f"backbone.{key.removeprefix(_MOMENTUM)}": value
                    for key, value in named.items()
                    if key.startswith(_MOMENTUM)
                }
            inside = {key: named[key] for key in named if key.startswith("backbone.")}
            return info, Recognised(info.layout, named_inside(inside), [])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} does not tell how it was made as instdisc's files do ({error!r}): it was "
            "damaged or edited. Export it again."
        ) from error
    recognised = recognise(stored, names)
    name = plain_resnet(recognised.state) or rest.get("arch")
    spec = {"name": name} if isinstance(name, str) and timm.is_model(name) else {}
    return CheckpointInfo(recognised.layout, spec, "", {}, ""), recognised
