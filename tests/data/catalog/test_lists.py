"""Lists of official layouts that went through other hands."""

import pytest
from PIL import Image

from instdisc.data import CatalogImages
from instdisc.data.catalog.layout import (
    LayoutError,
    class_folders,
    numbered_lines,
    read_csv,
    read_pairs,
    read_rows,
    require_files,
)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_marks_and_line_ends(encoding, tmp_path):
    (tmp_path / "a.txt").write_bytes("1.jpg 0\r\n\r\n2.jpg 1\r\n".encode(encoding))
    assert list(read_rows(tmp_path, "a.txt", 2)) == [["1.jpg", "0"], ["2.jpg", "1"]]
    assert list(numbered_lines(tmp_path, "a.txt")) == [(1, "1.jpg 0"), (3, "2.jpg 1")]
    (tmp_path / "a.csv").write_bytes("name,label\r\n1.jpg,0\r\n".encode(encoding))
    assert list(read_csv(tmp_path, "a.csv", ["label"])) == [(2, ["0"])]


def test_other_encodings(tmp_path):
    (tmp_path / "a.txt").write_bytes("1.jpg 0\nü.jpg 1\n".encode("latin-1"))
    with pytest.raises(LayoutError, match="line 2 of .*a.txt must be in UTF-8, got the byte 0xfc"):
        list(read_rows(tmp_path, "a.txt", 2))
    (tmp_path / "a.csv").write_bytes("image\nü.jpg\n".encode("latin-1"))
    with pytest.raises(LayoutError, match="line 2 of .*a.csv must be in UTF-8"):
        list(read_csv(tmp_path, "a.csv", ["image"]))


def test_images_named_twice(tmp_path):
    (tmp_path / "a.txt").write_text("1.jpg 0\n2.jpg 1\n1.jpg 2\n")
    with pytest.raises(LayoutError, match="a.txt names the image 1.jpg twice"):
        read_pairs(tmp_path, "a.txt")
    (tmp_path / "1.jpg").touch()
    with pytest.raises(LayoutError, match="a.txt names the image 1.jpg twice"):
        require_files(tmp_path, ["1.jpg", "1.jpg"], "a.txt")


def test_what_macos_leaves(tmp_path):
    for name in ("Greek/character01", "Greek/character02", "__MACOSX/character01"):
        folder = tmp_path / "omniglot" / "images_background" / name
        folder.mkdir(parents=True)
        for number in range(4):
            Image.new("L", (8, 8)).save(folder / f"{number}.png")
            (folder / f"._{number}.png").write_bytes(b"\0\5\26\7")
    images = CatalogImages("omniglot_background", tmp_path / "omniglot", split="all")
    assert images.classes == ["Greek/character01", "Greek/character02"]
    assert len(images) == 8
    assert class_folders(tmp_path / "omniglot" / "images_background") == ["Greek"]
