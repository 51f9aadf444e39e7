"""Any set of images as tar shards.

Legend: N images.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import torch
from PIL import Image

from instdisc import checks
from instdisc.types import UNKNOWN_LABEL
from instdisc.writing import write_atomically

from ...left_out import say_left_out
from ..source import ImageSource
from .source import CLASSES, ImageShards

_NOTE = ".shards.json"  # in the folder: of what the shards are
_FORMAT = 1
_AT_ONCE = 256  # images handed to the threads together
# By what a file begins with; whatever else it holds, it is decoded by its content.
_ENDINGS = {
    b"\xff\xd8": "jpg",
    b"\x89PNG": "png",
    b"RIFF": "webp",
    b"BM": "bmp",
    b"II*\0": "tif",
    b"MM\0*": "tif",
    b"P6": "ppm",
    b"P5": "pgm",
}


def write_shards(
    images: ImageSource,
    folder: str | Path,
    *,
    images_per_shard: int = 10_000,
    num_threads: int | None = None,
    index: str | Path | bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> ImageShards:
    """Writes images and labels as tar shards in WebDataset's layout, which `ImageShards` reads.

    Order, labels, classes and what is decoded are those of the source, and so are all views. The
    bytes of files are copied as they are; images that are no files are written as PNG. Labels are
    written as numbers, the names of the classes to ``classes.txt``.

    ``index.shards`` says what lies where, so that the folder can be copied to an object store and
    read there by `StreamedShards`.

    The same call goes on where one before it was stopped, with the shards that are missing.

    Args:
        images: what to write. If its `on_unreadable` is ``"skip"``, an image that is no file and
            cannot be read becomes an empty file, which cannot be read either, so that no image
            after it changes its place.
        folder: a new one, or that of a call that was stopped.
        images_per_shard: at least 1. Shards of 100 MB to some GB suit most file systems.
        num_threads: that read and encode; ``None`` for as many as `ThreadPoolExecutor` takes.
        index: of the shards that are given back, see `ImageShards`.
        progress: called with the number of images done and of all after each shard.

    Raises:
        ValueError: if `folder` holds other files, or shards of other images; if the name of a class
            is empty, has spaces at its ends or more than one line; or an image cannot be read.

    Example:
        >>> import tempfile
        >>> from instdisc.data import Scenes
        >>> scenes = Scenes(5, image_size=32)
        >>> shards = write_shards(scenes, tempfile.mkdtemp(), images_per_shard=3, index=False)
        >>> shards.shards, torch.equal(shards.read(4), scenes.read(4))
        (['000000.tar', '000001.tar'], True)
    """
    checks.arguments(
        write_shards, locals(), images_per_shard=checks.whole, num_threads=checks.whole
    )
    folder = Path(folder)
    if not len(images):
        raise ValueError(f"`images` must hold at least one image, got none in {images.name!r}")
    for name in images.classes:
        if name != name.strip() or len(name.splitlines()) != 1:
            rule = "classes whose names are one line each, without spaces at the ends"
            checks.refuse("images", rule, name)
    _begin(folder, images, images_per_shard)
    unreadable: list[int] = []
    with ThreadPoolExecutor(num_threads) as threads:
        for number, start in enumerate(range(0, len(images), images_per_shard)):
            rows = range(start, min(start + images_per_shard, len(images)))
            file = folder / f"{number:06}.tar"
            if not file.exists():
                content = _files(images, rows, threads, unreadable)
                write_atomically(file, partial(_write_tar, files=content))
            if progress is not None:
                progress(rows.stop, len(images))
    say_left_out(
        unreadable,
        f"%d images of {images.name} cannot be read and are empty in {folder}, first: ",
        lambda row: f"image {row}",
    )
    shards = ImageShards(folder, name=images.name, on_unreadable=images.on_unreadable, index=index)
    shards.write_index()
    return shards


def _begin(folder: Path, images: ImageSource, images_per_shard: int) -> None:
    """Notes of what the shards are, or refuses a folder with others."""
    note = {
        "format": _FORMAT,
        "images": len(images),
        "images_per_shard": images_per_shard,
        "labels": hashlib.sha256(images.labels.to(torch.int64).numpy().tobytes()).hexdigest(),
        "classes": hashlib.sha256(json.dumps(list(images.classes)).encode()).hexdigest(),
    }
    file = folder / _NOTE
    if file.exists():
        try:
            before = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            before = None
        if before != note:
            raise ValueError(
                f"`folder` {folder} holds shards of other images, labels or classes, or with "
                "another number of images in each. Choose another folder."
            )
    elif folder.exists() and any(folder.iterdir()):
        rule = "a new folder or one of an earlier call"
        raise ValueError(f"`folder` must be {rule}, got {str(folder)!r}, which holds other files")
    write_atomically(file, lambda path: path.write_text(json.dumps(note), encoding="utf-8"))
    if images.classes:
        text = "".join(f"{name}\n" for name in images.classes)
        write_atomically(folder / CLASSES, lambda path: path.write_text(text, encoding="utf-8"))


def _files(
    images: ImageSource, rows: range, threads: ThreadPoolExecutor, unreadable: list[int]
) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files of some images."""
    for first in range(rows.start, rows.stop, _AT_ONCE):
        some = range(first, min(first + _AT_ONCE, rows.stop))
        contents = threads.map(lambda row: _encoded(images, row), some)
        for row, content in zip(some, contents, strict=True):
            if not content:
                unreadable.append(row)
            ending = next((e for head, e in _ENDINGS.items() if content.startswith(head)), "jpg")
            yield f"{row:09}.{ending}", content
            label = int(images.labels[row])
            if label != UNKNOWN_LABEL:
                yield f"{row:09}.cls", str(label).encode()


def _encoded(images: ImageSource, row: int) -> bytes:
    """The file of an image; empty for one that cannot be read and is to be skipped."""
    content = images.encoded(row)
    if content is not None:
        return content
    try:
        pixels = images.read(row).permute(1, 2, 0).contiguous().numpy()
    except ValueError:
        if images.on_unreadable == "raise":
            raise
        return b""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _write_tar(path: Path, files: Iterator[tuple[str, bytes]]) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
            tar.members.clear()  # type: ignore[attr-defined]  # else it remembers all of them
