"""The study's cell by hand and ours: the same numbers where both do the same."""

import importlib

import numpy as np
import pytest
import torch
from PIL import Image

pytestmark = [
    pytest.mark.filterwarnings("ignore:The number of training batches"),
    pytest.mark.filterwarnings("ignore:`Trainer` was configured with"),
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
]


def images(folder, classes, count):
    generator = np.random.default_rng(len(folder.parts[-1]))
    for label in range(classes):
        (folder / f"c{label}").mkdir(parents=True)
        for row in range(count):
            pixels = generator.integers(0, 160, (36, 40, 3))
            pixels += np.array([15 * label, 60, 90 - 15 * label])
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"c{label}" / f"{row}.png")


@pytest.mark.slow
def test_both_sides_agree(tmp_path, capsys):
    for name in ("cifar10_mini", "toys"):
        images(tmp_path / name / "train", 5, 24)
        images(tmp_path / name / "test", 5, 12)
    script = importlib.import_module("study_by_hand")
    threads = torch.get_num_threads()
    lines = script.main(
        ["--data-root", str(tmp_path), "--targets", "toys", "--steps", "2", "--batch-size", "16",
         "--per-class", "20", "--episodes", "3", "--repeats", "1"]
    )  # fmt: skip
    assert torch.get_num_threads() == threads
    assert [(line.part.split(",")[0], line.dataset) for line in lines] == [
        ("pretraining", "cifar10_mini"),
        *((part, "cifar10_mini") for part in ("features", "kNN", "readout", "readout")),
        *((part, "toys") for part in ("features", "kNN", "readout", "readout", *["few-shot"] * 3)),
    ]
    assert all(line.by_hand > 0 and line.ours > 0 for line in lines)
    for line in lines:
        if line.part == "kNN" or line.part.startswith("few-shot"):
            assert line.by_hand_value == pytest.approx(line.our_value, abs=100 * 2 / 60)
    assert "Seconds of one core, and accuracies" in capsys.readouterr().out
