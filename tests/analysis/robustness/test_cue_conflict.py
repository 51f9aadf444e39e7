"""Shape against texture: the published example, a replica of the files, decisions by a loop."""

import shutil

import numpy as np
import pytest
import torch

from instdisc.analysis.robustness import (
    CueConflict,
    evaluate_shape_bias,
    shape_bias,
    shape_bias_figure,
)
from instdisc.transfer import extract_features, fit_readout, read_predictions

ROWS = [
    *(("cat", "cat", "dog"), ("dog", "cat", "dog"), ("car", "cat", "dog"), ("cat", "dog", "cat")),
    *(("dog", "dog", "cat"), ("car", "car", "car"), ("knife", "knife", "clock")),
    *(("clock", "knife", "clock"), ("knife", "knife", "clock"), ("bird", "bird", "boat")),
]
CLASSES = [
    *("airplane", "bear", "bicycle", "bird", "boat", "bottle", "car", "cat", "chair", "clock"),
    *("dog", "elephant", "keyboard", "knife", "oven", "truck"),
]


def test_golden_vector():
    result = shape_bias(*zip(*ROWS, strict=True))
    assert (result.shape, result.texture, result.bias) == (5, 3, 0.625)
    assert result.other == 1
    numbers = (
        torch.tensor([CLASSES.index(name) for name in row]) for row in zip(*ROWS, strict=True)
    )
    assert shape_bias(*numbers) == result


def test_no_decision():
    with pytest.raises(ValueError, match="`predictions` must be for shape or texture in at least"):
        shape_bias(["car", "cat"], ["cat", "cat"], ["dog", "cat"])
    with pytest.raises(ValueError, match="`textures` must be as many as predictions and shapes"):
        shape_bias(["car"], ["cat", "cat"], ["dog", "cat"])


@pytest.fixture(scope="module")
def official(save_image, tmp_path_factory):
    """16 classes; of each shape one image with each of four textures, its own among them."""
    root = tmp_path_factory.mktemp("cue")
    for place, shape in enumerate(CLASSES):
        for step in range(4):
            texture = CLASSES[(place + 5 * step) % 16]
            name = f"{shape}{step + 1}-{texture}{step + 2}.png"
            save_image(root / shape / name, (16 * place, 16 * ((place + 5 * step) % 16), 99))
    return root


def test_layout(official, save_image, tmp_path):
    images = CueConflict(official)
    assert list(images.classes) == CLASSES
    assert len(images) == len(images.textures) == 64
    for path, shape, texture in zip(
        images.image_names(), images.labels, images.textures, strict=True
    ):
        left, right = path.split("/")[1].removesuffix(".png").split("-")
        assert CLASSES[int(shape)] == left.rstrip("0123456789")
        assert CLASSES[int(texture)] == right.rstrip("0123456789")
    for wrong in ("cat/cat1.png", "cat/dog1-cat2.png", "cat/cat1-zebra2.png"):
        root = tmp_path / wrong.replace("/", "_")
        save_image(root / "dog" / "dog1-cat1.png", (1, 2, 3))
        save_image(root / wrong, (1, 2, 3))
        with pytest.raises(ValueError, match="`root` must be a folder of files like cat/cat3-dog1"):
            CueConflict(root)


@pytest.fixture(scope="module")
def train(make_colours, tmp_path_factory):
    """Plain images of four of the classes; "zebra" is none of them."""
    root = tmp_path_factory.mktemp("plain")
    return make_colours(root, ["airplane", "bottle", "dog", "truck", "zebra"], suffix="png")


