"""A result belongs to exactly what it was computed from."""

import json
import logging
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from instdisc.checkpoint import export_backbone
from instdisc.data import ImageSource, Layout, Scenes, SceneSegments
from instdisc.data.sets import LAYOUTS
from instdisc.models import Backbone
from instdisc.records import Run, read_records
from instdisc.transfer import TASKS, Task, job_key, read_predictions, run_suite
from instdisc.types import About, Record


@pytest.fixture(scope="module")
def backbone():
    torch.manual_seed(0)
    return Backbone("test_resnet")


@pytest.fixture
def suite(tmp_path, backbone):
    def call(data_sets, out="a", tasks=("knn",), checkpoints=None, **options):
        return run_suite(
            checkpoints or {"m": backbone},
            data_sets,
            tasks=tasks,
            data_root=tmp_path,
            results=tmp_path / out / "results.jsonl",
            **{"image_size": 32, "progress": False, **options},
        )

    return call


def colours(folder, *, learnable, count=12, seed=0):
    """Two classes of noise; learnable if one channel tells them apart."""
    rng = np.random.default_rng(seed)
    for label, name in enumerate("ab"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
            if learnable:
                pixels[..., label] = 255 - pixels[..., label] // 8
            Image.fromarray(pixels).save(folder / name / f"{index}.png")
    return folder


def values(records):
    return [(record.dataset, record.value) for record in records]


@pytest.mark.parametrize(
    ("places", "names"),
    [
        (("v1/set", "v2/set"), ["v1/set", "v2/set"]),
        (("pets.v1", "pets.v2"), ["pets.v1", "pets.v2"]),
        (("a/x/set", "b/x/set"), ["a/x/set", "b/x/set"]),
    ],
)
def test_two_folders_of_one_name_keep_their_own_results(suite, tmp_path, places, names):
    colours(tmp_path / places[0], learnable=True)
    colours(tmp_path / places[1], learnable=False)
    alone = [suite([place], out=f"out {place}".replace("/", "-"))[0].value for place in places]
    assert alone[0] == 100
    assert alone[1] < 100
    both = suite(places, "both")
    assert values(both) == list(zip(names, alone, strict=True))
    one_file = [suite([place], "one file")[0].value for place in places]
    assert one_file == alone


def test_names_that_are_given(suite, tmp_path):
    colours(tmp_path / "v1" / "set", learnable=True)
    colours(tmp_path / "v2" / "set", learnable=False)
    records = suite([f"first={tmp_path}/v1/set", f"second={tmp_path}/v2/set"])
    assert [record.dataset for record in records] == ["first", "second"]
    with pytest.raises(ValueError, match="`data_sets` must have different names, got 'x' twice"):
        suite([f"x={tmp_path}/v1/set", f"x={tmp_path}/v2/set"])


def test_a_copy_under_another_name_is_not_run_again(suite, tmp_path):
    colours(tmp_path / "pets", learnable=True)
    first = suite(["pets"])
    shutil.copytree(tmp_path / "pets", tmp_path / "elsewhere" / "animals")
    again = suite(["elsewhere/animals"])
    assert again[0].dataset == "animals"
    assert again[0]._replace(dataset="pets") == first[0]
    assert len(read_records(tmp_path / "a" / "results.jsonl")) == 1


def test_replaced_images_are_run_again(suite, tmp_path):
    colours(tmp_path / "pets", learnable=True)
    assert suite(["pets"])[0].value == 100
    colours(tmp_path / "pets", learnable=False)
    fresh = suite(["pets"], "fresh")[0].value
    assert suite(["pets"])[0].value == fresh < 100


def test_equal_weights_are_one_checkpoint(suite, tmp_path, backbone):
    colours(tmp_path / "pets", learnable=True)
    files = [export_backbone(backbone, tmp_path / f"{name}.safetensors") for name in "ab"]
    assert files[0].read_bytes() == files[1].read_bytes()
    records = suite(["pets"], checkpoints=files)
    assert [record.checkpoint for record in records] == [str(file) for file in files]
    assert len(read_records(tmp_path / "a" / "results.jsonl")) == 1
    assert {record.weights for record in records} == {backbone.about().weights}


def test_how_a_backbone_sees_images_is_part_of_the_key(suite, tmp_path, backbone):
    colours(tmp_path / "pets", learnable=True)
    suite(["pets"])
    twin = Backbone("test_resnet")
    twin.load_state_dict(backbone.state_dict())
    twin.input = twin.input._replace(mean=(0.5, 0.5, 0.5))
    (record,) = suite(["pets"], checkpoints={"m": twin})
    assert record.view["mean"] == [0.5, 0.5, 0.5]
    assert len(read_records(tmp_path / "a" / "results.jsonl")) == 2


def test_a_task_of_other_arithmetic_is_run_again(suite, tmp_path, monkeypatch):
    colours(tmp_path / "pets", learnable=True)
    suite(["pets"])
    monkeypatch.setitem(TASKS, "knn", TASKS["knn"]._replace(version=2))
    suite(["pets"])
    assert len(read_records(tmp_path / "a" / "results.jsonl")) == 2


def test_few_shot_sees_the_papers_square(suite, tmp_path):
    colours(tmp_path / "many", learnable=True, count=20)
    options = {"few_shot": {"ways": 2, "episodes": 5, "shots": [1]}}
    few, near = suite(["many"], tasks=["few_shot", "knn"], image_size=96, options=options)
    assert (few.view["resize"], few.view["keep_aspect"]) == (110, False)
    assert near.view["keep_aspect"] is True


def test_predictions_lie_beside_the_results(suite, tmp_path):
    colours(tmp_path / "pets", learnable=True)
    record = suite(["pets"])[0]
    kept = read_predictions(tmp_path / "a" / "predictions" / f"{record.job}.npz")
    assert len(kept["image"]) == record.n == 8
    assert kept["image"][0].startswith("a/")
    assert record.settings["data_hashed"] == "content"
    suite(["pets"], "b", predictions=False)
    assert not (tmp_path / "b" / "predictions").exists()


def test_objects_of_users_are_data_and_checkpoints(suite, backbone):
    scenes = Scenes(40, image_size=32, num_categories=2)
    train, test = (Scenes(40, image_size=32, num_categories=2, split=s) for s in ("train", "test"))
    one = suite([scenes], checkpoints=[backbone])
    assert [(r.dataset, r.method, r.n) for r in one] == [("scenes", "test_resnet", 12)]
    named = suite({"mine": (train, test), "all": scenes})
    assert [(r.dataset, r.n) for r in named] == [("mine", 40), ("all", 12)]
    with pytest.raises(TypeError, match="`data_sets` must be a sequence of .* got"):
        suite([{"a": 1}])
    with pytest.raises(
        TypeError, match="`data_sets` must be a sequence of .* or a mapping, got 'pets'"
    ):
        suite("pets")


def test_a_set_that_cannot_serve_a_task_does_not_stop_the_others(suite, tmp_path, caplog):
    colours(tmp_path / "good", learnable=True)
    (colours(tmp_path / "one", learnable=True) / "b").rename(tmp_path / "gone")
    with caplog.at_level(logging.WARNING):
        records = suite(["one", "good"])
    assert [record.dataset for record in records] == ["good"]
    (missing,) = records.missing
    assert missing.what == "knn on one"
    assert "of one class, 'a'" in missing.why


def test_a_runtime_error_of_one_job_does_not_end_the_rest(suite, tmp_path, monkeypatch):
    colours(tmp_path / "pets", learnable=True)

    def breaks(train, test, *, about=None):
        raise RuntimeError("out of something")

    monkeypatch.setitem(TASKS, "breaks", Task(breaks, ("train", "test"), "features"))
    records = suite(["pets"], tasks=["breaks", "knn"])
    assert [record.task for record in records] == ["knn"]
    assert records.missing == [("breaks on pets with m", "RuntimeError: out of something")]


def test_broken_weights_are_an_error_that_names_the_checkpoint(suite, tmp_path, backbone):
    colours(tmp_path / "pets", learnable=True)
    broken = Backbone("test_resnet")
    torch.nn.init.constant_(next(broken.parameters()), float("nan"))
    with pytest.raises(ValueError, match="must have finite weights; .* of 'exemplar' has not"):
        suite(["pets"], checkpoints={"moco": backbone, "exemplar": broken})
    file = tmp_path / "broken.safetensors"
    export_backbone(broken, file)
    with pytest.raises(ValueError, match=r"broken.safetensors holds weights that are not finite"):
        suite(["pets"], checkpoints=[file])
    assert not (tmp_path / "a").exists()


def test_a_task_of_a_users_own(suite, tmp_path, monkeypatch):
    """Fifteen lines: how many of the nearest neighbours are of the image's class, as a rank."""
    colours(tmp_path / "pets", learnable=True)

    def median_rank(train, test, *, offset: int = 0, about: About | None = None, seed: int = 0):
        order = (test.features @ train.features.T).argsort(1, descending=True)
        ranks = (train.labels[order] == test.labels[:, None]).int().argmax(1) + 1 + offset
        run = Run(test.about.update(about), seed, settings={"offset": offset})
        value = float(ranks.float().median())
        return run.record("rank", "median rank", value, unit="", higher_is_better=False)

    monkeypatch.setitem(TASKS, "rank", Task(median_rank, ("train", "test"), "features"))
    (record,) = suite(["pets"], tasks=["rank"], options={"rank": {"offset": 2}})
    assert (record.value, record.unit, record.higher_is_better) == (3.0, "", False)
    assert (record.method, record.dataset, record.architecture) == ("m", "pets", "test_resnet")


class Depths(ImageSource):
    """A kind of data that the library does not know."""

    kind = "depth"

    def __init__(self, folder):
        self.folder, self.name, self.classes = folder, folder.name, []
        self.labels = torch.full((3,), -1)

    def read(self, index):
        return torch.full((3, 8, 8), index, dtype=torch.uint8)


def test_a_kind_of_data_of_a_users_own(suite, tmp_path, monkeypatch, request):
    (tmp_path / "rooms").mkdir()
    (tmp_path / "rooms" / "depth.txt").write_text("")
    layout = Layout(
        "depth",
        "depth.txt",
        lambda path, part: Depths(path),
        lambda path: (path / "depth.txt").exists(),
    )
    LAYOUTS.append(layout)
    request.addfinalizer(lambda: LAYOUTS.remove(layout))

    def count(backbone, images, *, about: About | None = None) -> Record:
        return Run(backbone.about().update(about)).record("depth", "count", len(images), unit="")

    monkeypatch.setitem(TASKS, "depth", Task(count, ("all",), "depth"))
    (record,) = suite(["rooms"], tasks=["depth"])
    assert (record.value, record.dataset) == (3.0, "rooms")


def test_sets_of_every_kind_know_their_parts():
    segments = SceneSegments(Scenes(10, image_size=32, num_categories=2))
    from instdisc.data import split_set

    train, test = split_set(segments)
    assert (len(train), len(test)) == (7, 3)
    assert (train.kind, type(test).__name__) == ("segments", "SegmentSubset")


def test_keys_are_of_json():
    assert job_key({"a": [1, 2.0, None]}) == job_key(json.loads('{"a": [1, 2.0, null]}'))
    with pytest.raises(TypeError, match="not JSON serializable"):
        job_key({"a": {1}})
