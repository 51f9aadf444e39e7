"""Each comparison: its records, its arrays, and the figure that is drawn from these alone."""

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from instdisc.analysis import ANALYSES, analyse
from instdisc.analysis.analysis import Analysis
from instdisc.analysis.pictures import (
    COMPONENTS,
    ERRORS,
    LOCATION,
    MAP,
    MISTAKES,
    NEIGHBOURS,
    compare_components,
    compare_locations,
    compare_maps,
    compare_mistakes,
    compare_neighbours,
    components_figure,
    confident_errors_figure,
    location_figure,
    map_figure,
    mistakes_figure,
    neighbours,
    neighbours_figure,
    principal_components,
    similarity_map,
    stage_maps,
)
from instdisc.data import ImageArray, ImageSource, Scenes
from instdisc.models import Backbone
from instdisc.transfer import TASKS, extract_features, read_predictions
from instdisc.types import About, Record

SIZE = 64
TEST = Scenes(24, image_size=32, num_categories=3, split="test")
TRAIN = Scenes(24, image_size=32, num_categories=3)


def compare_trained(backbones: dict, test: ImageSource, **options) -> list[Record]:
    return compare_mistakes(backbones, TRAIN, test, **options)


ALL = {
    "neighbours": (compare_neighbours, neighbours_figure, {"k": 4, "num_images": 3}),
    "components": (compare_components, components_figure, {"num_images": 3}),
    "locations": (compare_locations, location_figure, {"num_images": 3}),
    "maps": (compare_maps, map_figure, {"projection": "pca"}),
    "mistakes": (compare_trained, mistakes_figure, {"num_errors": 3}),
}
EACH = pytest.mark.parametrize(("compare", "draw", "options"), ALL.values(), ids=ALL)
SHOWN = pytest.mark.parametrize(
    ("compare", "draw", "options"),
    [entry for name, entry in ALL.items() if name != "maps"],
    ids=[name for name in ALL if name != "maps"],
)


@pytest.fixture(scope="module")
def backbones() -> dict[str, Backbone]:
    torch.manual_seed(0)
    return {"first": Backbone("test_resnet"), "second": Backbone("test_resnet")}


def drawn(figure: Figure) -> bytes:
    """The picture; a text outside the figure or a missing letter would raise."""
    assert figure.get_size_inches()[0] <= 12
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=50)
    return buffer.getvalue()


@EACH
def test_arrays_make_the_figure(compare, draw, options, backbones, tmp_path):
    before = {name: backbone.about().weights for name, backbone in backbones.items()}
    files = [tmp_path / f"{i}.npz" for i in range(2)]
    runs = [compare(backbones, TEST, image_size=SIZE, arrays=f, **options) for f in files]
    for first, again in zip(*runs, strict=True):
        assert first.value == again.value
        assert (first.low, first.high) == (again.low, again.high)
        assert first.dataset == "scenes"
        first.to_json()
    arrays = [read_predictions(file) for file in files]
    assert arrays[0].keys() == arrays[1].keys()
    for name, values in arrays[0].items():
        assert np.array_equal(values, arrays[1][name]), name
    assert drawn(draw(arrays[0]))[:4] == b"\x89PNG"
    assert {name: backbone.about().weights for name, backbone in backbones.items()} == before


@EACH
def test_each_record_is_called_by_its_checkpoint(compare, draw, options, backbones):
    records = compare(backbones, TEST, image_size=SIZE, about=About(dataset="mine"), **options)
    names = {record.method for record in records}
    assert {"first", "second"} <= names <= {"first", "second", "first and second"}
    assert {record.dataset for record in records} == {"mine"}
    weights = {record.weights for record in records if record.method == "first"}
    assert len(weights) == 1
    assert weights != {""}


