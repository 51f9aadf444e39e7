"""What the table says, read back from its text."""

import io

import pytest
from rich.console import Console

from instdisc.report import results_table
from instdisc.types import Record


def record(method, value, task="knn", ci=1.2, seed=0):
    return Record(task, "scenes", "top-1", value, ci, "%", method, "", seed, 3.1, {})


def rows(table):
    """The cells as (text, whether it is bold)."""
    console = Console(width=200)
    texts = [[console.render_str(str(cell)) for cell in column.cells] for column in table.columns]
    return [[(t.plain, any("bold" in str(s.style) for s in t.spans)) for t in c] for c in texts]


def shown(table):
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_the_best_of_each_column_is_bold():
    table = results_table(
        [
            record("random", 30.0),
            record("MoCo", 70.04),
            record("random", 80.0, "linear", ci=None),
            record("MoCo", 75.0, "linear"),
        ]
    )
    methods, knn, linear = rows(table)
    assert methods == [("random", False), ("MoCo", False)]
    assert knn == [("30.0 ± 1.2", False), ("70.0 ± 1.2", True)]
    assert linear == [("80.0", True), ("75.0 ± 1.2", False)]


def test_columns_name_task_metric_data_and_unit():
    table = results_table([record("MoCo", 1.0), record("MoCo", 2.0, "linear")], title="A title")
    assert [column.header for column in table.columns] == [
        "method",
        "knn top-1\nscenes (%)",
        "linear top-1\nscenes (%)",
    ]
    text = shown(table)
    assert "A title" in text
    assert "scenes (%)" in text


def test_seeds_are_shown_as_mean_and_half_their_range():
    values = [70.0, 71.0, 75.0]
    table = results_table([record("MoCo", v, seed=s) for s, v in enumerate(values)])
    assert rows(table)[1] == [("72.0 ± 2.5", True)]


def test_a_missing_cell_is_empty_and_a_tie_is_bold_twice():
    table = results_table(
        [record("a", 5.0), record("b", 5.0), record("c", 4.0), record("c", 9.0, "linear")]
    )
    _, knn, linear = rows(table)
    assert [bold for _, bold in knn] == [True, True, False]
    assert linear == [("", False), ("", False), ("9.0 ± 1.2", True)]


def test_brackets_in_a_name_are_no_markup():
    text = shown(results_table([record("MoCo [v2]", 1.0), record("[bold]", 2.0, "knn[k=5]")]))
    for name in ("MoCo [v2]", "[bold]", "knn[k=5]"):
        assert name in text


def test_no_records_are_refused():
    with pytest.raises(ValueError, match="`records` must hold at least one record, got none"):
        results_table([])


def test_a_row_for_each_result():
    records = [
        record("random", 30.0),
        record("MoCo", 70.04),
        record("random", 80.0, "linear", ci=None)._replace(dataset="dtd"),
        record("random", 9.0, "linear")._replace(metric="ECE"),
        record("MoCo", 4.0, "linear")._replace(metric="ECE"),
    ]
    table = results_table(records, rows="results")
    assert [column.header for column in table.columns] == ["data set", "task", "random", "MoCo"]
    datasets, tasks, random, moco = rows(table)
    assert [text for text, _ in datasets] == ["scenes", "", "dtd"]
    assert [text for text, _ in tasks] == ["knn top-1 (%)", "linear ECE (%)", "linear top-1 (%)"]
    assert random == [("30.0 ± 1.2", False), ("9.0 ± 1.2", False), ("80.0", True)]
    # Of the calibration error the lowest is the best.
    assert moco == [("70.0 ± 1.2", True), ("4.0 ± 1.2", True), ("", False)]


def test_unknown_rows_are_refused():
    with pytest.raises(ValueError, match="`rows` must be 'methods' or 'results', got 'tasks'"):
        results_table([record("MoCo", 1.0)], rows="tasks")
