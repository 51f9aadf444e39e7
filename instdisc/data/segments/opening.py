"""One place that turns what a user writes into a set of segmented images."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from instdisc import checks
from instdisc.checks import choice, refuse

from ..catalog.layout import contents
from ..images.listing import composed, matching
from ..images.name_lists import read_names
from ..images.splits import draw_positions, say_drawn
from ..layout import Layout, Part, kinds_of, locate, open_by_layout
from ..left_out import say_left_out, say_once
from ..scenes import Scenes
from .arrangement import find_parts, undecided
from .classes import CLASSES_FILE, Classes, find_classes, read_classes
from .files import SegmentFiles
from .layouts import CAMVID, CAMVID_IDS, VOC, CamVid, Cityscapes, Unreadable, VOCSegmentation
from .pairing import PairedFiles as _Files
from .pairing import list_files, pair_files
from .scenes import SceneSegments
from .source import SegmentSource

_CAMVID_NAME = re.compile(r"(0001TP|0006R0|0016E5|Seq05VD)_.*")  # the four films


def open_segments(
    name: str | Path,
    root: str | Path | None = None,
    *,
    part: Part,
    on_unreadable: Unreadable = "raise",
) -> SegmentSource:
    """The segmented images of a task, by what a command line says.

    =============================  ==============================================================
    `name`                         what it is
    =============================  ==============================================================
    ``camvid``                     a known set, in the folder of that name below `root`: `CamVid`
                                   (train, val, test), `Cityscapes` (train, val, which is tested
                                   on) or ``voc2012_segmentation`` (`VOCSegmentation`, likewise)
    ``camvid=/data/CamVid``        the same in the folder that is named
    ``scenes``                     `SceneSegments`: 512 generated images to train, 128 to test
    ``my_images``                  a folder of images and a folder of masks of the same names,
                                   whatever these folders are called; ``mine=/data/my_images``
                                   gives the set another name
    =============================  ==============================================================

    The two folders lie in ``train`` and ``test`` (or ``val``), or hold these, or begin with these
    names, as ``train`` and ``trainannot`` or ``train_images`` and ``train_masks``; or there are
    the lists of VOC (``JPEGImages``, ``SegmentationClass``, ``ImageSets/Segmentation``). Without
    any split 70 % of the images are to train on, drawn by seed 0. The masks' folder is the one
    that is called so (``masks``, ``labels``, ...) beside one called after images; else the one
    whose files have one channel without loss and few values.

    ``classes.txt`` in the folder names the classes (`read_classes`); without it they are the ids
    that occur in the masks, and 255 is ignored. Names of files: see `pair_files`.

    Args:
        name: see above; a relative path is looked for below `root` first.
        root: the folder that holds the sets; ``None`` for the working folder.
        part: ``"train"``, ``"test"``, ``"val"`` where there is one, or ``"all"``.
        on_unreadable: see `SegmentFiles`.

    Raises:
        FileNotFoundError: if there is nothing of that name.
        ValueError: if `part` is unknown or not there, or the files lie in another layout.

    Example:
        >>> open_segments("scenes", part="test").name
        'scenes'
    """
    checks.arguments(open_segments, locals())
    choice("part", part, ("all", "train", "val", "test"))
    place = locate(name, root, LAYOUTS)
    if not place.layouts and place.path.is_dir() and not kinds_of(place.path, None, LAYOUTS):
        _refuse_folder(place.path)
    opened = open_by_layout(name, root, part=part, layouts=LAYOUTS, on_unreadable=on_unreadable)
    assert isinstance(opened, SegmentSource)
    opened.on_unreadable = on_unreadable
    return opened


def _refuse_folder(path: Path) -> None:
    either = [folder.name for folder in undecided(path)]
    if either:
        remedy = (
            f"Which of {either[0]}/ and {either[1]}/ holds the masks cannot be told: call the "
            "folders images/ and masks/. Masks are grey or palette files without loss, such as "
            "PNG, with the names of their images."
        )
    else:
        remedy = (
            f"It holds {contents(path)}. Put them into images/ and masks/, by choice each with "
            "train/ and test/ inside, and the names of the classes into classes.txt; for another "
            "layout use SegmentFiles."
        )
    refuse("name", "a folder of images and their masks", str(path), remedy)


def _open_scenes(path: Path, part: Part, **options: Any) -> SegmentSource:
    choice("part", part, ("train", "test"), remedy="The scenes are generated in these two.")
    return SceneSegments(Scenes(512 if part == "train" else 128, split=part))


def _opener(kind: Callable[..., SegmentFiles], *splits: str) -> Callable[..., SegmentSource]:
    """Opens the parts of a set with an official split; ``"val"`` is tested on if it is last."""

    def opened(path: Path, part: Part, **options: Any) -> SegmentSource:
        if part == "all":
            return _joined([kind(path, split=split) for split in splits])
        return kind(path, split=part if part in splits else splits[-1])

    return opened


def _joined(files: list[SegmentFiles]) -> SegmentFiles:
    """One set of several of the same root, classes and ids."""
    first = files[0]
    return SegmentFiles(
        first.root,
        [path for source in files for path in source.paths],
        [path for source in files for path in source.mask_paths],
        classes=first.classes,
        ids=first.ids,
        colors=first.colors.tolist(),
        name=first.name,
    )


def _open_folders(path: Path, part: Part, **options: Any) -> SegmentSource:
    parts = {}
    for name, pair in find_parts(path).items():
        paired = pair_files(pair.images, pair.masks)
        inner = [folder.relative_to(path) for folder in pair]
        parts[name] = _Files(
            [(inner[0] / file).as_posix() for file in paired.images],
            [(inner[1] / file).as_posix() for file in paired.masks],
        )
    return _open_part(path, parts, part, **options)


def _open_lists(path: Path, part: Part, **options: Any) -> SegmentSource:
    parts = {}
    pictures, masked = _by_stem(path, "JPEGImages"), _by_stem(path, "SegmentationClass")
    for file in _lists(path):
        names = read_names(file, masked)
        masks = [masked[name] for name in names if name in masked]
        if not masks:
            say_once(f"{file} is passed over: not one of its {len(names)} images has a mask")
            continue
        images = [pictures[name] for name in names if name in pictures]
        for kind, paths in (("images", images), ("masks", masks)):
            if len(paths) < len(names):
                missing = set(names) - {composed(Path(name).stem) for name in paths}
                raise ValueError(
                    f"{len(missing)} of the {len(names)} {kind} of {file} are not there, "
                    f"{min(missing)!r} first"
                )
        parts[file.stem] = _Files(images, masks)
    if not parts:
        refuse("name", "a folder with a mask for the images in its lists", str(path))
    if "train" not in parts and "trainval" in parts:
        parts["train"] = parts.pop("trainval")
    return _open_part(path, parts, part, **options)


def _open_part(
    path: Path, parts: dict[str, _Files], part: Part, *, on_unreadable: Unreadable = "raise"
) -> SegmentSource:
    """A part of the pairs below a folder, or a drawn one if they are not split."""
    split = "train" in parts and bool({"test", "val"} & parts.keys())
    if part == "val" and not (split and "val" in parts):
        refuse("part", f"one that {path} has", part, "It has no validation images of its own.")
    if not split or part == "all":
        pairs = {pair: None for paths in parts.values() for pair in zip(*paths, strict=True)}
    else:
        key = part if part in parts else "val"
        pairs = dict.fromkeys(zip(*parts[key], strict=True))
    if split:
        tested = parts["test" if "test" in parts else "val"].images
        shared = sorted(set(parts["train"].images) & set(tested))
        say_left_out(
            range(len(shared)),
            f"{path}: %d of the {len(tested)} images to test on are trained on, too, first: ",
            lambda row: shared[row],
        )
    everything = [path / mask for paths in parts.values() for mask in paths.masks]
    skip = on_unreadable == "skip"
    named = _classes_of(path, next(iter(pairs))[0], everything, skip=skip)
    files = SegmentFiles(
        path, *map(list, zip(*pairs, strict=True)), classes=named.names, ids=named.ids
    )
    if split or part == "all":
        return files
    train, test = draw_positions(len(files), name=files.name)
    say_drawn(str(path), len(train), len(test))
    return files.subset(test if part == "test" else train)


def _classes_of(path: Path, image: str, masks: list[Path], *, skip: bool) -> Classes:
    if (path / CLASSES_FILE).is_file():
        return read_classes(path / CLASSES_FILE)
    if _CAMVID_NAME.fullmatch(Path(image).stem):
        return Classes(list(CAMVID), CAMVID_IDS)
    if re.fullmatch(r"VOC20\d\d", path.resolve().name):
        return Classes(VOC, None)
    return find_classes(list(dict.fromkeys(masks)), str(path), skip=skip)


def _lists(path: Path) -> list[Path]:
    if not ((path / "JPEGImages").is_dir() and (path / "SegmentationClass").is_dir()):
        return []
    return matching(path / "ImageSets" / "Segmentation", "*.txt")


def _by_stem(path: Path, folder: str) -> dict[str, str]:
    """The files of a folder by their names."""
    names = list_files(path / folder)[0]
    return {composed(Path(name).stem): f"{folder}/{name}" for name in names}


LAYOUTS = [
    Layout("segments", "camvid", _opener(CamVid, "train", "val", "test"), folder="camvid"),
    Layout("segments", "cityscapes", _opener(Cityscapes, "train", "val"), folder="cityscapes"),
    Layout(
        "segments",
        "voc2012_segmentation",
        _opener(VOCSegmentation, "train", "val"),
        folder="voc2012_segmentation",
    ),
    Layout("segments", "scenes", _open_scenes),
    Layout(
        "segments",
        "Cityscapes (leftImg8bit/ and gtFine/)",
        _opener(Cityscapes, "train", "val"),
        matches=lambda path: (path / "leftImg8bit").is_dir() and (path / "gtFine").is_dir(),
    ),
    Layout(
        "segments",
        "VOC (JPEGImages/, SegmentationClass/ and ImageSets/Segmentation/)",
        _open_lists,
        matches=lambda path: bool(_lists(path)),
    ),
    Layout(
        "segments",
        "images/ and masks/ with files of the same names, by choice in train/ and test/",
        _open_folders,
        # Penn-Fudan's masks number the people, which are no classes.
        matches=lambda path: (
            path.is_dir() and not (path / "PedMasks").is_dir() and bool(find_parts(path))
        ),
    ),
]
NAMES = tuple(layout.name for layout in LAYOUTS if layout.matches is None)
