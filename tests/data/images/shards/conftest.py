"""Shards made of what a test names."""

import io
import os
import tarfile
import time

import numpy as np
import pytest
from PIL import Image


def png(grey=0, size=(6, 8)):
    """The bytes of a grey image."""
    file = io.BytesIO()
    Image.fromarray(np.full((*size, 3), grey, dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def write_tar(path, files, form=tarfile.GNU_FORMAT, age=0):
    """A tar with files by name: bytes, text, or a number for the image of that grey.

    It is so many seconds old.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=form) as tar:
        for name, content in files.items():
            if isinstance(content, int):
                content = png(content)
            elif isinstance(content, str):
                content = content.encode()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    if age:
        os.utime(path, ns=(time.time_ns() - int(age * 1e9),) * 2)
    return path


@pytest.fixture
def shards(tmp_path):
    """Five images of one grey each in two shards, with labels as names."""
    first = {"b/0.png": 0, "b/0.cls": "dog\n", "a.seg.x.PNG": 10, "a.cls": "cat"}
    write_tar(tmp_path / "pets-0.tar", {**first, "c.cls": "emu", "c.png": 20}, age=100)
    second = {"d.png": 30, "d.cls": "cat", "e.png": 40, "e.cls": "dog"}
    write_tar(tmp_path / "pets-1.tar", second, age=90)
    return tmp_path
