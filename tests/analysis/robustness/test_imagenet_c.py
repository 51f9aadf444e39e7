"""ImageNet-C: the constants, golden mCE, a replica of the files."""

import numpy as np
import pytest
from torch import nn

from instdisc.analysis.robustness import (
    ALEXNET_ERRORS,
    corruption_errors,
    evaluate_imagenet_c,
    mce,
    open_imagenet_c,
)
from instdisc.analysis.robustness.imagenet_c import _mce_name
from instdisc.transfer import extract_features, fit_readout, read_predictions

NAMES = ["n1", "n2", "n3"]


def golden():
    state = np.random.RandomState(80)
    errors = np.sort(np.round(0.15 + 0.7 * state.random_sample((15, 5)), 4), axis=1)
    return dict(zip(ALEXNET_ERRORS, errors.tolist(), strict=True))


def test_golden_vectors():
    ratios = corruption_errors(golden())
    assert mce(golden()) == pytest.approx(0.6780728989, rel=1e-8)
    expected = {
        **{"gaussian_noise": 0.6546724607, "shot_noise": 0.4184386697},
        **{"impulse_noise": 0.5787956299, "defocus_blur": 0.5597648436},
        **{"glass_blur": 0.5518306409, "motion_blur": 0.8577921186, "zoom_blur": 0.6311939476},
        **{"snow": 0.4142055523, "frost": 0.6747627551, "fog": 0.6035951589},
        **{"brightness": 1.006602998, "contrast": 0.7498089554},
        **{"elastic_transform": 1.086190671, "pixelate": 0.5480887106},
        **{"jpeg_compression": 0.835350371},
    }
    assert ratios == pytest.approx(expected, rel=1e-8)
    assert mce({name: [value] * 5 for name, value in ALEXNET_ERRORS.items()}) == pytest.approx(1)
    assert np.mean(list(ALEXNET_ERRORS.values())) == pytest.approx(0.7889930667, rel=1e-8)


@pytest.mark.parametrize(
    ("errors", "message"),
    [
        ({}, "`errors` must be a mapping of at least one corruption"),
        ({"rain": [0.1] * 5}, "`errors` must be one of 'gaussian_noise'"),
        ({"fog": [0.1] * 4}, "`errors` must be of 5 severities.* fog"),
        ({"fog": [40] * 5}, "`errors` must be a finite number .* at most 1, got 40. Give shares"),
    ],
)
def test_bad_errors(errors, message):
    with pytest.raises(ValueError, match=message):
        mce(errors)


@pytest.fixture
def root(make_colours, tmp_path):
    for corruption in ("fog", "snow"):
        for severity in range(1, 6):
            # Stronger: fewer of the classes look like themselves.
            order = NAMES if severity < 4 else [NAMES[1], NAMES[0], NAMES[2]]
            make_colours(tmp_path / "c" / corruption / str(severity), order, count=2)
    (tmp_path / "c" / "speckle_noise").mkdir()
    return tmp_path / "c"


def test_layout(root, caplog):
    sets = open_imagenet_c(root)
    assert list(sets) == ["snow", "fog"]  # in the order of the published tables
    assert [len(part) for part in sets["fog"]] == [6] * 5
    assert sets["fog"][0].classes == NAMES
    assert "13 corruptions are not there: gaussian_noise, shot_noise" in caplog.text


def test_wrong_layouts(root, many_folders, tmp_path):
    with pytest.raises(ValueError, match="`root` must be a folder with a folder for each corrupt"):
        open_imagenet_c(root / "fog")
    (root / "fog" / "6").mkdir()
    (root / "fog" / "5").rename(root / "fog" / "9")
    with pytest.raises(ValueError, match="`root` must be a folder with all five severities"):
        open_imagenet_c(root)
    many_folders(root / "fog" / "5", ["n7"])
    with pytest.raises(ValueError, match="`root` must be of the same class folders everywhere"):
        open_imagenet_c(root)


def test_errors_are_those_of_a_loop(backbone, root, make_colours, tmp_path):
    train = make_colours(tmp_path / "train", [*NAMES, "n4"])
    file = tmp_path / "x.npz"
    records = evaluate_imagenet_c(backbone, train, root, image_size=32, arrays=file, seed=1)
    values = {record.metric: record.value for record in records}
    readout = fit_readout(extract_features(backbone, train, image_size=32), num_classes=4, seed=1)
    errors = {}
    for corruption, parts in open_imagenet_c(root).items():
        errors[corruption] = []
        for images in parts:
            logits = readout.logits(extract_features(backbone, images, image_size=32).features)[
                :, :3
            ]
            errors[corruption].append(float((logits.argmax(1) != images.labels).double().mean()))
    assert errors["fog"][4] > errors["fog"][0]
    assert values["error, fog"] == pytest.approx(100 * np.mean(errors["fog"]))
    plain = 100 * np.mean(list(errors.values()))
    assert values["mean corruption error"] == pytest.approx(plain)
    assert values["mCE of 2 corruptions, 3 classes"] == pytest.approx(100 * mce(errors))
    assert [record.metric for record in records][:2] == ["error, snow", "error, fog"]
    assert records[1].settings["errors"] == pytest.approx([100 * e for e in errors["fog"]])
    assert all(not record.higher_is_better for record in records)
    assert {record.dataset for record in records} == {"imagenet_c"}
    kept = read_predictions(file)
    assert kept["error"].tolist() == [errors["snow"], errors["fog"]]
    own = evaluate_imagenet_c(backbone, train, root, image_size=32, head=nn.Linear(96, 4))
    assert len(own) == len(records)


def test_the_published_name_is_kept_for_the_published_number():
    assert _mce_name(15, 1000) == "mCE"
    assert _mce_name(14, 1000) == "mCE of 14 corruptions, 1000 classes"
    assert _mce_name(15, 100) == "mCE of 15 corruptions, 100 classes"
