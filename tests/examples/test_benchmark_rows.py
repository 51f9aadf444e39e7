"""Each row of the benchmark runs at tiny sizes, those of a GPU on the CPU too."""

import argparse
import copy
import importlib
import os
import sys
import tempfile
import time
from pathlib import Path

import pytest
import torch

import instdisc

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def benchmark(monkeypatch, tmp_path):
    """The benchmark, which imports its rows as files beside it; nothing is left behind."""
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TORCHDYNAMO_DISABLE", "1")  # for processes that a row starts
    threads = torch.get_num_threads()
    with torch._dynamo.config.patch(disable=True):
        yield importlib.import_module("benchmark")
    torch.set_num_threads(threads)
    for name in [name for name in sys.modules if name.startswith("benchmark")]:
        del sys.modules[name]


def measured(benchmark, row, *arguments):
    """What came of a row at tiny sizes, the last of each contender."""
    options = benchmark.parse_arguments(["--tiny", "--device", "cpu", *arguments])
    measure = importlib.import_module("benchmarks.measure")
    results = list(measure.measure_row(benchmark.ROWS[row], options))
    ended = [result for some in results for result in some if result.ended]
    assert [result.problem for result in ended if result.problem] == []
    assert all(result.median > 0 for result in ended)
    return ended


@pytest.mark.parametrize(
    ("row", "count"),
    [
        ("worker", 3),
        ("copies", 4),
        ("sources", 7),
        ("streams", 4),
        ("views_device", 5),
        ("views_device_64", 3),
        ("loss_64", 7),
        ("roofline", 2),
        ("confusion", 3),
        ("shard_scan", 3),
        pytest.param("index_100m", 3, marks=pytest.mark.slow),
        ("detection_train_masks", 2),
        ("detection_test", 2),
        ("inversion_64", 3),
        ("inversion_224", 3),
        pytest.param(
            "features",
            7,  # timm's data set leaves its files to the collector
            marks=[pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")],
        ),
        pytest.param("road", 5, marks=pytest.mark.slow),
        pytest.param("step_18", 5, marks=pytest.mark.slow),
        pytest.param("step_50_cuda", 5, marks=pytest.mark.slow),
        pytest.param("step_50_peers", 3, marks=pytest.mark.slow),
    ],
)
def test_row(benchmark, row, count):
    assert len(measured(benchmark, row)) == count


def test_row_of_errors(benchmark):
    """With the peer where it is installed."""
    assert measured(benchmark, "errors")[-1].contender == "ours"


@pytest.mark.parametrize("row", ["cka", "cka_maps"])
def test_rows_of_similarity(benchmark, row):
    """With the peers or without."""
    names = [result.contender.partition(",")[0] for result in measured(benchmark, row)]
    assert [name.partition(":")[0] for name in names[-2:]] == ["ours", "limit"]


@pytest.mark.parametrize("shots", [1, 20])
def test_few_shot_rows_agree(benchmark, shots):
    options = argparse.Namespace(episodes=12, device="cpu")
    contenders = importlib.import_module("benchmarks.transfer").few_shot(options, shots)
    assert [call() for call in contenders.values()] == [None] * 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("row", "count"),
    [("end_to_end_50", 1), ("end_to_end_18", 2), ("starts_50", 2), ("starts_18", 2)],
)
def test_whole_runs(benchmark, row, count):
    """In processes of their own, which tell when the first steps had ended."""
    results = measured(benchmark, row)
    assert len(results) == count
    assert all(result.start > 0 and result.amount > 0 for result in results)
    runs = [result for result in results if result.contender.startswith("ours")]
    assert runs
    assert all(result.start > 0.5 for result in runs)  # imports alone take longer
    assert len(results[0].times) == (5 if "end" in row else 2)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(("row", "count"), [("views_32", 4), ("trainer", 2)])
def test_rows_that_compile_or_train(benchmark, row, count):
    with torch._dynamo.config.patch(disable=False):
        assert len(measured(benchmark, row)) == count


@pytest.mark.parametrize(
    ("row", "count"),
    [("end_to_end_50", 1), ("end_to_end_18", 2), ("starts_50", 2), ("starts_18", 2)],
)
def test_a_process_that_is_to_be_copied_leaves_the_gpu_alone(benchmark, monkeypatch, row, count):
    """CUDA, and the threads of a backward pass, do not survive a fork."""
    training = importlib.import_module("benchmarks.training")
    measure = importlib.import_module("benchmarks.measure")
    run = measure.Run([0.5], 2.0, 100)

    def child(function, arguments, *, forks):
        assert forks
        return 3e9 if function is training.step_flop else run

    def no(*_, **__):
        pytest.fail("that cannot be copied")

    monkeypatch.setattr(training, "run_in_child", child)
    monkeypatch.setattr(torch.cuda, "_lazy_init", no)
    monkeypatch.setattr(torch.Tensor, "backward", no)
    options = benchmark.parse_arguments(["--tiny", "--device", "cuda"])
    options.forks, options.rates = True, {"FLOP": 1e12}
    results = list(measure.measure_row(benchmark.ROWS[row], options))
    assert [[result.median for result in some] for some in results] == [[500.0]] * count
    assert all(some[0].problem == "" for some in results)
    with pytest.raises(pytest.fail.Exception, match="cannot be copied"):
        torch.cuda.synchronize()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("forks", [False, True])
def test_a_function_in_a_process_of_its_own(benchmark, forks):
    children = importlib.import_module("benchmarks.children")
    assert children.run_in_child(divmod, (7, 2), forks=forks) == (3, 1)
    with pytest.raises(children.ChildError, match="ZeroDivisionError: .*by zero"):
        children.run_in_child(divmod, (7, 0), forks=forks)
    with pytest.raises(children.ChildError, match="exit status 5"):
        children.run_in_child(os._exit, (5,), forks=forks)
    with pytest.raises(children.ChildError, match="no answer after 0 s"):
        children.run_in_child(time.sleep, (100,), forks=forks, seconds=0.1)


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


def test_operations_are_those_of_the_papers(benchmark):
    """ResNet-50 takes 4.09 billion multiplications and additions at 224 px, each two operations."""
    roofline = importlib.import_module("benchmarks.roofline")
    forward = roofline.forward_flop("resnet50", 224)
    assert forward == pytest.approx(2 * 4.09e9, rel=0.01)
    # Twice as much backward, but for the first convolution's gradient by the image.
    first = 2 * 3 * 7 * 7 * 64 * 112 * 112
    assert roofline.step_flop("resnet50", 224) == pytest.approx(4 * forward - first, rel=1e-3)


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
