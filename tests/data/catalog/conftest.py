"""Tiny replicas of the official layouts."""

import json
import os
import pickle
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from instdisc.data.catalog.few_shot import tiered_classes
from instdisc.data.catalog.imagenet import imagenet100_classes
from instdisc.data.catalog.medical import LESIONS


def save_image(path: Path, grey: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), (grey, grey, grey)).save(path)


def save_copies(paths: list[Path]) -> None:
    """One image under many names; links, because there are thousands."""
    save_image(paths[0])
    for path in paths[1:]:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(paths[0], path)


def save_png_of_16_bits(path: Path, pixels: np.ndarray) -> None:
    """`pixels` are (H, W, 3); PIL does not write such files."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def make_imagenet(root: Path) -> None:
    """1000 classes: 16 images for training in every third class, else 7; 1 in val."""
    others = (f"n{10_000_000 + index:08d}" for index in range(900))
    wnids = sorted([*imagenet100_classes(), *others])
    train = [
        root / "train" / wnid / f"{wnid}_{number}.JPEG"
        for index, wnid in enumerate(wnids)
        for number in range(7 if index % 3 else 16)
    ]
    val = [
        root / "val" / wnid / f"ILSVRC2012_val_{index:08d}.JPEG" for index, wnid in enumerate(wnids)
    ]
    save_copies(train + val)
    listed = [path.name for path in train if path.stem.endswith("_3")]
    (root / "10percent.txt").write_text("\n".join(listed) + "\n")


def make_places365(root: Path) -> None:
    scenes = [f"scene{index:03d}-indoor" for index in range(365)]
    save_copies(
        [root / "train" / scene / f"{number:08d}.jpg" for scene in scenes for number in (1, 2)]
        + [root / "val" / scene / "Places365_val_00000001.jpg" for scene in scenes]
    )


def make_celeba(root: Path) -> None:
    """Six faces of three people; 4 to train, 1 valid, 1 test; 000002 is one of MAFL's test."""
    people, parts = [9, 10, 9, 2, 10, 2], [0, 0, 0, 0, 1, 2]
    names = [f"{number:06d}.jpg" for number in range(1, 7)]
    for name in names:
        save_image(root / "celeba" / "img_align_celeba" / name, 10 * int(name[:6]))
    for file, values in (("identity_CelebA.txt", people), ("list_eval_partition.txt", parts)):
        rows = [f"{name} {value}" for name, value in zip(names, values, strict=True)]
        (root / "celeba" / file).write_text("\n".join(rows) + "\n")
    (root / "celeba" / "MAFL").mkdir()
    (root / "celeba" / "MAFL" / "testing.txt").write_text("000002.jpg\n")


def make_coco(root: Path) -> None:
    """Four images, listed out of order: a small dog before a large cat, a crowd, nothing, a dog."""
    names = {40: "000000000040.jpg", 7: "000000000007.jpg", 9: "000000000009.jpg"}
    names[300] = "000000000300.jpg"
    boxes = [  # image, category, box, crowd
        (40, 18, [0, 0, 2, 2], 0),
        (40, 17, [1, 1, 3, 3], 0),
        (40, 18, [0, 0, 8, 6], 1),
        (7, 90, [0, 0, 8, 6], 1),
        (300, 18, [0, 0, 1, 1], 0),
        (300, 17, [2, 2, 1, 1], 0),
    ]
    annotated = {
        "images": [{"id": key, "file_name": name} for key, name in names.items()],
        "categories": [
            {"id": 90, "name": "toothbrush"},
            {"id": 17, "name": "cat"},
            {"id": 18, "name": "dog"},
        ],
        "annotations": [
            {"image_id": image, "category_id": category, "bbox": box, "iscrowd": crowd}
            for image, category, box, crowd in boxes
        ],
    }
    (root / "annotations").mkdir(parents=True)
    for split in ("train", "val"):
        for key, name in names.items():
            save_image(root / f"{split}2017" / name, key % 256)
        content = json.dumps(annotated)
        (root / "annotations" / f"instances_{split}2017.json").write_text(content)


