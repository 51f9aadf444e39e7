"""Every script runs: the shortest job that still goes through all of it."""

import copy
import importlib
import importlib.util
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import instdisc
from instdisc.analysis import ANALYSES
from instdisc.records import read_records
from instdisc.testing import check_loss, check_method
from instdisc.transfer import TASKS, Features, read_predictions

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def picture_size(path):
    with Image.open(path) as picture:
        return picture.size


pytestmark = [
    pytest.mark.filterwarnings("ignore:The number of training batches"),
    pytest.mark.filterwarnings("ignore:`Trainer` was configured with"),
]


def test_quickstart(tmp_path):
    quickstart = load("quickstart")
    records = quickstart.main(["--epochs", "1", "--images", "256", "--out", str(tmp_path)])
    assert [record.method for record in records[::2]] == [
        "random",
        "MoCo",
        "exemplar",
        "supervised",
    ]
    assert {record.task for record in records} == {"knn", "linear"}
    lines = (tmp_path / "results.jsonl").read_text().splitlines()
    assert [json.loads(line)["value"] for line in lines] == [r.value for r in records]
    assert min(picture_size(tmp_path / "results.png")) > 300
    for name in ("MoCo", "exemplar", "supervised"):
        assert (tmp_path / name / "backbone.safetensors").exists()
        assert picture_size(tmp_path / name / "views.png")[0] > 64


def test_custom_loss():
    check_loss(load("custom_loss").CautiousExemplarLoss(0.2))


def test_custom_method():
    method = load("custom_method").CrossEntropyExemplarModule(
        "test_resnet", num_classes=4, queue_size=40, batch_norm_groups=2
    )
    check_method(method, two_processes=False)


@pytest.fixture
def unregistered(monkeypatch):
    """What the script registers is gone after the test."""
    for table in (TASKS, ANALYSES):
        monkeypatch.setitem(table, "silence", None)


def test_custom_analysis(unregistered, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / "custom_analysis.py"), run_name="__main__")
    said = capsys.readouterr().out
    out = tmp_path / "runs" / "custom_analysis"
    records = read_records(out / "results.jsonl")
    assert [(record.task, record.method, record.n) for record in records] == [
        ("silence", "test_resnet", 60),
        ("silence", "resnet18", 60),
    ]
    for record in records:
        assert f"{record.method}: {record.value:.1f} % of the features are silent" in said
        active = read_predictions(out / "predictions" / f"{record.job}.npz")["active"]
        assert record.value == 100 * np.mean(active <= record.settings["share"])
    assert min(picture_size(out / "figures" / "scenes_silence.png")) > 300


def test_custom_analysis_counts_silent_features(unregistered):
    script = load("custom_analysis")
    features = torch.zeros(100, 4)
    features[:, 0] = 1.0
    features[:2, 1] = 0.5
    features[0, 2] = 3.0
    record = script.evaluate_silence(Features(features, torch.zeros(100, dtype=torch.int64)))
    assert (record.value, record.n) == (50.0, 100)  # of 1 % and of no image
    assert script.evaluate_silence(Features(features, None), share=0.0).value == 25.0


def test_compare(tmp_path):
    for split in ("train", "test"):
        for label in ("a", "b"):
            (tmp_path / "set" / split / label).mkdir(parents=True)
            for number in range(8):
                image = Image.effect_noise((32, 32), 20 + 60 * (label == "a")).convert("RGB")
                image.save(tmp_path / "set" / split / label / f"{number}.png")
    arguments = [
        *("--train", str(tmp_path / "set/train"), "--test", str(tmp_path / "set/test")),
        *("--backbone", "test_resnet", "--epochs", "1", "--batch-size", "8"),
        *("--queue-size", "16", "--batch-norm-groups", "2", "--out", str(tmp_path / "out")),
    ]
    compare = load("compare")
    records = compare.main(arguments)
    assert len({record.method for record in records}) == len(compare.METHODS)
    assert compare.main(arguments) == records  # all of it stands there already


