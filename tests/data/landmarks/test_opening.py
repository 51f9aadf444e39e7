"""What a command line says becomes images with points."""

import shutil

import pytest
import torch
from PIL import Image

from instdisc.data import FACE_5, LandmarkData, LandmarkLayout, open_landmarks
from instdisc.data.landmarks.opening import LAYOUTS
from instdisc.data.layout import kinds_of

HEAD = "image," + ",".join(f"x{i},y{i}" for i in range(5))
PLACES = "9,8,20,8,14,14,10,20,19,20"
EYES = LandmarkLayout(("left", "right"), ((0, 1),), ((0,), (1,)))


def make(root, count=10, names=None):
    root.mkdir(parents=True, exist_ok=True)
    names = [f"{i}.png" for i in range(count)] if names is None else names
    for name in names:
        Image.new("RGB", (32, 32)).save(root / name)
    return names


def write(file, names, head=HEAD, tail=None):
    rows = [f"{name},{PLACES}{',' + tail[i] if tail else ''}" for i, name in enumerate(names)]
    file.write_text("\n".join([head, *rows, ""]))


def opened(name, root=None, parts=("all", "train", "test"), **options):
    return [open_landmarks(name, root, part=part, **options) for part in parts]


def test_a_table_without_a_split(tmp_path, caplog):
    write(tmp_path / "faces.v1.csv", make(tmp_path))
    every, train, test = opened("faces.v1.csv", tmp_path)
    assert [len(images) for images in (every, train, test)] == [10, 7, 3]
    assert set(train.positions.tolist()) | set(test.positions.tolist()) == set(range(10))
    assert {images.name for images in (every, train, test)} == {"faces.v1"}
    said = [line for line in caplog.messages if "says nothing of a split" in line]
    assert len(said) == 1
    assert "by seed 0, 7 of its images are to train on and 3 to test on" in said[0]
    with pytest.raises(ValueError, match="`part` must be one of 'train', .*, got 'val'"):
        open_landmarks("faces.v1.csv", tmp_path, part="val")
    data = LandmarkData("faces.v1.csv", root=tmp_path, image_size=32)
    assert (len(data.train_set), len(data.test_set)) == (7, 3)


@pytest.mark.parametrize("names", [("train", "test"), ("Train", "val"), ("training", "Testing")])
def test_a_table_with_a_split(names, tmp_path, caplog):
    split = [names[i % 5 == 0] for i in range(10)]
    write(tmp_path / "faces.csv", make(tmp_path), f"{HEAD},split", split)
    every, train, test = opened(tmp_path / "faces.csv")
    assert [len(images) for images in (every, train, test)] == [10, 8, 2]
    assert list(test.paths) == ["0.png", "5.png"]
    assert "split" not in caplog.text


def test_faces_of_one_image_stay_together(tmp_path):
    names = make(tmp_path)
    write(tmp_path / "faces.csv", [*names, *names])
    text = (tmp_path / "faces.csv").read_text().splitlines()
    text[11:] = [f"{row}.5" for row in text[11:]]
    (tmp_path / "faces.csv").write_text("\n".join(text))
    every, train, test = opened("faces.csv", tmp_path)
    assert [len(images) for images in (every, train, test)] == [20, 14, 6]
    assert test.positions.tolist() == [2, 4, 8, 12, 14, 18]


def test_a_split_without_a_part(tmp_path):
    write(tmp_path / "faces.csv", make(tmp_path), f"{HEAD},split", ["train"] * 10)
    with pytest.raises(ValueError, match="column 'split' of .* must name 'test' .* it has train"):
        open_landmarks("faces.csv", tmp_path, part="test")


@pytest.mark.parametrize("below", ["", "images"])
def test_a_folder_with_one_table(below, tmp_path, caplog):
    folder = tmp_path / "faces.v2"
    write(folder / "points.csv" if folder.mkdir() is None else None, make(folder / below))
    (folder / "._points.csv").write_bytes(b"\0\1\2")
    (folder / "notes.csv").write_bytes("name,größe\n".encode("latin-1"))
    every, train, test = opened("faces.v2", tmp_path)
    assert [len(images) for images in (every, train, test)] == [10, 7, 3]
    assert every.name == train.name == "faces.v2"
    assert every.read(0).shape == (3, 32, 32)
    assert caplog.text.count("by seed 0") == 1


