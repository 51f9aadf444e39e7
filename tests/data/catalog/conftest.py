"""Tiny replicas of the official layouts."""

import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instdisc.data.catalog.imagenet import imagenet100_classes


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


def make_places(root: Path) -> None:
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


MAKERS: dict[str, Callable[[Path], None]] = {
    "imagenet": make_imagenet,
    "places365": make_places,
    "celeba": make_celeba,
    "coco": make_coco,
    "synthia": make_synthia,
}
SET_OF = {
    "imagenet10pct": "imagenet",
    "imagenet100": "imagenet",
    "coco_largest_box": "coco",
    "synthia_largest_object": "synthia",
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
