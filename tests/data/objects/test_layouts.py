"""How detection sets lie on disk."""

import json
import logging

import numpy as np
import pytest

from instdisc.data import open_objects
from instdisc.data.layout import kinds_of, open_by_layout
from instdisc.data.objects.opening import LAYOUTS, NAMES

from .conftest import coco_content, save_image

CAT = ("cat", 3, 4, 20, 25, 0)


def export(folder, name="_annotations.coco.json", content=None, images=""):
    content = coco_content() if content is None else content
    for image in content["images"]:
        save_image(folder / images / image["file_name"].replace("images/", ""))
    (folder / name).write_text(json.dumps(content))


def test_the_table():
    assert NAMES == ("scenes", "voc07", "voc0712", "coco")
    assert {layout.kind for layout in LAYOUTS} == {"objects"}
    scenes = open_by_layout("scenes", None, part="test", layouts=LAYOUTS, masks=True)
    assert len(scenes) == 100


def test_folders_of_exports(tmp_path):
    for split in ("train", "valid", "test"):
        export(tmp_path / "set" / split)
    places = {"train": "train", "val": "valid", "test": "test"}
    for part, folder in places.items():
        source = open_objects("set", tmp_path, part=part)
        assert source.name == "set"
        assert source.path(0) == tmp_path / "set" / folder / "30.jpg"
    with pytest.raises(ValueError, match="holds the annotations of test, train, valid: with part="):
        open_objects("set", tmp_path, part="all")
    (tmp_path / "set" / "test" / "_annotations.coco.json").unlink()
    held_out = open_objects("mine=set", tmp_path, part="test")
    assert held_out.name == "mine"
    assert held_out.path(0).parent.name == "valid"


@pytest.mark.parametrize("name", ["annotations.json", "_annotations.coco.json"])
@pytest.mark.parametrize(("images", "written"), [("", ""), ("images", ""), ("images", "images/")])
def test_one_file_beside_its_images(tmp_path, caplog, name, images, written):
    content = coco_content()
    for image in content["images"]:
        image["file_name"] = written + image["file_name"]
    export(tmp_path / "set", name, content, images)
    whole = open_objects("set", tmp_path, part="all")
    assert whole.read(0).shape == (3, 30, 40)
    assert whole.path(0) == tmp_path / "set" / images / "30.jpg"
    assert not caplog.records
    with caplog.at_level(logging.INFO):
        train = open_objects("set", tmp_path, part="train")
    line = "by seed 0, 2 of its images are to train on and 1 to test on"
    assert [message.partition(": ")[2] for message in caplog.messages] == [line]
    assert len(train) == 2


def test_what_is_no_coco_file_is_no_set(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "annotations.json").write_text('{"a.jpg": "cat"}')
    with pytest.raises(ValueError, match=r"set lies in no layout .*annotations.json"):
        open_objects("set", tmp_path, part="all")


def test_images_of_instances_in_the_places_they_lie_in(write_coco, tmp_path):
    root = write_coco()
    content = coco_content()
    for place in ("images/train2017", "images", "."):
        (root / "here").mkdir(exist_ok=True)
        source = open_objects(root, part="all")
        assert source.read(0).shape == (3, 30, 40)
        old = source.path(0).parent
        (root / place).mkdir(parents=True, exist_ok=True)
        for image in content["images"]:
            (old / image["file_name"]).rename(root / place / image["file_name"])
    assert open_objects(root, part="all").path(0).parent == root


def test_hidden_files_are_no_splits(write_coco, tmp_path):
    root = write_coco()
    (root / "annotations" / "._instances_train2017.json").write_bytes(b"\x00\x05\x16\x07")
    assert len(open_objects(root, part="all")) == 3


def test_two_files_to_train_on(write_coco):
    root = write_coco()
    write_coco(split="train2014")
    write_coco(split="val2017")
    with pytest.raises(ValueError, match="one split must be .* got train2014, train2017. Leave"):
        open_objects(root, part="train")


def test_a_part_to_validate_on(write_voc, tmp_path):
    names = [f"{number}" for number in range(6)]
    splits = {"train": names[:3], "val": names[3:5], "test": names[5:]}
    root = write_voc({name: [CAT] for name in names}, splits)
    for part, expected in splits.items():
        assert open_objects(root, part=part).image_ids == expected
    (root / "ImageSets" / "Main" / "trainval.txt").write_text("\n".join(names[:5]))
    assert open_objects(root, part="train").image_ids == names[:5]
    with pytest.raises(ValueError, match="`part` must be 'train', 'test' or 'all' here, got 'val'"):
        open_objects(root, part="val")


def test_a_drawn_split_is_said(write_voc, write_people, caplog):
    voc = write_voc({f"{number}": [CAT] for number in range(10)}, {})
    people = write_people({f"{number}": np.eye(30, 40) for number in range(60)})
    with caplog.at_level(logging.INFO):
        for root in (voc, people):
            open_objects(root, part="all")
            open_objects(root, part="test")
    assert [message.partition(": ")[2] for message in caplog.messages] == [
        "by seed 0, 7 of its images are to train on and 3 to test on",
        "by seed 0, 10 of its images are to train on and 50 to test on",
    ]


def test_kinds(write_voc, write_coco, write_people, tmp_path):
    write_voc({"a": [CAT]}, {})
    write_coco()
    (tmp_path / "coco").rename(tmp_path / "own")
    write_people({"a": np.eye(30, 40)})
    export(tmp_path / "flat")
    export(tmp_path / "parts" / "train")
    for name in ("set", "own", "people", "flat", "parts", "voc07", "mine=set", "not there"):
        assert kinds_of(name, tmp_path, LAYOUTS) == ["objects"]
    (tmp_path / "empty" / "Annotations").mkdir(parents=True)
    (tmp_path / "file.json").write_text("{}")
    for name in ("empty", "file.json", "set/JPEGImages"):
        assert kinds_of(name, tmp_path, LAYOUTS) == []


def test_people_with_files_of_macos(write_people, caplog):
    root = write_people({"A": np.eye(30, 40), "B": np.eye(30, 40)})
    (root / "PedMasks" / "._A_mask.png").write_bytes(b"\x00")
    (root / "PNGImages" / "._A.png").write_bytes(b"\x00")
    with caplog.at_level(logging.WARNING):
        assert open_objects(root, part="all").image_ids == ["A", "B"]
    assert len(caplog.messages) == 2
    save_image(root / "PNGImages" / "A.jpg")
    with pytest.raises(ValueError, match="must hold an image once, got A.jpg, A.png"):
        open_objects(root, part="all")
