"""PASCAL VOC, and any folder in its layout."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from instdisc import checks
from instdisc.checks import refuse

from ..catalog.layout import contents, first_folder
from ..images.decoding import read_size
from ..images.files import SUFFIXES
from ..images.listing import composed
from ..images.name_lists import read_names
from ..left_out import say_left_out
from .files import ObjectFiles
from .folders import files_by_stem
from .table import make_table
from .voc_file import VOCFile, read_voc
from .voc_origin import counts_from_zero

VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)


class VOCObjects(ObjectFiles):
    """Boxes in the layout of PASCAL VOC: one XML file for each image.

    ============================  ================================================================
    ``Annotations/000005.xml``    size of the image; name, box and flags of each object
    ``JPEGImages/000005.jpg``     the image, of any usual format
    ``ImageSets/Main/test.txt``   names of the images of a split, one on each line
    ============================  ================================================================

    The file counts pixels from 1, and the last pixel belongs to the box: ``xmin`` 48 to ``xmax``
    195 are the pixels 47 to 194 here, so left = 47 and right = 195. Objects marked as difficult
    are trained on, and ignored by the evaluation, as the benchmark does. Images without an
    annotation are left out, with a line in the log that counts them.

    Args:
        root: the folder with ``Annotations``.
        split: a file in ``ImageSets/Main`` without its ending; ``None`` for all annotated images.
        classes: names of the classes in the order of their numbers; ``None`` for the 20 of VOC in a
            folder called ``VOC2007`` or the like, and elsewhere for all names in ``Annotations``,
            sorted.
        one_based: whether the file counts as VOC does; ``False`` for a tool that writes corners
            counted from 0, which are then taken as they are. ``None`` finds out by all files in
            ``Annotations`` (`counts_from_zero`), so that every split is read alike; a line in the
            log says if they count from 0. Where they count from 1, a corner at 0 is moved to the
            first pixel, with a line that counts.
        name: for records and messages; ``None`` for the folder's name.
        on_unreadable: see `ImageFiles`.

    Raises:
        FileNotFoundError: if `root` is not a folder.
        ValueError: if a folder, split, annotation or image is missing, an annotation is not VOC's,
            a name is not in `classes`, or a box is impossible; see `make_table`.

    Source:
        Everingham et al., "The PASCAL Visual Object Classes (VOC) Challenge" (2010); the boxes as
        detectron2 reads them.

    Example:
        >>> VOCObjects("/no/such/folder", "test")
        Traceback (most recent call last):
        FileNotFoundError: `root` must be the folder with Annotations/, got '/no/such/folder'
    """

    def __init__(
        self,
        root: str | Path,
        split: str | None = "trainval",
        *,
        classes: Sequence[str] | None = None,
        one_based: bool | None = None,
        name: str | None = None,
        on_unreadable: Literal["raise", "skip"] = "raise",
    ) -> None:
        checks.arguments(VOCObjects.__init__, locals())
        root = Path(root)
        if not root.is_dir():
            raise FileNotFoundError(
                f"`root` must be the folder with Annotations/, got {str(root)!r}"
            )
        if classes is not None and len(set(classes)) < len(classes):
            refuse("classes", "names that differ", list(classes), "Name each class once.")
        name = root.resolve().name if name is None else name
        xml_folder = first_folder(root, ["Annotations", "annotations"])
        image_folder = first_folder(root, ["JPEGImages", "images"])
        images = _Images(image_folder)
        files = _find_annotations(xml_folder, name)
        ids = sorted(files) if split is None else read_names(_split_file(root, split), files)
        absent = [image_id for image_id in ids if image_id not in files]
        if absent:
            raise ValueError(
                f"there is no annotation {xml_folder / absent[0]}.xml, which the split names; an "
                "image without objects needs a file too, with no <object>"
            )
        if split is None:
            images.report_without(files, name)
        if classes is None and re.fullmatch(r"VOC20\d\d", root.resolve().name):
            classes = VOC_CLASSES
        # Every file, for what all splits must have alike.
        wanted = ids if classes is not None and one_based is not None else sorted(files)
        parsed = {image_id: read_voc(files[image_id]) for image_id in wanted}
        if classes is None:
            classes = sorted({thing.name for file in parsed.values() for thing in file.things})
            _report_alike(classes, str(xml_folder))
        if one_based is None:
            one_based = not _judge(list(parsed.values()), images, name)
        chosen = [parsed[image_id] for image_id in ids]
        paths = images.of(chosen, name)
        sizes = [
            file.size or read_size(image_folder / path)
            for file, path in zip(chosen, paths, strict=True)
        ]
        rows = [(row, thing) for row, file in enumerate(chosen) for thing in file.things]
        number = {category: index for index, category in enumerate(classes)}
        unknown = [(row, thing.name) for row, thing in rows if thing.name not in number]
        if unknown:
            raise ValueError(
                f"every object of {name!r} must be of one of the {len(number)} `classes`; "
                f"{unknown[0][1]!r} in {chosen[unknown[0][0]].path.name} is not"
            )
        corners = np.array([thing.corners for _, thing in rows], dtype=np.float64).reshape(-1, 4)
        places = [chosen[row].path for row, _ in rows]
        boxes = _from_corners(corners, places, name) if one_based else corners
        table, _ = make_table(
            name,
            [row for row, _ in rows],
            boxes,
            [number[thing.name] for _, thing in rows],
            sizes=torch.tensor(sizes).reshape(-1, 2),
            image_ids=ids,
            extents=corners[:, 2:] - corners[:, :2],
            difficult=[thing.difficult for _, thing in rows],
            where=lambda row: str(places[row]),
        )
        super().__init__(
            image_folder,
            paths,
            table,
            sizes=torch.tensor(sizes).reshape(-1, 2),
            image_ids=ids,
            classes=classes,
            category_ids=range(1, len(classes) + 1),
            name=name,
            listed_in=str(xml_folder if split is None else _split_file(root, split)),
            on_unreadable=on_unreadable,
        )


def _split_file(root: Path, split: str) -> Path:
    file = root / "ImageSets" / "Main" / f"{split}.txt"
    if not file.is_file():
        there = contents(file.parent) if file.parent.is_dir() else "no such folder"
        raise ValueError(
            f"`split` must be a file in {file.parent} or None for all images, got {split!r}; "
            f"found {there}"
        )
    return file


def _report_alike(classes: Sequence[str], whose: str) -> None:
    folded = [name.casefold() for name in classes]
    alike = [row for row, name in enumerate(folded) if folded.index(name) < row]
    say_left_out(
        alike,
        f"{whose}: %d classes differ from another by capitals alone and count as their own, "
        "first: ",
        lambda row: f"{classes[folded.index(folded[row])]!r} and {classes[row]!r}",
    )


class _Images:
    """The images of a folder by their names without suffix."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.by_stem = files_by_stem(folder, SUFFIXES)

    def of(self, files: Sequence[VOCFile], name: str) -> list[str]:
        """The image of each annotation.

        Raises:
            ValueError: if one is missing, or two could be meant.
        """
        missing = [file.path.stem for file in files if composed(file.path.stem) not in self.by_stem]
        if missing:
            raise ValueError(
                f"{len(missing)} of the {len(files)} annotated images of {name!r} are not in "
                f"{self.folder}, {missing[0]!r} first"
            )
        return [self.find(file) for file in files]

    def find(self, file: VOCFile) -> str:
        several = self.by_stem[composed(file.path.stem)]
        if len(several) == 1:
            return several[0]
        if file.image in several:
            return file.image
        raise ValueError(
            f"{self.folder} must hold one image for {file.path}, got {', '.join(several)}. Name "
            "one in its <filename>, or remove the other."
        )

    def report_without(self, annotated: dict[str, Path], name: str) -> None:
        bare = sorted(stem for stem in self.by_stem if stem not in annotated)
        say_left_out(
            range(len(bare)),
            f"{name}: left out %d images without an annotation, first: ",
            lambda row: str(self.folder / self.by_stem[bare[row]][0]),
        )


