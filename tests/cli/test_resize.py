"""The script that makes smaller copies."""

import importlib

import numpy as np
import pytest
import torch
from PIL import Image

from instdisc.data import ImageFolder


@pytest.fixture(scope="module")
def script():
    return importlib.import_module("instdisc.cli.resize")


def test_resize(script, tmp_path, capsys):
    for label in ("ant", "bee"):
        (tmp_path / "full" / label).mkdir(parents=True)
        for number in range(3):
            pixels = np.random.default_rng(number).integers(0, 256, (60, 90, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "full" / label / f"{number}.jpg")
    arguments = [str(tmp_path / "full"), str(tmp_path / "small"), "--short-side", "40"]
    copies = script.run(arguments)
    shown = " ".join(capsys.readouterr().out.split())
    assert "6/6" in shown
    assert "images/s" in shown
    assert "6 of 6 images in" in shown
    folder = ImageFolder(tmp_path / "small")
    assert folder.labels.tolist() == copies.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert all(folder.read(i).shape == (3, 40, 60) for i in range(6))

    (tmp_path / "full" / "bee" / "1.jpg").write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"cannot read the image .*1.jpg"):
        script.run(arguments)
    left = script.run([*arguments, "--on-unreadable", "skip", "--recheck", "--threads", "1"])
    assert "5 of 6 images" in " ".join(capsys.readouterr().out.split())
    assert torch.equal(left.labels, torch.tensor([0, 0, 0, 1, 1]))
