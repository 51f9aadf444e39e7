"""The page of a study."""

import tempfile
from pathlib import Path
from typing import Any

import yaml

from .. import sorts
from ..calls import Call
from ..documented import written

# The least that a preset says.
PRESET: dict[str, Any] = {
    "source": {"name": "scenes"},
    "image_size": 32,
    "backbone": {"name": "test_resnet"},
    "policies": {"full": "moco_v2"},
    "epochs": 1,
    "batch_size": 8,
    "settings": {},
    "methods": {"random": {"module": "", "policy": "full"}},
    "rates": {"grid": [0.1], "epochs": 1, "seed": 0},
    "rounds": [],
}


def call() -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp())
    preset = folder / "tiny.yaml"
    preset.write_text(yaml.safe_dump(PRESET), encoding="utf-8")
    return {"folder": folder, "path": folder / "study.md", "preset": preset}


CALLS: list[Call] = [
    written(
        "instdisc.study.page.write_study_page",
        call,
        folder=sorts.PATH.also(missing="none-such"),
        path=sorts.PATH.also(folder="/", suffix="study.html"),
        preset=sorts.PATH.also(missing="none-such", folder="/", empty=""),
    ),
]
CALLS[0].raises = {"folder": FileNotFoundError, "preset": FileNotFoundError}
