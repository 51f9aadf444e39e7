"""Files of every kind, whole, damaged and boasting: none ends the process, each is named."""

import io
import logging
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from instdisc.data import ImageFolder, ViewData
from instdisc.data.images import decoding
from instdisc.data.images.decoding import decode_bytes, decode_file, open_image, read_size

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (48, 64, 3), dtype=np.uint8)
PICTURE = Image.fromarray(PIXELS)
HUGE = 60_000


def encoded(form, picture=PICTURE, **options):
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def chunk(kind, content):
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png(height, width, bits, colour, rows, *, interlace=0, more=b""):
    """A PNG whose checksums are right, whatever it holds."""
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", head),
            more,
            chunk(b"IDAT", zlib.compress(rows)),
            chunk(b"IEND", b""),
        ]
    )


def put(file, place, content):
    return file[:place] + content + file[place + len(content) :]


def written(tmp_path, content, name="x.png"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


WHOLE = {
    "png": encoded("PNG"),
    "palette png": encoded("PNG", PICTURE.convert("P")),
    "grey alpha png": encoded("PNG", PICTURE.convert("LA")),
    "animated png": encoded("PNG", save_all=True, append_images=[PICTURE.rotate(90)]),
    "jpeg": encoded("JPEG"),
    "progressive jpeg": encoded("JPEG", progressive=True),
    "cmyk jpeg": encoded("JPEG", PICTURE.convert("CMYK")),
    "gif": encoded("GIF", PICTURE.convert("P")),
    "webp": encoded("WEBP"),
    "lossless webp": encoded("WEBP", lossless=True),
    "bmp": encoded("BMP"),
    "tiff": encoded("TIFF"),
    "deflated tiff": encoded("TIFF", compression="tiff_deflate"),
    "ppm": encoded("PPM"),
}


def damaged(file, count):
    """Files with changed bytes, cut off, and PNGs whose checksums are right all the same."""
    for _ in range(count):
        place = int(RANDOM.integers(8, len(file)))
        yield put(file, place, bytes([file[place] ^ int(RANDOM.integers(1, 256))]))
        yield put(file, int(RANDOM.integers(2, 60)), RANDOM.bytes(2))
        yield file[: int(RANDOM.integers(3, len(file)))]
    start = file.find(b"IDAT")
    if start < 0:
        return
    size = int.from_bytes(file[start - 4 : start], "big")
    for _ in range(2 * count):
        content = file[start + 4 : start + 4 + size]
        content = put(content, int(RANDOM.integers(0, size - 4)), RANDOM.bytes(2))
        yield file[: start - 4] + chunk(b"IDAT", content) + file[start + 8 + size :]


def outcomes(path, contents):
    """What a process of its own makes of each file: "read", or the name of the error."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        for content in contents:
            path.write_bytes(content)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    image = decode_file(path)
                result = "read" if (image.dtype, len(image)) == (torch.uint8, 3) else "wrong"
            except Exception as error:
                result = type(error).__name__ if path.name in str(error) else repr(error)
            os.write(writer, f"{result}\n".encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        results = file.read().split("\n")[:-1]
    assert os.waitpid(child, 0)[1] == 0, f"died at file {len(results)}"
    return results


# Forked with threads of torch around: the child decodes and ends.
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize("kind", WHOLE)
def test_no_damage_ends_the_process(tmp_path, kind):
    contents = [WHOLE[kind], *damaged(WHOLE[kind], 20)]
    results = outcomes(tmp_path / "x.png", contents)
    assert len(results) == len(contents)
    assert results[0] == "read"
    assert set(results) == {"read", "ValueError"}


def test_one_changed_byte_of_a_png_is_always_refused(tmp_path):
    whole = WHOLE["png"]
    for place in range(40, len(whole) - 12, 97):
        path = written(tmp_path, put(whole, place, bytes([whole[place] ^ 0x55])))
        with pytest.raises(ValueError, match=r"x.png \(.*(checksum|too early)"):
            decode_file(path)


# What is read


@pytest.mark.parametrize("colour", [0, 2, 4, 6])
@pytest.mark.parametrize("bits", [8, 16])
def test_png_of_each_colour_and_depth(tmp_path, colour, bits):
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    values = RANDOM.integers(0, 2**bits, (5, 7, channels)).astype(f">u{bits // 8}")
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    image = decode_file(written(tmp_path, png(5, 7, bits, colour, rows)))
    upper = values >> (bits - 8)
    expected = upper[..., :3] if channels > 2 else np.repeat(upper[..., :1], 3, axis=2)
    assert np.array_equal(image.numpy(), expected.transpose(2, 0, 1))


def test_png_of_one_bit_and_interlaced(tmp_path):
    bits = RANDOM.integers(0, 2, (5, 8))
    rows = b"".join(b"\0" + np.packbits(row).tobytes() for row in bits.astype(bool))
    image = decode_file(written(tmp_path, png(5, 8, 1, 0, rows)))
    assert np.array_equal(image[1].numpy(), bits * 255)
    # The first pass of a 1 x 1 image is all of it.
    rows = b"\0" + bytes([1, 2, 3])
    image = decode_file(written(tmp_path, png(1, 1, 8, 2, rows, interlace=1)))
    assert image.flatten().tolist() == [1, 2, 3]


def test_transparency_is_dropped_without_a_warning(tmp_path):
    colours = RANDOM.integers(0, 256, (256, 3), dtype=np.uint8)
    more = chunk(b"PLTE", colours.tobytes()) + chunk(b"tRNS", bytes(range(100)))
    numbers = RANDOM.integers(0, 256, (4, 6), dtype=np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in numbers)
    image = decode_file(written(tmp_path, png(4, 6, 8, 3, rows, more=more)))
    assert np.array_equal(image.numpy(), colours[numbers].transpose(2, 0, 1))


def test_the_first_picture_of_an_animation_and_what_a_camera_noted(tmp_path):
    assert np.array_equal(
        decode_file(written(tmp_path, WHOLE["animated png"])).numpy(), PIXELS.transpose(2, 0, 1)
    )
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    assert decode_file(written(tmp_path, encoded("JPEG", exif=exif))).shape == (3, 48, 64)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("kind", ["jpeg", "progressive jpeg"])
def test_a_jpeg_that_ends_too_early_is_refused(tmp_path, kind, share):
    file = WHOLE[kind]
    with pytest.raises(ValueError, match="cannot read the image .*x.png"):
        decode_file(written(tmp_path, file[: int(share * len(file))]))


# What claims too much


def boasting():
    jpeg, gif, bmp, webp = (WHOLE[kind] for kind in ("jpeg", "gif", "bmp", "animated webp"))
    high, low = struct.pack(">HH", HUGE, HUGE), struct.pack("<HH", HUGE, HUGE)
    canvas = 2 * (HUGE - 1).to_bytes(3, "little")
    sides = [struct.pack("<HHII", tag, 4, 1, HUGE) for tag in (256, 257)]
    tiff = WHOLE["tiff"]
    for side in sides:
        place = tiff.index(side[:2] + b"\x04\x00\x01\x00\x00\x00")
        tiff = put(tiff, place, side)
    return {
        "png": png(HUGE, HUGE, 8, 2, bytes(100)),
        "jpeg": put(jpeg, jpeg.index(b"\xff\xc0") + 5, high),
        "gif": put(gif, 6, low),
        "gif frame": put(gif, gif.index(b",\0\0\0\0") + 5, low),
        "bmp": put(bmp, 18, struct.pack("<II", HUGE, HUGE)),
        "webp": put(webp, webp.index(b"VP8X") + 12, canvas),
        "tiff": tiff,
        "ppm": b"P6\n60000 60000\n255\n" + bytes(100),
    }


WHOLE["animated webp"] = encoded("WEBP", save_all=True, append_images=[PICTURE.rotate(90)])


@pytest.mark.parametrize("kind", boasting())
@pytest.mark.parametrize("read", [decode_file, read_size])
def test_a_size_that_needs_all_memory_is_refused_before(tmp_path, kind, read):
    path = written(tmp_path, boasting()[kind])
    with pytest.raises(ValueError, match=r"x.png \(it claims (60000 x 60000|3600000000) pixels"):
        read(path)


def test_a_png_that_holds_fewer_pixels_than_it_claims(tmp_path):
    path = written(tmp_path, png(12_000, 12_000, 8, 2, bytes(1000)))
    with pytest.raises(ValueError, match="claims 12000 x 12000 pixels and holds fewer"):
        decode_file(path)


@pytest.mark.parametrize("rows", [1, 30, 47])
def test_a_png_whose_rows_end_early_is_refused(tmp_path, rows):
    """Of right checksums, and a compressed stream that is whole."""
    content = b"".join(b"\0" + row.tobytes() for row in PIXELS[:rows])
    path = written(tmp_path, png(48, 64, 8, 2, content))
    early = rf"x.png \(its pixels end early, {(48 - rows) * 193} of 9264 bytes are missing"
    with pytest.raises(ValueError, match=early):
        decode_file(path)
    with pytest.raises(ValueError, match=early), open_image(path, "mask") as opened:
        opened.load()


def test_a_png_whose_stream_is_cut_off_is_refused(tmp_path):
    stream = zlib.compress(b"".join(b"\0" + row.tobytes() for row in PIXELS))
    file = png(48, 64, 8, 2, b"")[:33] + chunk(b"IDAT", stream[:5000]) + chunk(b"IEND", b"")
    with pytest.raises(ValueError, match="cannot read the image .*x.png"):
        decode_file(written(tmp_path, file))


def test_a_png_that_ends_early_is_skipped(tmp_path):
    for name, rows in (("a", 48), ("b", 20)):
        content = b"".join(b"\0" + row.tobytes() for row in PIXELS[:rows])
        (tmp_path / f"{name}.png").write_bytes(png(48, 64, 8, 2, content))
    images = ImageFolder(tmp_path, on_unreadable="skip")
    index, image = images.fetch(1)
    assert index == 0
    assert np.array_equal(image.numpy(), PIXELS.transpose(2, 0, 1))


# Of 5 x 9 pixels: how many rows of how many columns.
ROWS = [[(5, 9)], [(1, 2), (1, 1), (1, 3), (2, 2), (1, 5), (3, 4), (2, 9)]]


@pytest.mark.parametrize("bits", [1, 2, 8, 16])
@pytest.mark.parametrize("interlace", [0, 1])
def test_a_black_png_is_no_damage(tmp_path, bits, interlace):
    """Its last row is as zero as one that is not there."""
    rows = [
        bytes(1 + -(-columns * bits // 8))
        for count, columns in ROWS[interlace]
        for _ in range(count)
    ]
    file = png(5, 9, bits, 0, b"".join(rows), interlace=interlace)
    assert decode_file(written(tmp_path, file)).abs().sum() == 0
    file = png(5, 9, bits, 0, b"".join(rows[:-1]), interlace=interlace)
    with pytest.raises(ValueError, match=f"early, {len(rows[-1])} of .* bytes are missing"):
        decode_file(written(tmp_path, file))


def test_a_tile_larger_than_its_image(tmp_path):
    entries = {256: 64, 257: 48, 258: 8, 259: 5, 262: 1, 277: 1, 322: HUGE, 323: HUGE, 324: 180}
    entries[325] = 60
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries.items())
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + rows + bytes(4)
    with pytest.raises(ValueError, match=r"it claims 60000 x 60000 pixels"):
        decode_file(written(tmp_path, head + bytes(200)))


@pytest.mark.parametrize("kind", ["jpeg", "png", "gif"])
def test_the_limit_is_that_of_pil(tmp_path, kind, monkeypatch):
    path = written(tmp_path, WHOLE[kind])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 48 * 64 // 2 - 1)
    with pytest.raises(ValueError, match=r"it claims .* PIL.Image.MAX_IMAGE_PIXELS"):
        decode_file(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert decode_file(path).shape == (3, 48, 64)


# What is said


def test_too_little_memory_names_the_file_and_is_no_damage(tmp_path, monkeypatch, caplog):
    written(tmp_path, WHOLE["bmp"], "a.bmp")

    def fail(file, **options):
        raise MemoryError

    monkeypatch.setattr(decoding.Image, "open", fail)
    images = ImageFolder(tmp_path, on_unreadable="skip")
    with pytest.raises(MemoryError, match="not enough memory .* the image .*a.bmp"):
        images.fetch(0)


def test_a_mask_is_called_a_mask(tmp_path):
    path = written(tmp_path, WHOLE["png"][:200])
    with (
        pytest.raises(ValueError, match=r"cannot read the mask .*x.png \(it ends too early"),
        open_image(path, "mask"),
    ):
        pass


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_run_skips_a_damaged_png_and_says_which(tmp_path, num_workers, caplog):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(4):
            written(tmp_path / name, WHOLE["png"], f"{number}.png")
    file = Path(tmp_path / "b" / "3.png")
    file.write_bytes(put(file.read_bytes(), 1000, b"damage"))
    data = ViewData(
        tmp_path, image_size=32, batch_size=8, num_workers=num_workers, on_unreadable="skip"
    )
    with caplog.at_level(logging.WARNING):
        batches = list(data.train_dataloader())
    assert len(batches) == 1
    if not num_workers:  # a worker logs on its own
        assert "b/3.png (the checksum of the bytes" in caplog.text


def test_pipes_and_links_in_a_circle_are_files_that_cannot_be_read(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "1.png")
    os.mkfifo(tmp_path / "2.png")
    os.symlink(tmp_path / "3.png", tmp_path / "3.png")
    folder = ImageFolder(tmp_path)
    assert folder.read(0).shape == (3, 8, 8)
    with pytest.raises(ValueError, match=r"2\.png \(it is no regular file\)"):
        folder.read(1)
    with pytest.raises(ValueError, match=r"3\.png"):
        folder.read(2)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM"])
def test_bytes_are_decoded_as_files_are(tmp_path, form):
    content = encoded(form)
    expected = decode_file(written(tmp_path, content))
    assert torch.equal(decode_bytes(content, "x"), expected)


def test_bytes_are_named(monkeypatch):
    asked = []

    def name():
        asked.append(True)
        return "shard-0/7"

    decode_bytes(encoded("PNG"), name)
    assert asked == []  # finding out may take long
    for given in ("shard-0/7", name):
        with pytest.raises(ValueError, match="cannot read the image shard-0/7 .*on_unreadable"):
            decode_bytes(encoded("PNG")[:-20], given)

    def fails(file):
        raise MemoryError

    monkeypatch.setattr(decoding, "_decode", fails)
    with pytest.raises(MemoryError, match="not enough memory is free to read the image shard-0/7"):
        decode_bytes(b"", name)
