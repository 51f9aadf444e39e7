"""One place that turns what a user writes into a set of images with points."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ..images.tables import column_names
from ..scenes import Scenes
from .celeba import CelebALandmarks
from .scenes import SceneLandmarks
from .source import LandmarkSource
from .tables import LandmarkTable

Part = Literal["train", "val", "test"]
# No image of MAFL's test is trained on, whichever set the test is of.
_CELEBA_SPLITS = {
    "mafl": {"train": "mafl_train", "test": "mafl_test"},
    "celeba": {"train": "train_without_mafl_test", "val": "valid", "test": "test"},
}
NAMES = (*_CELEBA_SPLITS, "scenes")
_NUM_SCENES = {"train": 1000, "val": 250, "test": 500}


def open_landmarks(
    name: str | Path, root: str | Path | None = None, *, part: Part
) -> LandmarkSource:
    """The images of a landmark task, by what a command line says.

    ======================  ======================================================================
    `name`                  what it is
    ======================  ======================================================================
    ``mafl``, ``celeba``    `CelebALandmarks` in ``root/celeba``; CelebA's part ``train`` leaves
                            out MAFL's test
    ``scenes``              generated: 1,000 images of 64 px to train, 500 to test
    ``faces.csv``           a `LandmarkTable`, split by its column ``split``
    ``faces68``             a folder with ``train_keypoints.csv``, whose images are in ``train``,
                            and likewise for the other parts
    ======================  ======================================================================

    Args:
        name: see above; a relative path is looked for below `root` first.
        root: the folder that holds the sets; ``None`` for the working folder.
        part: ``"train"``, ``"val"`` or ``"test"``.

    Raises:
        FileNotFoundError: if there is nothing of that name.
        ValueError: if `part` is unknown or the set does not have it, or its files lie in another
            layout.

    Example:
        >>> len(open_landmarks("scenes", part="test"))
        500
    """
    if part not in ("train", "val", "test"):
        raise ValueError(f"`part` must be 'train', 'val' or 'test', got {part!r}")
    base = Path() if root is None else Path(root)
    key = str(name)
    if key in _CELEBA_SPLITS:
        splits = _CELEBA_SPLITS[key]
        if part not in splits:
            raise ValueError(f"`part` of {key!r} must be one of {', '.join(splits)}, got {part!r}")
        return CelebALandmarks(base, splits[part])
    if key == "scenes":
        return SceneLandmarks(Scenes(_NUM_SCENES[part], image_size=64, split=part))
    path = base / name if (base / name).exists() else Path(name)
    if path.is_file() and path.suffix.lower() in (".csv", ".tsv"):
        if "split" not in column_names(path):
            raise ValueError(
                f"{path} must have a column 'split' that says train, val or test, so that "
                f"`part`={part!r} means something"
            )
        return LandmarkTable(None, path, only=("split", part))
    if not path.is_dir():
        raise FileNotFoundError(
            f"`name` must be one of {', '.join(_CELEBA_SPLITS)}, scenes, a folder or a .csv file, "
            f"got {key!r}, which is not in {base.resolve()}"
        )
    table = path / f"{part}_keypoints.csv"
    if not table.is_file():
        raise ValueError(f"{path} must hold {table.name} for `part`={part!r}, and does not")
    return LandmarkTable(path / part, table, name=path.resolve().name)
