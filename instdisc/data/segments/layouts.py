"""Public sets of segmented images in the layouts in which they are given out."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Literal

from instdisc import checks
from instdisc.checks import choice
from instdisc.types import IGNORED_CLASS

from ..catalog.layout import contents, inside
from ..images.listing import list_folder
from ..images.name_lists import read_names
from .files import SegmentFiles
from .pairing import list_files, log_passed_over

Unreadable = Literal["raise", "skip"]

# Train id: name, id in the files, colour. All other ids are ignored.
_CITYSCAPES = {
    "road": (7, (128, 64, 128)),
    "sidewalk": (8, (244, 35, 232)),
    "building": (11, (70, 70, 70)),
    "wall": (12, (102, 102, 156)),
    "fence": (13, (190, 153, 153)),
    "pole": (17, (153, 153, 153)),
    "traffic light": (19, (250, 170, 30)),
    "traffic sign": (20, (220, 220, 0)),
    "vegetation": (21, (107, 142, 35)),
    "terrain": (22, (152, 251, 152)),
    "sky": (23, (70, 130, 180)),
    "person": (24, (220, 20, 60)),
    "rider": (25, (255, 0, 0)),
    "car": (26, (0, 0, 142)),
    "truck": (27, (0, 0, 70)),
    "bus": (28, (0, 60, 100)),
    "train": (31, (0, 80, 100)),
    "motorcycle": (32, (0, 0, 230)),
    "bicycle": (33, (119, 11, 32)),
}
_NUM_CITYSCAPES_IDS = 34

CAMVID = {
    "sky": (128, 128, 128),
    "building": (128, 0, 0),
    "pole": (192, 192, 128),
    "road": (128, 64, 128),
    "pavement": (60, 40, 222),
    "tree": (128, 128, 0),
    "sign": (192, 128, 128),
    "fence": (64, 64, 128),
    "car": (64, 0, 128),
    "pedestrian": (64, 64, 0),
    "bicyclist": (0, 128, 192),
}

CAMVID_IDS = {**{index: index for index in range(len(CAMVID))}, len(CAMVID): IGNORED_CLASS}

VOC = [
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
]


class Cityscapes(SegmentFiles):
    """Cityscapes, fine annotations: 2,975 images to train, 500 to validate, 19 classes.

    Reads ``leftImg8bit/SPLIT/CITY/*_leftImg8bit.png`` and
    ``gtFine/SPLIT/CITY/*_gtFine_labelIds.png``. The 34 ids become the 19 train ids; the others
    are ignored. The test annotations are not public.

    Args:
        root: the folder that holds ``leftImg8bit`` and ``gtFine``.
        split: ``"train"`` or ``"val"``.
        on_unreadable: see `SegmentFiles`.

    Raises:
        FileNotFoundError: if `root` does not hold the split.
        ValueError: if `split` is unknown or an image has no mask.

    Source:
        Cordts et al., "The Cityscapes Dataset" (2016); https://www.cityscapes-dataset.com, terms
        there. Ids, classes and colours: its cityscapesScripts.
    """

    def __init__(
        self, root: str | Path, *, split: str = "train", on_unreadable: Unreadable = "raise"
    ) -> None:
        checks.arguments(Cityscapes.__init__, locals())
        _check_split(split, ("train", "val"))
        folder = _require(Path(root), f"leftImg8bit/{split}", "Cityscapes")
        names, others = list_files(folder)
        log_passed_over(folder, others)
        names = [name for name in names if name.endswith("_leftImg8bit.png")]
        images = [f"leftImg8bit/{split}/{name}" for name in names]
        masks = [
            path.replace("leftImg8bit/", "gtFine/", 1).removesuffix("_leftImg8bit.png")
            + "_gtFine_labelIds.png"
            for path in images
        ]
        _check_files(Path(root), images, masks, f"leftImg8bit/{split}/CITY/*_leftImg8bit.png")
        ids = dict.fromkeys(range(_NUM_CITYSCAPES_IDS), IGNORED_CLASS)
        ids.update((number, index) for index, (number, _) in enumerate(_CITYSCAPES.values()))
        super().__init__(
            root,
            images,
            masks,
            classes=list(_CITYSCAPES),
            ids=ids,
            colors=[color for _, color in _CITYSCAPES.values()],
            name="cityscapes",
            on_unreadable=on_unreadable,
        )


class CamVid(SegmentFiles):
    """CamVid as SegNet gave it out: 367, 101 and 233 images of 480 x 360, 11 classes.

    Reads ``SPLIT/*`` and ``SPLITannot/*.png``. Id 11, void, is ignored.

    Args:
        root: the folder that holds ``train``, ``trainannot`` and so on.
        split: ``"train"``, ``"val"`` or ``"test"``.
        on_unreadable: see `SegmentFiles`.

    Raises:
        FileNotFoundError: if `root` does not hold the split.
        ValueError: if `split` is unknown or an image has no mask.

    Source:
        Brostow et al., "Semantic object classes in video" (2009); Badrinarayanan et al., "SegNet"
        (2017), whose 11 classes and split these are.
    """

    def __init__(
        self, root: str | Path, *, split: str = "train", on_unreadable: Unreadable = "raise"
    ) -> None:
        checks.arguments(CamVid.__init__, locals())
        _check_split(split, ("train", "val", "test"))
        folder = _require(Path(root), split, "CamVid")
        names, others = list_files(folder)
        log_passed_over(folder, others)
        images = [f"{split}/{name}" for name in names]
        masks = [f"{split}annot/{PurePosixPath(name).with_suffix('.png')}" for name in names]
        _check_files(Path(root), images, masks, f"{split}/*.png")
        super().__init__(
            root,
            images,
            masks,
            classes=list(CAMVID),
            ids=CAMVID_IDS,
            colors=list(CAMVID.values()),
            name="camvid",
            on_unreadable=on_unreadable,
        )


class VOCSegmentation(SegmentFiles):
    """The segmentation images of PASCAL VOC: 20 classes and the background.

    Reads ``JPEGImages``, ``SegmentationClass`` and ``ImageSets/Segmentation/SPLIT.txt``. Id 255,
    the rim of the objects, is ignored.

    Args:
        root: the folder that holds these, or ``VOCdevkit/VOC2012`` with them.
        split: ``"train"``, ``"val"``, ``"trainval"``; or ``"trainaug"``, whose masks are in
            ``SegmentationClassAug`` (Hariharan et al., 2011, as the field passes them on).
        year: of the devkit's folder.
        on_unreadable: see `SegmentFiles`.

    Raises:
        FileNotFoundError: if `root` does not hold the split.
        ValueError: if `split` is unknown, or a listed image or its mask is missing.

    Source:
        Everingham et al., "The PASCAL Visual Object Classes Challenge" (2015).
    """

    def __init__(
        self,
        root: str | Path,
        *,
        split: str = "train",
        year: int = 2012,
        on_unreadable: Unreadable = "raise",
    ) -> None:
        checks.arguments(VOCSegmentation.__init__, locals(), year=checks.whole)
        _check_split(split, ("train", "val", "trainval", "trainaug"))
        root = inside(inside(Path(root), "VOCdevkit"), f"VOC{year}")
        _require(root, "JPEGImages", "PASCAL VOC")
        listed = root / "ImageSets" / "Segmentation" / f"{split}.txt"
        if not listed.is_file():
            raise FileNotFoundError(
                f"`root` of PASCAL VOC must hold ImageSets/Segmentation/{split}.txt, got {root}"
            )
        folder = "SegmentationClassAug" if split == "trainaug" else "SegmentationClass"
        names = read_names(listed, [path.stem for path in list_folder(root / folder)])
        images = [f"JPEGImages/{name}.jpg" for name in names]
        masks = [f"{folder}/{name}.png" for name in names]
        _check_files(root, images, masks, f"ImageSets/Segmentation/{split}.txt")
        super().__init__(
            root,
            images,
            masks,
            classes=VOC,
            name=f"voc{year}_segmentation",
            on_unreadable=on_unreadable,
        )


def _check_split(split: str, splits: tuple[str, ...]) -> None:
    choice("split", split, splits)


def _require(root: Path, name: str, title: str) -> Path:
    if not (root / name).is_dir():
        holds = f", which holds {contents(root)}" if root.is_dir() else ", which is no folder"
        raise FileNotFoundError(f"`root` of {title} must hold {name}/, got {root}{holds}")
    return root / name


def _check_files(root: Path, images: list[str], masks: list[str], pattern: str) -> None:
    if not images:
        raise ValueError(f"{root} holds no image by {pattern}")
    for kind, paths in (("image", images), ("mask", masks)):
        missing = [path for path in paths if not (root / path).is_file()]
        if missing:
            raise ValueError(
                f"{len(missing)} of the {len(paths)} {kind}s of {pattern} are not there, "
                f"{root / missing[0]} first"
            )
