"""Own sets: two folders of whatever names, with a split or without; and what is no such set."""

import os

import numpy as np
import pytest
from PIL import Image

from instdisc.data import SegmentFolder, open_segments
from instdisc.data.layout import kinds_of
from instdisc.data.segments import LAYOUTS

CLASSES = "sky\nsea\n"


def matches(path):
    return kinds_of(path, None, LAYOUTS) == ["segments"]


def write_pairs(draw, images, masks, count=4, suffix="jpg", mode="RGB", ending=""):
    for index in range(count):
        draw(f"{images}/{index}.{suffix}")
        draw(f"{masks}/{index}{ending}.png", [0, 1, 255], mode)


TWO_FOLDERS = [
    ("images", "masks"),
    ("imgs", "labels"),
    ("JPEGImages", "SegmentationClass"),
    ("photos", "annotations"),
    ("Images", "ground_truth"),
    ("a", "b"),
    ("b", "a"),
    ("x-ray", "findings"),
]


@pytest.mark.parametrize(("images", "masks"), TWO_FOLDERS)
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_two_folders_are_split_by_seed_0(tmp_path, draw, caplog, images, masks, suffix):
    write_pairs(draw, images, masks, 10, suffix, "P" if suffix == "png" else "RGB")
    (tmp_path / "classes.txt").write_text(CLASSES)
    assert matches(tmp_path)
    train, test = (open_segments(tmp_path, part=part) for part in ("train", "test"))
    assert "by seed 0, 7 of its images are to train on and 3 to test on" in caplog.text
    order = np.random.RandomState(0).permutation(10)
    assert test.positions.tolist() == sorted(order[:3].tolist())
    assert sorted(train.positions.tolist() + test.positions.tolist()) == list(range(10))
    assert train.name == tmp_path.name
    assert train.place(0).startswith(str(tmp_path / images))
    whole = open_segments(f"mine={tmp_path}", part="all")
    assert (len(whole), whole.name, whole.classes) == (10, "mine", ["sky", "sea"])
    assert whole.mask_paths[3] == f"{masks}/3.png"
    assert whole.pair(3)[1].unique().tolist() == [0, 1, 255]
    with pytest.raises(ValueError, match="`part` must be one that .* has, got 'val'"):
        open_segments(tmp_path, part="val")


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("images/{}", "masks/{}"),
        ("{}/images", "{}/masks"),
        ("{}", "{}annot"),
        ("{}", "{}_labels"),
        ("{}_images", "{}_masks"),
        ("images_{}", "masks_{}"),
        ("{}/left", "{}/right"),
        ("left/{}", "right/{}"),
        ("{}/scans/inner", "{}/truths/inner"),
    ],
)
@pytest.mark.parametrize(
    "splits", [("train", "test"), ("training", "validation"), ("Train", "Val")]
)
def test_splits(tmp_path, draw, images, masks, splits):
    for count, split in enumerate(splits, start=1):
        write_pairs(draw, images.format(split), masks.format(split), count)
    (tmp_path / "classes.txt").write_text(CLASSES)
    assert matches(tmp_path)
    parts = {part: open_segments(tmp_path, part=part) for part in ("train", "test", "all")}
    assert {part: len(source) for part, source in parts.items()} == {
        "train": 1,
        "test": 2,
        "all": 3,
    }
    assert splits[0] in parts["train"].paths[0]
    assert splits[0] in parts["train"].mask_paths[0]
    assert splits[1] in parts["test"].paths[0]
    assert parts["all"].fingerprint() != parts["train"].fingerprint()


def test_three_parts(tmp_path, draw):
    for count, split in ((3, "train"), (2, "val"), (1, "test")):
        write_pairs(draw, f"images/{split}", f"masks/{split}", count)
    (tmp_path / "classes.txt").write_text(CLASSES)
    for part, count in (("train", 3), ("val", 2), ("test", 1), ("all", 6)):
        assert len(open_segments(tmp_path, part=part)) == count
    with pytest.raises(ValueError, match="`part` must be one of 'all', .*, got 'testing'"):
        open_segments(tmp_path, part="testing")