@SHOWN
def test_images_can_be_switched_off(compare, draw, options, backbones, tmp_path):
    file = tmp_path / "arrays.npz"
    compare(backbones, TEST, image_size=SIZE, arrays=file, thumbnail=0, **options)
    arrays = read_predictions(file)
    assert arrays["thumbnail"].size == 0
    drawn(draw(arrays))


@pytest.mark.parametrize("draw", [entry[1] for entry in ALL.values()], ids=ALL)
def test_a_figure_without_its_arrays_is_refused(draw):
    with pytest.raises(ValueError, match="`arrays` must be with 'checkpoint'"):
        draw({})


@EACH
def test_no_checkpoint_is_refused(compare, draw, options):
    with pytest.raises(ValueError, match="`backbones` must be of at least 1"):
        compare({}, TEST, **options)
    with pytest.raises(TypeError, match="`backbones` must be a mapping"):
        compare([Backbone("test_resnet")], TEST, **options)
    with pytest.raises(TypeError, match="`backbones` must be backbones, also for 'a'"):
        compare({"a": torch.nn.Linear(2, 2)}, TEST, **options)


def test_neighbours_are_those_of_the_features(backbones, tmp_path):
    file = tmp_path / "arrays.npz"
    records = compare_neighbours(
        backbones, TEST, k=5, shown=[4, "11"], image_size=SIZE, arrays=file, thumbnail=8
    )
    arrays = read_predictions(file)
    images = arrays["image"]
    assert images[arrays["query"]].tolist() == ["4", "11"]
    for order, (name, backbone) in enumerate(backbones.items()):
        features = extract_features(backbone, TEST, image_size=SIZE)
        expected = neighbours(features, [4, 11], k=5)
        nearest = images[arrays["neighbour"][order]].astype(int)
        assert nearest.tolist() == expected.rows.tolist()
        assert arrays["cosine"][order] == pytest.approx(expected.cosines.numpy())
        shares = [
            float((TEST.labels[neighbours(features, [q], k=5).rows[0]] == TEST.labels[q]).sum()) / 5
            for q in range(len(TEST))
        ]
        share, cosine = [record for record in records if record.method == name]
        assert share.value == pytest.approx(100 * np.mean(shares))
        assert share.low <= share.value <= share.high
        cosines = neighbours(features, torch.arange(len(TEST)), k=5).cosines
        assert cosine.value == pytest.approx(float(cosines.mean()))
    assert (arrays["label"] == TEST.labels[images.astype(int)].numpy()).all()
    assert arrays["class"].tolist() == [TEST.classes[label] for label in arrays["label"]]


def test_neighbours_without_classes(backbones, tmp_path):
    pixels = torch.stack([TEST.read(row) for row in range(8)])
    images = ImageArray(pixels, torch.full((8,), -1), name="plain")
    file = tmp_path / "arrays.npz"
    records = compare_neighbours(backbones, images, k=2, image_size=SIZE, arrays=file)
    assert [record.metric for record in records] == ["cosine of neighbours"] * 2
    drawn(neighbours_figure(read_predictions(file)))
    file = tmp_path / "map.npz"
    compare_maps(backbones, images, projection="pca", image_size=SIZE, arrays=file)
    arrays = read_predictions(file)
    assert (arrays["label"] == -1).all()
    drawn(map_figure(arrays))


def test_components_of_the_maps(backbones, tmp_path):
    file = tmp_path / "arrays.npz"
    records = compare_components(
        backbones, TEST, stages=[3, 1], shown=[2, 5, 7], image_size=SIZE, arrays=file
    )
    assert [record.task for record in records] == ["stage3_components", "stage1_components"] * 2
    arrays = read_predictions(file)
    maps = stage_maps(
        backbones["first"], TEST.subset(torch.tensor([2, 5, 7])), stages=[3, 1], image_size=SIZE
    )
    for stage, stage_map in zip((3, 1), maps, strict=True):
        expected = principal_components(stage_map)
        assert arrays[f"scores_0_{stage}"] == pytest.approx(expected.scores.numpy(), abs=1e-4)
    assert records[1].value == pytest.approx(100 * float(expected.shares.sum()))
    assert arrays["share"][0, 1] == pytest.approx(expected.shares.numpy())


