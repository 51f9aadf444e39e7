"""Checkpoints: the only bridge from pretraining to everything after it."""

import warnings
from pathlib import Path

from .export import export_backbone as export_backbone
from .hub import from_hub as from_hub
from .hub import push_to_hub as push_to_hub
from .info import CheckpointInfo as CheckpointInfo
from .info import describe_checkpoint as describe_checkpoint
from .load import load_backbone as load_backbone
from .newest import newest_checkpoint as newest_checkpoint
from .opening import open_backbone as open_backbone


def __getattr__(name: str) -> object:
    """The name of release 0.1.0, for one more release."""
    if name != "backbone_origin":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(
        "instdisc.checkpoint.backbone_origin is gone: the backbone itself tells, "
        "open_backbone(source).about()",
        DeprecationWarning,
        stacklevel=2,
    )
    return _backbone_origin


def _backbone_origin(source: str | Path) -> tuple[str, str]:
    """How a backbone was made, and its file; ``("random", "")`` for what is no file."""
    if not Path(source).is_file():
        return "random", ""
    return describe_checkpoint(source).method or Path(source).stem, str(source)
