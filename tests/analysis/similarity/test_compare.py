"""Comparison of checkpoints: against the functions on features, and what it leaves alone."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from instdisc.analysis.similarity import (
    cka_figure,
    compare_layers,
    mutual_knn,
    procrustes,
    similarity_figure,
)
from instdisc.analysis.similarity.task import SIMILARITY
from instdisc.data import ImageFolder, ImageSource, ImageSubset, Scenes
from instdisc.models import Backbone
from instdisc.transfer import extract_stages, read_predictions
from instdisc.types import About

SCENES = Scenes(41, image_size=32)
SMALL = {"image_size": 32, "k": 4}


def nets(*names):
    torch.manual_seed(1)
    return {name: Backbone("test_resnet") for name in names}


def naive(x, y, size):
    """Minibatch CKA by the mean over U-statistics, written out."""

    def hsic(a, b):
        n = len(a)
        k, m = a @ a.T, b @ b.T
        k.fill_diagonal_(0)
        m.fill_diagonal_(0)
        ends = k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (k.sum(0) @ m.sum(1))
        return ((k * m).sum() + ends) / (n * (n - 3))

    batches = [(a, b) for a, b in zip(x.split(size), y.split(size), strict=True) if len(a) > 3]
    both = sum(hsic(a, b) for a, b in batches)
    return both / (sum(hsic(a, a) for a, _ in batches) * sum(hsic(b, b) for _, b in batches)).sqrt()


def test_numbers_are_those_of_the_functions_on_shuffled_features(tmp_path):
    pair = nets("a", "b")
    file = tmp_path / "similarity.npz"
    records = compare_layers(pair, SCENES, seed=3, batch_size=13, arrays=file, **SMALL)
    order = torch.randperm(41, generator=torch.Generator().manual_seed(3))
    stages = [
        [stage.features[order].double() for stage in extract_stages(net, SCENES, image_size=32)]
        for net in pair.values()
    ]
    assert [r.task for r in records] == [
        *(f"layer{s}_similarity" for s in (1, 2, 3, 4) for _ in "abc"),
        *(f"layer{s}_similarity" for _ in "ab" for s in (2, 3, 4)),
    ]
    for s in range(4):
        x, y = stages[0][s], stages[1][s]
        expected = [naive(x, y, 13), mutual_knn(x, y, k=4), procrustes(x, y)]
        chosen = records[3 * s : 3 * s + 3]
        assert [r.value for r in chosen] == pytest.approx([float(e) for e in expected], abs=2e-5)
        assert [r.metric for r in chosen] == ["CKA", "mutual 4-NN", "Procrustes distance"]
        assert [r.n for r in chosen] == [39, 41, 41]  # 2 images of a fourth batch do not count
        assert all(r.low <= r.value <= r.high for r in chosen)
        assert [r.higher_is_better for r in chosen] == [True, True, False]
    record = records[0]
    assert (record.method, record.dataset, record.architecture) == (
        "a and b",
        "scenes",
        "test_resnet",
    )
    assert record.settings["batch_size"] == 13
    flat = [layer for net in stages for layer in net]
    stored = read_predictions(file)
    assert stored["checkpoint"].tolist() == ["a", "b"]
    assert stored["layer"].tolist() == ["layer1", "layer2", "layer3", "layer4"] * 2
    assert stored["layer_ends"].tolist() == [4, 8]
    matrix = [[float(naive(x, y, 13)) for y in flat] for x in flat]
    np.testing.assert_allclose(stored["cka"], matrix, atol=2e-5)
    np.testing.assert_allclose(np.diag(stored["cka"]), 1, atol=1e-12)
    near = [[mutual_knn(x, y, k=4) for y in flat] for x in flat]
    np.testing.assert_allclose(stored["mutual_knn"], near, atol=0.03)
    assert np.isfinite(stored["procrustes"]).sum() == 8


def test_each_layer_beside_the_one_before_it(tmp_path):
    pair = nets("a", "b")
    file = tmp_path / "similarity.npz"
    records = compare_layers(pair, SCENES, seed=3, batch_size=13, arrays=file, **SMALL)
    steps = [r for r in records if r.metric == "CKA with the layer before"]
    assert [(r.method, r.task) for r in steps] == [
        (name, f"layer{s}_similarity") for name in "ab" for s in (2, 3, 4)
    ]
    assert all(
        (r.architecture, r.n, r.higher_is_better) == ("test_resnet", 39, True) for r in steps
    )
    stored = read_predictions(file)
    places = [(first + s, first + s - 1) for first in (0, 4) for s in (1, 2, 3)]
    for record, place in zip(steps, places, strict=True):
        assert record.value == stored["cka"][place]
        assert (record.low, record.high) == (stored["cka_low"][place], stored["cka_high"][place])
    order = torch.randperm(41, generator=torch.Generator().manual_seed(3))
    for net, values in zip(pair.values(), (steps[:3], steps[3:]), strict=True):
        rows = [s.features[order].double() for s in extract_stages(net, SCENES, image_size=32)]
        expected = [float(naive(rows[s], rows[s - 1], 13)) for s in (1, 2, 3)]
        assert [r.value for r in values] == pytest.approx(expected, abs=2e-5)
    # The same of a checkpoint by itself, whatever stands beside it.
    alone = compare_layers({"a": pair["a"]}, SCENES, seed=3, batch_size=13, **SMALL)
    assert [(r.method, r.task, r.metric) for r in alone] == [
        ("a", r.task, r.metric) for r in steps[:3]
    ]
    assert [r.value for r in alone] == pytest.approx([r.value for r in steps[:3]], rel=1e-9)


def test_backbones_are_left_as_they_were_and_the_result_repeats(tmp_path):
    pair = nets("a", "b")
    pair["a"].train()
    before = {name: value.clone() for name, value in pair["a"].state_dict().items()}
    records = [compare_layers(pair, SCENES, batch_size=16, **SMALL) for _ in range(2)]
    assert [r.value for r in records[0]] == [r.value for r in records[1]]
    assert pair["a"].training
    assert all(torch.equal(v, before[name]) for name, v in pair["a"].state_dict().items())
    other = compare_layers(pair, SCENES, batch_size=16, seed=1, **SMALL)
    assert other[0].value != records[0][0].value  # other batches


def test_before_and_after_shows_the_stage_that_moved():
    (before,) = nets("before").values()
    (after,) = nets("after").values()
    after.load_state_dict(before.state_dict())
    with torch.no_grad():
        for weight in after.net.layer4.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
    records = compare_layers({"before": before, "after": after}, SCENES, **SMALL)
    values = {r.task: r.value for r in records if r.metric == "CKA"}
    assert [values[f"layer{s}_similarity"] for s in (1, 2, 3)] == pytest.approx([1] * 3)
    assert values["layer4_similarity"] < 0.99
    assert records[0].low == records[0].high == pytest.approx(1)


def test_maps_and_named_layers(tmp_path):
    pair = nets("a", "b")
    options = {"layers": ["conv1", "layer2.0"], "batch_size": 20, **SMALL}
    pooled = compare_layers(pair, SCENES, **options)
    maps = compare_layers(pair, SCENES, pooled=False, arrays=tmp_path / "maps.npz", **options)
    assert [r.task for r in maps[:6:3]] == ["conv1_similarity", "layer2.0_similarity"]
    assert [(r.method, r.task) for r in maps[6:]] == [
        (name, "layer2.0_similarity") for name in "ab"
    ]  # with conv1, the layer before
    assert maps[0].value != pooled[0].value
    assert maps[1].value == pooled[1].value  # mutual k-NN is of averaged maps always
    order = torch.randperm(41, generator=torch.Generator().manual_seed(0))
    rows = []
    from instdisc.data import ViewDataset, ViewLoader, evaluation_policy

    policy = evaluation_policy(32, seen=pair["a"].input)
    loader = ViewLoader(
        ViewDataset(ImageSubset(SCENES, order), [policy]), 41, shuffle=False, drop_last=False
    )
    images = next(iter(loader)).images[0]
    for net in pair.values():
        with torch.no_grad():
            rows.append(net.eval().net.conv1(images).double().flatten(1))
    assert maps[0].value == pytest.approx(float(naive(*rows, 20)), abs=1e-5)


def test_networks_of_other_depths_and_views_are_compared_at_the_last():
    pair = nets("resnet")
    pair["vit"] = Backbone("vit_tiny_patch16_224", img_size=32, depth=2, embed_dim=24, num_heads=2)
    records = compare_layers(pair, SCENES, about=About(dataset="mine"), **SMALL)
    assert [r.task for r in records[:3]] == ["last_similarity"] * 3
    steps = [(r.method, r.architecture) for r in records[3:]]
    depths = [len(net.stages) - 1 for net in pair.values()]
    expected = [
        *[("resnet", "test_resnet")] * depths[0],
        *[("vit", "vit_tiny_patch16_224")] * depths[1],
    ]
    assert steps == expected
    assert records[0].architecture == "test_resnet and vit_tiny_patch16_224"
    assert records[0].dataset == "mine"
    assert records[0].parameters == 0


def test_figures(tmp_path):
    file = tmp_path / "similarity.npz"
    compare_layers(nets("a", "$b$"), SCENES, arrays=file, **SMALL)
    arrays = read_predictions(file)
    maps, lines = cka_figure(arrays), similarity_figure(arrays)
    for figure in (maps, lines):
        assert isinstance(figure, Figure)
        figure.savefig(tmp_path / "figure.png")
    assert len(maps.axes) == 5  # of two networks, one empty, and the scale
    assert [axes.get_title() for axes in lines.axes] == [
        "CKA",
        "mutual 4-NN",
        "Procrustes distance",
    ]
    # A network by itself has a map and no line.
    compare_layers(nets("a"), SCENES, arrays=file, **SMALL)
    alone = read_predictions(file)
    assert len(cka_figure(alone).axes) == 2
    with pytest.raises(ValueError, match="`arrays` must be of two checkpoints with as many layers"):
        similarity_figure(alone)
    with pytest.raises(ValueError, match="`arrays` must be with 'cka', as compare_layers writes"):
        cka_figure({name: value for name, value in alone.items() if name != "cka"})


def test_as_a_task():
    assert SIMILARITY.options["layers"] is None
    options = {**SIMILARITY.options, "layers": ["layer1"]}
    SIMILARITY.check(options)
    with pytest.raises(ValueError, match="`batch_size` must be a whole number of at least 4"):
        SIMILARITY.check({**options, "batch_size": 3})
    records = SIMILARITY.call([nets("a", "b"), SCENES], {"image_size": 32}, {"layers": ["layer1"]})
    assert len(records) == 3


class Same(ImageSource):
    """One image, many times."""

    name, classes = "same", ("a",)
    labels = torch.zeros(9, dtype=torch.int64)

    def read(self, index):
        return torch.full((3, 32, 32), 7, dtype=torch.uint8)


def test_refusals():
    pair = nets("a", "b")
    with pytest.raises(ValueError, match="`backbones` must be at least one"):
        compare_layers({}, SCENES)
    with pytest.raises(TypeError, match="`backbones` must be a mapping"):
        compare_layers(pair["a"], SCENES)
    with pytest.raises(ValueError, match="`images` must be more than `k` = 50, got 41"):
        compare_layers(pair, SCENES, k=50)
    with pytest.raises(ValueError, match="`images` must be at least 4 images, got 3"):
        compare_layers(pair, Scenes(3), k=1)
    with pytest.raises(ValueError, match="`batch_size` must be a whole number of at least 4"):
        compare_layers(pair, SCENES, batch_size=2)
    with pytest.raises(ValueError, match="`layers` must be parts of 'test_resnet', got 'blocks'"):
        compare_layers(pair, SCENES, layers=["blocks"])
    with pytest.raises(ValueError, match="different for some images, got 'layer1 of a'. The rep"):
        compare_layers(pair, Same(), **SMALL)
    with torch.no_grad():
        pair["b"].net.layer3[0].conv1.weight.fill_(float("nan"))
    with pytest.raises(ValueError, match="finite for every image, got 'layer3 of b'. The weights"):
        compare_layers(pair, SCENES, **SMALL)


def test_real_images(real_data):
    images = ImageFolder(real_data("tiny_imagenet100") / "val")
    few = ImageSubset(images, torch.arange(0, len(images), max(1, len(images) // 48)))
    records = compare_layers(nets("a", "b"), few, batch_size=24, **SMALL)
    values = [r.value for r in records if r.metric == "CKA"]
    assert all(0.2 < value < 1 for value in values)  # random networks are much alike
