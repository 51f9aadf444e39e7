"""What `classes.txt` may say, and what is made of masks without it."""

import pytest

from instdisc.data import open_segments
from instdisc.data.segments import read_classes


def classes(tmp_path, content):
    file = tmp_path / "classes.txt"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_classes(file)


@pytest.mark.parametrize(
    "content",
    [
        "sky\nsea\n",
        "sky\r\n\r\n  sea \r\n",
        "\n\nsky\rsea",
        b"\xef\xbb\xbfsky\nsea",
    ],
)
def test_plain_names(tmp_path, content):
    assert classes(tmp_path, content) == (["sky", "sea"], None)


@pytest.mark.parametrize(
    ("content", "names", "ids"),
    [
        ("background\nlesion = 255\n", ["background", "lesion"], {0: 0, 255: 1}),
        ("lesion=255\nbackground=0\n", ["lesion", "background"], {255: 0, 0: 1}),
        ("a = 1\nb = 7, 9\n", ["a", "b"], {1: 0, 7: 1, 9: 1, 255: 255}),
        (
            "a = 1\nignored = 0, 11\nb = 1000",
            ["a", "b"],
            {1: 0, 1000: 1, 0: 255, 11: 255, 255: 255},
        ),
        ("a\nignored\n", ["a", "ignored"], None),  # a class of that name
        ("a = b\nc = 4 m\n", ["a = b", "c = 4 m"], None),  # no ids
        ("a = b = 3\nc", ["a = b", "c"], {3: 0, 1: 1, 255: 255}),
        ("Straße\n道路 = 3\n", ["Straße", "道路"], {0: 0, 3: 1, 255: 255}),
    ],
)
def test_names_with_ids(tmp_path, content, names, ids):
    assert classes(tmp_path, content) == (names, ids)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("sky\nsea\n\nsky\n", "must name each class once, got 'sky' in lines 1 and 4"),
        ("sky\nsea = 0\n", "must give each id once, got 0 in lines 1 and 2"),
        ("sky = 1\nsea = 1, 2\n", "must give each id once, got 1 in lines 1 and 2"),
        ("lesion\n", "must name 2 to 254 classes, one on each line, got 1. .*`background`"),
        ("", "must name 2 to 254 classes"),
        ("sky\ns\xe9a\n".encode("latin-1"), "must be in UTF-8, got the byte 0xe9"),
        ("sky\nsea\n".encode("utf-16-le"), "must be text in UTF-8, got a zero byte"),
    ],
)
def test_bad_files(tmp_path, content, message):
    with pytest.raises(ValueError, match=rf"classes\.txt {message}"):
        classes(tmp_path, content)


def test_ids_outside_the_range_are_refused(tmp_path, draw):
    for part in ("train", "test"):
        draw(f"images/{part}/1.jpg")
        draw(f"masks/{part}/1.png", [0, 1])
    (tmp_path / "classes.txt").write_text("a\nb = 70000\n")
    with pytest.raises(ValueError, match="`ids` must be a whole .* at most 65535, got 70000"):
        open_segments(tmp_path, part="train")


def test_without_a_file_the_ids_are_the_classes(tmp_path, draw, caplog):
    for part, ids in (("train", [0, 7, 255]), ("test", [7, 300])):
        draw(f"images/{part}/1.jpg")
        draw(f"masks/{part}/1.png", ids)
    for part, expected in (("train", [0, 1, 255]), ("test", [1, 2])):
        source = open_segments(tmp_path, part=part)
        assert source.classes == ["class 0", "class 7", "class 300"]
        assert source.mask(0).unique().tolist() == expected
    assert "3 classes are the ids in its masks, 'class 0' to 'class 300'; 255 is ig" in caplog.text


@pytest.mark.parametrize("ids", [[0, 255], [255], [3, 255]])
def test_what_255_is_must_be_said(tmp_path, draw, ids):
    for part in ("train", "test"):
        draw(f"images/{part}/1.jpg")
        draw(f"masks/{part}/1.png", ids)
    with pytest.raises(
        ValueError, match=r"must say what 255 is .*`background = \d`.*`object = 255`"
    ):
        open_segments(tmp_path, part="train")
    (tmp_path / "classes.txt").write_text("background\nobject = 255\nthing = 3")
    assert 1 in open_segments(tmp_path, part="train").mask(0).unique().tolist()


def test_other_masks_without_a_file(tmp_path, draw):
    for part in ("train", "test"):
        draw(f"images/{part}/1.jpg")
        draw(f"masks/{part}/1.png", [4])
    with pytest.raises(ValueError, match=r"must have classes.txt, or .*, got 1 in 2 masks \(4\)"):
        open_segments(tmp_path, part="train")
    draw("masks/train/1.png", list(range(256)), size=(16, 16))
    with pytest.raises(ValueError, match=r"to 254 ids, got 255 in 2 masks \(0, 1, 2, 3, 4, ...\)"):
        open_segments(tmp_path, part="train")
