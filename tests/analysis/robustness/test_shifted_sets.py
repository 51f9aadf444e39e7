"""Shifted sets: replicas of the layouts, classes by name, restricted logits."""

import numpy as np
import pytest
import torch
from torch import nn

from instdisc.analysis.robustness import (
    SHIFTED_SETS,
    evaluate_distribution_shift,
    match_classes,
    open_shifted,
    restrict_logits,
)
from instdisc.data import ImageArray, ImageFolder
from instdisc.metrics import aurra
from instdisc.transfer import extract_features, fit_readout, read_predictions
from instdisc.types import About

WNIDS = [f"n{10_000_000 + number:08d}" for number in range(1000)]


@pytest.mark.parametrize("name", SHIFTED_SETS)
def test_replicas(name, many_folders, tmp_path):
    count, folder = SHIFTED_SETS[name]
    numbered = name.startswith("imagenet_v2")
    names = [str(k) for k in range(count)] if numbered else WNIDS[-count:]
    root = many_folders(tmp_path / folder, names[:count] if numbered else names)
    for place in (tmp_path, root):
        images = open_shifted(name, place)
        assert (images.name, len(images)) == (name, len(names))
    matched = match_classes(images, WNIDS)
    if numbered:
        assert matched.ids.tolist() == list(range(1000))
        # Folder 10 comes second by its name, and is class 10.
        assert images.classes[2] == "10"
        assert int(matched.labels[2]) == 10
    else:
        assert matched.ids.tolist() == list(range(1000 - count, 1000))
        assert torch.equal(matched.labels, images.labels)


def test_wrong_folders(many_folders, tmp_path):
    many_folders(tmp_path / "a", WNIDS[:3])
    with pytest.raises(ValueError, match="`root` must be a folder of 200 class folders, as imagen"):
        open_shifted("imagenet_a", tmp_path / "a")
    with pytest.raises(FileNotFoundError, match="`root` must be the folder of imagenet_r, got"):
        open_shifted("imagenet_r", tmp_path / "nothing")
    many_folders(tmp_path / "v2", WNIDS)
    with pytest.raises(ValueError, match="`root` must be a folder of the folders 0 to 999"):
        open_shifted("imagenet_v2", tmp_path / "v2")


def array(labels, classes, name="some"):
    labels = torch.tensor(labels)
    pixels = torch.zeros(len(labels), 3, 4, 4, dtype=torch.uint8)
    return ImageArray(pixels, labels, classes=classes, name=name)


def test_classes_are_matched_by_name(caplog):
    images = array([0, 1, 2, 2, -1], ["zebra", "ant", "yak"], "odd one")
    matched = match_classes(images, ["ant", "bee", "zebra"])
    assert matched.ids.tolist() == [0, 2]
    assert matched.labels.tolist() == [1, 0, -1, -1, -1]
    assert "odd one: 2 images of classes that were not trained on are left out, first of 'yak'" in (
        caplog.text
    )
    with pytest.raises(ValueError, match="`classes` must be at least 2 of those of 'some'"):
        match_classes(array([0, 1], ["ant", "bee"]), ["ant", "cow"])
    with pytest.raises(ValueError, match="`classes` must be the 1000 of ImageNet for a set whose"):
        match_classes(array([0, 1], ["0", "1"]), ["ant", "cow"])
    # Numbers that are the classifier's own names are names.
    assert match_classes(array([0, 1], ["4", "7"]), ["7", "4"]).ids.tolist() == [0, 1]


def test_restricted_logits_are_the_golden_ones():
    logits = torch.tensor(
        [[2.0, 1, 9, 0, 3, 1], [0, 5, 1, 4, 2, 8], [1, 1, 0, 0, 2, 3]], dtype=torch.float64
    )
    few = restrict_logits(logits, torch.tensor([0, 3, 4]))
    assert few.argmax(1).tolist() == [2, 1, 2]
    assert few.softmax(1).amax(1).tolist() == pytest.approx(
        [0.7053845127, 0.8668133322, 0.6652409558]
    )
    for ids, message in (
        ([0], "`ids` must be at least 2 classes of 0 to 5"),
        ([0, 6], "`ids` must be at least 2 classes of 0 to 5"),
        ([1, 1], "`ids` must be each a class of its own"),
    ):
        with pytest.raises(ValueError, match=message):
            restrict_logits(logits, torch.tensor(ids))


