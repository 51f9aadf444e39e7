"""Replicas of official layouts, and sets that a random backbone tells apart."""

import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from instdisc.data import ImageFolder
from instdisc.models import Backbone


def wnid(number):
    return f"n{10_000_000 + number:08d}"


def save(path, colour):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (32, 32), colour).save(path)


@pytest.fixture(scope="session")
def save_image():
    return save


@pytest.fixture(scope="module")
def backbone():
    torch.manual_seed(0)
    return Backbone("test_resnet")


def colours(root, names, count=6, suffix="JPEG"):
    """Class folders of one colour each, with some spread: red, green, blue, grey, red."""
    base = [(220, 20, 20), (20, 220, 20), (20, 20, 220), (120, 120, 120)]
    for label, name in enumerate(names):
        for number in range(count):
            colour = tuple(value + 3 * number for value in base[label % 4])
            save(Path(root) / name / f"{name}_{number}.{suffix}", colour)
    return ImageFolder(root)


@pytest.fixture(scope="session")
def make_colours():
    return colours


@pytest.fixture(scope="session")
def many_folders():
    """``many_folders(root, names)``: one image in each folder, all the same file."""

    def make(root, names):
        first = None
        for name in names:
            path = Path(root) / name / "a.JPEG"
            path.parent.mkdir(parents=True)
            if first is None:
                save(path, (9, 99, 199))
                first = path
            else:
                os.link(first, path)
        return Path(root)

    return make
