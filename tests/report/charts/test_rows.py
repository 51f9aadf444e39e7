"""Forest plots: points, ends of intervals and names of rows are those of the records."""

import numpy as np
import pytest

from instdisc.report.charts import draw_critical_difference, draw_differences, draw_forest
from instdisc.report.charts.style import make_styles, shortened, wrapped


def points(axes):
    """{(x, marker, filled)} of the points, and {(low, high)} of the lines."""
    lines = axes.get_lines()
    dots = {
        (round(float(line.get_xdata()[0]), 6), line.get_marker())
        for line in lines
        if line.get_marker() not in ("None", "", None)
    }
    spans = {tuple(round(float(x), 6) for x in line.get_xdata()) for line in lines}
    return dots, {span for span in spans if len(span) == 2 and span[0] < span[1]}


def test_forest_shows_values_and_intervals(made):
    records = [
        made.record(dataset=dataset, method=method, value=value)
        for dataset, value in (("pets", 70.0), ("cars", 40.0))
        for method in ("MoCo", "random")
        for value in [value - 20 * (method == "random")]
    ]
    (chart,) = draw_forest(*made.material(records))
    (axes,) = chart.figure.axes
    dots, spans = points(axes)
    styles = make_styles(["MoCo", "random"])
    assert dots == {
        (value, styles[method].marker)
        for method, values in (("MoCo", (70, 40)), ("random", (50, 20)))
        for value in values
    }
    assert spans == {(68, 73), (38, 43), (48, 53), (18, 23)}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["pets", "cars"]
    assert axes.get_xlabel() == "top-1 (%)"
    assert "Wilson, 200 images" in chart.caption
    assert chart.alternative == (
        "pets: MoCo 70.0 %, random 50.0 %; cars: MoCo 40.0 %, random 20.0 %."
    )


def test_rows_stand_at_the_height_of_their_names(made):
    records = [made.record(dataset=name, value=value) for name, value in (("a", 1), ("b", 2))]
    (chart,) = draw_forest(*made.material(records))
    (axes,) = chart.figure.axes
    heights = {line.get_xdata()[0]: line.get_ydata()[0] for line in axes.get_lines()}
    assert [heights[1], heights[2]] == pytest.approx(list(axes.get_yticks()))
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first on top


def test_differences_are_those_of_the_comparison(made):
    values = {"MoCo": 70.0, "SupCon": 80.0, "random": 79.0}
    material, comparison = made.material(
        [made.record(method=m, value=v) for m, v in values.items()]
    )
    (chart,) = draw_differences(material, comparison)
    (axes,) = chart.figure.axes
    rows = [row for other in ("MoCo", "random") for row in comparison.between("SupCon", other)]
    dots = {
        line.get_xdata()[0]: line.get_markerfacecolor() != "white"
        for line in axes.get_lines()
        if line.get_marker() not in ("None", "|", None)
    }
    assert dots == {row.difference: row.significant for row in rows} == {10: True, 1: False}
    _, spans = points(axes)
    assert spans == {(round(row.low, 6), round(row.high, 6)) for row in rows}
    assert "better than 1 of 2 and worse than 0, by 1.0 to 10.0 points" in chart.alternative


def test_many_data_sets_are_split(made):
    material = made.material([made.record(dataset=f"set {k}") for k in range(13)])
    charts = draw_forest(*material)
    assert [len(chart.figure.axes[0].get_yticks()) for chart in charts] == [12, 1]
    assert [chart.name for chart in charts] == ["forest-knn-top-1", "forest-knn-top-1-2"]


def test_many_methods_on_many_sets_fit_on_a_page(made):
    records = [
        made.record(dataset=f"set {k}", method=f"m{m}", value=m) for k in range(8) for m in range(8)
    ]
    charts = draw_forest(*made.material(records))
    assert [len(chart.figure.axes[0].get_yticks()) for chart in charts] == [7, 1]
    assert max(chart.figure.get_size_inches()[1] for chart in charts) < 12