def test_networks_of_other_strides_are_shown_together(tmp_path):
    mixed = {
        "coarse": Backbone("test_resnet"),
        "fine": Backbone("resnet10t", stem="no_pool", channels=(8, 8, 8, 8), stem_width=8),
    }
    for compare, draw in (
        (compare_components, components_figure),
        (compare_locations, location_figure),
    ):
        file = tmp_path / "arrays.npz"
        compare(mixed, TEST, num_images=2, image_size=SIZE, stages=[2], arrays=file)
        drawn(draw(read_predictions(file)))


@pytest.mark.parametrize("compare", [compare_components, compare_locations])
def test_stages_of_few_cells(compare, backbones, caplog):
    records = compare(backbones, TEST, image_size=32, num_images=4)
    assert {record.task.split("_")[0] for record in records} == {"stage1", "stage2", "stage3"}
    with pytest.raises(ValueError, match="at least 4 cells, got 4. At this `image_size` its map"):
        compare(backbones, TEST, image_size=32, num_images=4, stages=[1, 4])
    with pytest.raises(ValueError, match="`stages?` must be .* at most 4, got 5"):
        compare(backbones, TEST, image_size=32, stages=[5])


def test_locations_of_the_maps(backbones, tmp_path):
    file = tmp_path / "arrays.npz"
    (record, _) = compare_locations(
        backbones, TEST, stages=[2], shown=[1, 2], location=[0, 1], image_size=SIZE, arrays=file
    )
    (maps,) = stage_maps(
        backbones["first"], TEST.subset(torch.tensor([1, 2])), stages=[2], image_size=SIZE
    )
    expected = similarity_map(maps, (0, 1))
    assert read_predictions(file)["cosine_0_2"] == pytest.approx(expected.numpy(), abs=1e-6)
    others = [
        [v for i, v in enumerate(picture.flatten().tolist()) if i != 56] for picture in expected
    ]
    assert record.value == pytest.approx(np.mean(others))
    assert record.settings["cells"] == [8, 8]


def test_maps_of_some_classes(backbones, tmp_path):
    file = tmp_path / "arrays.npz"
    options = {"projection": "pca", "image_size": SIZE, "arrays": file}
    compare_maps(backbones, TEST, num_classes=2, num_images=10, **options)
    arrays = read_predictions(file)
    assert len(arrays["class"]) == 2
    assert np.bincount(arrays["label"]).tolist() == [5, 5]
    for row, image in enumerate(arrays["image"].astype(int)):
        assert TEST.classes[TEST.labels[image]] == arrays["class"][arrays["label"][row]]
    chosen = [TEST.classes[2], TEST.classes[0]]
    compare_maps(backbones, TEST, shown_classes=chosen, **options)
    assert sorted(read_predictions(file)["class"]) == sorted(chosen)
    with pytest.raises(ValueError, match="`shown_classes` must be one of"):
        compare_maps(backbones, TEST, shown_classes=["unheard of"], **options)
    with pytest.raises(ValueError, match="`num_classes` must be .* at most 24"):
        compare_maps(backbones, TEST, num_classes=25, **options)
    with pytest.raises(ValueError, match="at least 4 rows"):
        compare_maps(backbones, TEST, num_images=3, **options)


