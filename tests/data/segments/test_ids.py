"""Masks of every kind of file: the ids, or an error that names the file."""

import numpy as np
import pytest
from PIL import Image

from instdisc.data.segments.ids import as_ranges, decode_ids


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [(s, m) for s in ("png", "tif", "gif", "bmp") for m in ("L", "P", "1")]
    + [("png", "I;16"), ("tif", "I;16"), ("tif", "I;16B"), ("tif", "I"), ("pgm", "L")],
)
def test_modes_without_loss(tmp_path, suffix, mode):
    ids = np.array([[0, 1, 1], [1, 0, 0]], dtype=np.uint16 if "I" in mode else np.uint8)
    if mode == "I;16B":
        image = Image.frombytes("I;16B", (3, 2), ids.astype(">u2").tobytes())
    elif mode == "1":
        image = Image.fromarray(ids.astype(bool))
    elif mode == "P":
        image = Image.fromarray(ids).convert("P")
    else:
        image = Image.fromarray(ids.astype(np.int32) if mode == "I" else ids)
    path = tmp_path / f"m.{suffix}"
    image.save(path)
    found = decode_ids(path)
    assert found.shape == (2, 3)
    assert found.dtype in (np.uint8, np.uint16)
    assert len(np.unique(found)) == 2
    if suffix != "gif":  # which sorts its palette
        assert found.tolist() == ids.tolist()


def test_sixteen_bits_keep_their_ids(tmp_path):
    Image.fromarray(np.array([[0, 65535]], dtype=np.uint16)).save(tmp_path / "m.png")
    assert decode_ids(tmp_path / "m.png").tolist() == [[0, 65535]]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_grey_in_several_channels(tmp_path, mode):
    Image.fromarray(np.array([[0, 7]], dtype=np.uint8)).convert(mode).save(tmp_path / "m.png")
    assert decode_ids(tmp_path / "m.png").tolist() == [[0, 7]]


def refused(tmp_path, image, message, suffix="png", **options):
    path = tmp_path / f"m.{suffix}"
    image.save(path, **options)
    with pytest.raises(ValueError, match=message):
        decode_ids(path)


def test_what_is_no_mask(tmp_path):
    colours = Image.new("RGB", (4, 4), (1, 2, 3))
    refused(tmp_path, colours, "m.png must hold one id .* got mode 'RGB'. Convert its colours")
    refused(tmp_path, colours.convert("RGBA"), "got mode 'RGBA'")
    refused(tmp_path, colours.convert("CMYK"), "got mode 'CMYK'", "tif")
    refused(tmp_path, Image.new("LA", (4, 4), (1, 9)), "got mode 'LA'")  # half transparent
    refused(tmp_path, Image.new("F", (4, 4), 1.0), "got mode 'F'", "tif")
    refused(tmp_path, Image.new("I", (4, 4), 70000), "ids from 0 to 65535, got 70000", "tif")
    refused(tmp_path, Image.new("L", (4, 4)), "without loss, .* got JPEG", format="JPEG")
    (tmp_path / "m.png").write_bytes(b"")
    with pytest.raises(ValueError, match="cannot read the mask .*m.png"):
        decode_ids(tmp_path / "m.png")


def test_ranges():
    assert as_ranges([]) == ""
    assert as_ranges([3]) == "3"
    assert as_ranges([0, 2, 3, 4, 9]) == "0, 2-4, 9"
