"""The table of published values fits the code, and faults in the values are noticed."""

import importlib.util
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location(
    "plant_faults", Path(__file__).with_name("plant_faults.py")
)
plant_faults = importlib.util.module_from_spec(spec)
spec.loader.exec_module(plant_faults)
table = plant_faults.load_table()


def test_each_value_stands_where_the_table_says():
    contents = {}
    for value in table.VALUES:
        if value.file not in contents:
            contents[value.file] = (table.ROOT / value.file).read_text(encoding="utf-8")
        places = table.find(value, contents[value.file])
        assert len(places) == 1, f"{value.text!r} stands {len(places)} times in {value.file}"
        assert table.planted(value, contents[value.file]) != contents[value.file]


def test_each_value_has_a_guard_and_a_source():
    assert len(table.VALUES) >= 80
    for value in table.VALUES:
        path, _, name = value.guard.partition("::")
        test = re.escape(name.partition("[")[0])
        code = (table.ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^def {test}\(", code, re.MULTILINE), value.guard
        assert value.source
        assert value.what


def test_no_value_stands_twice():
    places = Counter((value.file, value.text) for value in table.VALUES)
    assert [place for place, count in places.items() if count > 1] == []


def test_texts_are_found_whatever_the_spaces():
    value = table.Value("x", "f", "a = («1», 2)", "3", "s", "g")
    assert table.planted(value, "a = (\n    1, 2)") == "a = (\n    3, 2)"
    value = table.Value("x", "f", "class B(…t = «1»", "3", "s", "g")
    assert table.planted(value, "class A(t = 1) class B(s = 1, t = 1)").endswith("t = 3)")


@pytest.mark.slow
def test_faults_are_noticed():
    script = Path(__file__).with_name("plant_faults.py")
    command = [sys.executable, str(script), "--sample", "10", "--seed", "14"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "10 of 10 faults were noticed." in result.stdout
