"""Whether weights fit a network, and what to say if they do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from instdisc.models import Backbone

from .info import INSTDISC_LAYOUTS, CheckpointInfo
from .layouts import State
from .read import some

# Options of timm's ResNets that change its training, not the network that a file describes.
HARMLESS_OPTIONS = {"zero_init_last", "drop_rate", "drop_path_rate", "drop_block_rate"}


def check_fit(
    path: Path,
    info: CheckpointInfo,
    wanted: State,
    state: State,
    strangers: list[str],
    *,
    spec: dict[str, Any] | None,
) -> None:
    """Refuses weights that a strict load would not take, or that are no numbers.

    Args:
        path: the file, for the message.
        info: how it was made.
        wanted: the weights to be filled, by name.
        state: those of the file.
        strangers: names in the file that its layout does not explain.
        spec: by which the backbone was built for this file; ``None`` for one that was handed over.

    Raises:
        ValueError: names what is missing, unexpected, of another shape or not finite.
    """
    differences = _differences(wanted, state, strangers)
    if differences:
        advice = f"does not fit `backbone` (layout: {info.layout})."
        if spec is not None:
            advice = _advice(info, spec)
        raise ValueError(f"{path} {advice} {differences}")
    broken = [key for key, value in state.items() if not bool(value.isfinite().all())]
    if broken:
        raise ValueError(
            f"{path} holds weights that are not finite: {some(broken)}. The training diverged; "
            "load an earlier checkpoint."
        )


def check_spec(path: Path, info: CheckpointInfo, backbone: Backbone) -> None:
    """Refuses a backbone to fill of another architecture than the file tells.

    Raises:
        ValueError: names both.
    """

    def essence(spec: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in spec.items() if name not in HARMLESS_OPTIONS}

    if info.layout in INSTDISC_LAYOUTS and essence(info.backbone) != essence(backbone.spec):
        raise ValueError(
            f"{path} is a checkpoint of another architecture: `backbone` is {backbone.spec}, the "
            f"file holds {info.backbone}. Build it as the file says, or load another file."
        )


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
    if info.layout in INSTDISC_LAYOUTS:
        return (
            f"says it holds {spec}, but does not: it was damaged or edited. Export it again. If it "
            "holds a network of your own, hand that over: load_backbone(path, backbone=...)."
        )
    told = info.backbone.get("name")
    if told is not None and told != spec["name"].split(".")[0]:
        return another_architecture(None, info, spec["name"])
    return (
        f"looks like a {spec['name']} in the layout of {info.layout}, but does not fit "
        f"Backbone(**{spec}). Give the `name` and `options` it was trained with, and remove from "
        "the file what is no part of the backbone."
    )


def another_architecture(path: Path | None, info: CheckpointInfo, name: str) -> str:
    """What to say of a file that tells another name than the caller."""
    return (
        f"{path or ''} is a checkpoint of another architecture: `name` is {name!r}, the file "
        f"({info.layout}) holds {info.backbone['name']!r}. Leave `name` out, or load another file."
    ).strip()
