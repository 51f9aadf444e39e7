"""The detectors' rows of the benchmark run."""

import importlib
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_detection_rows(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    benchmark = importlib.import_module("benchmark")
    monkeypatch.setattr(benchmark.benchmarks.detection, "BODY", "test_resnet")
    small = "--repeats 1 --device cpu --detection-size 64 96 --regions 8 --proposals 50 10"
    try:
        options = benchmark.parse_arguments(small.split())
        for row in ("detection_train_masks", "detection_test"):
            assert len(benchmark.measure_row(row, options)) == 2
    finally:
        for name in [name for name in sys.modules if name.startswith("benchmark")]:
            del sys.modules[name]
