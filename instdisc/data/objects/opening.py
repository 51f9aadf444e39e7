"""One place that turns what a user writes into a detection set."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch

from ..scenes import Scenes
from .coco import COCOObjects
from .pennfudan import PennFudan
from .scenes import SceneObjects
from .source import JoinedObjects, ObjectSource, ObjectSubset
from .voc import VOCObjects

Part = Literal["all", "train", "test"]
NAMES = ("scenes", "voc07", "voc0712", "coco")


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
    ``my_set``                    a folder in the layout of `VOCObjects`, of COCO (``annotations/
                                  instances_X.json`` and the images in ``X``, ``images/X`` or
                                  ``images``) or of `PennFudan`
    ============================  ================================================================

    A folder in VOC's layout is split by ``trainval`` (else ``train``) and ``test`` (else ``val``),
    one in COCO's by the files that begin with ``instances_train`` and with ``instances_val`` or
    ``instances_test``. Where there is nothing of that kind, 70 % of the images are to train on,
    drawn by seed 0 (`split_objects`); of PennFudan all but 50, as in torchvision's tutorial.

    Args:
        name: see above; a relative path is looked for below `root` first.
        root: the folder that holds the sets; ``None`` for the working folder.
        part: ``"train"``, ``"test"`` or ``"all"``, which is not there for the sets by name.
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
    if part not in ("all", "train", "test"):
        raise ValueError(f"`part` must be 'all', 'train' or 'test', got {part!r}")
    key, given, place = str(name).partition("=")
    base = Path() if root is None else Path(root)
    if key in NAMES:
        if part == "all":
            raise ValueError(f"`part` of {key!r} must be 'train' or 'test', got 'all'")
        return _open_named(key, Path(place) if given else base, part, masks)
    path = base / name if (base / name).exists() else Path(name)
    if not path.is_dir():
        raise FileNotFoundError(
            f"`name` must be a folder or one of {', '.join(NAMES)}, got {str(name)!r}, which is "
            f"not in {base.resolve()}"
        )
    if (path / "Annotations").is_dir() and not (path / "PedMasks").is_dir():
        return _open_voc(path, part)
    if (path / "PedMasks").is_dir():
        return _part_of(PennFudan(path), part, num_test=50)
    return _open_coco(path, part, masks)


def split_objects(
    source: ObjectSource, num_test: int | None = None, *, seed: int = 0
) -> tuple[ObjectSubset, ObjectSubset]:
    """A split of the images into those to train on and those to test on.

    Args:
        source: what to split.
        num_test: how many to test on; ``None`` for 30 %, rounded.
        seed: another seed draws other images.

    Returns:
        Both parts in the order of `source`.

    Raises:
        ValueError: if one part would be empty.

    Example:
        >>> train, test = split_objects(SceneObjects(Scenes(10, image_size=32)))
        >>> len(train), test.image_ids
        (7, [2, 4, 8])
    """
    count = round(0.3 * len(source)) if num_test is None else num_test
    if not 0 < count < len(source):
        raise ValueError(
            f"`num_test` must be above 0 and below the {len(source)} images of {source.name!r}, "
            f"got {count}"
        )
    order = np.random.RandomState(seed).permutation(len(source))  # fixed for all time by numpy
    test, train = np.sort(order[:count]), np.sort(order[count:])
    return (
        ObjectSubset(source, torch.from_numpy(train)),
        ObjectSubset(source, torch.from_numpy(test)),
    )


def _open_named(key: str, base: Path, part: Part, masks: bool) -> ObjectSource:
    if key == "scenes":
        return SceneObjects(Scenes(400 if part == "train" else 100, image_size=128, split=part))
    if key == "coco":
        folder = base if (base / "annotations").is_dir() else base / "coco"
        split = "train2017" if part == "train" else "val2017"
        return COCOObjects(
            folder / "annotations" / f"instances_{split}.json",
            folder / split,
            masks=None if masks else False,
            name=f"coco_{split}",
        )
    kit = base / "VOCdevkit" if (base / "VOCdevkit").is_dir() else base
    if part == "test":
        return VOCObjects(kit / "VOC2007", "test", name="voc07_test")
    voc07 = VOCObjects(kit / "VOC2007", "trainval", name="voc07_trainval")
    if key == "voc07":
        return voc07
    voc12 = VOCObjects(kit / "VOC2012", "trainval", name="voc12_trainval")
    return JoinedObjects([voc07, voc12], name="voc0712_trainval")


def _open_voc(path: Path, part: Part) -> ObjectSource:
    splits = {file.stem for file in (path / "ImageSets" / "Main").glob("*.txt")}
    train = next((split for split in ("trainval", "train") if split in splits), None)
    held_out = ("test",) if train == "trainval" else ("test", "val")
    test = next((split for split in held_out if split in splits), None)
    if part == "all" or train is None or test is None:
        return _part_of(VOCObjects(path, None), part)
    return VOCObjects(path, train if part == "train" else test)


def _open_coco(path: Path, part: Part, masks: bool) -> ObjectSource:
    files = sorted((path / "annotations").glob("instances_*.json"))
    if not files:
        raise ValueError(
            f"{path} must hold Annotations/ (VOC), annotations/instances_*.json (COCO) or PedMasks/"
        )

    def opened(file: Path) -> ObjectSource:
        split = file.stem.removeprefix("instances_")
        places = [path / split, path / "images" / split, path / "images"]
        folder = next((place for place in places if place.is_dir()), places[0])
        return COCOObjects(
            file, folder, masks=None if masks else False, name=f"{path.name}_{split}"
        )

    train = [file for file in files if file.stem.startswith("instances_train")]
    test = [file for file in files if file.stem.startswith(("instances_val", "instances_test"))]
    if part != "all" and train and test:
        return opened(train[0] if part == "train" else test[0])
    if len(files) > 1:
        raise ValueError(
            f"{path / 'annotations'} holds {len(files)} files: with part='all', or without a train "
            "and a val one, it must hold one. Open one with COCOObjects."
        )
    return _part_of(opened(files[0]), part)


def _part_of(source: ObjectSource, part: Part, num_test: int | None = None) -> ObjectSource:
    if part == "all":
        return source
    train, test = split_objects(source, num_test)
    return train if part == "train" else test
