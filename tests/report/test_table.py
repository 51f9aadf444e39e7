"""What the table says, read back from its text."""

import io

import pytest
from rich.console import Console

from instdisc.report import results_table
from instdisc.types import Record


def record(method, value, task="knn", half=1.2, **fields):
    ends = {} if half is None else {"low": value - half, "high": value + half, "interval": "given"}
    fields = {"dataset": "scenes", "metric": "top-1", "method": method} | ends | fields
    return Record(task, value=value, **fields)


def rows(table):
    """The cells of each column as (text, whether it is bold)."""
    return [[(cell.plain, cell.style == "bold") for cell in c.cells] for c in table.columns]


def headers(table):
    return [column.header.plain for column in table.columns]


def notes(table):
    return table.caption.plain.split("\n") if table.caption else []


def shown(table, width=200):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_the_best_of_each_column_is_bold():
    table = results_table(
        [
            record("random", 30.0),
            record("MoCo", 70.04),
            record("random", 80.0, "linear", half=None),
            record("MoCo", 75.0, "linear"),
        ]
    )
    methods, knn, linear = rows(table)
    assert methods == [("random", False), ("MoCo", False)]
    assert knn == [("30.0 ± 1.2", False), ("70.0 ± 1.2", True)]
    assert linear == [("80.0", True), ("75.0 ± 1.2", False)]


def test_the_record_says_which_way_is_better():
    ranks = [
        record(m, v, "retrieval", half=None, metric="median rank", unit="", higher_is_better=False)
        for m, v in [("a", 9.0), ("b", 3.0), ("c", 30.0)]
    ]
    table = results_table(ranks)
    assert rows(table)[1] == [("9.0", False), ("3.0", True), ("30.0", False)]
    assert headers(table)[1] == "retrieval median rank\nscenes"
    assert notes(table) == ["Lower is better: median rank."]
    # And the name of a metric says nothing: an "ECE" of which more is better.
    table = results_table([record("a", 9.0, metric="ECE"), record("b", 3.0, metric="ECE")])
    assert [bold for _, bold in rows(table)[1]] == [True, False]


def test_columns_name_task_metric_data_and_unit():
    table = results_table([record("MoCo", 1.0), record("MoCo", 2.0, "linear")], title="A title")
    assert headers(table) == ["method", "knn top-1\nscenes (%)", "linear top-1\nscenes (%)"]
    text = shown(table)
    assert "A title" in text
    assert "scenes (%)" in text


def test_a_missing_cell_is_empty_and_a_tie_is_bold_twice():
    table = results_table(
        [record("a", 5.0), record("b", 5.0), record("c", 4.0), record("c", 9.0, "linear")]
    )
    _, knn, linear = rows(table)
    assert [bold for _, bold in knn] == [True, True, False]
    assert linear == [("", False), ("", False), ("9.0 ± 1.2", True)]


def test_a_name_is_no_markup():
    names = ["MoCo [v2]", "[bold]", ":cat:", "a\\", "[link=x]y[/link]"]
    records = [record(name, 1.0, f"knn{name}", dataset=name) for name in names]
    text = shown(results_table(records, title="[red]title[/red]"), width=400)
    for name in [*names, "[red]title[/red]"]:
        assert name in text


def test_a_narrow_terminal_cuts_nothing():
    records = [record(f"method-{n}", 50.0 + n) for n in range(9)]
    text = shown(results_table(records, rows="results"), width=60)
    assert "…" not in text


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (71.5, 70.3, 72.7, "71.5 ± 1.2"),
        (71.5, 70.31, 72.74, "71.5 ± 1.2"),
        (100.0, 83.9, 100.0, "100.0 [83.9, 100.0]"),
        (71.5, 67.8, 75.0, "71.5 [67.8, 75.0]"),
        (71.5, 70.0, 71.2, "71.5 [70.0, 71.2]"),  # a percentile interval beside its value
        (71.5, None, None, "71.5"),
        (0.0, 0.0, 16.1, "0.0 [0.0, 16.1]"),
        (100.0, 100.0, 100.0, "100.0 [100.0, 100.0]"),  # never "± 0.0"
        (71.534, 71.494, 71.574, "71.53 ± 0.04"),
        (99.99, 99.98, 99.992, "99.99 [99.98, 99.99]"),
        (-0.01, None, None, "0.0"),
    ],
)
def test_intervals(value, low, high, text):
    table = results_table([record("a", value, half=None, low=low, high=high, interval="given")])
    assert rows(table)[1] == [(text, True)]


