"""What an export tells of itself; nothing of its weights is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import safetensors

from instdisc.checks import refuse


class Export(NamedTuple):
    """The metadata of a file of `instdisc.export_backbone`.

    Attributes:
        architecture: its timm name, without a tag.
        stem: see `instdisc.Backbone`.
        options: of timm.
        method: the class that trained it; ``""`` if the file does not tell.
        recipe: its settings; empty if the file does not tell.
        version: of the instdisc that trained it.
        input: the fields of `instdisc.types.InputSpec`; empty if the file does not tell.
        weights: hash of architecture and weights, as records have it; ``""`` in earlier exports.
        opens_in_timm: whether timm alone can build it.
    """

    architecture: str
    stem: str
    options: dict[str, Any]
    method: str
    recipe: dict[str, Any]
    version: str
    input: dict[str, Any]
    weights: str
    opens_in_timm: bool


def read_export(path: Path) -> Export:
    """Reads the metadata of an export.

    Args:
        path: the file.

    Raises:
        ValueError: if it is none.
    """
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata: dict[str, str] = file.metadata() or {}
            names = list(file.keys())
        if metadata.get("layout") != "instdisc":
            raise KeyError("layout")
        spec = json.loads(metadata["backbone"])
        architecture = spec.pop("name").split(".")[0]
        stem = spec.pop("stem", "imagenet")
        recipe = json.loads(metadata["recipe"])
        seen = json.loads(metadata.get("input", "{}"))
        method, version = metadata["method"], metadata["version"]
    except (safetensors.SafetensorError, OSError, KeyError, TypeError, ValueError):
        refuse(
            "weights",
            "an export of instdisc, as safetensors",
            str(path),
            "Write one by instdisc.export_backbone.",
        )
    return Export(
        architecture,
        stem,
        spec,
        method,
        recipe,
        version,
        seen,
        metadata.get("weights", ""),
        # What a backbone has beside its network keeps this prefix.
        stem == "imagenet"
        and not any(name.startswith("backbone.") for name in names)
        and _is_timms(architecture),
    )


def _is_timms(architecture: str) -> bool:
    """Whether timm has the architecture by itself; other packages may add theirs."""
    import timm

    if not timm.is_model(architecture):
        return False
    module: str = timm.model_entrypoint(architecture).__module__
    return module.startswith("timm.")
