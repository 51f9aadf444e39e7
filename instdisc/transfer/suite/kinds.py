"""What the images of a data set come with, by its name or the layout of its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from instdisc.data import CATALOG
from instdisc.data.images.tables import column_names
from instdisc.data.landmarks.opening import NAMES as LANDMARK_NAMES
from instdisc.data.objects.opening import NAMES as OBJECT_NAMES
from instdisc.data.segments.opening import NAMES as SEGMENT_NAMES

Kind = Literal["images", "objects", "segments", "landmarks"]

# What a set lacks that is not of the kind.
LACKS: dict[Kind, str] = {
    "images": "class for each image",
    "objects": "objects",
    "segments": "class for each pixel",
    "landmarks": "landmarks",
}
_NAMES: dict[Kind, tuple[str, ...]] = {
    "objects": OBJECT_NAMES,
    "segments": SEGMENT_NAMES,
    "landmarks": LANDMARK_NAMES,
}
# Files that only a set of the kind has.
_SIGNS: dict[Kind, tuple[str, ...]] = {
    "objects": ("Annotations/", "PedMasks/", "annotations/instances_*.json"),
    "segments": ("masks/*/", "*/masks/"),
    "landmarks": ("*_keypoints.csv",),
}


def kinds_of(name: str, root: str | Path) -> set[Kind]:
    """The kinds of tasks that a set can serve.

    Args:
        name: what `open_images`, `open_objects`, `open_segments` or `open_landmarks` understands.
        root: the folder that holds the sets.

    Returns:
        ``{"images"}`` for a folder without a sign of anything else; all of them for what is not
        there, so that whatever opens it says so.

    Example:
        >>> sorted(kinds_of("voc07", "data")), sorted(kinds_of("mafl", "data"))
        (['objects'], ['landmarks'])
    """
    key = name.partition("=")[0]
    found: set[Kind] = {kind for kind, names in _NAMES.items() if key in names}
    if key in CATALOG and CATALOG[key].transfer:
        found.add("images")
    if found:
        return found
    place = Path(root) / name if (Path(root) / name).exists() else Path(name)
    if place.suffix.lower() in (".csv", ".tsv") and place.is_file():
        return {"images"} if "label" in column_names(place) else {"landmarks"}
    if not place.exists():
        return set(LACKS)
    for kind, signs in _SIGNS.items():
        if any(any(place.glob(sign)) for sign in signs):
            found.add(kind)
    return found or {"images"}
