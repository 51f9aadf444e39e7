"""One place that turns what a user writes into a set of segmented images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from ..opening import TEST_FOLDERS, TRAIN_FOLDERS
from ..scenes import Scenes
from .folder import SegmentFolder
from .layouts import CamVid, Cityscapes, VOCSegmentation
from .scenes import SceneSegments
from .source import SegmentSource

Part = Literal["train", "test"]
_Open = Callable[[Path], SegmentSource]

# Name: what opens the part to train on, and the part to test on.
_SETS: dict[str, tuple[_Open, _Open]] = {
    "camvid": (CamVid, lambda root: CamVid(root, split="test")),
    "cityscapes": (Cityscapes, lambda root: Cityscapes(root, split="val")),
    "voc2012_segmentation": (VOCSegmentation, lambda root: VOCSegmentation(root, split="val")),
}
NAMES = (*_SETS, "scenes")


def open_segments(name: str | Path, root: str | Path | None = None, *, part: Part) -> SegmentSource:
    """The segmented images of a task, by what a command line says.

    =============================  ==============================================================
    `name`                         what it is
    =============================  ==============================================================
    ``camvid``                     a known set, in the folder of that name below `root`: `CamVid`
                                   (train, test), `Cityscapes` (train, val) or
                                   ``voc2012_segmentation`` (`VOCSegmentation`: train, val)
    ``camvid=/data/CamVid``        the same in the folder that is named
    ``scenes``                     `SceneSegments`: 512 generated images to train, 128 to test
    ``my_images``                  a folder with ``classes.txt`` (a name on each line), and with
                                   ``images/train``, ``masks/train``, ``images/test`` and
                                   ``masks/test``, or ``train/images`` and so on (``val`` for
                                   ``test``)
    =============================  ==============================================================

    Args:
        name: see above; a relative path is looked for below `root` first.
        root: the folder that holds the sets; ``None`` for the working folder.
        part: ``"train"`` or ``"test"``.

    Raises:
        FileNotFoundError: if there is nothing of that name.
        ValueError: if `part` is unknown, or the files lie in another layout.

    Example:
        >>> open_segments("scenes", part="test").name
        'scenes'
    """
    if part not in ("train", "test"):
        raise ValueError(f"`part` must be 'train' or 'test', got {part!r}")
    key, given, place = str(name).partition("=")
    base = Path() if root is None else Path(root)
    if key == "scenes" and not given:
        return SceneSegments(Scenes(512 if part == "train" else 128, split=part))
    if key in _SETS:
        return _SETS[key][part == "test"](Path(place) if given else base / key)
    path = base / name if (base / name).is_dir() else Path(name)
    if not path.is_dir():
        raise FileNotFoundError(
            f"`name` must be {', '.join(_SETS)}, scenes or a folder, got {str(name)!r}, which is "
            f"not in {base.resolve()}"
        )
    return _open_folder(path, part)


def _open_folder(path: Path, part: Part) -> SegmentSource:
    for split in TRAIN_FOLDERS if part == "train" else TEST_FOLDERS:
        for images, masks in (
            (path / "images" / split, path / "masks" / split),
            (path / split / "images", path / split / "masks"),
        ):
            if images.is_dir() and masks.is_dir():
                name = path.resolve().name
                return SegmentFolder(images, masks, classes=path / "classes.txt", name=name)
    raise ValueError(
        f"{path} must hold images/{part}/ and masks/{part}/, or {part}/images/ and {part}/masks/, "
        "and classes.txt. For another layout use SegmentFolder."
    )
