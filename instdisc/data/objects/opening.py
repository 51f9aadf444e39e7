"""One place that turns what a user writes into a detection set: how such sets lie on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from instdisc import checks

from ..images.listing import list_folder, matching
from ..images.splits import say_drawn
from ..layout import Layout, Part, open_by_layout
from ..scenes import Scenes
from .coco import COCOObjects
from .pennfudan import PennFudan
from .scenes import SceneObjects
from .source import JoinedObjects, ObjectSource
from .splitting import split_objects
from .voc import VOCObjects

_EXPORTS = ("_annotations.coco.json", "annotations.json")
_EXPORT_FOLDERS = ("train", "valid", "val", "test")
_BEGINNING = 2**16  # bytes of a file by which it is known


def open_objects(
    name: str | Path, root: str | Path | None = None, *, part: Part, masks: bool = True
) -> ObjectSource:
    """The images and objects of a detection task, by what a command line says.

    ============================  ================================================================
    `name`                        what it is
    ============================  ================================================================
    ``scenes``                    generated images: 400 to train on, 100 to test on
    ``voc07``                     ``VOC2007``, also in ``VOCdevkit``: trainval, test
    ``voc0712``                   trainval of ``VOC2007`` and ``VOC2012``, test of ``VOC2007``
    ``coco``                      ``coco``: ``train2017``, ``val2017``, their ``annotations``
    ``coco=/data/COCO``           the same in the folder that is named; so for ``voc07=``
    ``my_set``                    a folder in the layout of `VOCObjects`, of COCO or of `PennFudan`
    ``mine=/data/my_set``         the same, which tables call ``mine``
    ============================  ================================================================

    COCO's files lie as ``annotations/instances_X.json`` with the images in ``X``, ``images/X`` or
    ``images``; or as ``_annotations.coco.json`` or ``annotations.json`` beside the images or their
    folder ``images``, in the folder itself or in ``train``, ``valid`` and ``test`` below it.

    A folder in VOC's layout is split by ``trainval`` (else ``train``) and ``test`` (else ``val``),
    one in COCO's by the files of ``train`` and of ``test`` (else ``val``). Without such a split
    70 % of the images, drawn by seed 0 (`split_objects`), are to train on, with a line in the log;
    of PennFudan all but 50, as in torchvision's tutorial.

    Args:
        name: see above; a relative path is looked for below `root` first.
        root: the folder that holds the sets; ``None`` for the working folder.
        part: ``"train"``, ``"test"``, ``"val"`` where there is one, or ``"all"``, which is not
            there for the sets by name.
        masks: whether to read masks where there are any.

    Raises:
        FileNotFoundError: if there is nothing of that name.
        ValueError: if `part` is unknown or not there, or the layout is another; and from the
            classes for each layout.

    Example:
        >>> scenes = open_objects("scenes", part="test")
        >>> len(scenes), scenes.masks
        (100, True)
    """
    checks.arguments(open_objects, locals())
    source = open_by_layout(name, root, part=part, layouts=LAYOUTS, masks=masks)
    assert isinstance(source, ObjectSource)
    return source


def _open_scenes(path: Path, part: Part, *, masks: bool = True) -> ObjectSource:
    _both_parts("scenes", part)
    return SceneObjects(Scenes(400 if part == "train" else 100, image_size=128, split=part))


def _open_voc07(path: Path, part: Part, *, masks: bool = True) -> ObjectSource:
    _both_parts("voc07", part)
    split = "trainval" if part == "train" else "test"
    return VOCObjects(_kit(path) / "VOC2007", split, name=f"voc07_{split}")


def _open_voc0712(path: Path, part: Part, *, masks: bool = True) -> ObjectSource:
    _both_parts("voc0712", part)
    voc07 = _open_voc07(path, part)
    if part == "test":
        return voc07
    voc12 = VOCObjects(_kit(path) / "VOC2012", "trainval", name="voc12_trainval")
    return JoinedObjects([voc07, voc12], name="voc0712_trainval")


def _open_coco2017(path: Path, part: Part, *, masks: bool = True) -> ObjectSource:
    _both_parts("coco", part)
    folder = path if (path / "annotations").is_dir() else path / "coco"
    split = "train2017" if part == "train" else "val2017"
    return COCOObjects(
        folder / "annotations" / f"instances_{split}.json",
        folder / split,
        masks=None if masks else False,
        name=f"coco_{split}",
    )


def _open_voc(path: Path, part: Part, *, masks: bool = True) -> ObjectSource:
    splits = {file.stem for file in matching(path / "ImageSets" / "Main", "*.txt")}
    chosen = _official(
        part,
        train=[split for split in ("trainval", "train") if split in splits][:1],
        val=[split for split in ("val",) if split in splits and "trainval" not in splits],
        test=[split for split in ("test",) if split in splits],
    )
    if chosen is not None:
        return VOCObjects(path, chosen)
    return _drawn(path, VOCObjects(path, None), part)


def _open_pennfudan(path: Path, part: Part, *, masks: bool = True) -> ObjectSource:
    return _drawn(path, PennFudan(path), part, num_test=50)


def _open_coco(path: Path, part: Part, *, masks: bool = True) -> ObjectSource:
    files = {file.stem.removeprefix("instances_"): file for file in _instances(path)}

    def opened(split: str) -> ObjectSource:
        places = [path / split, path / "images" / split, path / "images", path]
        return COCOObjects(files[split], places, masks=None if masks else False, name=path.name)

    return _open_split(path, part, sorted(files), opened)


def _open_export(path: Path, part: Part, *, masks: bool = True) -> ObjectSource:
    files = _exports(path)

    def opened(split: str) -> ObjectSource:
        places = [files[split].parent, files[split].parent / "images"]
        return COCOObjects(files[split], places, masks=None if masks else False, name=path.name)

    return _open_split(path, part, sorted(files), opened)


def _open_split(
    path: Path, part: Part, splits: Sequence[str], opened: Callable[[str], ObjectSource]
) -> ObjectSource:
    chosen = _official(
        part,
        train=[split for split in splits if split.startswith("train")],
        val=[split for split in splits if split.startswith("val")],
        test=[split for split in splits if split.startswith("test")],
    )
    if chosen is not None:
        return opened(chosen)
    if len(splits) > 1:
        raise ValueError(
            f"{path} holds the annotations of {', '.join(splits)}: with part='all', or without "
            "one to train on and one to test on, it must hold one file. Open one by COCOObjects."
        )
    return _drawn(path, opened(splits[0]), part)


def _official(
    part: Part, *, train: Sequence[str], val: Sequence[str], test: Sequence[str]
) -> str | None:
    """The split that a part is; ``None`` if the set has not both parts, or all is wanted."""
    held_out = test or val
    if part == "all" or not train or not held_out:
        return None
    for several in (train, val, test):
        if len(several) > 1:
            raise ValueError(
                f"one split must be the part {part!r}, got {', '.join(several)}. Leave one of them."
            )
    if part == "val" and not val:
        raise ValueError(f"`part` must be 'train', 'test' or 'all' here, got {part!r}")
    return {"train": train, "val": val, "test": held_out}[part][0]


def _drawn(
    path: Path, source: ObjectSource, part: Part, num_test: int | None = None
) -> ObjectSource:
    if part == "all":
        return source
    if part == "val":
        raise ValueError(
            f"`part` must be 'train', 'test' or 'all' for {source.name!r}, which has no official "
            f"split, got {part!r}"
        )
    train, test = split_objects(source, num_test)
    say_drawn(str(path), len(train), len(test))
    return train if part == "train" else test


def _both_parts(name: str, part: Part) -> None:
    if part not in ("train", "test"):
        raise ValueError(f"`part` of {name!r} must be 'train' or 'test', got {part!r}")


def _kit(path: Path) -> Path:
    return path / "VOCdevkit" if (path / "VOCdevkit").is_dir() else path


def _instances(path: Path) -> list[Path]:
    return matching(path / "annotations", "instances_*.json")


def _exports(path: Path) -> dict[str, Path]:
    places = [("all", path), *((name, path / name) for name in _EXPORT_FOLDERS)]
    files: dict[str, Path] = {}
    for split, place in places:
        for name in _EXPORTS:
            if split not in files and _is_coco(place / name):
                files[split] = place / name
    return files


def _is_coco(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        beginning = opened.read(_BEGINNING)
    return any(word in beginning for word in (b'"images"', b'"annotations"', b'"categories"'))


def _has_voc(path: Path) -> bool:
    return any(
        file.suffix.lower() == ".xml"
        for name in ("Annotations", "annotations")
        for file in list_folder(path / name)
    )


LAYOUTS: list[Layout] = [
    Layout("objects", "scenes", _open_scenes),
    Layout("objects", "voc07", _open_voc07),
    Layout("objects", "voc0712", _open_voc0712),
    Layout("objects", "coco", _open_coco2017),
    Layout(
        "objects",
        "PedMasks/ (PennFudan)",
        _open_pennfudan,
        lambda path: (path / "PedMasks").is_dir(),
    ),
    Layout("objects", "Annotations/*.xml (VOC)", _open_voc, _has_voc),
    Layout(
        "objects",
        "annotations/instances_*.json (COCO)",
        _open_coco,
        lambda path: bool(_instances(path)),
    ),
    Layout(
        "objects",
        "_annotations.coco.json or annotations.json, also in train/, valid/ and test/ (COCO)",
        _open_export,
        lambda path: bool(_exports(path)),
    ),
]
NAMES = tuple(layout.name for layout in LAYOUTS if layout.matches is None)
