"""Errors on corrupted images: counted by a loop, kept, drawn."""

import json

import numpy as np
import pytest
import torch

from instdisc.analysis.robustness import (
    CORRUPTIONS,
    corrupt,
    corruption_figure,
    evaluate_corruptions,
)
from instdisc.analysis.robustness.task import COMMON_CORRUPTIONS
from instdisc.data import ImagesInMemory, Scenes
from instdisc.models import Backbone
from instdisc.transfer import extract_features, fit_readout, read_predictions
from instdisc.types import About

FEW = {"corruptions": ["gaussian_noise", "contrast"], "severities": [1, 5], "image_size": 32}


@pytest.fixture(scope="module")
def backbone():
    torch.manual_seed(0)
    return Backbone("test_resnet")


@pytest.fixture(scope="module")
def sets():
    """Bright and dark scenes: a random backbone tells them apart."""
    made = []
    for split in ("train", "test"):
        images = ImagesInMemory(Scenes(40, image_size=32, num_categories=2, split=split))
        rows = images.labels == 1
        images.stack[rows] = images.stack[rows] // 4
        images._images = [image.transpose(0, 1) for image in images.stack]
        made.append(images)
    return made


def test_errors_are_those_of_a_loop(backbone, sets, tmp_path):
    train, test = sets
    state = {name: value.clone() for name, value in backbone.state_dict().items()}
    file = tmp_path / "x.npz"
    records = evaluate_corruptions(backbone, train, test, arrays=file, seed=2, batch_size=7, **FEW)
    assert all(torch.equal(value, state[name]) for name, value in backbone.state_dict().items())
    values = {record.metric: record.value for record in records}
    kept = read_predictions(file)

    readout = fit_readout(extract_features(backbone, train, image_size=32), num_classes=2, seed=2)
    mean = torch.tensor(backbone.input.mean)[:, None, None]
    std = torch.tensor(backbone.input.std)[:, None, None]
    errors = np.zeros((2, 2))
    for k, corruption in enumerate(FEW["corruptions"]):
        for s, severity in enumerate(FEW["severities"]):
            wrong = []
            for index in range(len(test)):
                image = test.read(index)[None].float() / 255
                worse = corrupt(
                    image, corruption, severity=severity, indices=torch.tensor([index]), seed=2
                )
                with torch.no_grad():
                    logits = readout.logits(backbone.eval()((worse - mean) / std))
                wrong.append(int(logits.argmax(1)) != int(test.labels[index]))
                assert kept["right"][k, s, index] == (not wrong[-1])
            errors[k, s] = 100 * np.mean(wrong)
    clean = 100 * (1 - kept["clean"].mean())
    assert values["error, clean"] == pytest.approx(clean)
    assert values["error, gaussian_noise"] == pytest.approx(errors[0].mean())
    assert values["error, contrast"] == pytest.approx(errors[1].mean())
    assert values["mean corruption error"] == pytest.approx(errors.mean())
    above = values["mean corruption error above clean"]
    assert above == pytest.approx(errors.mean() - clean)
    by_name = {record.metric: record for record in records}
    assert by_name["error, contrast"].settings["errors"] == pytest.approx(errors[1].tolist())
    assert all(not record.higher_is_better and record.n == 40 for record in records)
    assert all(record.low <= record.value <= record.high for record in records)
    assert errors.max() > clean
    for record in records:
        json.loads(record.to_json())
    assert kept["thumbnail"].shape == (3, 64, 64, 3)
    shown = test.read(0).float()
    small = torch.nn.functional.interpolate(shown[None], (64, 64), mode="bilinear", antialias=True)
    torch.testing.assert_close(
        torch.from_numpy(kept["thumbnail"][0]).permute(2, 0, 1).float(), small[0], atol=1, rtol=0
    )


def test_batches_and_an_about_change_no_value(backbone, sets, tmp_path):
    about = About("mine", dataset="there")
    first = evaluate_corruptions(backbone, *sets, about=about, **FEW)
    again = evaluate_corruptions(
        backbone, *sets, batch_size=3, thumbnail=0, arrays=tmp_path / "x.npz", **FEW
    )
    assert [r.value for r in first] == [r.value for r in again]
    assert (first[0].method, first[0].dataset, first[0].task) == ("mine", "there", "corruptions")
    assert "thumbnail" not in read_predictions(tmp_path / "x.npz")


def test_figure(backbone, sets, tmp_path):
    file = tmp_path / "x.npz"
    evaluate_corruptions(backbone, *sets, arrays=file, **FEW)
    kept = read_predictions(file)
    figure = corruption_figure({"a": kept, "b": kept})
    shown = [axes for axes in figure.axes if axes.lines]
    assert len(shown) == 3
    assert [line.get_label() for line in shown[1].lines] == ["a", "b"]
    line = shown[1].lines[0].get_ydata()
    expected = 100 * (1 - kept["right"][0].mean(-1))
    assert line[1:].tolist() == pytest.approx(expected.tolist())
    assert line[0] == pytest.approx(100 * (1 - kept["clean"].mean()))
    figure.savefig(tmp_path / "x.png")
    other = {**kept, "severity": np.array([1, 4])}
    with pytest.raises(ValueError, match="`arrays` must be of the same severity for every check"):
        corruption_figure({"a": kept, "b": other})
    with pytest.raises(ValueError, match="`arrays` must be with 'clean' for every checkpoint"):
        corruption_figure({"a": {k: v for k, v in kept.items() if k != "clean"}})
    with pytest.raises(ValueError, match="`arrays` must be the arrays of at least one checkpoint"):
        corruption_figure({})


BAD = [
    ({"corruptions": []}, "`corruptions` must be a list of at least one"),
    ({"corruptions": ["fog", "fog"]}, "`corruptions` must be a list of .* none of them twice"),
    ({"corruptions": ["frost"]}, "`corruptions` must be one of 'gaussian_noise'"),
    ({"severities": [0]}, "`severities` must be a whole number of at least 1"),
    ({"severities": [6]}, "`severities` must be a whole number .* at most 5, got 6"),
    ({"thumbnail": -1}, "`thumbnail` must be"),
    ({"batch_size": 0}, "`batch_size` must be"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_options(backbone, sets, change, message):
    with pytest.raises((TypeError, ValueError), match=message):
        evaluate_corruptions(backbone, *sets, **{**FEW, **change})
    defaults = COMMON_CORRUPTIONS.options
    with pytest.raises((TypeError, ValueError), match=message):
        COMMON_CORRUPTIONS.check({**defaults, **COMMON_CORRUPTIONS.parsed(change)})


def test_task(backbone, sets):
    assert COMMON_CORRUPTIONS.options["corruptions"] == CORRUPTIONS
    COMMON_CORRUPTIONS.check(COMMON_CORRUPTIONS.options)
    given = {"corruptions": ["fog"], "severities": [3]}
    offered = {"image_size": 32, "seed": 1, "about": None, "predictions": "unused.npz"}
    records = COMMON_CORRUPTIONS.call([backbone, *sets], offered, given)
    assert [record.metric for record in records][1] == "error, fog"
