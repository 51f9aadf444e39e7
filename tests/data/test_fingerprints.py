"""The fingerprint of a set follows all that a result depends on, and nothing else."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from instdisc.data import open_set


def picture(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def classes(root):
    for part in ("train", "test"):
        for label in "ab":
            for index in range(2):
                picture(root / part / label / f"{index}.png", index)


def masks(root):
    for part in ("train", "test"):
        for index in range(3):
            picture(root / "images" / part / f"{index}.png", index)
            mask = np.zeros((24, 24), np.uint8)
            mask[:8] = 1
            (root / "masks" / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(root / "masks" / part / f"{index}.png")
    (root / "classes.txt").write_text("ground\nsky\n")


def change_mask(root):
    file = root / "masks" / "test" / "1.png"
    mask = np.array(Image.open(file))
    mask[0, 0] = 0
    Image.fromarray(mask).save(file)


def table(root):
    rows = ["image,label"]
    for index in range(6):
        picture(root / "images" / f"{index}.png", index)
        rows.append(f"images/{index}.png,{'ab'[index % 2]}")
    (root / "set.csv").write_text("\n".join(rows) + "\n")


def coco(root):
    for part in ("train", "val"):
        images, annotations = [], []
        for index in range(3):
            picture(root / f"{part}2017" / f"{index}.png", index)
            images.append({"id": index, "file_name": f"{index}.png", "width": 24, "height": 24})
            annotations.append(
                {
                    "id": index + 1, "image_id": index, "category_id": 1,
                    "bbox": [2, 2, 10, 10], "area": 100, "iscrowd": 0,
                }
            )  # fmt: skip
        content = {
            "images": images,
            "annotations": annotations,
            "categories": [{"id": 1, "name": "cat"}],
        }
        (root / "annotations").mkdir(exist_ok=True)
        (root / "annotations" / f"instances_{part}2017.json").write_text(json.dumps(content))


def replace(file, old, new):
    def change(root):
        text = (root / file).read_text()
        assert old in text
        (root / file).write_text(text.replace(old, new, 1))

    return change


def rename(old, new):
    return lambda root: (root / old).rename(root / new)


SETS = {
    "images": (classes, ""),
    "segments": (masks, ""),
    "objects": (coco, ""),
    "table": (table, "set.csv"),
}
VAL = "annotations/instances_val2017.json"


def fingerprint(kind, root, part):
    name = root / SETS[kind][1]
    return open_set("images" if kind == "table" else kind, name, part=part).fingerprint()


@pytest.mark.parametrize("kind", SETS)
def test_a_copy_has_the_same(kind, tmp_path):
    root = tmp_path / "set"
    SETS[kind][0](root)
    shutil.copytree(root, tmp_path / "another" / "place")
    for part in ("train", "test"):
        copy = fingerprint(kind, tmp_path / "another" / "place", part)
        assert fingerprint(kind, root, part) == copy


@pytest.mark.parametrize(
    ("kind", "change", "parts"),
    [
        ("images", lambda root: picture(root / "test/a/0.png", 9), {"test"}),
        ("images", rename("test/a/0.png", "test/b/9.png"), {"test"}),
        ("images", lambda root: (root / "train/a/0.png").unlink(), {"train"}),
        ("segments", change_mask, {"test"}),
        ("segments", lambda root: picture(root / "images/test/0.png", 9), {"test"}),
        ("segments", replace("classes.txt", "sky", "sea"), {"train", "test"}),
        ("objects", replace(VAL, "[2, 2, 10, 10]", "[2, 2, 10, 11]"), {"test"}),
        ("objects", replace(VAL, '"iscrowd": 0', '"iscrowd": 1'), {"test"}),
        ("objects", lambda root: picture(root / "val2017/0.png", 9), {"test"}),
        ("table", replace("set.csv", "0.png,a", "0.png,b"), {"train", "test"}),
    ],
)
def test_a_change_shows_where_it_is_and_nowhere_else(kind, change, parts, tmp_path):
    root = tmp_path / "set"
    SETS[kind][0](root)
    before = {part: fingerprint(kind, root, part) for part in ("train", "test")}
    change(root)
    changed = {part for part in before if fingerprint(kind, root, part) != before[part]}
    # A set that is split by seed may move an image to the other part.
    assert changed == parts if kind != "table" else changed
