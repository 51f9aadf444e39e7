"""Folders of images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import torch

from instdisc.types import UNKNOWN_LABEL

from .files import SUFFIXES, ImageFiles


class ImageFolder(ImageFiles):
    """Images in class folders, or in one flat folder without labels.

    ``root/CLASS/**/*.jpg`` gives the label by the sorted order of the class folders; images that
    lie in ``root`` itself, without any folder, are unlabelled. Files that are no images by their
    suffix, and hidden files and folders, are passed over. Images of 16 bits lose the lower eight.

    Args:
        root: the folder.
        on_unreadable: ``"raise"`` stops at an image that cannot be decoded and names it;
            ``"skip"`` logs a warning that names it and puts the next readable image of the set,
            with that one's label, in its place, so that batches keep their size.

    Raises:
        FileNotFoundError: if `root` is not a folder.
        ValueError: if it holds no image, a class folder holds none, or images and class folders
            are mixed; while reading, if an image cannot be decoded.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> root = Path(tempfile.mkdtemp())
        >>> for name in ("cat", "dog"):
        ...     (root / name).mkdir()
        ...     Image.new("RGB", (8, 6)).save(root / name / "1.png")
        >>> folder = ImageFolder(root)
        >>> folder.classes, folder.labels.tolist(), folder.read(0).shape
        (['cat', 'dog'], [0, 1], torch.Size([3, 6, 8]))
    """

    def __init__(
        self, root: str | Path, *, on_unreadable: Literal["raise", "skip"] = "raise"
    ) -> None:
        root = Path(root)
        if not root.is_dir():
            raise FileNotFoundError(f"`root` must be a folder of images, got {str(root)!r}")
        visible = sorted(path for path in root.iterdir() if not path.name.startswith("."))
        folders = [path for path in visible if path.is_dir()]
        loose = [path for path in visible if path.is_file() and _is_image(path)]
        if folders and loose:
            raise ValueError(
                f"{root} holds class folders and also {len(loose)} images of no class, "
                f"{loose[0].name!r} first. Move them into class folders, or all images into one "
                "flat folder."
            )
        files = [_images_below(folder) for folder in folders]
        empty = [folder.name for folder, found in zip(folders, files, strict=True) if not found]
        if not loose and not any(files):
            raise ValueError(f"{root} holds no image ({', '.join(sorted(SUFFIXES))})")
        if empty:
            raise ValueError(
                f"{len(empty)} class folders of {root} hold no image: "
                f"{', '.join(empty[:10])}. Fill or remove them."
            )
        counts = torch.tensor([len(found) for found in files])
        super().__init__(
            root,
            [path.name for path in loose]
            or [
                os.path.join(folder.name, path)
                for folder, found in zip(folders, files, strict=True)
                for path in found
            ],
            torch.repeat_interleave(torch.arange(len(files)), counts)
            if files
            else torch.full((len(loose),), UNKNOWN_LABEL),
            classes=[folder.name for folder in folders],
            on_unreadable=on_unreadable,
        )


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _images_below(folder: Path) -> list[str]:
    """Paths relative to the folder, sorted; links are followed."""
    found = []
    for place, inner, names in os.walk(folder, followlinks=True):
        inner[:] = [name for name in inner if not name.startswith(".")]
        within = os.path.relpath(place, folder)
        found += [
            os.path.normpath(os.path.join(within, name)) for name in names if _is_image(Path(name))
        ]
    return sorted(found)