def test_test_images_without_masks_leave_val_to_be_tested_on(tmp_path, draw):
    for count, split in ((3, "train"), (2, "val")):
        write_pairs(draw, f"images/{split}", f"masks/{split}", count)
    draw("images/test/1.jpg")
    (tmp_path / "classes.txt").write_text(CLASSES)
    assert len(open_segments(tmp_path, part="test")) == 2


@pytest.mark.parametrize("only", ["val", "test"])
def test_what_is_no_split_has_no_validation_part(tmp_path, draw, only):
    write_pairs(draw, f"{only}/images", f"{only}/masks", 10)
    (tmp_path / "classes.txt").write_text(CLASSES)
    assert len(open_segments(tmp_path, part="train")) == 7
    with pytest.raises(ValueError, match="`part` must be one that .* has, got 'val'"):
        open_segments(tmp_path, part="val")


def test_a_part_alone_is_split(tmp_path, draw, caplog):
    write_pairs(draw, "train/images", "train/masks", 10)
    (tmp_path / "classes.txt").write_text(CLASSES)
    assert len(open_segments(tmp_path, part="test")) == 3
    assert "says nothing of a split: by seed 0" in caplog.text


@pytest.mark.parametrize(
    "ending", ["_mask", "-mask", "_label", "_seg", "_segmentation", "_gt", "_L"]
)
def test_masks_with_a_word_for_what_they_are(tmp_path, draw, ending):
    write_pairs(draw, "images", "truth", ending=ending)
    (tmp_path / "classes.txt").write_text(CLASSES)
    assert open_segments(tmp_path, part="all").mask_paths[2] == f"truth/2{ending}.png"
    draw("images/5.jpg")
    with pytest.raises(ValueError, match="1 images have no mask, '5' first"):
        open_segments(tmp_path, part="all")


def test_words_on_both_sides(tmp_path, draw):
    for index in range(3):
        draw(f"images/sub/img_{index}.jpg")
        draw(f"masks/sub/mask_{index}.png", [0, 1])
    (tmp_path / "classes.txt").write_text(CLASSES)
    source = open_segments(tmp_path, part="all")
    assert source.paths[1] == "images/sub/img_1.jpg"
    assert source.mask_paths[1] == "masks/sub/mask_1.png"
    draw("masks/sub/other_3.png", [0])
    with pytest.raises(ValueError, match="3 images have no mask, 'sub/0' first"):
        open_segments(tmp_path, part="all")


def test_what_lies_about_is_counted_once(tmp_path, draw, caplog):
    write_pairs(draw, "images", "masks")
    (tmp_path / "classes.txt").write_text(CLASSES)
    for name in ("images/._0.jpg", "images/Thumbs.db", "masks/._0.png", "masks/.DS_Store"):
        (tmp_path / name).write_bytes(b"\0")
    for name in ("images/.ipynb_checkpoints/0.jpg", "__MACOSX/images/._0.jpg", ".git/0.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"\0")
    assert len(open_segments(tmp_path, part="all")) == 4
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        "2 files are passed over, which are no images by their names, first: ._0.jpg",
        "2 files are passed over, which are no images by their names, first: .DS_Store",
    ]


def test_files_that_are_links(tmp_path, draw):
    write_pairs(draw, "elsewhere/i", "elsewhere/m")
    for folder, inner in (("images", "i"), ("masks", "m")):
        (tmp_path / "set" / folder).mkdir(parents=True)
        for file in (tmp_path / "elsewhere" / inner).iterdir():
            os.symlink(file, tmp_path / "set" / folder / file.name)
    (tmp_path / "set" / "classes.txt").write_text(CLASSES)
    assert open_segments("set", tmp_path, part="all").pair(0)[0].shape == (3, 8, 12)
    folder = SegmentFolder(tmp_path / "set/images", tmp_path / "set/masks", classes=["a", "b"])
    assert folder.pair(1)[0].shape == (3, 8, 12)


def test_folders_that_are_links(tmp_path, draw):
    write_pairs(draw, "elsewhere/i", "other/m")
    (tmp_path / "set").mkdir()
    os.symlink(tmp_path / "elsewhere" / "i", tmp_path / "set" / "images")
    os.symlink(tmp_path / "other" / "m", tmp_path / "set" / "masks")
    (tmp_path / "set" / "classes.txt").write_text(CLASSES)
    assert open_segments("set", tmp_path, part="all").pair(0)[0].shape == (3, 8, 12)