def make_synthia(root: Path) -> None:
    """Three streets: 4 pixels of car and 3 of pedestrian; road alone; 1 pixel of train."""
    folder = root / "RAND_CITYSCAPES"
    for index, objects in enumerate(({8: 4, 10: 3}, {}, {20: 1})):
        ids = np.full(8 * 6, 3)
        ids[: sum(objects.values())] = np.repeat(list(objects), list(objects.values()))
        pixels = np.stack([ids, 500 + np.arange(8 * 6), 0 * ids], axis=1).reshape(6, 8, 3)
        save_image(folder / "RGB" / f"{index:07d}.png", 10 * index)
        save_png_of_16_bits(folder / "GT" / "LABELS" / f"{index:07d}.png", pixels)


def save_table(path: Path, rows: list[list]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows))


def save_cifar(folder: Path, files: list[str], meta: dict, key: str) -> None:
    folder.mkdir(parents=True)
    (folder / ("meta" if "train" in files else "batches.meta")).write_bytes(pickle.dumps(meta, 2))
    for i, file in enumerate(files):
        pixels = np.random.RandomState(i).randint(0, 256, (4, 3072)).astype(np.uint8)
        (folder / file).write_bytes(pickle.dumps({"data": pixels, key: [i, 9, 0, i]}, 2))


def save_folders(folder: Path, classes: list[str], count: int, name: str = "{}_{}.jpg") -> None:
    pairs = [(one, number) for one in classes for number in range(1, count + 1)]
    save_copies([folder / one / name.format(one, number) for one, number in pairs])


def make_cropdisease(root: Path) -> None:
    plants = [f"Plant{index:02d}___rot" for index in range(38)]
    save_folders(root / "dataset" / "train", plants, 4, "{1}.JPG")
    save_folders(root / "dataset" / "test", plants, 1, "{1}.JPG")


def make_deepweeds(root: Path) -> None:
    """Rows out of order of the classes, 10 of each but of class 8, which has 20."""
    rows = [[f"2016-{i}.jpg", label, "a weed"] for i, label in enumerate([8, *range(9)] * 10)]
    save_table(root / "labels" / "labels.csv", [["Filename", "Label", "Species"], *rows])
    for i, (name, *_) in enumerate(rows):
        save_image(root / "images" / name, i)


def make_flowers102(root: Path) -> None:
    """Flower n in the images n, 102 + n, 204 + n and 306 + n: train, val, test, test."""
    folder = root / "flowers-102"
    save_copies([folder / "jpg" / f"image_{number:05d}.jpg" for number in range(1, 409)])
    savemat(folder / "imagelabels.mat", {"labels": np.tile(np.arange(1, 103), 4)[None]})
    ids = np.arange(1, 409, dtype=np.uint16)[None]
    sets = {"trnid": ids[:, :102], "valid": ids[:, 102:204], "tstid": ids[:, :203:-1]}
    savemat(folder / "setid.mat", sets)


def make_eurosat(root: Path) -> None:
    save_folders(root / "eurosat" / "2750", [f"Crop{index}" for index in range(10)], 10)


def make_resisc45(root: Path) -> None:
    save_folders(root / "NWPU-RESISC45", [f"scene_{index:02d}" for index in range(45)], 10)


def make_isic(root: Path) -> None:
    rows = [[f"ISIC_{i:07d}", *np.eye(7)[i % 7]] for i in range(21)]
    folder = "ISIC2018_Task3_Training_GroundTruth"
    save_table(root / folder / f"{folder}.csv", [["image", *LESIONS], *rows])
    for i, (name, *_) in enumerate(rows):
        save_image(root / "ISIC2018_Task3_Training_Input" / f"{name}.jpg", 10 * i)


def make_chestx(root: Path) -> None:
    """Six images of each kept finding and of three others, in two of the archives' folders."""
    kept = ["Pneumothorax", "Nodule", "Mass", "Infiltration", "Effusion", "Cardiomegaly"]
    findings = [*kept, "Atelectasis", "No Finding", "Pneumonia", "Mass|Nodule"] * 6
    rows = [[f"{i:08d}_000.png", finding] for i, finding in enumerate(findings)]
    save_table(root / "Data_Entry_2017.csv", [["Image Index", "Finding Labels"], *rows])
    for i, row in enumerate(rows):
        save_image(root / f"images_{1 + i % 2:03d}" / "images" / row[0], 4 * i)


