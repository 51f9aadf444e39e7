"""What the header of a JPEG file says."""

from __future__ import annotations

from typing import NamedTuple

from .size_limit import fits

_BASELINE = 0xC0  # the frame of a sequential file with Huffman codes and 8 bits
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # of every kind
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
_SCAN, _ADOBE, _END = 0xDA, 0xEE, b"\xff\xd9"


class JpegHeader(NamedTuple):
    """What is known of a JPEG file before it is decoded.

    Attributes:
        height: in pixels.
        width: in pixels.
        plain: whether it is what decoders in hardware take: baseline, with three components that
            are YCbCr, complete, and no larger than `fits` allows.
    """

    height: int
    width: int
    plain: bool


def read_header(file: bytes | bytearray | memoryview) -> JpegHeader | None:
    """The header of a file's bytes; ``None`` if they are no JPEG file.

    Example:
        >>> import io
        >>> from PIL import Image
        >>> file = io.BytesIO()
        >>> Image.new("RGB", (8, 6)).save(file, "JPEG")
        >>> read_header(file.getvalue())
        JpegHeader(height=6, width=8, plain=True)
    """
    if bytes(file[:2]) != b"\xff\xd8":
        return None
    place, transform = 2, True
    while place + 4 <= len(file):
        if file[place] != 0xFF:
            return None
        marker = file[place + 1]
        if marker == 0xFF or marker in _ALONE:
            place += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(file[place + 2 : place + 4], "big")
        part = bytes(file[place + 4 : place + 2 + length])
        if marker == _ADOBE and part[:5] == b"Adobe" and len(part) >= 12:
            transform = part[11] == 1  # 0: the components are red, green and blue
        if marker in _FRAMES:
            if len(part) < 6:
                return None
            height, width = int.from_bytes(part[1:3], "big"), int.from_bytes(part[3:5], "big")
            if not height or not width:
                return None
            coloured = part[5] == 3 and transform and part[6::3] != b"RGB"
            plain = marker == _BASELINE and part[0] == 8 and coloured and fits(height, width)
            return JpegHeader(height, width, plain and _END in bytes(file[-32:]))
        if marker == _SCAN:
            return None
        place += 2 + length
    return None
