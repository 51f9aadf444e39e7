"""The command ``instdisc study``."""

import re
from pathlib import Path

import yaml

from instdisc.cli.study import main
from instdisc.study import read_preset
from instdisc.study.store import Store

from .conftest import PRESET

ROOT = Path(__file__).resolve().parents[2]


def arguments(preset, data, folder, *more):
    return [
        *(str(preset), "--data-root", str(data), "--out", str(folder / "out")),
        *("--records", str(folder / "records"), "--device", "cpu"),
        *("--page", str(folder / "page.md"), *more),
    ]


def test_a_piece_at_a_time(preset_file, study_data, tmp_path, capsys):
    assert main(arguments(preset_file, study_data, tmp_path, "--most", "1", "--no-page")) == 0
    assert "moco-rate-0.01: " in capsys.readouterr().out
    assert not (tmp_path / "page.md").exists()
    assert [trial["method"] for trial in Store(tmp_path / "records", "tiny").trials()] == ["moco"]


def test_the_command_of_readme(preset_file, study_data, tmp_path):
    """As it stands there, but for the preset, its folders and a smaller budget."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^\.venv/bin/instdisc study (.*)$", readme, re.MULTILINE)
    preset, *options = line.split()
    read_preset(preset)
    fewer = ["--data-root", str(study_data), "--most", "1", "--budget", "100"]
    assert main([*arguments(preset_file, study_data, tmp_path), *options, *fewer]) == 0
    assert (tmp_path / "page.md").exists()


def test_what_is_missing_shows_in_the_exit_status(study_data, tmp_path, capsys):
    lost = {"name": "lost", "seeds": [0], "suites": [{"sets": ["no_such_set"], "tasks": ["knn"]}]}
    random = {"random": PRESET["methods"]["random"]}
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump({**PRESET, "methods": random, "rounds": [lost]}))
    assert main(arguments(path, study_data, tmp_path)) == 1
    shown = capsys.readouterr().out.replace("\n", " ")
    assert "missing: knn on no_such_set" in shown
    # What cannot be decided is told, on the page, too.
    assert "exemplar: undecided" in shown
    assert "undecided" in (tmp_path / "page.md").read_text()