def test_pairs_that_cannot_be_used_are_skipped_on_demand(tmp_path, draw):
    write_pairs(draw, "images", "masks")
    (tmp_path / "classes.txt").write_text(CLASSES)
    (tmp_path / "masks" / "1.png").write_bytes(b"")
    for part in ("all", "train"):  # both hold image 1 at position 1
        source = open_segments(tmp_path, part=part, on_unreadable="skip")
        assert source.fetch_pair(1)[0] == 2
        assert source.context()["on_unreadable"] == "skip"
    with pytest.raises(ValueError, match="cannot read the mask"):
        open_segments(tmp_path, part="all").fetch_pair(1)
    with pytest.raises(ValueError, match="`on_unreadable` must be one of 'raise', 'skip'"):
        open_segments(tmp_path, part="all", on_unreadable="hope")


def test_accents_written_in_two_ways(tmp_path, draw):
    draw("images/re\u0301el.jpg")
    draw("masks/r\u00e9el.png", [0, 1])
    (tmp_path / "classes.txt").write_text(CLASSES)
    assert len(open_segments(tmp_path, part="all")) == 1


def test_folders_of_classes_are_no_masks(tmp_path, draw):
    for index in range(4):
        for name in ("cat", "dog"):
            draw(f"colour/{name}/{index}.png")
            draw(f"grey/{name}/{index}.png", mode="L")
            draw(f"jpeg/{name}/{index}.jpg", mode="L")
            draw(f"split/train/{name}/{index}.png")
            draw(f"split/test/{name}/{index}.png")
            draw(f"drawings/{name}/{index}.png", [0, 1])
        draw(f"faces/mask/{index}.png")
        draw(f"faces/no_mask/{index}.png")
        draw(f"other_names/cat/{index}.png")
        draw(f"other_names/drawing/d{index}.png", [0, 1])
        draw(f"parts/train/{index}.png")
        draw(f"parts/test/{index}.png", [0, 1])
        draw(f"flat/{index}.png")
    for folder in sorted(tmp_path.iterdir()):
        assert not matches(folder), folder


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_two_folders_of_which_either_could_be(tmp_path, draw, mode):
    for index in range(3):
        draw(f"a/{index}.png", mode=mode)
        draw(f"b/{index}.png", mode=mode)
    with pytest.raises(ValueError, match="Which of a/ and b/ holds the masks cannot be told: call "
                       "the folders images/ and masks/"):  # fmt: skip
        open_segments(tmp_path, part="train")
    (tmp_path / "b").rename(tmp_path / "masks")
    (tmp_path / "a").rename(tmp_path / "images")
    (tmp_path / "classes.txt").write_text(CLASSES)
    source = open_segments(tmp_path, part="train")
    with pytest.raises(ValueError, match=r"masks/\d.png (must hold one id|holds the id)"):
        source.pair(0)


def test_grey_scans_beside_their_masks(tmp_path, draw):
    for index in range(3):
        draw(f"a/{index}.png", mode="L")
        draw(f"b/{index}.png", [0, 1])
    (tmp_path / "classes.txt").write_text(CLASSES)
    assert open_segments(tmp_path, part="all").mask_paths[0] == "b/0.png"


def test_other_folders_are_refused(tmp_path, draw):
    with pytest.raises(ValueError, match="`name` must be a folder of images and their masks, got "
                       ".*It holds nothing. Put them into images/ and masks/"):  # fmt: skip
        open_segments(tmp_path, part="train")
    draw("images/1.jpg")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "1.txt").write_text("0 0.5 0.5 0.1 0.1")
    with pytest.raises(ValueError, match="It holds images/, labels/. Put them"):
        open_segments(tmp_path, part="train")
    draw("masks/1.jpg")
    (tmp_path / "classes.txt").write_text(CLASSES)
    with pytest.raises(ValueError, match="`masks` must be in a format without loss, such as PNG"):
        open_segments(tmp_path, part="train")
    (tmp_path / "masks" / "1.jpg").unlink()
    draw("masks/1.png", [0, 1])
    with pytest.raises(ValueError, match="must have at least 2 images to be split, got 1"):
        open_segments(tmp_path, part="train")


