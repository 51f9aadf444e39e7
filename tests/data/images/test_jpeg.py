"""Headers of JPEG files."""

import io

import numpy as np
import pytest
from PIL import Image

from instdisc.data.images.jpeg import JpegHeader, read_header


def encoded(mode="RGB", form="JPEG", **options):
    pixels = np.random.default_rng(0).integers(0, 255, (21, 34, len(mode)), dtype=np.uint8)
    image = Image.fromarray(pixels.squeeze(), mode) if mode != "CMYK" else Image.new(mode, (34, 21))
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("options", [{}, {"comment": b"x" * 300}, {"optimize": True}])
def test_baseline_files_are_plain(subsampling, options):
    assert read_header(encoded(subsampling=subsampling, **options)) == JpegHeader(21, 34, True)


@pytest.mark.parametrize(
    "file",
    [
        encoded(progressive=True),
        encoded("L"),
        encoded("CMYK"),
        encoded(keep_rgb=True),
        encoded()[:-40],
    ],
    ids=["progressive", "grey", "CMYK", "red, green and blue", "cut short"],
)
def test_others_are_not(file):
    assert read_header(file) == JpegHeader(21, 34, False)


def test_what_follows_the_end_does_no_harm():
    header = read_header(memoryview(bytearray(encoded() + b"\0" * 20)))
    assert header == JpegHeader(21, 34, True)


def test_exif_with_a_small_picture_of_its_own():
    exif = Image.Exif()
    exif[0x0112] = 6
    header = read_header(encoded(exif=exif.tobytes() + encoded()[:200]))
    assert header == JpegHeader(21, 34, True)


@pytest.mark.parametrize(
    "file", [b"", b"\xff\xd8", encoded(form="PNG"), encoded()[:60], b"\xff\xd8\xff\xda" + b"\0" * 9]
)
def test_no_jpeg(file):
    assert read_header(file) is None


def test_a_size_that_is_too_much_is_left_to_who_refuses_it():
    file = bytearray(encoded())
    place = file.index(b"\xff\xc0")
    file[place + 5 : place + 9] = bytes([0xEA, 0x60, 0xEA, 0x60])  # 60000 x 60000
    assert read_header(file) == JpegHeader(60_000, 60_000, False)