def test_small_numbers_of_another_unit_keep_their_digits():
    table = results_table([record("a", 0.1234, half=None, metric="NMI", unit="")])
    assert rows(table)[1] == [("0.123", True)]


def test_every_interval_says_what_it_is():
    wilson = [
        record("MoCo", 70.0 + n, dataset=f"set{n}", interval=f"Wilson, {n:,} images")
        for n in (600, 5_000, 20)
    ]
    bootstrap = "bootstrap over images, 1,000 resamples"
    others = [record("MoCo", 50.0 + n, "linear", seed=n) for n in range(5)]
    others += [record("Exemplar", 50.0, "linear", interval=bootstrap)]
    assert notes(results_table(wilson)) == [
        "± and [ ]: 95 % intervals: Wilson, 20 to 5,000 images."
    ]
    assert notes(results_table(wilson + others)) == [
        "± and [ ]: 95 % intervals: Wilson, 20 to 5,000 images (knn top-1); t over 5 seeds (linear "
        "top-1 of MoCo); bootstrap over images, 1,000 resamples (linear top-1 of Exemplar)."
    ]
    unknown = record("MoCo", 5.0, interval="")
    assert "of a kind that the record does not tell" in notes(results_table([unknown]))[0]
    assert notes(results_table([record("MoCo", 5.0, half=None)])) == []


def test_a_row_for_each_result():
    records = [
        record("random", 30.0),
        record("MoCo", 70.04),
        record("random", 80.0, "linear", half=None, dataset="dtd"),
        record("random", 9.0, "linear", metric="ECE", higher_is_better=False),
        record("MoCo", 4.0, "linear", metric="ECE", higher_is_better=False),
    ]
    table = results_table(records, rows="results")
    assert headers(table) == ["data set", "task", "random", "MoCo"]
    datasets, tasks, random, moco = rows(table)
    assert [text for text, _ in datasets] == ["scenes", "", "dtd"]
    assert [text for text, _ in tasks] == ["knn top-1 (%)", "linear ECE (%)", "linear top-1 (%)"]
    assert random == [("30.0 ± 1.2", False), ("9.0 ± 1.2", False), ("80.0", True)]
    assert moco == [("70.0 ± 1.2", True), ("4.0 ± 1.2", True), ("", False)]


def test_data_sets_have_the_shortest_names_that_are_unique():
    records = [record("a", 1.0, dataset=d) for d in ("v1/pets", "v2/pets", "other/cars")]
    table = results_table(records, rows="results")
    assert [text for text, _ in rows(table)[0]] == ["v1/pets", "v2/pets", "cars"]


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="`records` must be a list of at least one record, got"):
        results_table([])
    with pytest.raises(ValueError, match="`rows` must be one of 'methods', 'results', got 'task'"):
        results_table([record("MoCo", 1.0)], rows="task")
    for bad in (record("MoCo", 1.0), [{"task": "knn"}]):  # one record is a tuple, too
        with pytest.raises(TypeError, match="`records` must be a list of records, got"):
            results_table(bad)
    for field in ("value", "low", "high"):
        bad = record("MoCo", 1.0)._replace(**{field: float("nan")})
        with pytest.raises(ValueError, match="`top-1 of knn on scenes` must be a finite number"):
            results_table([bad])


def test_records_may_come_from_a_generator():
    assert results_table(record("MoCo", float(n), f"task{n}") for n in range(3)).row_count == 1
