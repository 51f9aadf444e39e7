"""What a user names as a backbone: one that is there, a file, or an architecture."""

from __future__ import annotations

from pathlib import Path

import timm

from instdisc.models import Backbone

from .load import describe_checkpoint, load_backbone


def open_backbone(source: Backbone | str | Path) -> Backbone:
    """A backbone as it is, from its file, or with random weights by its name.

    Args:
        source: a `Backbone`, which stays itself; a file that `load_backbone` reads without further
            arguments; or a timm name. A file goes before a model of the same name.

    Raises:
        FileNotFoundError: if a `Path` is no file.
        ValueError: if a text is neither a file nor a timm name; and of `load_backbone`.
        TypeError: if it is nothing of all this.

    Example:
        >>> backbone = open_backbone("test_resnet")
        >>> open_backbone(backbone) is backbone
        True
    """
    if isinstance(source, Backbone):
        return source
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
    if not timm.is_model(source):
        raise ValueError(
            "`backbone` must be a Backbone, the file of one or a timm name, got "
            f"{source!r}, which is no file in {Path.cwd()} and no name. See timm.list_models()."
        )
    return Backbone(source)


def backbone_origin(source: str | Path) -> tuple[str, str]:
    """How a backbone was made, and its file, for the records of a result.

    Args:
        source: what `open_backbone` took.

    Returns:
        The method that the file tells, else the file's name without suffix, and the file;
        ``("random", "")`` for what is no file.

    Raises:
        ValueError: if the file cannot be read.

    Example:
        >>> backbone_origin("resnet50")
        ('random', '')
    """
    if not Path(source).is_file():
        return "random", ""
    return describe_checkpoint(source).method or Path(source).stem, str(source)
