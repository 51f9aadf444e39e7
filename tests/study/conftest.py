"""A study of a minute's work cut down to a second's: a few small images, two methods."""

import pytest
import yaml
from PIL import Image

PRESET = {
    "source": {
        "name": "insects",
        "train": "insects/train",
        "test": "insects/test",
        "held_out": 0.25,
    },
    "image_size": 32,
    "threads": 1,
    "data": {"keep": "memory"},
    "backbone": {"name": "test_resnet"},
    "policies": {"full": "zhao_frcg", "weak": "zhao_fr"},
    "epochs": 2,
    "batch_size": 8,
    "settings": {"queue_size": 16, "batch_norm_groups": 2, "reference_batch": None},
    "trainer": {"accelerator": "cpu", "devices": 1},
    "methods": {
        "random": {"module": "", "policy": "full"},
        "moco": {"module": "MoCoModule", "policy": "full", "settings": {"projection_dim": 8}},
        "cross_entropy": {"module": "SupervisedModule", "policy": "weak"},
    },
    "rates": {"grid": [0.01, 0.1], "epochs": 1, "seed": 9},
    "rounds": [
        {
            "name": "frozen",
            "seeds": [0, 1],
            "suites": [
                {"sets": ["source", {"set": "birds", "per_class": 4}], "tasks": ["knn"]},
                {"sets": [{"scenes": [16, 8]}], "tasks": ["linear"]},
            ],
        },
        {
            "name": "few",
            "seeds": [0],
            "methods": ["random", "moco"],
            "suites": [
                {
                    "sets": ["birds"],
                    "tasks": ["few_shot"],
                    "options": {
                        "few_shot": {"shots": [1, 2], "ways": 2, "queries": 2, "episodes": 5}
                    },
                }
            ],
        },
    ],
}


@pytest.fixture(scope="session")
def study_data(tmp_path_factory):
    """Two sets of two classes whose images differ in colour."""
    root = tmp_path_factory.mktemp("study_data")
    counts = {"insects/train": 16, "insects/test": 4, "birds/train": 8, "birds/test": 4}
    for name, count in counts.items():
        for place, label in enumerate(("a", "b")):
            folder = root / name / label
            folder.mkdir(parents=True)
            for number in range(count):
                colour = (40 + 8 * number, 90 * place, 255 - 15 * number)
                Image.new("RGB", (32, 32), colour).save(folder / f"{number}.png")
    return root


@pytest.fixture
def preset_file(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(PRESET, sort_keys=False))
    return path
