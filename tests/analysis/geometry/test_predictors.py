"""Correlations over checkpoints: golden numbers, scipy, a naive bootstrap, and what is refused."""

import itertools
import json
import logging

import numpy as np
import pytest
import torch
from scipy import stats

from instdisc.analysis.geometry import (
    correlate,
    predict_transfer,
    prediction_arrays,
    predictors,
    predictors_figure,
)
from instdisc.analysis.geometry.correlation import chance_of_tau
from instdisc.data import left_out
from instdisc.records import append_records, read_records
from instdisc.transfer import read_predictions
from instdisc.types import Record


def test_golden_and_scipy(correlation_case, close):
    x, y = (torch.tensor([correlation_case[name]], dtype=torch.float64) for name in "xy")
    both = correlate(x, y)
    if correlation_case["tau"] == "nan":
        assert both.tau.isnan().all()
        assert both.r.isnan().all()
        assert both.dropped.tolist() == [1000]
        return
    assert both.tau.tolist() == close([correlation_case["tau"]])
    assert both.r.tolist() == close([correlation_case["r"]])
    assert float(both.tau) == pytest.approx(stats.kendalltau(x[0], y[0]).statistic)


def test_resamples_by_a_loop():
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 4, (3, 6), generator=generator).double()
    y = torch.randn(3, 6, generator=generator).double()
    many = correlate(x, y, num_resamples=200, seed=5)
    generator = torch.Generator().manual_seed(5)
    rows = torch.randint(6, (200, 6), generator=generator)
    for pair in range(3):
        taus, rs, dropped = [], [], 0
        for drawn in rows:
            a, b = x[pair, drawn].numpy(), y[pair, drawn].numpy()
            if len(set(a)) < 2 or len(set(b)) < 2:
                dropped += 1
                continue
            taus.append(stats.kendalltau(a, b).statistic)
            rs.append(np.corrcoef(a, b)[0, 1])
        assert int(many.dropped[pair]) == dropped
        ends = np.quantile(taus, [0.025, 0.975])
        assert many.tau_ends[pair].tolist() == pytest.approx(ends, abs=1e-9)
        ends = np.quantile(rs, [0.025, 0.975])
        assert many.r_ends[pair].tolist() == pytest.approx(ends, abs=1e-9)


def test_interval_approaches_all_resamples():
    x, y = torch.tensor([[1.0, 2, 3, 4]]), torch.tensor([[1.0, 3, 2, 4]])
    taus = []
    for drawn in itertools.product(range(4), repeat=4):
        a, b = x[0, list(drawn)].numpy(), y[0, list(drawn)].numpy()
        if len(set(a)) > 1:
            taus.append(stats.kendalltau(a, b).statistic)
    many = correlate(x.double(), y.double(), num_resamples=20_000)
    assert many.tau_ends[0].tolist() == pytest.approx(np.quantile(taus, [0.025, 0.975]), abs=0.02)
    assert int(many.dropped) / 20_000 == pytest.approx(4 / 4**4, abs=0.003)


def test_units_and_number_of_pairs_do_not_matter(monkeypatch):
    x, y = torch.randn(2, 40, 5, dtype=torch.float64)
    whole = correlate(x, y, num_resamples=100)
    monkeypatch.setattr("instdisc.analysis.geometry.correlation._PAIRS", 7)
    moved = correlate(1e3 + 1e-3 * x, -y, num_resamples=100)
    torch.testing.assert_close(moved.tau, -whole.tau)
    torch.testing.assert_close(moved.r, -whole.r)
    torch.testing.assert_close(moved.tau_ends.flip(1), -whole.tau_ends)


CHECKPOINTS = 5
RANK = [3.0, 9.0, 5.0, 20.0, 11.0]
SPREAD = [0.5, 0.2, 0.4, 0.1, 0.3]
ACCURACY = [40.0, 55.0, 50.0, 70.0, 52.0]
ERROR = [9.0, 6.0, 7.0, 4.0, 5.0]


def of(task, dataset, metric, values, **fields):
    """A record of each checkpoint."""
    return [
        Record(
            task,
            dataset,
            metric,
            value,
            method=f"net {place}",
            weights=f"w{place}",
            **fields,
        )
        for place, value in enumerate(values)
        if value is not None
    ]


def results():
    return [
        *of("stage4_geometry", "tiny", "RankMe", RANK),
        *of("stage4_geometry", "tiny", "class separation", SPREAD, higher_is_better=False),
        *of("linear", "eurosat", "top-1", ACCURACY),
        *of("landmarks", "faces", "NME", ERROR, higher_is_better=False),
        *of("detection", "bccd", "box AP, RBC", ACCURACY),
    ]