@pytest.mark.parametrize("probe", ["knn", "readout"])
def test_mistakes_of_a_probe(probe, backbones, tmp_path):
    file = tmp_path / "arrays.npz"
    records = compare_mistakes(
        backbones, TRAIN, TEST, probe=probe, num_errors=4, image_size=SIZE, arrays=file
    )
    top = {record.method: record.value for record in records if record.metric == "top-1"}
    difference = records[2]
    assert difference.value == pytest.approx(top["first"] - top["second"])
    settings = difference.settings
    only = settings["only_first_right"] - settings["only_second_right"]
    assert difference.value == pytest.approx(100 * only / len(TEST))
    arrays = read_predictions(file)
    images = arrays["image"].astype(int)
    for order in range(2):
        rows = arrays["error"][order][arrays["error"][order] >= 0]
        assert (arrays["label"][rows] == TEST.labels[images[rows]].numpy()).all()
        assert (arrays["prediction"][order, rows] != arrays["label"][rows]).all()
        assert (np.diff(arrays["confidence"][order, rows]) <= 0).all()
    rows = arrays["only"][0, 1][arrays["only"][0, 1] >= 0]
    assert (arrays["prediction"][0, rows] == arrays["label"][rows]).all()
    assert (arrays["prediction"][1, rows] != arrays["label"][rows]).all()
    assert arrays["count"][0, 1] == settings["only_first_right"]


def test_mistakes_of_other_probes_are_refused(backbones):
    with pytest.raises(ValueError, match="`probe` must be one of 'knn', 'readout', got 'svm'"):
        compare_mistakes(backbones, TRAIN, TEST, probe="svm")


WRONG: list[tuple[Callable, dict, str]] = [
    (NEIGHBOURS, {"k": 0}, "`k` must be a whole number of at least 1"),
    (NEIGHBOURS, {"thumbnail": -1}, "`thumbnail` must be a finite number of at least 0"),
    (COMPONENTS, {"stages": [0]}, "`stages` must be a whole number of at least 1"),
    (LOCATION, {"location": [0.5, 2.0]}, "`location` must be a sequence of numbers"),
    (MAP, {"projection": "mds"}, "`projection` must be one of"),
    (MAP, {"num_classes": 25}, "at most 24"),
    (MISTAKES, {"probe": "svm"}, "`probe` must be one of"),
    (ERRORS, {"sure": 2}, "`sure` must be a finite number"),
]


@pytest.mark.parametrize(("task", "options", "message"), WRONG)
def test_tasks_refuse_options(task, options, message):
    task.check(task.options)  # the defaults pass
    with pytest.raises(ValueError, match=message):
        task.check({**task.options, **task.parsed(options)})


def test_a_task_calls_its_function(backbones, tmp_path):
    file = tmp_path / "arrays.npz"
    offered = {"seed": 1, "image_size": SIZE, "arrays": file, "predictions": file, "classes": 3}
    records = NEIGHBOURS.call([backbones, TEST], offered, {"k": 2, "shown": ["3", 4]})
    assert len(records) == 4
    assert read_predictions(file)["neighbour"].shape == (2, 2, 2)


def test_all_together(backbones, tmp_path, monkeypatch):
    drawings = {
        "neighbours": (NEIGHBOURS, neighbours_figure, {"k": 2}),
        "components": (COMPONENTS, components_figure, {"num_images": 2}),
        "map": (MAP, map_figure, {"projection": "pca"}),
        "mistakes": (MISTAKES, mistakes_figure, {"num_errors": 2}),
        "location": (LOCATION, location_figure, {"num_images": 2}),
        "confident_errors": (ERRORS, confident_errors_figure, {"num_errors": 2}),
    }
    for name, (task, draw, _) in drawings.items():
        monkeypatch.setitem(TASKS, name, task)
        monkeypatch.setitem(ANALYSES, name, Analysis({name: draw}))
    records = analyse(
        backbones,
        {"scenes": Scenes(24, image_size=32, num_categories=3)},
        analyses=list(drawings),
        options={name: options for name, (_, _, options) in drawings.items()}
        | {"readout": {"penalties": [1.0]}},
        out=tmp_path,
        image_size=32,
        progress=False,
    )
    assert not records.missing
    names = {f"scenes_{name}.png" for name in drawings}
    assert names == {file.name for file in (tmp_path / "figures").iterdir()}
