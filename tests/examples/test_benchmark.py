"""The benchmark: its processes, its limits, its table."""

import importlib
import os
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


@pytest.fixture
def benchmark(monkeypatch):
    """The benchmark, which imports its rows as files beside it; nothing is left behind."""
    monkeypatch.syspath_prepend(HERE)
    monkeypatch.syspath_prepend(HERE.parents[1] / "examples")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield importlib.import_module("benchmark")
    for name in [name for name in sys.modules if name.startswith(("benchmark", "rows_of_tests"))]:
        del sys.modules[name]


@pytest.fixture
def rows(benchmark, monkeypatch):
    """Rows of the tests among the others; a function that makes them known by name."""

    def add(**makers):
        Row = importlib.import_module("benchmarks.rows").Row
        for name, maker in makers.items():
            row = Row(f"the row {name}", f"rows_of_tests.{maker}", in_turns=False, device="cuda")
            monkeypatch.setitem(benchmark.ROWS, name, row)

    return add


def alive(pid):
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_failures_are_told_and_the_rest_goes_on(benchmark, rows, tmp_path, capfd):
    rows(dying="dies", mixed="mixed", missing="none_such")
    page, logs = tmp_path / "page.md", tmp_path / "logs"
    page.write_text("# Before\n")
    names = ["--rows", "dying", "mixed", "missing", "--repeats", "3", "--device", "cpu"]
    assert benchmark.main([*names, "--append", str(page), "--logs", str(logs)]) == 1
    out, err = capfd.readouterr()
    lines = [line.split() for line in out.splitlines()]
    assert "  died (exit status 3): the last words" in out.splitlines()
    assert "  AttributeError: module 'rows_of_tests' has no attribute 'none_such'" in out
    assert ["fails", "failed:", "ValueError:", "the", "reason"] in lines
    # Printed when it ended, and again when the limit gave its share.
    assert sum(line[:1] == ["works"] for line in lines) == 2
    assert "not passed on" not in out + err
    assert "not passed on" in (logs / "mixed.log").read_text()
    assert "the first line" in (logs / "mixed.log").read_text()
    text = page.read_text()
    assert text.startswith("# Before\n\n## ")
    assert "python examples/benchmark.py --rows dying mixed missing" in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count(" | ") for line in table} == {7}
    assert [line.split(" | ")[0] for line in table[2:]] == [
        *("| **the row dying**", "| *died (exit status 3): the last words*"),
        *("| **the row mixed**", "| works", "| fails", "| limit"),
        "| **the row missing**",
        "| *AttributeError: module 'rows_of_tests' has no attribute 'none_such'*",
    ]


@pytest.mark.slow
def test_a_row_ends_in_time_with_its_children(benchmark, rows, tmp_path, capfd, monkeypatch):
    rows(endless="endless")
    parse = benchmark.parse_arguments
    pids = tmp_path / "pids"

    def with_pids(arguments):
        options = parse(arguments)
        options.pids = pids
        return options

    monkeypatch.setattr(benchmark, "parse_arguments", with_pids)
    begin = time.monotonic()
    names = ["--rows", "endless", "--repeats", "2", "--device", "cpu", "--time-limit", "25"]
    assert benchmark.main(names) == 1
    assert 25 < time.monotonic() - begin < 60  # not the 1000 s of the row
    lines = capfd.readouterr().out.splitlines()
    assert any(line.strip().startswith("quick") for line in lines)
    assert "  stopped after 25 s" in lines
    assert len(pids.read_text().split()) == 2
    assert not any(alive(pid) for pid in pids.read_text().split())
    assert "TMPDIR" not in os.environ or Path(os.environ["TMPDIR"]).exists()


def test_what_does_not_fit_is_skipped(benchmark, tmp_path, capsys, monkeypatch):
    """On a GPU, in which nothing useful comes of a row in the time left."""
    parse = benchmark.parse_arguments
    monkeypatch.setattr(benchmark, "results", lambda *_: pytest.fail("it was begun"))
    report = importlib.import_module("benchmarks.report").Report("cpu", [])
    options = parse(["--rows", "step_50_cuda", "--device", "cuda"])
    assert options.total is None
    row = benchmark.ROWS["step_50_cuda"]
    assert not benchmark.measure("step_50_cuda", options, row.seconds - 1, report, tmp_path)
    assert f"skipped: {row.seconds - 1} s left, needs at least" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "left", "seconds"),
    [
        (["--device", "cuda"], None, None),
        (["--device", "cuda"], 1000.0, 140),
        (["--device", "cuda"], 100.0, 100.0),
        (["--device", "cuda", "--time-limit", "300"], 1000.0, 300.0),
        (["--device", "cpu"], 1000.0, 1000.0),
    ],
)
def test_what_a_row_may_take(benchmark, tmp_path, monkeypatch, arguments, left, seconds):
    limits = []
    monkeypatch.setattr(benchmark, "results", lambda *given: limits.append(given[2]) or iter(()))
    report = importlib.import_module("benchmarks.report").Report("a machine", [])
    options = benchmark.parse_arguments(["--rows", "step_50_cuda", *arguments])
    assert benchmark.measure("step_50_cuda", options, left, report, tmp_path)
    assert limits == [seconds]