@pytest.mark.parametrize("classifier", ["class_mean", "readout"])
def test_decisions_are_those_of_a_loop(classifier, backbone, official, train, tmp_path, caplog):
    file = tmp_path / "x.npz"
    records = evaluate_shape_bias(
        backbone, train, official, classifier=classifier, image_size=32, arrays=file
    )
    cues = CueConflict(official)
    seen = extract_features(backbone, train, image_size=32)
    asked = extract_features(backbone, cues, image_size=32)
    units = seen.features.double() / seen.features.double().norm(dim=1, keepdim=True)
    means = torch.stack([units[seen.labels == k].mean(0) for k in range(5)])
    readout = fit_readout(seen, num_classes=5) if classifier == "readout" else None
    expected = []
    for row in range(len(cues)):
        shape, texture = (cues.classes[int(k[row])] for k in (cues.labels, cues.textures))
        if shape == texture or shape not in train.classes or texture not in train.classes:
            continue
        if classifier == "readout":
            guess = int(readout.logits(asked.features[row : row + 1]).argmax())
        else:
            vector = asked.features[row].double()
            cosines = [float(vector @ mean / vector.norm() / mean.norm()) for mean in means]
            guess = int(np.argmax(cosines))
        expected.append((train.classes[guess], shape, texture))
    counts = shape_bias(*zip(*expected, strict=True))
    assert records[0].value == pytest.approx(100 * counts.bias)
    assert records[0].n == counts.shape + counts.texture
    assert records[1].value == pytest.approx(100 * records[0].n / len(expected))
    assert records[0].settings["other"] == counts.other
    assert [(r.task, r.metric) for r in records] == [
        ("shape_bias", "shape bias"),
        ("shape_bias", "shape or texture"),
    ]
    kept = read_predictions(file)
    names = kept["classes"]
    assert [
        tuple(names[[p, s, t]])
        for p, s, t in zip(kept["prediction"], kept["shape"], kept["texture"], strict=True)
    ] == expected


def test_what_is_left_out_is_said(backbone, official, train, caplog, tmp_path):
    copy = shutil.copytree(official, tmp_path / "cue")  # what was said of a folder is said once
    evaluate_shape_bias(backbone, train, copy, image_size=32)
    assert "16 images show shape and texture of one class, and do not count, first airplane" in (
        caplog.text
    )
    assert "42 images are of classes that were not trained on, first bear/bear2-" in caplog.text


def test_figure(tmp_path):
    arrays = {
        "classes": np.array(["cat", "dog", "car"]),
        "prediction": np.array([0, 1, 1, 2]),
        "shape": np.array([0, 0, 1, 1]),
        "texture": np.array([1, 1, 0, 0]),
    }
    figure = shape_bias_figure({"a": arrays, "b": arrays})
    (axes,) = figure.axes
    marks = axes.collections[0].get_offsets()
    assert marks[:2].tolist() == [[0.5, 0], [1.0, 1]]
    assert axes.lines[0].get_xdata()[0] == pytest.approx(2 / 3)
    figure.savefig(tmp_path / "x.png")
    with pytest.raises(ValueError, match="`arrays` must be of the same classes for every checkpo"):
        shape_bias_figure({"a": arrays, "b": {**arrays, "classes": np.array(["a", "b", "c"])}})
    with pytest.raises(ValueError, match="`arrays` must be with 'texture'"):
        shape_bias_figure({"a": {k: v for k, v in arrays.items() if k != "texture"}})


def test_bad_input(backbone, official, train, make_colours, tmp_path):
    with pytest.raises(ValueError, match="`classifier` must be one of 'class_mean', 'readout'"):
        evaluate_shape_bias(backbone, train, official, classifier="knn", image_size=32)
    others = make_colours(tmp_path / "x", ["ant", "cat"])
    with pytest.raises(ValueError, match="`train` must be of at least two of the classes airplane"):
        evaluate_shape_bias(backbone, others, official, image_size=32)
    few = make_colours(tmp_path / "y", ["bear", "boat"])
    with pytest.raises(ValueError, match="`cues` must be of at least one image whose cues"):
        evaluate_shape_bias(backbone, few, official, image_size=32)


def test_shape_bias_of_names_and_classes_mixed():
    for names in (["a", "b"], "ab"):
        with pytest.raises(TypeError, match="must be a tensor"):
            shape_bias(torch.tensor([0, 1]), names, names)
    with pytest.raises(TypeError, match="`predictions` must be a tensor or a sequence of texts"):
        shape_bias("ab", ["a", "b"], ["b", "a"])