def make_dtd(root: Path) -> None:
    textures = [f"texture{index:02d}" for index in range(47)]
    save_folders(root / "dtd" / "images", textures, 4)
    (root / "dtd" / "labels").mkdir()
    for part, numbers in (("train", [1]), ("val", [2]), ("test", [4, 3])):
        lines = [f"{name}/{name}_{number}.jpg" for number in numbers for name in textures]
        (root / "dtd" / "labels" / f"{part}1.txt").write_text("\n".join(lines) + "\n")


def make_omniglot(root: Path) -> None:
    for half, count in (("evaluation", 659), ("background", 12)):
        characters = [f"Alphabet{i % 20:02d}/character{1 + i // 20:02d}" for i in range(count)]
        save_folders(root / "omniglot-py" / f"images_{half}", characters, 3, "0001_{1}.png")


def make_svhn(root: Path) -> None:
    """The first pixels of image n of N digits n % 10 are n, 1, 2."""
    for part, count in (("train", 23), ("test", 12), ("extra", 2)):
        pixels = np.zeros((32, 32, 3, count), np.uint8)
        pixels[0, 0] = [np.arange(count), np.full(count, 1), np.full(count, 2)]
        digits = (np.arange(count)[:, None] - 1) % 10 + 1  # a 0 is a 10
        savemat(root / f"{part}_32x32.mat", {"X": pixels, "y": digits})


def make_kaokore(root: Path) -> None:
    sets = ["train"] * 8 + ["dev"] * 2 + ["test"] * 4
    rows = [[f"{i:08d}.jpg", i // 4 % 2, i % 4, part] for i, part in enumerate(sets)]
    save_table(root / "labels.csv", [["image", "gender", "status", "set"], *rows])
    for i, (name, *_) in enumerate(rows):
        save_image(root / "images_256" / name, 10 * i)


def make_imagenet_sketch(root: Path) -> None:
    wnids = [f"n{10_000_000 + index:08d}" for index in range(1000)]
    save_folders(root / "sketch", wnids, 2, "sketch_{1}.JPEG")


def make_mini_imagenet(root: Path) -> None:
    for split, start, count in (("train", 0, 64), ("val", 64, 16), ("test", 80, 20)):
        wnids = [f"n{start + index:08d}" for index in reversed(range(count))]
        rows = [[f"{wnid}0000000{number}.jpg", wnid] for wnid in wnids for number in (5, 6)]
        save_table(root / f"{split}.csv", [["filename", "label"], *rows])
        save_copies([root / "images" / name for name, _ in rows])


def make_tiered_imagenet(root: Path) -> None:
    for split, wnids in tiered_classes().items():
        save_folders(root / split, wnids, 1)


def make_cifar10(root: Path) -> None:
    files = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    meta = {"label_names": [f"thing {index}" for index in range(10)]}
    save_cifar(root / "cifar-10-batches-py", files, meta, "labels")


def make_cifar100(root: Path) -> None:
    meta = {"fine_label_names": [f"thing {index:02d}" for index in range(100)]}
    save_cifar(root / "cifar-100-python", ["train", "test"], meta, "fine_labels")


MAKERS: dict[str, Callable[[Path], None]] = {
    name.removeprefix("make_"): function
    for name, function in list(globals().items())
    if name.startswith("make_")
}
SET_OF = {
    "imagenet10pct": "imagenet",
    "imagenet100": "imagenet",
    "coco_largest_box": "coco",
    "synthia_largest_object": "synthia",
    "omniglot_background": "omniglot",
}


@pytest.fixture(scope="session")
def replica(tmp_path_factory) -> Callable[[str], Path]:
    """``replica("coco")`` is the root of a tiny copy of that set; made once, not to write to."""
    made: dict[str, Path] = {}

    def root_of(name: str) -> Path:
        name = SET_OF.get(name, name)
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            MAKERS[name](made[name])
        return made[name]

    return root_of


@pytest.fixture
def spoiled(replica, tmp_path) -> Callable[[str], Path]:
    """``spoiled("coco")`` is a copy of the replica that the test may write to."""

    def root_of(name: str) -> Path:
        return Path(shutil.copytree(replica(name), tmp_path / "spoiled", copy_function=os.link))

    return root_of
