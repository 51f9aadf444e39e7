"""What a suite is asked for: each thing once, of its kind, or refused before anything runs."""

import numpy as np
import pytest
import torch
from PIL import Image

from instdisc.checkpoint import export_backbone
from instdisc.data import ImageSource, Scenes
from instdisc.models import Backbone
from instdisc.records import read_records
from instdisc.transfer import TASKS, Task, run_suite
from instdisc.transfer.suite.checking import check_options
from instdisc.transfer.suite.sets import find_sets
from instdisc.transfer.suite.subjects import find_subjects
from instdisc.types import Record

RECORD = Record("own", "toy", "score", 1.0)


def backbone(seed=0):
    torch.manual_seed(seed)
    return Backbone("test_resnet")


def images(folder):
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for name in "ab":
            (folder / part / name).mkdir(parents=True)
            for index in range(4):
                pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / part / name / f"{index}.bmp")
    return folder


def no_miss(what, why):
    raise AssertionError((what, why))


@pytest.fixture
def suite(tmp_path):
    images(tmp_path / "set")

    def call(tasks=("knn",), out="out", checkpoints=None, **options):
        return run_suite(
            checkpoints or {"m": backbone()}, [tmp_path / "set"], tasks=tasks, image_size=32,
            results=tmp_path / out / "results.jsonl", progress=False, **options,
        )  # fmt: skip

    return call


@pytest.fixture
def own(monkeypatch):
    """Makes a task of a user's own."""

    def add(function):
        monkeypatch.setitem(TASKS, "own", Task(function, ("train", "test"), "images"))

    return add


def test_one_set_in_several_spellings_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images(tmp_path / "v1" / "set")
    (tmp_path / "link").symlink_to(tmp_path / "v1" / "set")
    asked = ["v1/set", "v1/set/", tmp_path / "v1" / "set", "v1/../v1/set", "link"]
    assert [one.name for one in find_sets(asked, "data", "nothing")] == ["set"]
    both = find_sets(["v1/set", "mine=v1/set"], "data", "nothing")
    assert [one.name for one in both] == ["set", "mine"]


def test_one_file_in_several_spellings_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = export_backbone(backbone(), tmp_path / "k=v" / "a.safetensors")
    asked = [str(file), "k=v/a.safetensors", "./k=v/a.safetensors"]
    assert [one.name for one in find_subjects(asked, 0, no_miss)] == ["a"]
    named = find_subjects({"x": asked[0], "y": asked[1]}, 0, no_miss)
    assert [one.name for one in named] == ["x", "y"]
    told = export_backbone(backbone(), tmp_path / "k=v" / "b.pth", format="timm")
    assert find_subjects([f"{told}:test_resnet"], 0, no_miss)[0].name == "b"


def test_files_of_one_stem_in_nested_folders(tmp_path):
    folders = [tmp_path / "x", tmp_path / "y", tmp_path]
    files = [export_backbone(backbone(i), one / "a.safetensors") for i, one in enumerate(folders)]
    names = [one.name for one in find_subjects(files, 0, no_miss)]
    assert len(set(names)) == 3
    assert all("(.)" not in name for name in names)


@pytest.mark.parametrize("sets", [[("a", 3)], [("a",)], {"a": None}, {3: "a"}, [3], None])
def test_sets_of_another_kind(sets):
    with pytest.raises(TypeError, match="`data_sets` must be"):
        find_sets(sets, "data", "nothing")


@pytest.mark.parametrize("checkpoints", [{"a": None}, {3: "a"}, [3], None, "a"])
def test_checkpoints_of_another_kind(checkpoints):
    with pytest.raises(TypeError, match="`checkpoints` must be"):
        find_subjects(checkpoints, 0, no_miss)


def test_nothing_is_no_answer(tmp_path, suite):
    with pytest.raises(ValueError, match="`data_sets` must be a list of at least one"):
        find_sets([], "data", "nothing")
    with pytest.raises(ValueError, match="`checkpoints` must be a list of at least one"):
        find_subjects([], 0, no_miss)
    with pytest.raises(ValueError, match="`tasks` must be a list of at least one"):
        suite(tasks=[])
    with pytest.raises(ValueError, match="`results` must be a file"):
        run_suite([backbone()], ["a"], results=tmp_path)