@pytest.fixture
def sets(make_colours, tmp_path):
    """Four classes; shifted: three of them by name and one that is unknown, darker."""
    names = WNIDS[:4]
    train, test = (make_colours(tmp_path / part, names) for part in ("train", "test"))
    make_colours(tmp_path / "shift", [names[1], WNIDS[8], names[2]], count=5)
    return train, test, ImageFolder(tmp_path / "shift")


def test_shifted_accuracy_is_that_of_a_loop(backbone, sets, tmp_path):
    train, test, shifted = sets
    file = tmp_path / "x.npz"
    records = evaluate_distribution_shift(
        backbone, train, test, {"odd": shifted}, image_size=32, arrays=file, seed=1
    )
    values = {record.metric: record.value for record in records}
    assert {(r.task, r.dataset) for r in records} == {("distribution_shift", "odd")}
    seen, asked, usual = (
        extract_features(backbone, images, image_size=32) for images in (train, shifted, test)
    )
    readout = fit_readout(seen, num_classes=4, seed=1)
    hits, sure = [], []
    for row, logits in enumerate(readout.logits(asked.features)):
        name = shifted.classes[int(shifted.labels[row])]
        if name in train.classes:
            few = logits[[1, 2]].softmax(0)
            hits.append(train.classes[[1, 2][int(few.argmax())]] == name)
            sure.append(float(few.max()))
    assert records[0].n == len(hits) == 10
    assert values["top-1"] == pytest.approx(100 * np.mean(hits))
    area = aurra(torch.tensor(sure), torch.tensor(hits))
    assert values["AURRA"] == pytest.approx(100 * float(area))
    rows = [row for row in range(24) if int(test.labels[row]) in (1, 2)]
    guesses = readout.logits(usual.features)[rows][:, [1, 2]].argmax(1) + 1
    expected = 100 * float((guesses == test.labels[rows]).double().mean())
    assert values["top-1, not shifted"] == pytest.approx(expected)
    kept = read_predictions(file)
    assert kept["odd/confidence"].tolist() == pytest.approx(sure)
    assert (kept["odd/label"] == kept["odd/prediction"]).tolist() == hits
    assert set(kept["odd/label"].tolist()) == {1, 2}
    assert {r.metric for r in records if not r.higher_is_better} == {"ECE", "RMS calibration error"}


def test_a_head_of_ones_own(backbone, sets):
    head = nn.Sequential(nn.BatchNorm1d(96), nn.Dropout(0.5), nn.Linear(96, 4))
    state = {name: value.clone() for name, value in head.state_dict().items()}
    asked = (backbone, *sets[:2], {"odd": sets[2]})
    first, again = (
        evaluate_distribution_shift(*asked, head=head, image_size=32, about=About("tuned"))
        for _ in range(2)
    )
    assert [r.value for r in first] == [r.value for r in again]  # no dropout, no statistics
    assert first[0].method == "tuned"
    assert head.training
    assert all(torch.equal(value, state[name]) for name, value in head.state_dict().items())
    with pytest.raises(ValueError, match=r"`head` must be a tensor \(24, 4\).* for each class"):
        evaluate_distribution_shift(*asked, head=nn.Linear(96, 5), image_size=32)
    with pytest.raises(ValueError, match="`head` must be finite"):
        evaluate_distribution_shift(*asked, head=lambda x: x[:, :4] / 0, image_size=32)


def test_bad_input(backbone, sets):
    for shifted in ({}, sets[2]):
        with pytest.raises((ValueError, TypeError), match="`shifted` must be a mapping"):
            evaluate_distribution_shift(backbone, *sets[:2], shifted, image_size=32)