def test_every_number_with_every_result():
    pairs = predictors(results())
    told = {(pair.predictor.metric, pair.result.metric): pair for pair in pairs}
    assert set(told) == {
        (number, result) for number in ("RankMe", "class separation") for result in ("top-1", "NME")
    }
    tau, r = stats.kendalltau(RANK, ACCURACY), stats.pearsonr(RANK, ACCURACY)
    pair = told["RankMe", "top-1"]
    assert (pair.tau, pair.r) == pytest.approx((tau.statistic, r.statistic))
    assert pair.turned == ()
    assert pair.checkpoints == tuple(f"net {place}" for place in range(5))
    assert pair.tau_ends[0] <= pair.tau <= pair.tau_ends[1]
    # Less is better in both: turned both, the sign stays.
    pair = told["class separation", "NME"]
    assert pair.tau == pytest.approx(stats.kendalltau(SPREAD, ERROR).statistic)
    assert pair.turned == ("predictor", "result")
    pair = told["class separation", "top-1"]
    assert pair.tau == pytest.approx(-stats.kendalltau(SPREAD, ACCURACY).statistic)
    assert pair.turned == ("predictor",)


def test_what_was_measured_on_the_source_predicts():
    records = [*results(), *of("knn", "tiny", "top-1", RANK)]
    pairs = predictors(records, source=["tiny"])
    assert ("knn", "tiny") in {pair.predictor[:2] for pair in pairs}
    assert {pair.result.dataset for pair in pairs} == {"eurosat", "faces"}
    assert "tiny" in {pair.result.dataset for pair in predictors(records)}


def test_seeds_are_averaged_and_settings_kept_apart():
    noisy = [
        *of("linear", "eurosat", "top-1", [v + 1 for v in ACCURACY], seed=0),
        *of("linear", "eurosat", "top-1", [v - 1 for v in ACCURACY], seed=1),
        *of("few_shot", "eurosat", "5-way", ACCURACY, settings={"shots": 1, "ways": 5}),
        *of("few_shot", "eurosat", "5-way", ERROR, settings={"shots": 5, "ways": 5}),
    ]
    pairs = predictors([*of("stage4_geometry", "tiny", "RankMe", RANK), *noisy])
    told = {pair.result.text: pair.tau for pair in pairs}
    assert told == {
        "linear eurosat, top-1": pytest.approx(stats.kendalltau(RANK, ACCURACY).statistic),
        "few_shot eurosat, 5-way, shots=1": pytest.approx(
            stats.kendalltau(RANK, ACCURACY).statistic
        ),
        "few_shot eurosat, 5-way, shots=5": pytest.approx(stats.kendalltau(RANK, ERROR).statistic),
    }


def test_pairs_of_too_few_checkpoints_or_one_value_are_counted(caplog, monkeypatch):
    monkeypatch.setattr(left_out, "_said", set())
    records = [
        *results(),
        *of("transferability", "eurosat", "LogME", [None, None, *RANK[2:]]),
        *of("transferability", "eurosat", "LiDAR", [None, *RANK[1:]]),
        *of("transferability", "eurosat", "H-score", [1.0] * 5),
    ]
    with caplog.at_level(logging.WARNING):
        pairs = predictors(records)
    assert {pair.predictor.metric for pair in pairs} == {"RankMe", "class separation", "LiDAR"}
    assert {len(pair.checkpoints) for pair in pairs if pair.predictor.metric == "LiDAR"} == {4}
    assert "2 pairs of numbers of fewer than 4 common checkpoints and 2 with" in caplog.text


def test_records_and_arrays(tmp_path):
    file = tmp_path / "predictors.npz"
    written = predict_transfer(results(), seed=3, num_resamples=200, arrays=file)
    pairs = predictors(results(), seed=3, num_resamples=200)
    assert len(written) == 2 * len(pairs) == 8
    first = written[0]
    assert first.metric.startswith("Kendall's tau of stage4_geometry tiny, ")
    assert (first.task, first.n, first.method) == ("predictors", 5, "5 checkpoints")
    assert first.value == pairs[0].tau
    assert (first.low, first.high) == pairs[0].tau_ends
    assert first.interval == (
        f"bootstrap over 5 checkpoints, 200 resamples, {pairs[0].dropped} undefined"
    )
    append_records(written, tmp_path / "records.jsonl")
    read = read_records(tmp_path / "records.jsonl")
    assert [json.loads(record.to_json()) for record in read] == [
        json.loads(record.to_json()) for record in written
    ]
    # Its own results do not predict next time.
    assert predictors([*results(), *written], seed=3, num_resamples=200) == pairs
    arrays = read_predictions(file)
    assert arrays["tau"].shape == (2, 2)
    row = arrays["predictor"].tolist().index(pairs[0].predictor.text)
    assert arrays["tau"][row, 0] == pairs[0].tau


