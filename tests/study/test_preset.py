"""Presets: what is in the package, and what is refused."""

import inspect

import pytest
import yaml

import instdisc
from instdisc.data import view_policy
from instdisc.study import read_preset
from instdisc.study.cell import options_of
from instdisc.study.preset import FOLDER
from instdisc.study.rates import chosen_rate
from instdisc.study.work import cells_left
from instdisc.transfer.suite.checking import check_options

from .conftest import PRESET

PRESETS = sorted(path.stem for path in FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("name", PRESETS)
def test_presets_name_what_there_is(name):
    preset = read_preset(name)
    instdisc.Backbone(**preset.backbone)
    for policy in preset.policies.values():
        view_policy(policy, preset.image_size)
    taken = set()
    for entry in preset.methods.values():
        if entry.module:
            takes = inspect.signature(getattr(instdisc, entry.module)).parameters
            assert set(entry.settings) <= set(takes)
            taken |= set(takes)
    assert set(preset.settings) <= taken  # no shared setting that no method takes
    for entry in preset.rounds:
        for suite in entry.suites:
            for task in suite.tasks:
                check_options([task], options_of(task, suite), image_size=64, precision="32-true")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, r"`tiny.yaml` must be .*, got 'colour'"),
        ({"source": {"name": "a", "train": "b"}}, "`source` must be a mapping with test"),
        ({"methods": {"a": {"module": "", "policy": "none"}}}, "`methods.a.policy` must be"),
        ({"rates": 3}, "`rates` must be a mapping, got 3"),
        (
            {"rounds": [{"name": "r", "suites": [], "seeds": [0], "methods": ["other"]}]},
            "`rounds.r.methods` must be",
        ),
    ],
)
def test_bad_presets(change, message, tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump({**PRESET, **change}))
    with pytest.raises((ValueError, TypeError), match=message):
        read_preset(path)


def test_no_such_preset(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_preset("large")


def test_whatever_is_done_is_balanced(preset_file):
    preset = read_preset(preset_file)
    trials = [
        {"method": method, "learning_rate": rate, "value": 50.0}
        for method in ("moco", "cross_entropy")
        for rate in (0.01, 0.1)
    ]
    order = list(cells_left(preset, trials, []))
    for done in range(len(order)):
        counts = dict.fromkeys(preset.methods, 0)
        for cell in order[:done]:
            counts[cell.method] += cell.round.name == "frozen"
        assert max(counts.values()) - min(counts.values()) <= 1
    # The smallest of equal rates; an error before all of the grid are tried.
    assert chosen_rate(preset, "moco", trials) == 0.01
    with pytest.raises(LookupError):
        chosen_rate(preset, "moco", trials[:1])
    assert {cell.method for cell in cells_left(preset, trials[:3], [])} == {"random", "moco"}