def test_a_folder_with_a_table_for_each_part(tmp_path):
    for part, count in (("train", 4), ("val", 2), ("test", 3)):
        names = make(tmp_path / "faces" / part, count)
        write(tmp_path / "faces" / f"{part}_keypoints.csv", names)
    shutil.copy(tmp_path / "faces" / "test_keypoints.csv", tmp_path / "faces" / "._t_keypoints.csv")
    sets = opened("faces", tmp_path, ("all", "train", "val", "test"))
    assert [len(images) for images in sets] == [9, 4, 2, 3]
    assert list(sets[0].paths)[3:5] == ["train/3.png", "test/0.png"]
    assert torch.equal(sets[0].points(8), sets[2].points(1))
    assert sets[0].name == "faces"
    (tmp_path / "faces" / "test_keypoints.csv").unlink()
    assert len(open_landmarks("faces", tmp_path, part="test")) == 2  # those of val
    (tmp_path / "faces" / "val_keypoints.csv").unlink()
    assert [len(images) for images in opened("faces", tmp_path)] == [4, 3, 1]


def test_an_image_in_two_parts(tmp_path):
    names = make(tmp_path / "faces" / "images", 4)
    write(tmp_path / "faces" / "train_keypoints.csv", names)
    write(tmp_path / "faces" / "test_keypoints.csv", names[3:])
    with pytest.raises(ValueError, match="names '3.png', and so does"):
        open_landmarks("faces", tmp_path, part="test")


def test_names_before_a_folder(tmp_path):
    write(tmp_path / "faces.csv", make(tmp_path))
    assert open_landmarks(f"me={tmp_path / 'faces.csv'}", part="all").name == "me"
    assert open_landmarks("me=faces.csv", tmp_path, part="train").name == "me"
    with pytest.raises(FileNotFoundError, match="the folder of CelebA, got '.*elsewhere'"):
        open_landmarks(f"celeba={tmp_path / 'elsewhere'}", part="train")


def test_options_of_a_table(tmp_path):
    make(tmp_path, 4)
    rows = "".join(f"{i}.png,0.25,0.5,{'0,0' if i == 1 else '0.75,0.5'},7\n" for i in range(4))
    (tmp_path / "eyes.csv").write_text(f"image,x0,y0,x1,y1,max\n{rows}")
    options = {"layout": EYES, "unit": "share", "missing": "0,0", "ignore": ["max"]}
    images = open_landmarks("eyes.csv", tmp_path, part="all", **options)
    assert images.points(0).tolist() == [[8, 16, 1], [24, 16, 1]]
    assert images.all_points()[1, :, 2].tolist() == [1, 0]
    data = LandmarkData("eyes.csv", root=tmp_path, image_size=32, **options)
    assert data.layout == EYES
    with pytest.raises(ValueError, match="`unit` must be left out for 'scenes'.* got 'share'"):
        open_landmarks("scenes", part="test", unit="share")
    with pytest.raises(ValueError, match="`missing` must be left out where `train` and `test`"):
        LandmarkData(images, images, missing="0,0")
    with pytest.raises(ValueError, match="`part` of 'scenes' must be one of train, val, test"):
        open_landmarks("scenes", part="all")


def test_which_folders_are_landmarks(tmp_path):
    write(tmp_path / "points.csv", make(tmp_path, 2))
    (tmp_path / "pets.csv").write_text("image,label\n0.png,cat\n")
    for name in ("classes/cat", "one", "labels"):
        make(tmp_path / name, 2)
    write(tmp_path / "one" / "faces.csv", ["0.png"])
    (tmp_path / "labels" / "labels.csv").write_text("image,label,x0,y0\n0.png,cat,1,2\n")
    names = ("points.csv", "pets.csv", "classes", "one", "labels", "mafl")
    kinds = [kinds_of(name, tmp_path, LAYOUTS) for name in names]
    assert kinds == [["landmarks"], [], [], ["landmarks"], [], ["landmarks"]]
    with pytest.raises(ValueError, match="lies in no layout that is known here: a table"):
        open_landmarks("classes", tmp_path, part="train")


def test_a_folder_of_two_tables(tmp_path):
    names = make(tmp_path / "faces", 2)
    for name in ("a", "b"):
        write(tmp_path / "faces" / f"{name}.csv", names)
    with pytest.raises(ValueError, match="or one table of points, got a.csv, b.csv"):
        open_landmarks("faces", tmp_path, part="train")


def test_five_points_need_no_layout(tmp_path):
    write(tmp_path / "faces.csv", make(tmp_path, 4))
    assert open_landmarks("faces.csv", tmp_path, part="all").layout is FACE_5
