"""The one place where images are decoded: whatever a file or its bytes hold, the process goes on.

Legend: H x W size of an image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile
from torch import Tensor

from .jpeg import read_header
from .png import PNG, check_chunks, check_rows
from .size_limit import check_size

try:
    # Twice as fast as PIL; torchvision 0.29 announces that a later release will not have it. Of
    # its decoders that of JPEG alone: that of PNG ends the process where libpng meets an error.
    from torchvision.io import ImageReadMode, decode_jpeg
except ImportError:
    decode_jpeg = None
# Known by content, whatever the suffix; MPO is a JPEG. PIL has more, some of which run another
# program (EPS) or are little tried.
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "DIB", "TIFF", "PPM")
_JPEG = b"\xff\xd8"
_TILE = (323, 322)  # height and width of a TIFF's tiles


def decode_file(path: Path) -> Tensor:
    """The image in a file as uint8 RGB, ``(3, H, W)``.

    JPEG, PNG, GIF, WebP, BMP, TIFF and PPM, known by what the file holds. Of an animation it is the
    first picture; transparency is dropped; of 16 bits the upper eight remain. Nothing is turned by
    what a camera noted (EXIF).

    Damage is refused where it shows: a PNG by its checksums and by rows that are not there, a file
    that ends too early, data that decoders do not accept. A JPEG holds no checksum, so that changed
    bytes may show as wrong pixels only.

    Raises:
        ValueError: if it cannot be decoded, or has more pixels than `fits` allows; names the file.
        MemoryError: if there is not enough memory for it; names the file.
    """
    with _named("image", path):
        return _decode(_read(path))


def decode_bytes(file: bytes, name: str | Callable[[], str]) -> Tensor:
    """The image in the bytes of a file as uint8 RGB, ``(3, H, W)``, as `decode_file` gives it.

    Args:
        file: what it holds, wherever it lies.
        name: what messages call it, or a function that finds out, if that takes longer.

    Raises:
        ValueError, MemoryError: as `decode_file`.

    Example:
        >>> decode_bytes(b"P6 2 1 255 abcdef", "shard-0/7")[:, 0]
        tensor([[ 97, 100],
                [ 98, 101],
                [ 99, 102]], dtype=torch.uint8)
    """
    with _named("image", name):
        return _decode(file)


@contextmanager
def open_image(path: Path, what: str = "image") -> Iterator[Image.Image]:
    """A file as an image of PIL, with its values as they are, e.g. those of a mask.

    Args:
        path: the file.
        what: it holds, for messages.

    Raises:
        ValueError, MemoryError: as `decode_file`, for whatever goes wrong until the block ends.
    """
    with _named(what, path), _open(_read(path)) as opened:
        yield opened


def read_size(path: Path) -> tuple[int, int]:
    """Height and width of an image, from the head of its file.

    Raises:
        ValueError: if it is no image, or has more pixels than `fits` allows; names the file.
    """
    with _named("image", path), _by_pil(path) as opened:
        return opened.height, opened.width


def _decode(file: bytes) -> Tensor:
    if decode_jpeg is not None and file.startswith(_JPEG):
        header = read_header(file)
        if header is not None:  # else libjpeg might read another size there than PIL
            check_size(header.height, header.width)
            try:
                image: Tensor = decode_jpeg(
                    torch.frombuffer(bytearray(file), dtype=torch.uint8), ImageReadMode.RGB
                )
            except RuntimeError:
                pass  # PIL knows more kinds, and says more plainly what is wrong
            else:
                return image
    with _open(file) as opened:
        return torch.from_numpy(_eight_bits(opened).transpose(2, 0, 1).copy())


def _read(path: Path) -> bytes:
    if not path.is_file() and path.exists():  # a pipe would be waited for, for ever
        raise ValueError("it is no regular file")
    return path.read_bytes()


@contextmanager
def _open(file: bytes) -> Iterator[Image.Image]:
    pixels = check_chunks(file) if file.startswith(PNG) else None
    with _by_pil(BytesIO(file)) as opened:
        if isinstance(opened, TiffImageFile):  # memory is taken for whole tiles
            check_size(*(opened.tag_v2.get(tag, 0) for tag in _TILE))
        yield opened
        if pixels is not None and not getattr(opened, "tile", ()):  # its pixels have been read
            check_rows(opened, file, pixels)


def _by_pil(file: BytesIO | Path) -> Image.Image:
    try:
        return Image.open(file, formats=_FORMATS)
    except UnidentifiedImageError as error:  # whose message is about our own buffer
        raise ValueError("it is no image of a format that is read") from error
    except Image.DecompressionBombError as error:
        pixels = str(error).partition("(")[2].partition(")")[0]  # "3600000000 pixels"
        raise ValueError(
            f"it claims {pixels}, too many; raise PIL.Image.MAX_IMAGE_PIXELS if it is right"
        ) from error


def _eight_bits(opened: Image.Image) -> np.ndarray:
    """``(H, W, 3)`` uint8."""
    if opened.mode.startswith("I;16") or (opened.mode, opened.format) == ("I", "PPM"):
        high = (np.array(opened) >> 8).astype(np.uint8)  # PIL itself would clip at 255
        return np.stack([high] * 3, axis=-1)
    if opened.mode in ("I", "F"):
        raise ValueError(f"its pixels of mode {opened.mode!r} have no known range")
    opened.info.pop("transparency", None)  # dropped, without a warning of PIL
    return np.asarray(opened if opened.mode == "RGB" else opened.convert("RGB"))


@contextmanager
def _named(what: str, name: Path | str | Callable[[], str]) -> Iterator[None]:
    """Says of which file an error is, whatever a decoder raises at broken bytes."""
    try:
        yield
    except MemoryError as error:
        name = name() if callable(name) else name
        raise MemoryError(f"not enough memory is free to read the {what} {name}") from error
    except Exception as error:
        name = name() if callable(name) else name
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"cannot read the {what} {name} ({reason}). Repair or remove it, or pass "
            "on_unreadable='skip'."
        ) from error
