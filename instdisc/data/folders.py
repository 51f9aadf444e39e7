"""Folders of images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from instdisc.types import UNKNOWN_LABEL

from .source import ImageSource

try:
    # 2.5 times as fast as PIL; torchvision 0.29 announces that a later release will not have it.
    from torchvision.io import ImageReadMode, decode_image
except ImportError:
    _TORCHVISION_SUFFIXES = set()
else:
    _TORCHVISION_SUFFIXES = {".jpg", ".jpeg", ".png"}
_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}


class ImageFolder(ImageSource):
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
        if on_unreadable not in ("raise", "skip"):
            raise ValueError(f"`on_unreadable` must be 'raise' or 'skip', got {on_unreadable!r}")
        self.root = Path(root)
        if not self.root.is_dir():
            raise FileNotFoundError(f"`root` must be a folder of images, got {str(root)!r}")
        self.name = self.root.resolve().name
        self.on_unreadable = on_unreadable
        visible = sorted(path for path in self.root.iterdir() if not path.name.startswith("."))
        folders = [path for path in visible if path.is_dir()]
        loose = [path for path in visible if path.is_file() and _is_image(path)]
        if folders and loose:
            raise ValueError(
                f"{self.root} holds class folders and also {len(loose)} images of no class, "
                f"{loose[0].name!r} first. Move them into class folders, or all images into one "
                "flat folder."
            )
        files = [_images_below(folder) for folder in folders]
        empty = [folder.name for folder, found in zip(folders, files, strict=True) if not found]
        if not loose and not any(files):
            raise ValueError(f"{self.root} holds no image ({', '.join(sorted(_SUFFIXES))})")
        if empty:
            raise ValueError(
                f"{len(empty)} class folders of {self.root} hold no image: "
                f"{', '.join(empty[:10])}. Fill or remove them."
            )
        self.classes = [folder.name for folder in folders]
        # One array instead of a list: the workers share it, and forked pages stay shared.
        self._paths = np.array(
            [path.name for path in loose]
            or [
                os.path.join(folder.name, path)
                for folder, found in zip(folders, files, strict=True)
                for path in found
            ]
        )
        counts = torch.tensor([len(found) for found in files])
        self.labels = (
            torch.repeat_interleave(torch.arange(len(files)), counts)
            if files
            else torch.full((len(loose),), UNKNOWN_LABEL)
        )

    def path(self, index: int) -> Path:
        """Where the image at a position lies."""
        return self.root / str(self._paths[index])

    def read(self, index: int) -> Tensor:
        return _decode(self.path(index))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")


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


def _decode(path: Path) -> Tensor:
    try:
        if path.suffix.lower() in _TORCHVISION_SUFFIXES:
            try:
                image: Tensor = decode_image(str(path), ImageReadMode.RGB)
            except RuntimeError:
                pass  # PIL knows more formats, and says more plainly what is wrong
            else:
                if image.ndim == 3:  # not an animation
                    eight: Tensor = TF.to_dtype(image, torch.uint8, scale=True)
                    return eight
        return _decode_with_pil(path)
    except Exception as error:  # decoders raise anything at broken bytes
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"cannot read the image {path} ({reason}). Repair or remove it, or pass "
            "on_unreadable='skip'."
        ) from error


def _decode_with_pil(path: Path) -> Tensor:
    with Image.open(path) as opened:
        if opened.mode.startswith("I;16") or (opened.mode, opened.format) == ("I", "PPM"):
            high = (np.array(opened) >> 8).astype(np.uint8)  # PIL itself would clip at 255
            pixels = np.stack([high] * 3, axis=-1)
        elif opened.mode in ("I", "F"):
            raise ValueError(f"its pixels of mode {opened.mode!r} have no known range")
        else:
            pixels = np.array(opened.convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