BAD = {
    "knn": {"k": [None, "3", 0, [1], True], "temperature": [0, "x"]},
    "linear_grid": {"grid": [[], [[1]], None, [[-1, 4, 0]]], "milestones": ["x", [2.0]]},
    "readout": {"penalties": [[], [0.0], "x", None], "together": ["x"]},
    "stages": {"probes": [[], ["knnn"], "x", None], "batch_size": [0, None]},
    "few_shot": {"shots": [[], [0], 5], "episodes": [0, "x", None], "normalize": ["x", 1]},
    "few_shot_finetune": {"recipe": ["x", [], 3, {"epoch": 1}], "last_stages": [-1, "x"]},
    "finetune": {"grid": [[[0.1, 0, 0]], [{"rate": 1}]], "per_class": [0, "x"], "share": [0, 2]},
    "detection": {"recipe": [None, []], "protocols": [[], ["voc"]], "anchor_sizes": [[], [-1]]},
    "segmentation": {"crop_size": [0, [], None], "dropout": [2, "x"], "scale": [[], [0, 1]]},
    "landmarks": {"crop": ["x", None], "margin": [-0.5, "x"], "frozen": [None, "x"]},
}


@pytest.mark.parametrize(
    ("task", "option", "value"),
    [(task, name, v) for task, bad in BAD.items() for name, values in bad.items() for v in values],
)
def test_options_out_of_range_or_type(task, option, value):
    with pytest.raises((ValueError, TypeError), match=f"`options` of '{task}'"):
        check_options([task], {task: {option: value}}, image_size=32, precision="32-true")


@pytest.mark.parametrize("options", [[("knn", {})], {"knn": None}])
def test_options_are_mappings(options):
    with pytest.raises(TypeError, match="`options.* must be a mapping"):
        check_options(["knn"], options, image_size=32, precision="32-true")


def test_a_value_that_is_given_twice_is_one_job(suite):
    options = {"few_shot": {"shots": [1, 1], "ways": 2, "queries": 2, "episodes": 3}}
    assert len(suite(["few_shot"], options=options)) == 1
    assert len(suite(["knn", "knn"])) == 1


@pytest.mark.parametrize(
    "answer",
    [
        None, 3.0, [RECORD, None], [], RECORD._replace(value=float("nan")),
        RECORD._replace(value="1"), RECORD._replace(settings={"a": torch.ones(1)}),
        KeyError("x"), AssertionError("x"), ZeroDivisionError("x"),
    ],
)  # fmt: skip
def test_a_task_that_goes_wrong_does_not_end_the_rest(answer, suite, own):
    def task(backbone, train, test):
        if isinstance(answer, Exception):
            raise answer
        return answer

    own(task)
    records = suite(["own", "knn"])
    assert [record.task for record in records] == ["knn"]
    assert [one.what for one in records.missing] == ["own on set with m"]


def test_a_task_that_trains_in_place_spoils_nothing(suite, own):
    def task(net, train, test):
        with torch.no_grad():
            for weight in net.parameters():
                weight.add_(1.0)
        return RECORD

    own(task)
    net = backbone()
    before = net.about().weights
    after = suite(["own", "knn"], checkpoints={"m": net})[1]
    assert net.about().weights == before
    assert after.job == suite(["knn"], out="other")[0].job
    assert after.value == suite(["knn"], out="other")[0].value
    assert after.weights == before


def test_images_that_change_while_a_task_runs(suite, own, tmp_path):
    def task(net, train, test):
        file = tmp_path / "set" / "test" / "a" / "0.bmp"
        content = bytearray(file.read_bytes())
        content[-1] ^= 255
        file.write_bytes(content)
        return RECORD

    own(task)
    records = suite(["own"])
    assert list(records) == []
    assert "the images changed" in records.missing[0].why
    assert not (tmp_path / "out" / "results.jsonl").exists() or not read_records(
        tmp_path / "out" / "results.jsonl"
    )


def test_a_users_source_keeps_its_name(tmp_path):
    scenes = Scenes(20, image_size=32, num_categories=2)
    for one in find_sets({"mine": (scenes, scenes)}, "data", "nothing"):
        source = one.images("images", "train")
        assert isinstance(source, ImageSource)
    assert scenes.name == "scenes"
