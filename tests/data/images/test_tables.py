"""Images and labels from a CSV file."""

import pytest
from PIL import Image

from instdisc.data import ImageTable


@pytest.fixture
def write(tmp_path):
    """``write(text)`` is a table beside the images a.png, b.png and more/c.png."""
    (tmp_path / "more").mkdir()
    for grey, name in enumerate(("a.png", "b.png", "more/c.png")):
        Image.new("RGB", (8, 6), (grey, grey, grey)).save(tmp_path / name)

    def table(text, name="pets.csv"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return table


def test_classes_are_sorted_names(write):
    table = write("image,label\nmore/c.png,dog\na.png,cat\n\nb.png,dog\n")
    images = ImageTable(None, table)
    assert images.classes == ["cat", "dog"]
    assert images.labels.tolist() == [1, 0, 1]
    assert images.name == "pets"
    assert int(images.read(0)[0, 0, 0]) == 2


def test_whole_numbers_are_sorted_as_such(write):
    images = ImageTable(None, write("image,label\na.png,10\nb.png,9\n"))
    assert images.classes == ["9", "10"]
    assert images.labels.tolist() == [1, 0]


def test_other_columns_and_tabs(write, tmp_path):
    table = write("\ufeffspecies\tfile\nfox\ta.png\nowl\tb.png\n", "wild.tsv")
    images = ImageTable(str(tmp_path), str(table), image="file", label="species", name="wild")
    assert images.classes == ["fox", "owl"]
    given = ImageTable(
        tmp_path, table, image="file", label="species", classes=["owl", "bat", "fox"]
    )
    assert given.labels.tolist() == [2, 0]


def test_only_some_rows_keep_the_classes_of_all(write):
    table = write("image,label,split\na.png,cat,train\nb.png,dog,test\n")
    images = ImageTable(None, table, only=("split", "test"))
    assert images.classes == ["cat", "dog"]
    assert images.labels.tolist() == [1]


@pytest.mark.parametrize(
    ("text", "more", "message"),
    [
        (
            "file,label\na.png,cat\n",
            {},
            "has no column 'image'; its first line has 'file', 'label'",
        ),
        ("", {}, "pets.csv has no column 'image'; its first line has none"),
        ("image,label\n", {}, "pets.csv lists no image"),
        ("image,label\na.png,cat\nb.png\n", {}, "line 3 of pets.csv has 1 columns instead of 2"),
        ("image,label\na.png,cat,dog\n", {}, "line 2 of pets.csv has 3 columns instead of 2"),
        ("image,label\na.png,\n", {}, "line 2 of .*pets.csv has no label"),
        ("image,label\n,cat\n", {}, "line 2 of .*pets.csv has no image"),
        ("image,label\na.png,cat\nd.png,cat\n", {}, "line 3 of .* names 'd.png', which is not in"),
        ("image,label\nno/c.png,cat\n", {}, "line 2 of .* names 'no/c.png', which is not in"),
        ("image,label\na.png,cat\na.png,dog\n", {}, "line 3 .* names 'a.png' again, after line 2"),
        (
            "image,label\na.png,cat\nb.png,cow\n",
            {"classes": ["cat", "dog"]},
            r"the label of line 3 of .* must be one of the 2 `classes` \(cat, dog\), got 'cow'",
        ),
        ("image,label\na.png,cat\n", {"classes": ["cat", "cat"]}, "`classes` must be different"),
        (
            "image,label,split\na.png,cat,train\n",
            {"only": ("split", "test")},
            r"`only` must be a value of the column 'split' of .* \(train\), got 'test'",
        ),
        ("image,label\na.png,cat\n", {"only": ("split", "test")}, "has no column 'split'"),
    ],
)
def test_bad_tables(text, more, message, write):
    with pytest.raises(ValueError, match=message):
        ImageTable(None, write(text), **more)


def test_no_such_table_or_folder(write, tmp_path):
    with pytest.raises(FileNotFoundError, match="`table` must be a CSV file, got '.*no.csv'"):
        ImageTable(None, tmp_path / "no.csv")
    with pytest.raises(FileNotFoundError, match="`root` must be the folder of the images, got"):
        ImageTable(tmp_path / "no", write("image,label\na.png,cat\n"))
