"""What a user names as a backbone: one that is there, a file, or an architecture."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

import timm

from instdisc.models import Backbone

from .hub import HUB, from_hub
from .load import load_backbone


def open_backbone(source: Backbone | str | Path) -> Backbone:
    """A backbone as it is, from its file, with published weights, or with random ones by its name.

    ==========================  ==================================================================
    `source`                    what it is
    ==========================  ==================================================================
    a `Backbone`                itself
    ``FILE``                    a file that `load_backbone` reads
    ``FILE:ARCHITECTURE``       the same, for a file that does not tell its timm name
    ``hf-hub:USER/REPO``        a repository on the Hugging Face Hub (downloads it), see `from_hub`;
                                ``hf-hub:USER/REPO@REVISION`` for a branch, tag or commit
    ``timm:NAME``               timm's published weights (downloads them)
    ``NAME``                    random weights in the architecture of that timm name
    ==========================  ==================================================================

    Args:
        source: see above. A file goes before a model of the same name.

    Raises:
        FileNotFoundError: if a `Path` is no file.
        ValueError: if a text is neither a file nor a timm name; and of `load_backbone`.
        TypeError: if `source` is none of these.

    Example:
        >>> backbone = open_backbone("test_resnet")
        >>> open_backbone(backbone) is backbone
        True
    """
    if isinstance(source, Backbone):
        return source
    if isinstance(source, str) and source.startswith(HUB):
        repo_id, _, revision = source.removeprefix(HUB).partition("@")
        return from_hub(repo_id, revision=revision or None)
    if not isinstance(source, str | Path):
        raise TypeError(
            "`backbone` must be a Backbone, the file of one or a timm name, got "
            f"{type(source).__name__}. Wrap a network of your own as a timm model, or subclass "
            "Backbone."
        )
    if Path(source).is_file():
        return load_backbone(source)
    if isinstance(source, Path):
        raise FileNotFoundError(f"`backbone` must be a file, got {str(source)!r}")
    file, colon, name = source.rpartition(":")
    if colon and file == "timm":
        return Backbone(name, pretrained=True)
    if colon and Path(file).is_file():
        return load_backbone(file, name)
    if not timm.is_model(source):
        near = get_close_matches(source, timm.list_models(), n=3)
        raise ValueError(
            "`backbone` must be a Backbone, the file of one or a timm name, got "
            f"{source!r}, which is no file in {Path.cwd()} and no name. "
            + (f"Near it: {', '.join(near)}." if near else "See timm.list_models().")
        )
    return Backbone(source)
