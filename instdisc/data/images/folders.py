"""Folders of images."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from instdisc import checks
from instdisc.types import UNKNOWN_LABEL

from .files import SUFFIXES, ImageFiles
from .index import find_images
from .packed import PackedPaths
from .part_folders import refuse_parts
from .remembered import cache_folder


class ImageFolder(ImageFiles):
    """Images in class folders, or in one flat folder without labels.

    ``root/CLASS/**/*.jpg`` gives the label by the sorted order of the class folders; images that
    lie in ``root`` itself, without any folder, are unlabelled. Files that are no images by their
    suffix, hidden files and folders, and what macOS and Windows leave, are passed over. What is
    decoded and how, see `decode_file`.

    Args:
        root: the folder.
        on_unreadable: ``"raise"`` stops at an image that cannot be decoded and names it;
            ``"skip"`` logs a warning that names it and puts the next readable image of the set,
            with that one's label, in its place, so that batches keep their size.
        index: where the list of a large folder (50,000 images and more) is kept for the next
            run, which then looks at each folder once, not at each file, and scans those again that
            have changed. ``True`` for a file in this user's cache folder (``$XDG_CACHE_HOME`` or
            the platform's own), a path for one in another folder, ``False`` for none.

    Raises:
        FileNotFoundError: if `root` is not a folder.
        ValueError: if it holds no image, a class folder holds none, images and class folders are
            mixed, or its folders are parts of a set such as ``train`` and ``test``; while reading,
            if an image cannot be decoded.

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
        self,
        root: str | Path,
        *,
        on_unreadable: Literal["raise", "skip"] = "raise",
        index: str | Path | bool = True,
    ) -> None:
        checks.arguments(ImageFolder.__init__, locals())
        root = Path(root)
        if not root.is_dir():
            raise FileNotFoundError(f"`root` must be a folder of images, got {str(root)!r}")
        if isinstance(index, bool):
            branches = find_images(root, cache_folder() if index else None)
        else:
            branches = find_images(root, Path(index))
        loose = branches.pop("")
        if branches and len(loose):
            raise ValueError(
                f"{root} holds class folders and also {len(loose)} images of no class, "
                f"{loose[0]!r} first. Move them into class folders, or all images into one "
                "flat folder."
            )
        refuse_parts(root, branches)
        empty = [name for name, files in branches.items() if not len(files)]
        if not len(loose) and len(empty) == len(branches):
            kinds = ", ".join(sorted(SUFFIXES))
            raise ValueError(
                f"`root` must be a folder of images, got {str(root)!r}, which holds no image "
                f"({kinds})"
            )
        if empty:
            raise ValueError(
                f"{len(empty)} class folders of {root} hold no image: "
                f"{', '.join(empty[:10])}. Fill or remove them."
            )
        counts = torch.tensor([len(files) for files in branches.values()])
        super().__init__(
            root,
            PackedPaths.join(list(branches.values())) if branches else loose,
            torch.repeat_interleave(torch.arange(len(branches)), counts)
            if branches
            else torch.full((len(loose),), UNKNOWN_LABEL),
            classes=list(branches),
            on_unreadable=on_unreadable,
        )
