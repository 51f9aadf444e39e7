"""What every test shares: one thread, fixed seeds, and the way to real images."""

import os
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

# Before torch is imported, and for the processes that tests start: two threads of each of several
# processes on two cores only wait for each other, and sums would depend on their number.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# They are for this run: a test that starts pytest itself wants neither its workers nor its options.
os.environ.pop("PYTEST_ADDOPTS", None)

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]


def find_real_data(name: str) -> Path:
    """The folder of the image set ``name``; skips the test where it is not at hand.

    Looks in the folder that the variable INSTDISC_DATA names, else in ``data/`` in the checkout.
    """
    folder = Path(os.environ.get("INSTDISC_DATA") or ROOT / "data")
    if not (folder / name).is_dir():
        pytest.skip(f"the image set {name!r} is not in {folder} (set INSTDISC_DATA to where it is)")
    return folder / name


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """``real_data("cifar10_mini")`` is that set's folder, or skips the test."""
    return find_real_data


@pytest.fixture(autouse=True, scope="session")
def _cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes this user's own cache folder."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture(autouse=True)
def _nothing_compiled() -> Iterator[None]:
    """Tests that compile do so in a process of their own, or no later test could fork: `apart`."""
    yield
    counters = getattr(sys.modules.get("torch._dynamo.utils"), "counters", None)
    if counters and counters["aot_autograd"]["total"]:
        counters.clear()
        pytest.fail("compiled in the tests' process: decorate it with `processes.apart`")


@pytest.fixture(autouse=True)
def _seed() -> None:
    """Every test starts from the same random numbers, whatever ran before it."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