def test_lists_of_voc_in_a_folder_of_any_name(tmp_path, draw, caplog):
    for index in range(5):
        draw(f"JPEGImages/{index}.jpg")
        draw(f"SegmentationObject/{index}.png", [0, 1])
        if index < 3:
            draw(f"SegmentationClass/{index}.png", [0, 1, 255])
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_bytes(b"\xef\xbb\xbf0\r\n1\r\n")
    (lists / "val.txt").write_text("2\n")
    (lists / "trainval.txt").write_text("0\n1\n2\n")
    (lists / "test.txt").write_text("3\n4\n")
    assert matches(tmp_path)
    parts = {part: open_segments(tmp_path, part=part) for part in ("train", "test", "val", "all")}
    assert {part: len(one) for part, one in parts.items()} == {
        "train": 2, "test": 1, "val": 1, "all": 3,
    }  # fmt: skip
    assert parts["train"].classes == ["class 0", "class 1"]
    assert "test.txt is passed over: not one of its 2 images has a mask" in caplog.text
    (lists / "train.txt").unlink()
    (lists / "val.txt").write_text("2\n")
    (lists / "trainval.txt").write_text("0\n1\n")
    assert len(open_segments(tmp_path, part="train")) == 2
    assert len(open_segments(tmp_path, part="test")) == 1
    (lists / "val.txt").write_bytes("JPEGImages/2.jpg\r\n2\r\n".encode("utf-16"))
    assert open_segments(tmp_path, part="test").image_names() == ["JPEGImages/2.jpg"]
    assert "val.txt: 1 lines name an image again, which counts once, first: line 2" in caplog.text
    (lists / "val.txt").write_text("1\n2\n")
    open_segments(tmp_path, part="test")
    assert "1 of the 2 images to test on are trained on, too, first: JPEGImages/1" in caplog.text
    (lists / "val.txt").write_text("2\n4\n")
    with pytest.raises(ValueError, match="1 of the 2 masks of .*val.txt are not there, '4' first"):
        open_segments(tmp_path, part="test")


def test_known_sets_in_folders_of_other_names(tmp_path, draw):
    for split in ("train", "val"):
        draw(f"streets/leftImg8bit/{split}/ulm/u_leftImg8bit.png")
        draw(f"streets/leftImg8bit/{split}/ulm/._u_leftImg8bit.png")
        draw(f"streets/gtFine/{split}/ulm/u_gtFine_labelIds.png", [7, 8])
        draw(f"films/{split}/0001TP_006690.png")
        draw(f"films/{split}annot/0001TP_006690.png", [0, 11])
        draw(f"other/{split}/1.png")
        draw(f"other/{split}annot/1.png", [0, 11])
    streets = open_segments("streets", tmp_path, part="test")
    assert (len(streets.classes), streets.name, len(streets)) == (19, "streets", 1)
    assert len(open_segments("streets", tmp_path, part="all")) == 2
    films = open_segments("films", tmp_path, part="test")
    assert len(films.classes) == 11
    assert films.mask(0).unique().tolist() == [0, 255]
    assert open_segments("other", tmp_path, part="train").classes == ["class 0", "class 11"]


def test_masks_that_number_objects_are_no_classes(tmp_path, draw):
    write_pairs(draw, "PNGImages", "PedMasks", ending="_mask")
    assert not matches(tmp_path)


def test_a_part_of_class_folders_is_looked_at_quickly(tmp_path):
    for index in range(30):
        (tmp_path / f"c{index}").mkdir()
        Image.new("L", (4, 4)).save(tmp_path / f"c{index}" / "0.png")
    assert not matches(tmp_path)


def test_a_broken_mask_is_skipped_where_classes_are_found_in_masks(tmp_path, draw):
    write_pairs(draw, "images", "masks")
    mask = sorted((tmp_path / "masks").iterdir())[0]
    mask.write_bytes(b"broken")
    with pytest.raises(ValueError, match="cannot read the mask"):
        open_segments(tmp_path, part="all")
    opened = open_segments(tmp_path, part="all", on_unreadable="skip")
    assert len(opened) == 4
    assert opened.fetch_pair(0)[0] == 1
