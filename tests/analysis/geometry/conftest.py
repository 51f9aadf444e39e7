"""Golden numbers, made outside this repository with numpy, and the inputs they belong to."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text(encoding="utf-8"))


def inputs(case):
    """What a case's recipe makes: arrays as tensors, classes as int64."""
    names = {"np": np}
    exec(case["recipe"], names)
    arrays = {name: torch.from_numpy(names[name]) for name in "XYZ" if name in names}
    return {**arrays, **({"y": torch.from_numpy(names["y"]).long()} if "y" in names else {})}


def pytest_generate_tests(metafunc):
    """A test with an argument ``classes_case`` runs once for each golden case of ``classes``."""
    for name in metafunc.fixturenames:
        kind = name.removesuffix("_case")
        if name.endswith("_case") and kind in GOLDEN:
            cases = GOLDEN[kind]
            ids = [case.get("name", str(k)) for k, case in enumerate(cases)]
            metafunc.parametrize(name, cases, ids=ids)


@pytest.fixture
def made():
    return inputs


@pytest.fixture
def close():
    """Equal to golden numbers of ten digits."""
    return lambda value: pytest.approx(value, rel=1e-8, abs=1e-12)
