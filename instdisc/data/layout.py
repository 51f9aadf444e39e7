"""How sets lie on disk: one table that the openers, the suite and users read.

Each kind of set has its own layouts, in its own room; `instdisc.data.LAYOUTS` joins them. A user
adds one by ``LAYOUTS.append(Layout(...))``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from instdisc import checks
from instdisc.checks import choice

from .images.address import Address, as_address, split_name, without_secrets
from .images.source import ImageSource

Part = Literal["all", "train", "val", "test"]
TRAIN_FOLDERS = ("train", "training")
TEST_FOLDERS = ("test", "testing", "val", "valid", "validation")


class Layout(NamedTuple):
    """One way in which a set lies on disk.

    Attributes:
        kind: what its images come with: ``"images"`` (a class each), ``"objects"``,
            ``"segments"``, ``"landmarks"``, or a kind of your own.
        name: of the layout, for messages; or of the one set that lies so, e.g. ``"voc07"``, by
            which a user asks for it.
        open: opens a part; gets the path and the part, and raises a ValueError for a part that is
            not there.
        matches: whether a path (a folder or a file) lies so. ``None`` for a set that is known by
            its name alone.
        folder: of a set that is known by its name: where it lies below the root; ``""`` is the
            root itself.
    """

    kind: str
    name: str
    open: Callable[..., ImageSource]
    matches: Callable[[Path], bool] | None = None
    folder: str = ""


class Place(NamedTuple):
    """What a user's text means.

    Attributes:
        name: what tables call it.
        path: where it lies; of a set by name its folder, whether it exists or not. A `Path` that
            is made of an address stands for it.
        layouts: of the set of that name, if it is one by name; else none.
    """

    name: str
    path: Path
    layouts: list[Layout]

    @property
    def known(self) -> list[Layout]:
        """The former name of `layouts`, for one more release."""
        warnings.warn(
            "`Place.known` is called `layouts` now; the former name goes with the next release",
            FutureWarning,
            stacklevel=2,
        )
        return self.layouts


def locate(name: str | Path, root: str | Path | None, layouts: Sequence[Layout]) -> Place:
    """What ``NAME``, ``NAME=FOLDER`` or ``FOLDER`` means; the same for every kind of set.

    The name of a known set is that set, in its folder below `root` or in the ``FOLDER`` that is
    given. Any other name before ``=`` is what tables call the folder.

    Args:
        name: what the user wrote.
        root: the folder that relative paths are looked for in first; ``None`` for the working
            folder.
        layouts: those whose names count.

    Example:
        >>> place = locate("pets=/data/pets.v1", None, [])
        >>> place.name, str(place.path), place.layouts
        ('pets', '/data/pets.v1', [])
    """
    checks.arguments(locate, locals())
    text, base = as_address(name) or str(name), Path() if root is None else Path(root)
    exists = (base / text).exists() or Path(text).exists()
    key, folder = split_name(text)
    if exists or not key:
        key, folder = text, ""
    named = [layout for layout in layouts if layout.matches is None and layout.name == key]
    if named:
        return Place(key, Path(folder) if folder else base / named[0].folder, named)
    written = folder or text
    if as_address(written) is not None:
        path, shown = Path(written), Address(written).name
        return Place(key if folder else shown, path, [])
    path = base / written if (base / written).exists() else Path(written)
    # Not `stem`: of a folder "pets.v1" the suffix is part of the name.
    shown = path.resolve().stem if path.is_file() else path.resolve().name
    return Place(key if folder else shown, path, [])


def open_by_layout(
    name: str | Path, root: str | Path | None, *, part: Part, layouts: Sequence[Layout], **more: Any
) -> ImageSource:
    """Opens a part of a set by the first layout that it lies in.

    Args:
        name: see `locate`.
        root: the folder of the sets.
        part: ``"train"``, ``"val"``, ``"test"`` or ``"all"``.
        layouts: all of one kind, in the order in which they are tried.
        more: keywords for `Layout.open`.

    Raises:
        FileNotFoundError: if there is nothing of that name.
        ValueError: if `part` is unknown, or the set lies in none of the layouts; names them.
    """
    checks.arguments(open_by_layout, locals())
    choice("part", part, ("all", "train", "val", "test"))
    place = locate(name, root, layouts)
    if place.layouts:
        return place.layouts[0].open(place.path, part, **more)
    sets = ", ".join(layout.name for layout in layouts if layout.matches is None)
    if not _is_there(place.path):
        raise FileNotFoundError(
            f"`name` must be a folder or a file{f' or one of {sets}' if sets else ''}, got "
            f"{str(name)!r}, which is not in {(Path() if root is None else Path(root)).resolve()}"
        )
    for layout in layouts:
        if layout.matches is not None and layout.matches(place.path):
            images = layout.open(place.path, part, **more)
            images.name = place.name
            return images
    ways = "; ".join(layout.name for layout in layouts if layout.matches is not None)
    shown = without_secrets(as_address(place.path) or place.path)
    raise ValueError(f"{shown} lies in no layout that is known here: {ways}")


def _is_there(path: Path) -> bool:
    """Whether a path exists; of an address the store says so when it is opened."""
    return path.exists() or as_address(path) is not None


def kinds_of(name: str | Path, root: str | Path | None, layouts: Sequence[Layout]) -> list[str]:
    """The kinds of tasks that a set can serve, in the order of the layouts.

    Args:
        name: see `locate`.
        root: the folder of the sets.
        layouts: of all kinds.

    Returns:
        For what is not there every kind, so that whatever opens it says so.
    """
    checks.arguments(kinds_of, locals())
    place = locate(name, root, layouts)
    if place.layouts:
        return list(dict.fromkeys(layout.kind for layout in place.layouts))
    if not _is_there(place.path):
        return list(dict.fromkeys(layout.kind for layout in layouts))
    fitting = [
        layout for layout in layouts if layout.matches is not None and layout.matches(place.path)
    ]
    return list(dict.fromkeys(layout.kind for layout in fitting))
