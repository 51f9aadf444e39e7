"""One place that turns what a user writes into a set of images with points."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from instdisc import checks
from instdisc.checks import choice, refuse

from ..images.columns import column_names, read_columns
from ..images.listing import list_folder, matching
from ..images.splits import say_drawn
from ..layout import TEST_FOLDERS, TRAIN_FOLDERS, Layout, Part, open_by_layout
from ..parts import PART_NAMES, spelled, split_value
from ..scenes import Scenes
from .celeba import CelebALandmarks
from .columns import point_columns
from .layouts import LandmarkLayout
from .scenes import SceneLandmarks
from .source import LandmarkFiles, LandmarkSource
from .subset import split_landmarks
from .tables import LandmarkTable, Unit

_SUFFIX = "_keypoints.csv"
_TABLES = (".csv", ".tsv")
# No image of MAFL's test is trained on, whichever set the test is of.
_CELEBA_SPLITS = {
    "mafl": {"train": "mafl_train", "test": "mafl_test"},
    "celeba": {"train": "train_without_mafl_test", "val": "valid", "test": "test"},
}
_NUM_SCENES = {"train": 1000, "val": 250, "test": 500}


def open_landmarks(
    name: str | Path,
    root: str | Path | None = None,
    *,
    part: Part,
    layout: LandmarkLayout | None = None,
    unit: Unit | None = None,
    offset: float | None = None,
    missing: str | Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
    on_unreadable: Literal["raise", "skip"] | None = None,
) -> LandmarkSource:
    """The images of a landmark task, by what a command line says.

    ========================  ======================================================================
    `name`                    what it is
    ========================  ======================================================================
    ``mafl``, ``celeba``      `CelebALandmarks` in ``root/celeba``; CelebA's part ``train`` leaves
                              out MAFL's test
    ``celeba=/data/CelebA``   the same in the folder that is named
    ``scenes``                generated: 1,000 images of 64 px to train, 500 to test
    ``faces.csv``             a `LandmarkTable`, split by its column ``split``
    ``faces68``               a folder with ``train_keypoints.csv``, whose images are in ``train``,
                              and likewise for the other parts; or with one table of points, whose
                              images lie beside it or in ``images``
    ``me=/data/faces.csv``    a table or folder that records call ``me``
    ========================  ======================================================================

    A part ``"test"`` that is not there is the part ``"val"``. Tables and folders that say nothing
    of a split get 70 % of the images to train on and 30 % to test on, drawn by seed 0
    (`split_landmarks`), with one line in the log.

    Args:
        name: see above; a relative path is looked for below `root` first.
        root: the folder that holds the sets; ``None`` for the working folder.
        part: ``"train"``, ``"val"``, ``"test"`` or ``"all"``.
        layout: of a table's points, see `LandmarkTable`; not for sets by name.
        unit: of its numbers.
        offset: is added to them.
        missing: how it writes that a point is not there.
        ignore: columns that are no points.
        on_unreadable: what to do at an image that cannot be read.

    Raises:
        FileNotFoundError: if there is nothing of that name.
        ValueError: if `part` is unknown or the set does not have it, its files lie in another
            layout, or a set by name is given an option of tables; and from `LandmarkTable`.

    Example:
        >>> len(open_landmarks("scenes", part="test"))
        500
    """
    checks.arguments(open_landmarks, locals())
    options = {
        "layout": layout,
        "unit": unit,
        "offset": offset,
        "missing": missing,
        "ignore": ignore,
        "on_unreadable": on_unreadable,
    }
    chosen = {key: value for key, value in options.items() if value is not None}
    images = open_by_layout(name, root, part=part, layouts=LAYOUTS, **chosen)
    assert isinstance(images, LandmarkSource)
    return images


def _open_celeba(key: str, path: Path, part: Part, **options: Any) -> LandmarkSource:
    _refuse_options(key, options)
    splits = _CELEBA_SPLITS[key]
    if part not in splits:
        raise ValueError(f"`part` of {key!r} must be one of {', '.join(splits)}, got {part!r}")
    return CelebALandmarks(path, splits[part])


def _open_scenes(path: Path, part: Part, **options: Any) -> LandmarkSource:
    _refuse_options("scenes", options)
    if part == "all":
        raise ValueError("`part` of 'scenes' must be one of train, val, test, got 'all'")
    return SceneLandmarks(Scenes(_NUM_SCENES[part], image_size=64, split=part))


def _refuse_options(key: str, options: dict[str, Any]) -> None:
    for option, value in options.items():
        refuse(option, f"left out for {key!r}, whose points are known", value)


def _open_table(path: Path, part: Part, **options: Any) -> LandmarkSource:
    return _open_part(path, path.parent, part, options)


def _open_folder(path: Path, part: Part, **options: Any) -> LandmarkSource:
    tables = {file.name[: -len(_SUFFIX)].lower(): file for file in matching(path, f"*{_SUFFIX}")}
    if not all(any(name in tables for name in PART_NAMES[split]) for split in ("train", "test")):
        files = list(tables.values()) or _point_tables(path)
        if len(files) != 1:
            raise ValueError(
                f"{path} must hold train{_SUFFIX} and test{_SUFFIX} (or val{_SUFFIX}), or one "
                f"table of points, got {', '.join(file.name for file in files)}"
            )
        return _open_part(files[0], _images_of(path, files[0]), part, options)
    _refuse_shared(tables.values())
    parts = [spelled(tables, part, str(path))] if part != "all" else _all_parts(tables)
    opened = [
        LandmarkTable(_images_of(path, tables[split]), tables[split], name=path.name, **options)
        for split in parts
    ]
    return opened[0] if part != "all" else _join(path, opened)


def _open_part(table: Path, root: Path, part: Part, options: dict[str, Any]) -> LandmarkSource:
    """A part of a table that holds all of them."""
    ignore = [*options.pop("ignore", ()), "split"]
    chosen = None if part == "all" else split_value(table, part)
    if chosen is not None:
        return LandmarkTable(root, table, only=("split", chosen), ignore=ignore, **options)
    images = LandmarkTable(root, table, ignore=ignore, **options)
    if part == "all":
        return images
    choice("part", part, ("train", "test", "all"), remedy=f"{table} says nothing of a split.")
    split = split_landmarks(images)
    say_drawn(str(table), len(split.train), len(split.test))
    return split.train if part == "train" else split.test


def _all_parts(names: dict[str, Any]) -> list[str]:
    return [name for name in dict.fromkeys((*TRAIN_FOLDERS, *TEST_FOLDERS)) if name in names]


def _images_of(folder: Path, table: Path) -> Path:
    """The folder that the paths of a table are relative to: where its first image is."""
    first = next((path for _, (path,) in read_columns(table, ["image"])), "").replace("\\", "/")
    places = [folder / table.name.removesuffix(_SUFFIX), folder, folder / "images"]
    there = [place for place in places if place.is_dir()]
    return next((place for place in there if (place / first).is_file()), there[0])


def _refuse_shared(tables: Iterable[Path]) -> None:
    """Refuses an image that two parts name."""
    first: dict[Path, Path] = {}
    for table in tables:
        root = _images_of(table.parent, table)
        for line, (path,) in read_columns(table, ["image"]):
            other = first.setdefault(root / path.replace("\\", "/"), table)
            if other != table:
                raise ValueError(f"line {line} of {table} names {path!r}, and so does {other.name}")


def _join(root: Path, tables: Sequence[LandmarkFiles]) -> LandmarkFiles:
    """The images of several tables of one folder, one after the other."""
    boxes = [[table.box(index) for index in range(len(table))] for table in tables]
    flat = [box for some in boxes for box in some if box is not None]
    num_images = sum(map(len, tables))
    if (flat and len(flat) < num_images) or len({table.layout for table in tables}) > 1:
        raise ValueError(f"the tables in {root} must have the same columns for `part`='all'")
    return LandmarkFiles(
        root,
        [str(table.path(i).relative_to(root)) for table in tables for i in range(len(table))],
        torch.cat([table.all_points() for table in tables]),
        tables[0].layout,
        boxes=torch.stack(flat) if flat else None,
        on_unreadable=tables[0].on_unreadable,
    )


def _is_table(path: Path) -> bool:
    if not path.is_file() or path.suffix.lower() not in _TABLES:
        return False
    return "label" not in column_names(path)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and bool(matching(path, f"*{_SUFFIX}") or _point_tables(path))


def _point_tables(folder: Path) -> list[Path]:
    """The tables in a folder that list images with points."""
    tables = [path for path in list_folder(folder) if path.suffix.lower() in _TABLES]
    return [path for path in tables if path.is_file() and _has_points(path)]


def _has_points(table: Path) -> bool:
    try:
        names = column_names(table)
        point_columns([name for name in names if name not in ("image", "split")])
    except ValueError:  # any other text that happens to lie there
        return False
    return "image" in names and "label" not in names


_OPENERS: dict[str, Callable[..., LandmarkSource]] = {
    **{key: partial(_open_celeba, key) for key in _CELEBA_SPLITS},
    "scenes": _open_scenes,
}
NAMES = tuple(_OPENERS)
LAYOUTS: list[Layout] = [
    *(Layout("landmarks", key, opener) for key, opener in _OPENERS.items()),
    Layout("landmarks", "a table (.csv, .tsv) of points", _open_table, _is_table),
    Layout("landmarks", f"a folder with *{_SUFFIX}, or one table", _open_folder, _is_folder),
]
