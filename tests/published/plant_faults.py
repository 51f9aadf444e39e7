"""Plants a fault into every published value and counts the tests that notice.

    python tests/published/plant_faults.py                    all of them
    python tests/published/plant_faults.py --only hue queue   those whose names hold a word
    python tests/published/plant_faults.py --sample 10 --seed 3

Each fault is made in a copy of the checkout, and only the test that the table names for the value
is run there. Before, all these tests are run without a fault: a test that fails anyway guards
nothing. Ends with status 1 if a fault was not noticed.

Each test runs in a fork of this process, which has imported torch and the like already, and nothing
of the package: that takes a tenth of the time of a Python of its own.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import shutil
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # a fork may not inherit threads
PRELOADED = ("pytorch_lightning.cli", "timm", "torchvision", "torchmetrics", "sklearn.linear_model")

COPIED = ("instdisc", "examples", "tests", "pyproject.toml", "README.md")
NOTICED = (1, 2)  # pytest's status if a test failed, or could not be imported


def load_table() -> Any:
    """The module with the values, which lies beside this file."""
    path = Path(__file__).with_name("table.py")
    spec = importlib.util.spec_from_file_location("published_table", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def copy_checkout(root: Path, folder: Path) -> None:
    """Copies what the tests need."""
    for name in COPIED:
        if (root / name).is_dir():
            leave = shutil.ignore_patterns("__pycache__", "*.pyc", "runs")
            shutil.copytree(root / name, folder / name, ignore=leave)
        else:
            shutil.copy(root / name, folder / name)


def run_tests(folder: Path, nodes: Sequence[str]) -> tuple[int, str]:
    """Runs tests in a copy of the checkout, with the package that lies there.

    Returns:
        pytest's status, and what it printed.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        child = os.fork()
        if not child:
            status = 3  # pytest's for an internal error
            try:
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
                os.chdir(folder)
                sys.path.insert(0, str(folder))
                sys.dont_write_bytecode = True
                options = ["-q", "-x", "-p", "no:cacheprovider", "--no-header", "-m", ""]
                # It would rather import its plugins itself.
                quiet = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
                status = int(pytest.main([*options, *quiet, *nodes]))
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        _, code = os.waitpid(child, 0)
        output.seek(0)
        return os.waitstatus_to_exitcode(code), output.read()


def notices(folder: Path, value: Any, table: Any) -> bool:
    """Whether the guard of a value fails when the value is wrong; the copy is mended after it."""
    path = folder / value.file
    content = path.read_text(encoding="utf-8")
    path.write_text(table.planted(value, content), encoding="utf-8")
    try:
        status, output = run_tests(folder, [value.guard])
    finally:
        path.write_text(content, encoding="utf-8")
    if status not in (0, *NOTICED):
        raise RuntimeError(f"{value.guard} could not be run:\n{output}")
    return status in NOTICED


def unnoticed(values: Sequence[Any], table: Any, *, show: bool = False) -> list[Any]:
    """The values whose faults no test notices.

    Raises:
        RuntimeError: if a guard fails or cannot be run without a fault.
    """
    for name in PRELOADED:
        importlib.import_module(name)
    left: list[Any] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_checkout(table.ROOT, folder)
        status, output = run_tests(folder, sorted({value.guard for value in values}))
        if status:
            raise RuntimeError(f"the guards fail without a fault:\n{output}")
        for number, value in enumerate(values, 1):
            noticed = notices(folder, value, table)
            if not noticed:
                left.append(value)
            if show:
                word = "noticed" if noticed else "NOT NOTICED"
                print(f"{number:3} {word:12} {value.what} ({value.file})", flush=True)
    return left


def main(arguments: list[str] | None = None) -> int:
    """Plants the faults and prints the share that was noticed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", help="words of the names or files")
    parser.add_argument("--sample", type=int, help="so many, drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    table = load_table()
    values = list(table.VALUES)
    if options.only:
        values = [v for v in values if any(w in f"{v.what} {v.file}" for w in options.only)]
        if not values:
            parser.error(f"no value has any of {options.only} in its name or file")
    if options.sample:
        values = random.Random(options.seed).sample(values, min(options.sample, len(values)))
    left = unnoticed(values, table, show=True)
    print(f"{len(values) - len(left)} of {len(values)} faults were noticed.")
    return int(bool(left))


if __name__ == "__main__":
    sys.exit(main())