@pytest.fixture
def benchmark(monkeypatch):
    """The benchmark, which imports its rows as files beside it; nothing is left behind."""
    monkeypatch.syspath_prepend(EXAMPLES)
    benchmark = importlib.import_module("benchmark")
    threads = torch.get_num_threads()
    yield benchmark
    torch.set_num_threads(threads)
    for name in [name for name in sys.modules if name.startswith("benchmark")]:
        del sys.modules[name]


SMALL = ["--repeats", "1", "--queue-size", "256", "--long-queue-size", "512", "--device", "cpu"]
SMALL += ["--images", "2", "--small-images", "8", "--error-images", "20", "--inverted", "2"]


@pytest.mark.slow
def test_benchmark_makes_one_table(benchmark, tmp_path):
    page = tmp_path / "benchmarks.md"
    rows = ["loss_64", "momentum"]
    table = benchmark.main(["--rows", *rows, *SMALL, "--append", str(page)])
    assert table.row_count == 11
    lines = page.read_text().splitlines()
    assert sum(line.startswith("| ") for line in lines) == 13  # heading and rule
    assert "python examples/benchmark.py --rows loss_64 momentum" in page.read_text()


@pytest.mark.parametrize(
    ("row", "count"),
    [
        *(("worker", 3), ("copies", 4), ("inversion_64", 3)),
        pytest.param("step_18", 5, marks=pytest.mark.slow),
    ],
)
def test_rows_of_the_benchmark(benchmark, row, count):
    assert len(benchmark.measure_row(row, benchmark.parse_arguments(SMALL))) == count


def test_row_of_errors(benchmark):
    """With the peer where it is installed."""
    lines = benchmark.measure_row("errors", benchmark.parse_arguments(SMALL))
    assert lines[-1][0] == "ours"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(("row", "count"), [("views_32", 4), ("trainer", 2)])
def test_rows_that_compile_or_train(benchmark, row, count):
    assert len(benchmark.measure_row(row, benchmark.parse_arguments(SMALL))) == count


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_a_short_run_is_timed_too(benchmark):
    few = ["--steps", "2", "--files", "16", "--device-images", "8", "--workers", "0"]
    options = benchmark.parse_arguments([*SMALL, *few])
    bare, ours = benchmark.measure_row("end_to_end_18", options)
    assert float(ours[1].split()[0]) < 1000 * float(bare[1].split()[0])


def test_benchmark_of_growth(benchmark, tmp_path):
    growth = importlib.import_module("benchmark_growth")
    points = growth.main(["--scale", "64", "--repeats", "1", "--out", str(tmp_path / "g.svg")])
    assert len(points) == 15
    assert (tmp_path / "g.svg").stat().st_size > 10_000


def test_peak_memory_is_what_lives_at_once(benchmark):
    memory = importlib.import_module("benchmarks.memory")

    def call():
        for _ in range(3):  # freed each time
            torch.empty(2**20).add(1)

    assert memory.peak_memory(call, "cpu") == pytest.approx(2 * 4 * 2**20, rel=0.01)


def test_benchmarks_steps_compute_the_same_loss(benchmark):
    """What is timed side by side is the same step."""
    benchmark = importlib.import_module("benchmarks.step")
    backbone = instdisc.Backbone("test_resnet")
    ours = benchmark.Ours(copy.deepcopy(backbone), 64, 1)
    lightly = benchmark.Lightly(copy.deepcopy(backbone), 64)
    lightly.head.layers.load_state_dict(ours.contrast.projector.layers.state_dict())
    images = [torch.randn(8, 3, 32, 32) for _ in range(2)]
    labels = torch.zeros(8, dtype=torch.long)
    seen = []
    ours.contrast.register_forward_hook(lambda _, __, loss: seen.append(loss.detach()))
    lightly.loss.register_forward_hook(lambda _, __, loss: seen.append(loss.detach()))
    lightly.slow_head.load_state_dict(lightly.head.state_dict())
    bank = ours.contrast.queue.features.clone()
    lightly.loss.memory_bank.bank.copy_(
        bank if lightly.loss.memory_bank.bank.shape == bank.shape else bank.T
    )
    ours(images, labels)
    lightly(images, labels)
    torch.testing.assert_close(seen[0], seen[1], atol=1e-4, rtol=1e-4)