def _find_annotations(folder: Path, name: str) -> dict[str, Path]:
    by_stem = files_by_stem(folder, {".xml"})
    for several in by_stem.values():
        if len(several) > 1:
            raise ValueError(
                f"{folder} must hold one annotation of each image, got {', '.join(several)}"
            )
    return {stem: folder / several[0] for stem, several in by_stem.items()}


def _judge(files: Sequence[VOCFile], images: _Images, name: str) -> bool:
    """Whether the set counts from 0; says so."""
    rows = [(file, thing.corners) for file in files for thing in file.things]
    corners = np.array([box for _, box in rows], dtype=np.float64).reshape(-1, 4)
    low = corners[:, :2]
    at_zero = ((low >= 0) & (low < 1)).any(1)
    if not at_zero.any():
        return False
    sizes = {file.path: _width_and_height(file, images) for file in files if file.things}
    if not counts_from_zero(corners, np.array([sizes[file.path] for file, _ in rows])):
        return False
    say_left_out(
        np.flatnonzero(at_zero),
        f"{name}: counted from 0 (VOCObjects(one_based=True) if not): %d objects have a "
        "corner at 0, first: ",
        lambda row: str(rows[row][0].path),
    )
    return True


def _width_and_height(file: VOCFile, images: _Images) -> tuple[float, float]:
    size: tuple[float, float] | None = file.size
    if size is None and composed(file.path.stem) in images.by_stem:
        size = read_size(images.folder / images.find(file))
    return (np.inf, np.inf) if size is None else (size[1], size[0])


def _from_corners(corners: np.ndarray, paths: Sequence[Path], name: str) -> np.ndarray:
    """Corners counted from 1 as left, top, right, bottom."""
    boxes = corners - [1, 1, 0, 0]
    stray = (boxes[:, :2] < 0) & (corners[:, :2] >= 0)
    boxes[:, :2][stray] = 0
    say_left_out(
        np.flatnonzero(stray.any(1)),
        f"{name}: counted from 1 (VOCObjects(one_based=False) if not): %d objects have a "
        "corner at 0, which is taken for the first pixel, first: ",
        lambda row: str(paths[row]),
    )
    return boxes
