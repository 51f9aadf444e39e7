"""Tiny sets in the formats of detection."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Writer = Callable[..., Path]


def save_image(path: Path, width: int = 40, height: int = 30) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.RandomState(0).randint(0, 255, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def voc_xml(things: list[tuple], width: int = 40, height: int = 30) -> str:
    """Each thing is (name, xmin, ymin, xmax, ymax, difficult)."""
    objects = "".join(
        f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox><xmax>{right}</xmax>"
        f"<xmin>{left}</xmin><ymin>{top}</ymin><ymax>{bottom}</ymax></bndbox>"
        "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax>"
        "</bndbox></part></object>"
        for name, left, top, right, bottom, difficult in things
    )
    return (
        f"<annotation><size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
        f"{objects}</annotation>"
    )


@pytest.fixture
def write_voc(tmp_path: Path) -> Writer:
    """``write_voc({"a": [things]}, {"train": ["a"]}, folder)`` gives the set's folder."""

    def write(
        annotated: dict[str, list[tuple]], splits: dict[str, list[str]], folder: str = "set"
    ) -> Path:
        root = tmp_path / folder
        for image, things in annotated.items():
            save_image(root / "JPEGImages" / f"{image}.jpg")
            (root / "Annotations").mkdir(exist_ok=True)
            (root / "Annotations" / f"{image}.xml").write_text(voc_xml(things))
        (root / "ImageSets" / "Main").mkdir(parents=True)
        for split, images in splits.items():
            (root / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(images) + "\n")
        return root

    return write


def coco_content(**changes: Any) -> dict[str, Any]:
    """Two images with objects of sparse category ids, a crowd, and an image without objects."""
    triangle = [5.0, 5.0, 25.0, 5.0, 5.0, 20.0]
    crowd = {"size": [30, 40], "counts": [30 * 10, 30 * 4, 30 * 26]}  # columns 10 to 13
    annotations = [
        {"id": 7, "image_id": 30, "category_id": 90, "bbox": [5, 5, 20, 15], "iscrowd": 0}
        | {"area": 150.0, "segmentation": [triangle]},
        {"id": 8, "image_id": 10, "category_id": 1, "bbox": [10, 0, 4, 30], "iscrowd": 1}
        | {"area": 120, "segmentation": crowd},
        {"id": 9, "image_id": 10, "category_id": 1, "bbox": [0, 0, 8.5, 8], "iscrowd": 0}
        | {"area": 64, "segmentation": [[0, 0, 8, 0, 8, 8, 0, 8]]},
    ]
    images = [
        {"id": number, "file_name": f"{number}.jpg", "height": 30, "width": 40}
        for number in (30, 10, 20)
    ]
    categories = [{"id": 90, "name": "toothbrush"}, {"id": 1, "name": "person"}]
    return {"images": images, "annotations": annotations, "categories": categories} | changes


@pytest.fixture
def write_coco(tmp_path: Path) -> Writer:
    """``write_coco(content)`` gives the set's folder, with its images in ``train2017``."""

    def write(content: dict[str, Any] | None = None, split: str = "train2017") -> Path:
        content = coco_content() if content is None else content
        root = tmp_path / "coco"
        for image in content["images"]:
            save_image(root / split / image["file_name"])
        (root / split).mkdir(parents=True, exist_ok=True)
        (root / "annotations").mkdir(exist_ok=True)
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
        return root

    return write


@pytest.fixture
def write_people(tmp_path: Path) -> Writer:
    """``write_people({"A": map})`` gives the folder of a set in PennFudan's layout."""

    def write(maps: dict[str, np.ndarray]) -> Path:
        root = tmp_path / "people"
        (root / "PedMasks").mkdir(parents=True)
        for image, numbered in maps.items():
            save_image(root / "PNGImages" / f"{image}.png")
            Image.fromarray(numbered.astype(np.uint8)).save(root / "PedMasks" / f"{image}_mask.png")
        return root

    return write
