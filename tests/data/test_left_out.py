"""What is left out: counted, and said once."""

import unicodedata

from PIL import Image

from instdisc.data import open_objects, open_segments
from instdisc.data.left_out import say_left_out, say_once


def test_once_for_one_text(caplog, tmp_path):
    for _ in range(2):
        say_left_out([4, 7], f"{tmp_path}: %d files of 100 %, first: ", lambda row: f"file {row}")
    say_left_out([], f"{tmp_path}: %d files, first: ", str)
    say_once(f"{tmp_path}: else")
    assert caplog.messages == [
        f"{tmp_path}: 2 files of 100 %, first: file 4",
        f"{tmp_path}: else",
    ]


def test_both_parts_of_a_set_say_it_once(caplog, tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
        for index in range(4):
            image = Image.new("L", (8, 6), index % 2)
            image.save(tmp_path / kind / f"{index}.png")
    (tmp_path / "masks" / "notes.md").write_text("-")
    for part in ("train", "test"):
        open_segments(tmp_path, part=part)
    assert len(caplog.messages) == 3  # a file that is no image, no classes.txt, a drawn split


def test_names_with_accents_of_either_form(tmp_path):
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "JPEGImages").mkdir()
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    box = "<xmin>2</xmin><ymin>2</ymin><xmax>5</xmax><ymax>5</ymax>"
    for index in range(4):
        name, apart = (unicodedata.normalize(form, f"ü{index}") for form in ("NFC", "NFD"))
        Image.new("RGB", (8, 6)).save(tmp_path / "JPEGImages" / f"{apart}.png")
        (tmp_path / "Annotations" / f"{name}.xml").write_text(
            f"<annotation><object><name>a</name><bndbox>{box}</bndbox></object></annotation>"
        )
    for split, rows in (("train", (0, 1, 2)), ("test", (3,))):
        lines = "\n".join(unicodedata.normalize("NFD", f"ü{row}") for row in rows)
        (tmp_path / "ImageSets" / "Main" / f"{split}.txt").write_text(lines, encoding="utf-8")
    assert [len(open_objects(tmp_path, part=part)) for part in ("train", "test")] == [3, 1]
    assert open_objects(tmp_path, part="test").read(0).shape == (3, 6, 8)
