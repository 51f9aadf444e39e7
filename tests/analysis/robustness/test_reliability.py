"""Reliability diagrams and what is read off predictions."""

import numpy as np
import pytest
import torch

from instdisc.analysis.robustness import calibrate, reliability, reliability_figure
from instdisc.data import Scenes
from instdisc.metrics import calibration_error, rms_calibration_error
from instdisc.records import Run
from instdisc.transfer import read_predictions, score_records
from instdisc.types import About


@pytest.fixture
def kept(tmp_path):
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(400) % 4
    logits = 5 * (torch.eye(4)[labels] + torch.randn(400, 4, generator=generator))
    file = tmp_path / "kept.npz"
    score_records(
        *("toy", logits[200:], labels[200:], Run(About())),
        predictions=file,
        validation=(logits[:200], labels[:200]),
    )
    return read_predictions(file)


def test_bins_are_those_of_a_loop():
    generator = torch.Generator().manual_seed(1)
    confidences = torch.cat([torch.rand(200, generator=generator), torch.tensor([0.0, 0.2, 1.0])])
    hits = torch.rand(203, generator=generator) < 0.5
    diagram = reliability(confidences, hits, num_bins=10)
    for m in range(10):
        rows = [
            i
            for i, c in enumerate(confidences.double().tolist())
            if m / 10 < c <= (m + 1) / 10 or (c == 0 and m == 0)
        ]
        assert int(diagram.images[m]) == len(rows)
        assert float(diagram.accuracy[m]) == pytest.approx(np.mean([bool(hits[i]) for i in rows]))
        mean = np.mean([float(confidences[i]) for i in rows])
        assert float(diagram.confidence[m]) == pytest.approx(mean)
    gaps = (diagram.accuracy - diagram.confidence).abs() * diagram.images / 203
    expected = calibration_error(confidences, hits, num_bins=10)
    assert float(gaps.nansum()) == pytest.approx(float(expected))


def test_records_and_arrays(kept, tmp_path):
    file = tmp_path / "x.npz"
    about = About("mine", architecture="resnet50")
    records = calibrate(kept, Scenes(3), about=about, arrays=file, seed=1)
    values = {record.metric: record.value for record in records}
    confidence, hits = kept["confidence"], kept["label"] == kept["prediction"]
    assert values["overconfidence"] == pytest.approx(100 * (confidence.mean() - hits.mean()))
    pair = torch.from_numpy(confidence), torch.from_numpy(hits)
    assert values["ECE"] == pytest.approx(100 * float(calibration_error(*pair)))
    rms = 100 * float(rms_calibration_error(*pair))
    assert values["RMS calibration error"] == pytest.approx(rms)
    assert values["ECE, tempered"] < values["ECE"]
    assert {(r.task, r.method, r.dataset) for r in records} == {("calibration", "mine", "scenes")}
    assert {r.metric for r in records if r.higher_is_better} == {"AURRA"}
    arrays = read_predictions(file)
    assert arrays["images"].sum() == arrays["tempered_images"].sum() == 200
    del kept["tempered_confidence"]
    assert "ECE, tempered" not in [record.metric for record in calibrate(kept)]


def test_figure(kept, tmp_path):
    calibrate(kept, arrays=tmp_path / "x.npz")
    arrays = read_predictions(tmp_path / "x.npz")
    figure = reliability_figure(dict.fromkeys("abcde", arrays))
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    values = {record.metric: record.value for record in calibrate(kept)}
    assert titles[0].splitlines() == [
        "a",
        f"ECE {values['ECE']:.1f} %, tempered {values['ECE, tempered']:.1f} %",
    ]
    assert len(titles) == 5
    figure.savefig(tmp_path / "x.png")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": None}, "`predictions` must be with 'label'"),
        ({"prediction": np.zeros(3, int)}, r"`prediction` must be a tensor \(200,\)"),
        ({"confidence": np.full(200, np.nan)}, "`confidence` must be finite, got nan in image 0"),
        ({"confidence": np.full(200, 2.0)}, "`confidences` must be from 0 to 1, got 2"),
        ({"tempered_confidence": np.ones(3)}, r"`confidences` must be a tensor \(200,\)"),
    ],
)
def test_bad_input(kept, change, message):
    given = {name: value for name, value in {**kept, **change}.items() if value is not None}
    with pytest.raises(ValueError, match=message):
        calibrate(given)
    with pytest.raises(ValueError, match="`num_bins` must be a whole number of at least 1"):
        calibrate(kept, num_bins=0)


def test_calibrate_refuses_unknown_classes_and_names():
    kept = {
        "label": np.array([0, -1]), "prediction": np.array([0, 0]),
        "confidence": np.array([0.9, 0.8]),
    }  # fmt: skip
    with pytest.raises(ValueError, match="`label` must be classes from 0, got -1"):
        calibrate(kept)
    with pytest.raises(TypeError, match="`about` must be"):
        calibrate({**kept, "label": np.array([0, 1])}, about="x")
