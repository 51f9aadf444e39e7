"""Tiny sets on the disk, in the layouts that the readers of dense annotations read."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image


def write_image(path: Path, size: tuple[int, int] = (16, 12)) -> None:
    """Noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.RandomState(0).randint(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def write_mask(path: Path, value: int = 1) -> None:
    """A block of a value on 0."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((12, 16), dtype=np.uint8)
    pixels[2:8, 3:9] = value
    Image.fromarray(pixels).save(path)


def write_text(path: Path, text: str) -> None:
    """A text file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_all() -> Path:
    """The folder of all sets."""
    root = Path(tempfile.mkdtemp(prefix="bad_input_"))
    _write_coco(root / "coco")
    _write_voc(root / "voc")
    write_image(root / "people" / "PNGImages" / "A.png")
    write_mask(root / "people" / "PedMasks" / "A_mask.png")
    for split in ("train", "val", "test"):
        write_image(root / "camvid" / split / "1.png")
        write_mask(root / "camvid" / f"{split}annot" / "1.png")
    for split in ("train", "val"):
        stem = f"{split}/ulm/ulm_000000_000019"
        write_image(root / "streets" / "leftImg8bit" / f"{stem}_leftImg8bit.png")
        write_mask(root / "streets" / "gtFine" / f"{stem}_gtFine_labelIds.png")
    write_image(root / "segments" / "images" / "1.png")
    write_mask(root / "segments" / "masks" / "1.png")
    _write_faces(root / "faces")
    write_text(root / "points.csv", "image,x0,y0,x1,y1\nsegments/images/1.png,1,2,3,4\n")
    return root


def _write_coco(root: Path) -> None:
    write_image(root / "images" / "1.jpg")
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 8, 8], "area": 64}
    outline = {"iscrowd": 0, "segmentation": [[1, 1, 9, 1, 9, 9, 1, 9]]}
    content = {
        "images": [{"id": 1, "file_name": "1.jpg", "height": 12, "width": 16}],
        "annotations": [{**box, **outline}],
        "categories": [{"id": 1, "name": "person"}],
    }
    write_text(root / "instances.json", json.dumps(content))


def _write_voc(root: Path) -> None:
    write_image(root / "JPEGImages" / "a.jpg")
    corners = "<xmin>2</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax>"
    thing = f"<object><name>dog</name><bndbox>{corners}</bndbox></object>"
    size = "<size><width>16</width><height>12</height><depth>3</depth></size>"
    write_text(root / "Annotations" / "a.xml", f"<annotation>{size}{thing}</annotation>")
    for folder in ("Main", "Segmentation"):
        for split in ("train", "val", "trainval"):
            write_text(root / "ImageSets" / folder / f"{split}.txt", "a\n")
    write_mask(root / "SegmentationClass" / "a.png")


def _write_faces(root: Path) -> None:
    folder = root / "celeba"
    names = [f"{number:06d}.jpg" for number in (1, 2, 3)]
    for name in names:
        write_image(folder / "img_align_celeba" / name)
    rows = [f"{name} {i} 11 12 11 9 5 8 2 12 2" for i, name in enumerate(names)]
    parts = [f"{name} {part}" for part, name in enumerate(names)]
    write_text(folder / "list_eval_partition.txt", "\n".join(parts) + "\n")
    write_text(
        folder / "list_landmarks_align_celeba.txt", "\n".join(["3", "lefteye_x ...", *rows]) + "\n"
    )
    write_text(folder / "MAFL" / "training.txt", f"{names[0]}\n")
    write_text(folder / "MAFL" / "testing.txt", f"{names[1]}\n")
