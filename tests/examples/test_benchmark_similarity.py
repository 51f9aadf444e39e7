"""The rows of CKA of the benchmark run, with the peers or without."""

import importlib
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_similarity_rows(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    benchmark = importlib.import_module("benchmark")
    small = "--repeats 1 --device cpu --cka-images 4 --cka-batches 1 --cka-size 32"
    try:
        options = benchmark.parse_arguments(small.split())
        for row in ("cka", "cka_maps"):
            names = [line[0] for line in benchmark.measure_row(row, options)]
            assert [name.partition(",")[0] for name in names[-2:]] == ["ours", "limit"]
    finally:
        for name in [name for name in sys.modules if name.startswith("benchmark")]:
            del sys.modules[name]
