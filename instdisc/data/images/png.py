"""What is looked at in a PNG before and after it is decoded, for PIL passes over it."""

from __future__ import annotations

import math
import zlib

from PIL import Image

from .size_limit import check_size

PNG = b"\x89PNG\r\n\x1a\n"  # with which it begins
_HEAD = 8  # bytes of a chunk before its content
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of PNG's types of colour
_DEFLATE = 1040  # bytes that one of a compressed file may become; 1032 by its definition
# Of Adam7, the seven passes of an interlaced PNG: first column and row, and the steps between them.
_PASSES = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)


def check_chunks(file: bytes) -> list[memoryview]:
    """Compares the checksum of each chunk, which PIL passes over where the pixels are.

    And the claimed size with the bytes that are there, for which PIL would take the memory.

    Args:
        file: what it holds; it begins with `PNG`.

    Returns:
        The chunks that hold the compressed pixels.

    Raises:
        ValueError: if it is damaged, or has more pixels than `fits` allows.
    """
    view, place, pixels = memoryview(file), len(PNG), []
    while place < len(file):
        size = int.from_bytes(view[place : place + 4], "big")
        end = place + _HEAD + size
        if end + 4 > len(file):
            raise ValueError("it ends too early")
        if zlib.crc32(view[place + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise ValueError(f"the checksum of the bytes from {place} on is wrong")
        kind = bytes(view[place + 4 : place + 8])
        if kind == b"IDAT":
            pixels.append(view[place + _HEAD : end])
        if kind == b"IEND":
            break
        place = end + 4
    width, height = int.from_bytes(file[16:20], "big"), int.from_bytes(file[20:24], "big")
    check_size(height, width)
    bits = file[24] * _CHANNELS.get(file[25], 1)
    if width * height * bits // 8 > _DEFLATE * sum(map(len, pixels)):
        raise ValueError(f"it claims {width} x {height} pixels and holds fewer")
    return pixels


def check_rows(opened: Image.Image, file: bytes, pixels: list[memoryview]) -> None:
    """Refuses a PNG whose compressed pixels end before its last row.

    PIL leaves zeros there and says nothing. Only where the last row is all zero, or the rows do not
    come one after another, are the pixels unpacked a second time and counted.

    Args:
        opened: the file as an image of PIL; its pixels are loaded.
        file: what it holds.
        pixels: of `check_chunks`.

    Raises:
        ValueError: if there are fewer bytes than rows.
    """
    opened.load()
    width, height = opened.size
    interlaced = file[28]
    if not interlaced:
        corner = opened.getpixel((width - 1, height - 1))
        if any(corner) if isinstance(corner, tuple) else corner:  # as mostly; takes no time
            return
        if opened.crop((0, height - 1, width, height)).getbbox(alpha_only=False) is not None:
            return
    bits = file[24] * _CHANNELS.get(file[25], 1)
    expected = 0
    for left, top, across, down in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = math.ceil((width - left) / across), math.ceil((height - top) / down)
        if columns > 0 and rows > 0:
            expected += rows * (1 + math.ceil(columns * bits / 8))  # a row begins with its filter
    unpacking, left_over = zlib.decompressobj(), expected
    for chunk in pixels:
        if left_over > 0:
            left_over -= len(unpacking.decompress(chunk, left_over))
    if left_over > 0:
        raise ValueError(f"its pixels end early, {left_over} of {expected} bytes are missing")