def test_figure_shows_each_pair(tmp_path):
    arrays = prediction_arrays(predictors(results()))
    figure = predictors_figure(arrays)
    cells = [text.get_text() for text in figure.axes[0].texts]
    assert sum(cell.count(" to ") for cell in cells) == 4
    assert f"{arrays['tau'][0, 0]:.2f}" in cells
    figure.savefig(tmp_path / "figure.png")
    assert "nearer to 0 that are not shown: 1." in predictors_figure(arrays, most=1).get_supxlabel()
    assert predictors_figure(arrays, statistic="r").axes[1].get_ylabel() == "Pearson's r"
    with pytest.raises(ValueError, match="`arrays` must be with 'tau_chance'"):
        predictors_figure({name: arrays[name] for name in ("predictor", "result", "checkpoints")})
    with pytest.raises(ValueError, match="`statistic` must be one of 'tau', 'r'"):
        predictors_figure(arrays, statistic="rho")


def test_too_few_checkpoints_are_refused():
    three = [record for record in results() if record.weights in ("w0", "w1", "w2")]
    with pytest.raises(ValueError, match="`records` must be of at least 4 checkpoints .* got 3"):
        predictors(three)


def test_checkpoints_without_hash_are_told_by_name():
    records = [record._replace(weights="") for record in results()]
    assert len(predictors(records)) == 4


def test_wrong_input_is_named():
    records = results()
    with pytest.raises(ValueError, match="`records` must be with a transfer result .*geometry"):
        predictors(records[:10])
    with pytest.raises(ValueError, match="`records` must be with a number that is no transfer"):
        predictors(records[10:])
    with pytest.raises(TypeError, match="`records` must be records, got 3"):
        predictors([*records, 3])
    with pytest.raises(ValueError, match="`records` must be a finite number, got nan"):
        predictors([*records, records[0]._replace(value=float("nan"))])
    with pytest.raises(
        ValueError, match="`records` must be of one `higher_is_better` for 'RankMe'"
    ):
        predictors([*records, records[0]._replace(higher_is_better=False)])
    with pytest.raises(TypeError, match="`source` must be a Collection, got 'tiny'"):
        predictors(records, source="tiny")
    with pytest.raises(ValueError, match="`num_resamples` must be a whole number of at least 1"):
        predictors(records, num_resamples=0)
    constant = [record._replace(value=1.0) for record in records]
    with pytest.raises(ValueError, match="`records` must be with numbers that differ"):
        predictors(constant)
    with pytest.raises(ValueError, match="`pairs` must be at least one"):
        prediction_arrays([])


def test_results_are_a_list_of_patterns():
    with pytest.raises(TypeError, match="`results` must be a sequence of texts, got 'knn'"):
        predictors([], results="knn")


@pytest.mark.parametrize("count", [2, 4, 5, 6])
def test_chance_of_tau_is_that_of_all_orders(count):
    base = np.arange(count)
    taus = [stats.kendalltau(base, order).statistic for order in itertools.permutations(base)]
    for tau in {round(tau, 9) for tau in taus}:
        share = np.mean(np.abs(taus) >= abs(tau) - 1e-6)
        assert chance_of_tau(tau, count) == pytest.approx(share, abs=1e-12)
    if count >= 4:
        exact = stats.kendalltau(base, base[::-1], method="exact").pvalue
        assert chance_of_tau(-1.0, count) == pytest.approx(exact, abs=1e-12)


def test_perfect_order_of_four_is_not_bold():
    # Every resample agrees, so the interval is a point; 2 of 24 orders do as well by chance.
    assert chance_of_tau(1.0, 4) == pytest.approx(1 / 12)
    point = np.array([[1.0]])
    arrays = {
        "predictor": np.array(["a"]),
        "result": np.array(["b"]),
        "checkpoints": np.array([[4]]),
        **dict.fromkeys(("tau", "tau_low", "tau_high"), point),
    }
    for chance, weight in ((1 / 12, "normal"), (0.01, "bold")):
        figure = predictors_figure({**arrays, "tau_chance": np.array([[chance]])})
        assert figure.axes[0].texts[0].get_weight() == weight


def test_errors_of_a_trained_head_do_not_predict_it():
    values = range(4)
    records = [
        Record(task, "voc", metric, float(value), method=f"net {value}")
        for task, metric in (
            ("detection", "box AP"),
            ("tide", "AP50"),
            ("stage4_geometry", "RankMe"),
        )
        for value in values
    ]
    assert {pair.predictor.task for pair in predictors(records)} == {"stage4_geometry"}
