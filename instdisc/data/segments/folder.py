"""A folder of images beside a folder of masks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from ..images.files import SUFFIXES
from .files import SegmentFiles

_LOSSY = {".jpg", ".jpeg", ".webp"}


class SegmentFolder(SegmentFiles):
    """Images of one folder with the masks of another, paired by path and name without suffix.

    ``images/a/1.jpg`` belongs to ``masks/a/1.png``.

    Args:
        images: the folder of images.
        masks: the folder of masks; see `SegmentFiles`.
        classes: names of the classes, or a text file with one on each line.
        ids: class of each id in the masks; ``None``: ids are classes, and 255 is ignored.
        name: for records and messages; ``None`` for the folder's name.
        on_unreadable: see `SegmentFiles`.

    Raises:
        FileNotFoundError: if a folder or the file of classes is not there.
        ValueError: if a folder holds no image, an image has no mask or a mask no image, a name
            comes twice, or masks are in a lossy format; and from `SegmentFiles`.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> root = Path(tempfile.mkdtemp())
        >>> for kind, mode in (("images", "RGB"), ("masks", "L")):
        ...     (root / kind).mkdir()
        ...     Image.new(mode, (8, 6)).save(root / kind / "1.png")
        >>> folder = SegmentFolder(root / "images", root / "masks", classes=["sky", "sea"])
        >>> len(folder), folder.mask(0).shape
        (1, torch.Size([6, 8]))
    """

    def __init__(
        self,
        images: str | Path,
        masks: str | Path,
        *,
        classes: Sequence[str] | str | Path,
        ids: Mapping[int, int] | None = None,
        name: str | None = None,
        on_unreadable: Literal["raise", "skip"] = "raise",
    ) -> None:
        pictures, truths = _by_name(Path(images), "images"), _by_name(Path(masks), "masks")
        for kind, other, missing in (
            ("image", "mask", sorted(pictures.keys() - truths.keys())),
            ("mask", "image", sorted(truths.keys() - pictures.keys())),
        ):
            if missing:
                raise ValueError(
                    f"{len(missing)} {kind}s have no {other}, {missing[0]!r} first ({images} and "
                    f"{masks}). Files must have the same names but for the suffix."
                )
        lossy = [path.name for path in truths.values() if path.suffix.lower() in _LOSSY]
        if lossy:
            raise ValueError(
                f"`masks` must be in a format without loss, such as PNG, got {lossy[0]!r}: "
                "compression changes ids"
            )
        root = Path(os.path.commonpath([Path(images).resolve(), Path(masks).resolve()]))
        keys = sorted(pictures)
        super().__init__(
            root,
            [pictures[key].resolve().relative_to(root).as_posix() for key in keys],
            [truths[key].resolve().relative_to(root).as_posix() for key in keys],
            classes=read_classes(classes),
            ids=ids,
            name=name,
            on_unreadable=on_unreadable,
        )


def read_classes(classes: Sequence[str] | str | Path) -> Sequence[str]:
    """The names of classes, from a list or from a file with one on each line.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    if not isinstance(classes, str | Path):
        return classes
    path = Path(classes)
    if not path.is_file():
        raise FileNotFoundError(
            f"`classes` must be names, or a text file with one on each line, got {str(path)!r}"
        )
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _by_name(folder: Path, argument: str) -> dict[str, Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"`{argument}` must be a folder, got {str(folder)!r}")
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        if path.suffix.lower() not in SUFFIXES | {".gif"} or inner.name.startswith("."):
            continue
        key = inner.with_suffix("").as_posix()
        if key in found:
            raise ValueError(f"{found[key]} and {path} have the same name but for the suffix")
        found[key] = path
    if not found:
        raise ValueError(f"{folder} holds no image ({', '.join(sorted(SUFFIXES))})")
    return found