def test_smaller_shares_of_labels_are_left_to_their_figure(made):
    records = [
        made.record("finetune", value=10 + 50 * share, method=method, settings={"share": share})
        for share in (0.1, 1.0)
        for method in ("MoCo", "random")
    ]
    material = made.material(records)
    for draw in (draw_forest, draw_differences):
        (chart,) = draw(*material)
        assert len(chart.figure.axes[0].get_yticks()) == 1
    assert "MoCo 60.0 %" in draw_forest(*material)[0].alternative


def test_of_many_methods_the_best_and_random_weights_are_shown(made):
    values = {f"m{k}": 30.0 + k for k in range(10)} | {"random": 5.0}
    records = [made.record(method=method, value=value) for method, value in values.items()]
    (chart,) = draw_forest(*made.material(records))
    dots, _ = points(chart.figure.axes[0])
    assert {value for value, _ in dots} == {5, 33, 34, 35, 36, 37, 38, 39}
    assert "Of 11 methods 8 are shown" in chart.caption


def test_critical_difference_shows_ranks(made):
    records = [
        made.record(dataset=f"set {k}", method=method, value=value + k)
        for k in range(6)
        for method, value in (("A", 70), ("B", 69), ("random", 20))
    ]
    material, comparison = made.material(records)
    (chart,) = draw_critical_difference(material, comparison)
    critical = comparison.critical_difference
    (axes,) = chart.figure.axes
    dots, _ = points(axes)
    assert {x for x, marker in dots if marker != "|"} == set(critical.ranks) == {1, 2, 3}
    thick = [line.get_xdata() for line in axes.get_lines() if line.get_linewidth() > 3]
    joined = [
        [critical.ranks[critical.methods.index(m)] for m in group] for group in critical.groups
    ]
    bars = [(min(ranks) - 0.03, max(ranks) + 0.03) for ranks in joined if len(ranks) > 1]
    assert np.array(thick) == pytest.approx(np.array(bars))
    assert f"{critical.difference:.2f}" in chart.caption


def test_nothing_without_records_of_transfer(made):
    few = made.material([made.record("stage1_geometry", metric="RankMe")])
    for draw in (draw_forest, draw_differences, draw_critical_difference):
        assert draw(*few) == []
    assert draw_differences(*made.material([made.record()])) == []
    assert draw_critical_difference(*made.material([made.record()])) == []


def test_a_method_has_one_look():
    styles = make_styles(["A", "random", "B", *(f"m{k}" for k in range(19))])
    assert styles["A"] == make_styles(["A", "C"])["A"]
    assert len(set(styles.values())) == len(styles)
    assert len({(style.colour, style.line) for style in styles.values()}) == len(styles)


def test_random_weights_of_several_architectures_are_told_apart():
    names = ["random", "random (resnet50)", "Random (vit)", "random (resnet18)"]
    styles = list(make_styles(["A", *names]).values())
    assert len({style.colour for style in styles[1:4]}) == 3
    assert len({style.line for style in styles[1:4]}) == 3
    assert len(set(styles)) == len(styles)
    assert styles[1] == make_styles(["random"])["random"]
    for style in styles[1:]:
        channels = {style.colour[start : start + 2] for start in (1, 3, 5)}
        assert len(channels) == 1  # a grey
        assert int(channels.pop(), 16) <= 0x94  # which is seen on white


def test_long_names_keep_their_ends():
    names = [f"MoCo of a very long name with seed {seed}" for seed in (1, 2)]
    assert len({shortened(name, 20) for name in names}) == 2
    assert max(map(len, (shortened(name, 20) for name in names))) == 20
    text = wrapped("word " * 60 + "$end$", 20)
    assert max(map(len, text.split("\n"))) <= 22
    assert text.count("\n") <= 2
    assert text.endswith(r"\$end\$")
