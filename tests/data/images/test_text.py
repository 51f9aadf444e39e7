"""Text files and folders as operating systems leave them."""

import pytest
from PIL import Image

from instdisc.data import ImageFolder, ImageTable, read_split, split_per_class, write_split
from instdisc.data.images.listing import is_clutter, list_folder, matching
from instdisc.data.images.text import read_lines, read_text

TEXT = "Küken\r\n\r\n Hund\rKatze"


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", b"\xef\xbb\xbf"),
        ("utf-16-le", b"\xff\xfe"),
        ("utf-16-be", b"\xfe\xff"),
        ("utf-32-le", b"\xff\xfe\0\0"),
    ],
)
def test_what_is_read(encoding, mark, tmp_path):
    (tmp_path / "a.txt").write_bytes(mark + TEXT.encode(encoding))
    assert read_text(tmp_path / "a.txt") == "Küken\n\n Hund\nKatze"
    assert list(read_lines(tmp_path / "a.txt")) == [(1, "Küken"), (3, "Hund"), (4, "Katze")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("eins\nKüken\n".encode("cp1252"), "line 2 of .*a.txt must be in UTF-8, got the byte 0xfc"),
        ("eins\nzwei\n".encode("utf-16-le"), "line 1 of .*a.txt must be text in UTF-8, got a zero"),
        (b"\xff\xfea", "line 1 of .*a.txt must be in UTF-8"),
    ],
)
def test_what_is_refused(content, message, tmp_path):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_text(tmp_path / "a.txt")


def litter(folder):
    """Leaves what macOS and Windows leave."""
    (folder / "__MACOSX" / "cat").mkdir(parents=True)
    Image.new("RGB", (8, 6)).save(folder / "__MACOSX" / "cat" / "0.png")
    for inner in (folder, folder / "cat"):
        for name in ("._0.png", ".DS_Store", "Thumbs.db", "desktop.ini"):
            (inner / name).write_bytes(b"\0\5\26\7")


@pytest.fixture
def pets(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (8, 6)).save(tmp_path / "pets" / name / f"{number}.png")
    return tmp_path / "pets"


def test_clutter_is_passed_over(pets):
    litter(pets)
    images = ImageFolder(pets)
    assert (images.classes, len(images)) == (["cat", "dog"], 8)
    assert [path.name for path in list_folder(pets / "cat")] == [f"{i}.png" for i in range(4)]
    assert len(matching(pets, "**/*.png")) == 8
    assert list_folder(pets / "none") == []
    assert not is_clutter("cat")


def test_tables_of_windows(pets, tmp_path):
    rows = [f"pets\\{name}\\{i}.png,{name}" for name in ("cat", "dog") for i in range(4)]
    (tmp_path / "t.csv").write_bytes("\r\n".join(["image,label", *rows]).encode("utf-16"))
    images = ImageTable(None, tmp_path / "t.csv")
    assert images.paths[4] == "pets/dog/0.png"
    assert images.read(4).shape == (3, 6, 8)


@pytest.mark.parametrize(
    ("rows", "only"),
    [
        (["pets/cat/0.png,cat,a", "./pets/cat/0.png,cat,a"], None),
        (["pets/cat/0.png,cat,train", "pets\\cat\\0.png,cat,test"], ("split", "test")),
    ],
)
def test_an_image_named_twice(rows, only, pets, tmp_path):
    (tmp_path / "t.csv").write_text("\n".join(["image,label,split", *rows]))
    with pytest.raises(ValueError, match="line 3 of .* again, after line 2"):
        ImageTable(None, tmp_path / "t.csv", only=only)


def test_names_in_another_form_of_unicode(pets, tmp_path):
    (pets / "cat" / "0.png").rename(pets / "cat" / "Ku\u0308ken.png")
    (tmp_path / "t.csv").write_text("image,label\npets/cat/K\u00fcken.png,cat\n", encoding="utf-8")
    assert ImageTable(None, tmp_path / "t.csv").read(0).shape == (3, 6, 8)


def test_a_split_with_a_mark(pets, tmp_path):
    images = ImageFolder(pets)
    write_split(split_per_class(images), tmp_path / "split.json")
    text = (tmp_path / "split.json").read_text(encoding="utf-8")
    (tmp_path / "split.json").write_bytes(text.encode("utf-8-sig"))
    assert len(read_split(tmp_path / "split.json", images).train) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image;label\npets/cat/0.png;cat\n", "no column 'image'.*commas, not by semicolons"),
        ("image,label,label\n", "t.csv must have each column once, got 'label' twice"),
        ('image,label\n"pets/cat/0.png,cat\n', "line 2 of t.csv has 1 columns instead of 2"),
    ],
)
def test_tables_refused(text, message, pets, tmp_path):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        ImageTable(None, tmp_path / "t.csv")


def test_empty_rows_at_the_end(pets, tmp_path):
    (tmp_path / "t.csv").write_text("image,label\npets/cat/0.png,cat\n,\n,\n")
    assert len(ImageTable(None, tmp_path / "t.csv")) == 1
