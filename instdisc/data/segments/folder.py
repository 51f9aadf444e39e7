"""A folder of images beside a folder of masks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from instdisc import checks
from instdisc.checks import refuse

from .classes import Classes, read_classes
from .files import SegmentFiles
from .pairing import pair_files


class SegmentFolder(SegmentFiles):
    """Images of one folder with the masks of another, paired by path and name without suffix.

    ``images/a/1.jpg`` belongs to ``masks/a/1.png``, or to ``masks/a/1_mask.png`` if all masks
    have such a word; see `pair_files`.

    Args:
        images: the folder of images.
        masks: the folder of masks; see `SegmentFiles`.
        classes: names of the classes, or a text file with one on each line; see `read_classes`.
        ids: class of each id in the masks; ``None``: ids are classes, and 255 is ignored.
        name: for records and messages; ``None`` for the folder's name.
        on_unreadable: see `SegmentFiles`.

    Raises:
        FileNotFoundError: if a folder or the file of classes is not there.
        ValueError: if a folder holds no image, an image has no mask or a mask no image, a name
            comes twice, or masks are in a lossy format; and from `read_classes` and `SegmentFiles`.

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
        checks.arguments(SegmentFolder.__init__, locals())
        pictures, truths = Path(images), Path(masks)
        paired = pair_files(pictures, truths)
        if isinstance(classes, str | Path):
            named = read_classes(classes)
        else:
            named = Classes(list(classes), None)
        if ids is not None and named.ids is not None:
            refuse("ids", "None where the file of classes gives ids", ids)
        root = Path(os.path.commonpath([pictures.resolve(), truths.resolve()]))
        super().__init__(
            root,
            _below(root, pictures, paired.images),
            _below(root, truths, paired.masks),
            classes=named.names,
            ids=named.ids if ids is None else ids,
            name=name,
            on_unreadable=on_unreadable,
        )


def _below(root: Path, folder: Path, names: Sequence[str]) -> list[str]:
    """Files of a folder, relative to one above it."""
    inner = folder.resolve().relative_to(root)  # not each file, which may be a link
    return [(inner / name).as_posix() for name in names]
