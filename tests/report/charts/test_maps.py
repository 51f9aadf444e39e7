"""Maps: each cell is the record's number, in the row and column of its name."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from instdisc.report.charts import draw_factors, draw_predictors, draw_similarity


def cells(axes):
    """The values of a map."""
    return np.ma.filled(axes.get_images()[0].get_array().astype(float), np.nan)


def texts(labels):
    return [label.get_text() for label in labels]


def test_factors_by_stage(made):
    records = [
        made.record(f"stage{stage}_factors", "scenes", metric, value, unit=unit, method=method,
                    settings={"chance": chance})
        for method, plus in (("MoCo", 0.0), ("random", -0.1))
        for stage in (1, 2)
        for metric, value, unit, chance in (
            ("R2 size", 0.3 * stage + plus, "", 0.0),
            ("accuracy texture", 55.0, "%", 10.0),
        )
    ]  # fmt: skip
    (chart,) = draw_factors(*made.material(records))
    axes = chart.figure.axes[0]
    assert texts(axes.get_yticklabels()) == ["size", "texture"]
    assert cells(axes) == pytest.approx(np.array([[0.3, 0.6, 0.2, 0.5], [0.5] * 4]))
    assert [text.get_text() for text in axes.texts][:4] == [".30", ".60", ".20", ".50"]
    assert "MoCo tells size best (0.60)" in chart.alternative


def test_factors_are_split_by_methods(made):
    records = [
        made.record(f"stage{stage}_factors", "scenes", "R2 size", 0.5, unit="", method=f"m{k}")
        for k in range(4)
        for stage in range(1, 5)
    ]
    charts = draw_factors(*made.material(records))
    assert [cells(chart.figure.axes[0]).shape for chart in charts] == [(1, 12), (1, 4)]


def test_similarity_is_the_matrix_of_the_analysis(made):
    cka = np.random.default_rng(0).random((5, 5))
    made.keep(
        "job",
        checkpoint=["MoCo", "random"],
        layer=["layer1", "layer2", "layer1", "layer2", "layer3"],
        layer_ends=np.array([2, 5]),
        cka=cka,
    )
    records = [made.record("layer1_similarity", "scenes", "CKA", 0.5, job="job")] * 2
    (chart,) = draw_similarity(*made.material([*records, made.record()]))
    assert (cells(chart.figure.axes[0]) == cka).all()
    assert f"{cka[1, 4]:.2f} for MoCo and random" in chart.alternative


def test_predictors_are_rank_correlations(made):
    rng = np.random.default_rng(0)
    rank, error, accuracy = rng.random((3, 6))
    records = []
    for k in range(6):
        same = {"method": f"m{k}", "unit": ""}
        lower = {**same, "higher_is_better": False}
        records += [
            made.record("stage1_geometry", metric="RankMe", value=-5.0 * k, **same),  # not the last
            made.record("stage4_geometry", metric="RankMe", value=rank[k], **same),
            made.record("transferability", metric="loss", value=error[k], **lower),
            made.record(value=accuracy[k], method=f"m{k}"),
            made.record("stage4_geometry", "cars", "RankMe", rank[k], **same),  # no results on it
        ]
    (chart,) = draw_predictors(*made.material(records))
    axes = chart.figure.axes[0]
    expected = {
        "RankMe": kendalltau(rank, accuracy).statistic,
        "loss": kendalltau(-error, accuracy).statistic,
    }
    assert texts(axes.get_xticklabels()) == ["knn, pets"]
    shown = dict(zip(texts(axes.get_yticklabels()), cells(axes)[:, 0], strict=True))
    assert shown == pytest.approx(expected)
    assert "over 6 checkpoints" in chart.caption


def test_predictors_of_the_analysis_come_first(made):
    tau = np.array([[0.2, np.nan], [-0.9, 0.4], [np.nan, np.nan]])
    made.keep(
        "job",
        predictor=["a", "b", "c"],
        result=["knn", "linear"],
        tau=tau,
        tau_chance=np.array([[0.5, np.nan], [0.01, 0.3], [np.nan, np.nan]]),
        checkpoints=np.array([[6, 0], [8, 8], [0, 0]]),
    )
    (chart,) = draw_predictors(
        *made.material([made.record(), made.record("predictors", job="job")])
    )
    axes = chart.figure.axes[0]
    assert texts(axes.get_yticklabels()) == ["a", "b"]
    assert cells(axes) == pytest.approx(tau[:2], nan_ok=True)
    assert [text.get_text() for text in axes.texts] == [".20", "", "-.90*", ".40"]
    assert "over 6 to 8 checkpoints" in chart.caption


@pytest.mark.parametrize("draw", [draw_factors, draw_similarity, draw_predictors])
def test_nothing_without_data(made, draw):
    lost = made.record("layer1_similarity", "scenes", "CKA", 0.5, job="lost")
    few = [made.record(method=f"m{k}", value=k) for k in range(3)]
    cheap = [made.record("stage1_geometry", metric="RankMe", method=f"m{k}") for k in range(3)]
    assert draw(*made.material([lost, *few, *cheap])) == []