def test_sets_of_rows(benchmark):
    options = benchmark.parse_arguments(["--rows", "gpu", "--device", "cuda"])
    assert options.rows == benchmark.SETS["gpu"]
    assert options.total == 480
    assert (options.batch, options.repeats, options.detection_size) == (256, 5, (800, 1216))
    every = benchmark.parse_arguments(["--rows", "all", "momentum", "--device", "cuda"])
    assert sorted(every.rows) == sorted(benchmark.ROWS)
    assert every.total is None
    plain = benchmark.parse_arguments(["--device", "cpu"])
    assert plain.rows == [row for row in benchmark.ROWS if benchmark.ROWS[row].device != "cuda"]
    with pytest.raises(SystemExit):
        benchmark.parse_arguments(["--rows", "none_such"])


def test_shares_and_work(benchmark):
    """A contender is held against the limit above it, or else the first below."""
    report = importlib.import_module("benchmarks.report")
    Result = importlib.import_module("benchmarks.measure").Result
    section = report.Section("title", pairs=100)
    section.results = [
        Result("peer", [20.0]),
        Result("limit, eager", [10.0]),
        Result("ours, eager", [12.5, 12.5, 12.5], 1.0, 2**21, 5e10, "FLOP", 1e13),
        Result("broken", problem="no | memory"),
        Result("limit, compiled", [5.0]),
        Result("ours, compiled", [6.25]),
    ]
    cells = dict(section.lines())
    assert cells["peer"] == ["20 ± 0", "5,000", "", "1.00", "50", "", ""]
    assert cells["ours, eager"][1:] == ["8,000", "2", "1.60", "80", "1.0", "4 TFLOP/s (40 %)"]
    assert cells["ours, compiled"][4] == "80"
    assert cells["limit, compiled"][4] == ""
    assert cells["broken"][0] == "failed: no | memory"
    assert len(report.aligned("name" * 40, cells["peer"])) > 200  # nothing is cut


def test_a_limit_of_another_row(benchmark, capsys):
    """The run from files is held against the bare step of the row after it, once that has ended."""
    Result = importlib.import_module("benchmarks.measure").Result
    report = importlib.import_module("benchmarks.report").Report("a machine", [])
    report.begin(benchmark.ROWS["end_to_end_50"], 256)
    report.add([Result("ours", [100.0], problem="at the end")])
    report.begin(benchmark.ROWS["step_50_cuda"], 256)
    report.add([Result("limit: bare network", [120.0])])
    assert [cells[4] for _, cells in report.sections[0].lines()] == [""]
    report.add([Result("limit: bare network, compiled", [90.0])])
    assert [cells[4] for _, cells in report.sections[0].lines()] == ["90"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[3].startswith("  ours (then failed: at the end)  ")
    assert lines[-2].startswith("  ours (then failed: at the end) (training, ResNet-50")
    report.begin(benchmark.ROWS["starts_50"], 256)
    report.add([Result("ours, eager", [180.0])])
    assert report.sections[2].lines()[0][1][4] == "50"


def test_list(benchmark, capsys):
    assert benchmark.main(["--list"]) == 0
    assert "inversion_224" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--append", "{}"], "--append: no file can be made at"),
        (["--append", "{}/none/page.md"], "--append: no file can be made at"),
        (["--repeats", "0"], "--repeats: at least 1, got 0"),
    ],
)
def test_what_cannot_end_well_does_not_begin(benchmark, tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit, match="2"):
        benchmark.parse_arguments([argument.format(tmp_path) for argument in arguments])
    assert message in capsys.readouterr().err


def test_a_new_page_begins_with_its_heading(benchmark, tmp_path):
    report = benchmark.Report("here", [], tmp_path / "page.md")
    report.begin(benchmark.ROWS["momentum"])
    report.say("skipped")
    assert (tmp_path / "page.md").read_text(encoding="utf-8").startswith("## ")
