"""A smaller copy of large images, made once."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from instdisc import checks

from .copy_ledger import CopyLedger, Made
from .decoding import decode_file
from .files import ImageFiles
from .folders import ImageFolder
from .index import find_images

_LEDGER = ".resized"  # in the target; hidden, so no class folder
_AT_ONCE = 256  # images handed to the threads together

_log = logging.getLogger(__name__)


def resize_copy(
    images: ImageFiles,
    target: str | Path,
    *,
    short_side: int = 256,
    quality: int = 90,
    num_threads: int | None = None,
    recheck: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ImageFiles:
    """Copies images with a shorter side of `short_side` pixels as JPEG, which decode faster.

    The copies have the same order, labels and paths (``a.png`` becomes ``a.png.jpg``), so that an
    `ImageFolder` of `target` equals one of the original. Images are resized bilinearly with
    antialiasing, as torchvision's ``Resize(short_side)`` does. None is enlarged: a JPEG that is
    small enough is copied byte for byte, another small image is encoded at its own size.

    The same call goes on where one before it was stopped, and makes again what is missing, has
    another length than when it was made, or whose original has changed; the result is the same, bit
    for bit. Every new copy is decoded once before it gets its name.

    Args:
        images: the originals. If their `on_unreadable` is ``"skip"``, those that cannot be decoded
            are left out, which moves the positions of all after them, and one warning counts and
            names them.
        target: the folder of the copies: a new one, or that of an earlier call.
        short_side: in pixels; at least 1.
        quality: of the JPEG encoder, 1 to 100.
        num_threads: threads that decode and encode; ``None`` = one for each CPU of this process.
        recheck: decode the copies of earlier calls too, and make the broken ones again.
        progress: called with the number of images done and of all after each image.

    Returns:
        The copies, with the labels, classes and name of the originals.

    Raises:
        TypeError: if `images` is no `ImageFiles`.
        ValueError: if a number is outside its range; `target` lies in the folder of the originals,
            or holds other files, or copies of other settings, or copies of images that are not
            among these; two copies would get the same name, or their names another order; or an
            image cannot be decoded.

    Example:
        >>> import tempfile
        >>> from instdisc.data import ImageFolder
        >>> root = Path(tempfile.mkdtemp())
        >>> Image.new("RGB", (800, 600)).save(root / "1.png")
        >>> copy = resize_copy(ImageFolder(root), tempfile.mkdtemp(), short_side=240)
        >>> copy.path(0).name, copy.read(0).shape
        ('1.png.jpg', torch.Size([3, 240, 320]))
    """
    checks.arguments(
        resize_copy,
        locals(),
        short_side=checks.whole,
        num_threads=checks.whole,
    )
    checks.whole("quality", quality, at_most=100)
    if num_threads is None:
        affine = getattr(os, "sched_getaffinity", None)  # Linux only
        num_threads = len(affine(0)) if affine else os.cpu_count() or 1
    target = Path(target)
    paths = list(images._paths)
    names = _copy_names(images, paths)
    _check_target(images, target, names)

    kept, unreadable = [], []
    with (
        CopyLedger(target / _LEDGER, {"short_side": short_side, "quality": quality}) as ledger,
        ThreadPoolExecutor(num_threads) as pool,
    ):
        for folder in {os.path.dirname(name) for name in names}:
            os.makedirs(target / folder, exist_ok=True)
        bring = _Copier(images, target, names, ledger, recheck)
        for start in range(0, len(paths), _AT_ONCE):
            some = range(start, min(start + _AT_ONCE, len(paths)))
            for position, result in zip(some, pool.map(bring, some), strict=True):
                if isinstance(result, ValueError):
                    unreadable.append(paths[position])
                else:
                    kept.append(position)
                    if result is not None:
                        ledger.write(paths[position], result)
                if progress is not None:
                    progress(position + 1, len(paths))
    if unreadable:
        _log.warning(
            "left out %d of %d images of %s, which cannot be decoded: %s",
            len(unreadable),
            len(paths),
            images.root,
            ", ".join(unreadable),
        )
    return ImageFiles(
        target,
        [names[position] for position in kept],
        images.labels[torch.tensor(kept, dtype=torch.int64)],
        classes=images.classes,
        name=images.name,
        on_unreadable=images.on_unreadable,
    )


class _Copier:
    """Makes the copy at a position, unless it is there already."""

    def __init__(
        self,
        images: ImageFiles,
        target: Path,
        names: list[str],
        ledger: CopyLedger,
        recheck: bool,
    ) -> None:
        self.images = images
        self.target = target
        self.names = names
        self.ledger = ledger
        self.recheck = recheck

    def __call__(self, position: int) -> Made | ValueError | None:
        """A new copy; ``None`` if it was there; or why the original is left out."""
        source, copy = self.images.path(position), self.target / self.names[position]
        stamp = _stamp(source)  # before it is read: what changes meanwhile shows the next time
        if self._is_current(copy, stamp, self.ledger.made.get(self.images._paths[position])):
            return None
        try:
            image = self.images.read(position)
        except ValueError as error:
            if self.images.on_unreadable == "raise":
                raise
            copy.unlink(missing_ok=True)  # of an original that could be read once
            return error
        return Made(self._make(source, image, copy), *stamp)

    def _is_current(self, copy: Path, stamp: tuple[int, int], made: Made | None) -> bool:
        if made is None or made[1:] != stamp or _stamp(copy)[0] != made.size:
            return False
        if self.recheck:
            try:
                decode_file(copy)
            except ValueError:
                return False
        return True

    def _make(self, source: Path, image: Tensor, copy: Path) -> int:
        """Writes the copy of an image ``(3, H, W)``; its size in bytes."""
        short_side = self.ledger.settings["short_side"]
        small = min(image.shape[1:]) <= short_side
        # Half a file never has a copy's name; two runs at once never write the same file.
        temporary = self.ledger.folder / f"{uuid.uuid4().hex}.jpg"
        try:
            if small and _is_jpeg(source):
                shutil.copyfile(source, temporary)
            else:
                if not small:
                    image = TF.resize(image, [short_side], antialias=True)
                pixels = image.permute(1, 2, 0).contiguous().numpy()
                quality = self.ledger.settings["quality"]
                Image.fromarray(pixels).save(temporary, "JPEG", quality=quality)
            try:
                decode_file(temporary)
            except ValueError as error:
                raise OSError(f"the copy of {source} came out broken; is the disk full?") from error
            size = temporary.stat().st_size
            os.replace(temporary, copy)
        finally:
            temporary.unlink(missing_ok=True)
        return size


def _is_jpeg(path: Path) -> bool:
    with path.open("rb") as opened:
        return opened.read(3) == b"\xff\xd8\xff"


def _stamp(path: Path) -> tuple[int, int]:
    """Size in bytes and time of change in ns."""
    try:
        status = path.stat()
    except OSError:
        return -1, -1  # reading it says what is wrong
    return status.st_size, status.st_mtime_ns


def _copy_names(images: ImageFiles, paths: list[str]) -> list[str]:
    """Where the copies go, relative to the target."""
    names = [path if path.lower().endswith((".jpg", ".jpeg")) else path + ".jpg" for path in paths]
    taken: dict[str, str] = {}
    for path, name in zip(paths, names, strict=True):
        if PurePath(path).is_absolute() or ".." in PurePath(path).parts:
            raise ValueError(f"{path!r} does not lie below {images.root}, so its copy has no place")
        if taken.setdefault(name, path) != path:
            raise ValueError(
                f"{taken[name]} and {path} of {images.root} would both be copied to {name}. "
                "Rename one of them."
            )
    if isinstance(images, ImageFolder):
        # Sorted before; an ImageFolder of the copies sorts them again.
        for i, (name, following) in enumerate(itertools.pairwise(names)):
            if name > following and images.labels[i] == images.labels[i + 1]:
                raise ValueError(
                    f"the copies {name} and {following} would change places. Rename {paths[i]} or "
                    f"{paths[i + 1]} in {images.root}."
                )
    return names


def _check_target(images: ImageFiles, target: Path, names: list[str]) -> None:
    root, place = images.root.resolve(), target.resolve()
    if root == place or root in place.parents:
        raise ValueError(f"`target` must lie outside {root}, got {str(target)!r}")
    if not target.exists():
        return
    if not (target / _LEDGER).is_dir():
        if any(target.iterdir()):
            raise ValueError(
                f"`target` must be a new folder or one of earlier copies, got {str(target)!r}, "
                "which holds other files"
            )
    elif isinstance(images, ImageFolder):
        present = (path for files in find_images(target).values() for path in files)
        foreign = sorted(set(present).difference(names))
        if foreign:
            raise ValueError(
                f"`target` {target} holds {len(foreign)} images that are no copies of those in "
                f"{root}, {foreign[0]!r} first. Remove them, or choose another folder."
            )
