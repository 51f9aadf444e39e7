"""The suite: what it runs, what it does not run again, what it skips, and what it leaves."""

import itertools
import json
import logging

import numpy as np
import pytest
import torch
from PIL import Image

from instdisc.checkpoint import export_backbone
from instdisc.models import Backbone
from instdisc.report.pooling import split_results
from instdisc.transfer import TASKS, run_suite
from instdisc.transfer.suite.subjects import find_subjects
from instdisc.transfer.suite.work import trainer_options

QUICK = {"finetune": {"epochs": 1, "grid": [[0.01, 4, 0.0]]}}


def images(folder, classes=("a", "b"), count=8):
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            colour = tuple(int(v) for v in torch.randint(0, 100, (3,)) + 60 * label)
            Image.new("RGB", (32, 32), colour).save(folder / name / f"{index}.png")


@pytest.fixture
def root(tmp_path):
    images(tmp_path / "data" / "pets")
    for part in ("train", "val"):
        images(tmp_path / "data" / "cars" / part, ("x", "y", "z"))
    return tmp_path


@pytest.fixture
def ran(monkeypatch):
    """The tasks that were called."""
    calls = []
    for name, task in list(TASKS.items()):

        def watched(*args, _name=name, _task=task, **kwargs):
            calls.append(_name)
            return _task.function(*args, **kwargs)

        watched.__signature__ = __import__("inspect").signature(task.function)
        monkeypatch.setitem(TASKS, name, task._replace(function=watched))
    return calls


@pytest.fixture
def suite(root):
    def call(checkpoints, data_sets=("pets",), tasks=("knn",), **options):
        options = {"image_size": 32, "progress": False, **options}
        return run_suite(
            checkpoints, data_sets, tasks=tasks, data_root=root / "data",
            results=root / "out" / "results.jsonl", **options,
        )  # fmt: skip

    return call


def checkpoint(root, name, seed=0):
    torch.manual_seed(seed)
    return export_backbone(Backbone("test_resnet"), root / name / "backbone.safetensors")


def test_every_task_on_every_set_with_every_checkpoint(root, suite):
    one, two = checkpoint(root, "one", 7), checkpoint(root, "two", 8)
    records = suite([one, two, "random"], ["pets", "cars"], ["knn", "linear"])
    found = [(r.dataset, r.method, r.task) for r in records]
    assert found == [
        (dataset, method, task)
        for dataset in ("pets", "cars")
        for method in ("backbone (one)", "backbone (two)", "random (test_resnet)")
        for task in ("knn", "linear")
    ]
    assert {r.checkpoint for r in records} == {str(one), str(two), ""}
    lines = (root / "out" / "results.jsonl").read_text().splitlines()
    assert [json.loads(line)["value"] for line in lines] == [r.value for r in records]
    assert all(r.view["size"] == 32 for r in records)
    assert records.missing == []


def test_resumes_where_it_stopped(root, suite, ran):
    file = checkpoint(root, "one")
    first = suite([file])
    assert ran == ["knn"]
    both = suite([file], ["pets", "cars"], ["knn", "linear"])
    assert ran == ["knn", "linear", "knn", "linear"]
    assert both[0] == first[0]
    assert suite([file], ["pets", "cars"], ["knn", "linear"]) == both
    assert len(ran) == 4


def test_a_changed_setting_runs_again(root, suite, ran):
    file = checkpoint(root, "one")
    suite([file])
    for change in ({"image_size": 36}, {"seed": 1}, {"options": {"knn": {"k": 3}}}):
        suite([file], **change)
    assert len(ran) == 4
    suite([file], num_workers=0, batch_size=3, device="cpu")  # these change no result
    suite([file], options={"knn": {"k": 20}})  # the default
    assert len(ran) == 4
    checkpoint(root, "one", seed=5)
    suite([file])
    assert len(ran) == 5
    (root / "data/pets/a/0.png").rename(root / "data/pets/b/0_new.png")
    suite([file])
    assert len(ran) == 6


def test_fine_tuning_with_and_without_a_reset_are_two_results(root, suite, ran):
    options = {"finetune": {**QUICK["finetune"], "reset_stages": [0, 1]}}
    records = suite([checkpoint(root, "one")], tasks=["finetune"], options=options)
    assert ran == ["finetune"] * 2
    told = split_results(records, ["one"] * len(records))
    variants = {r.settings["reset_stages"]: t.variant for r, t in zip(records, told, strict=True)}
    assert variants == {0: "reset stages 0", 1: "reset stages 1"}


def test_a_cut_last_line_is_run_again(root, suite, ran, caplog):
    file = checkpoint(root, "one")
    options = {"tasks": ["finetune"], "options": QUICK}
    whole = suite([file], **options)
    path = root / "out" / "results.jsonl"
    assert len(path.read_text().splitlines()) == len(whole) == 8
    path.write_text(path.read_text()[:-20])  # killed while it wrote
    again = suite([file], **options)
    assert ran == ["finetune"] * 2
    assert "its last line has no end and is passed over" in caplog.text
    assert "its last line is cut short and is removed" in caplog.text
    assert [r.value for r in again] == [r.value for r in whole]
    assert suite([file], **options) == again
    assert len(ran) == 2


def test_what_is_absent_is_skipped_with_a_line(root, suite, caplog):
    with caplog.at_level(logging.WARNING):
        records = suite(
            [root / "no.pt", checkpoint(root, "one")], ["nothing", "pets"], ["knn", "few_shot"]
        )
    assert [(r.dataset, r.task) for r in records] == [("pets", "knn")]
    lines = [line for line in caplog.messages if line.startswith("skipped")]
    assert f"skipped the checkpoint {root / 'no.pt'}: there is no such file" in lines
    assert any(line.startswith("skipped knn on nothing: `name` must be a folder") for line in lines)
    # Refused by the task: five ways from two classes.
    assert any(
        line.startswith("skipped few_shot on pets with backbone: `ways`=5 needs") for line in lines
    )
    assert [missing.what for missing in records.missing] == [
        f"the checkpoint {root / 'no.pt'}",
        *("knn on nothing", "few_shot on nothing"),
        "few_shot on pets with backbone",
    ]


def test_shots_are_jobs_of_their_own(root, suite, ran, caplog):
    images(root / "data" / "many", "abcdef", count=20)
    options = {"few_shot": {"episodes": 5, "shots": [1, 5, 20]}}
    records = suite([checkpoint(root, "one")], ["many"], ["few_shot"], options=options)
    assert [r.settings["shots"] for r in records] == [1, 5]
    assert "`shots`=20 and `queries`=15 need 35 images" in caplog.text
    assert ran == ["few_shot"] * 3


def test_images_can_be_kept_in_memory(root, suite):
    file = checkpoint(root, "one")
    options = {"tasks": ["finetune"], "options": QUICK}
    read = suite([file], **options)
    (root / "out" / "results.jsonl").unlink()
    kept = suite([file], keep="memory", **options)
    assert [r.value for r in kept] == [r.value for r in read]


DETECTION = {
    "recipe": {"iterations": 1, "batch_size": 2, "learning_rate": 0.005, "milestones": []},
    "short_sides": [32], "regions_per_image": 8, "precise_batches": 1, "norm": "plain",
    "masks": False,
}  # fmt: skip


def boxes(folder, count=4):
    """A set in VOC's layout."""
    (folder / "Annotations").mkdir(parents=True)
    (folder / "JPEGImages").mkdir()
    for index in range(count):
        Image.new("RGB", (40, 32), (0, 40 * index, 99)).save(folder / f"JPEGImages/{index}.jpg")
        (folder / "Annotations" / f"{index}.xml").write_text(
            "<annotation><size><width>40</width><height>32</height></size><object><name>cell</name>"
            "<bndbox><xmin>3</xmin><ymin>5</ymin><xmax>20</xmax><ymax>28</ymax></bndbox></object>"
            "</annotation>"
        )


def test_detection_takes_sets_with_objects_and_the_others_do_not(root, suite, ran, caplog):
    boxes(root / "data" / "cells")
    file = checkpoint(root, "one")
    options = {"tasks": ["knn", "detection"], "options": {"detection": DETECTION}}
    sets = ["pets", "cells", "no_such_set"]
    records = suite([file], sets, **options)
    assert ran == ["knn", "detection"]
    assert {(r.dataset, r.task) for r in records} == {("pets", "knn"), ("cells", "detection")}
    detected = [r for r in records if r.task == "detection"]
    assert detected[0].metric == "box AP"
    assert detected[0].settings["iterations"] == 1
    assert "image_size" not in detected[0].settings
    for line in (
        "skipped detection on pets: it needs objects, and the set has images",
        "skipped knn on cells: it needs images, and the set has objects",
    ):
        assert line in caplog.messages
    assert any("skipped detection on no_such_set" in line for line in caplog.messages)
    assert suite([file], sets, image_size=36, **options)[-1].value == detected[-1].value
    assert ran == ["knn", "detection", "knn"]  # images of detection have sizes of their own
    annotation = root / "data/cells/Annotations/0.xml"
    annotation.write_text(annotation.read_text().replace("<xmax>20", "<xmax>25"))
    suite([file], ["cells"], **options)
    assert ran[3:] == ["detection"]


def masks(folder):
    """A set of images and masks."""
    for part, place in itertools.product(("train", "test"), ("images", "masks")):
        (folder / place / part).mkdir(parents=True)
        for index in range(2):
            pixels = np.full((40, 48, 3) if place == "images" else (40, 48), index, np.uint8)
            Image.fromarray(pixels).save(folder / place / part / f"{index}.png")
    (folder / "classes.txt").write_text("sky\nroad\n")


def points(folder):
    """A set of images with points in tables."""
    for part in ("train", "test"):
        (folder / part).mkdir(parents=True)
        rows = ["image," + ",".join(f"x{i},y{i}" for i in range(5))]
        for index in range(4):
            Image.new("RGB", (40, 40), (9, 9, 60 * index)).save(folder / part / f"{index}.png")
            rows.append(f"{index}.png,{8 + index},12,{25 + index},14,18,20,10,28,25,30")
        (folder / f"{part}_keypoints.csv").write_text("\n".join(rows) + "\n")


def test_segmentation_and_landmarks_take_their_own_sets(root, suite, ran, caplog):
    masks(root / "data" / "roads")
    points(root / "data" / "eyes")
    options = {
        "segmentation": {"steps": 1, "batch_size": 2, "crop_size": [32, 32], "width": 8},
        "landmarks": {"epochs": 1, "batch_size": 2},
    }
    tasks = ["knn", "segmentation", "landmarks"]
    sets = ["pets", "roads", "eyes"]
    records = suite(["random:test_resnet"], sets, tasks, options=options)
    assert ran == tasks
    found = {(record.dataset, record.task) for record in records}
    assert found == {("pets", "knn"), ("roads", "segmentation"), ("eyes", "landmarks")}
    assert "skipped segmentation on eyes: it needs segments, and the set has landmarks" in (
        caplog.messages
    )
    assert "skipped landmarks on pets: it needs landmarks, and the set has images" in (
        caplog.messages
    )
    assert suite(["random:test_resnet"], sets, tasks, options=options) == records
    assert ran == tasks


# Factors are those of scenes, which a folder has not; corruptions have a test of their own.
ELSEWHERE = ("factors", "corruptions")
EVERY = [name for name in TASKS if TASKS[name].kind == "images" and name not in ELSEWHERE]


@pytest.mark.parametrize("task", EVERY)
def test_each_task_runs_from_json_options(task, root, suite):
    images(root / "data" / "many", "abcdef", count=20)
    sets = ["many"]
    if task == "base_and_novel":
        images(root / "data" / "more", "abcdef", count=3)
        images(root / "data" / "novel", "uvwxyz", count=20)
        sets = ["many=many:more:novel"]
    quick = {
        "linear_grid": {"epochs": 1, "tune_epochs": 1, "grid": [[0.1, 8, 0.0], [0.01, 8, 0.0]]},
        "moco_linear": {"epochs": 1},
        "base_and_novel": {"episodes": 3, "shots": [1]},
        "few_shot": {"episodes": 3, "shots": [1]},
        "few_shot_finetune": {"episodes": 1, "shots": [1], "recipe": {"epochs": 1}},
        "finetune": QUICK["finetune"],
        "readout": {"penalties": [0.1, 1.0]},
        "stages": {"probes": ["knn"]},
        "confident_errors": {"num_errors": 1},
        "geometry": {"stages": [4]},
        "invariance": {"num_images": 4, "transforms": ["grey"]},
        "inversion": {"num_images": 2, "stages": [1], "steps": 2, "channels": [4, 4]},
        "last_stages": {"last_stages": [0], **QUICK["finetune"]},
        "map": {"projection": "pca"},
        "transferability": {"lidar_images": 8, "num_views": 2},
    }
    names = [task, TASKS[task].after] if TASKS[task].after else [task]
    options = {name: quick.get(name, {}) for name in names}
    records = suite(["random:test_resnet"], sets, [task], options=options)
    assert records
    assert suite(["random:test_resnet"], sets, [task], options=options) == records


def test_names(root):
    one, two = checkpoint(root, "one"), checkpoint(root, "two", 1)

    def names(checkpoints):
        return [subject.name for subject in find_subjects(checkpoints, 0, print)]

    assert names([one]) == ["backbone"]
    assert names([f"mine={one}", two, "random"]) == ["mine", "backbone", "random (test_resnet)"]
    assert names({"mine": one, "net": Backbone("test_resnet")}) == ["mine", "net"]
    assert names(["random:test_resnet"]) == ["random (test_resnet)"]
    assert names([Backbone("test_resnet")]) == ["test_resnet"]
    with pytest.raises(ValueError, match="`checkpoints` must have different names, got 'a' twice"):
        names([f"a={one}", f"a={two}"])
    with pytest.raises(TypeError, match="`checkpoints` must be files, names or Backbones, got int"):
        names([3])
    with pytest.raises(TypeError, match="`checkpoints` must be a list or a mapping"):
        names("random")


def test_random_is_one_column_for_each_architecture_and_says_which(root):
    other = Backbone("test_resnet", stem="no_pool")
    other.input = other.input._replace(mean=(0.5, 0.5, 0.5))
    export_backbone(other, root / "a.safetensors")
    export_backbone(Backbone("test_resnet", stem="no_pool"), root / "b.safetensors")
    export_backbone(Backbone("resnet18"), root / "c.safetensors")
    files = [root / f"{name}.safetensors" for name in "abc"]
    found = find_subjects(["random", "random", *files], 3, print)
    assert [subject.name for subject in found[:3]] == [
        *("random (test_resnet) (1)", "random (test_resnet) (2)"),
        "random (resnet18)",
    ]
    assert found[0].load().spec == {"name": "test_resnet", "stem": "no_pool"}
    assert found[0].about.weights == found[1].about.weights
    assert (found[0].input.mean, found[2].input.mean[0]) == ((0.5, 0.5, 0.5), 0.485)
    with pytest.raises(ValueError, match="Write for example 'random:resnet50'"):
        find_subjects(["random"], 0, print)


def test_devices_as_lightning_names_them():
    assert trainer_options("cpu") == {"accelerator": "cpu", "devices": 1}
    assert trainer_options("cuda") == {"accelerator": "gpu", "devices": 1}
    assert trainer_options("mps") == {"accelerator": "mps", "devices": 1}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"tasks": ["kn"]},
            ValueError,
            "`tasks` must be one of .* got 'kn'. Did you mean 'knn'",
        ),
        ({"options": {"linear": {}}}, ValueError, "`options` are of the tasks knn, got 'linear'"),
        ({"options": {"knn": {"kk": 1}}}, ValueError, "`options` of 'knn' are k, .* got 'kk'"),
        ({"options": {"knn": {"k": {1}}}}, TypeError, "`options` must be JSON values"),
        ({"options": {"knn": {"k": -3}}}, ValueError, "of 'knn': `k` must be .* got -3"),
        ({"options": {"knn": {"k": "3"}}}, TypeError, "of 'knn': `k` must be .* got '3'"),
        ({"options": {"knn": {"temperature": float("nan")}}}, TypeError, "must be JSON values"),
        ({"tasks": "knn"}, TypeError, "`tasks` must be a sequence of texts"),
        ({"image_size": 0}, ValueError, "`image_size` must be a whole number .* got 0"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be .* got 0"),
        ({"precision": "half"}, ValueError, "`precision` must be one of .* got 'half'"),
        ({"device": "gpu"}, ValueError, "`device` must be .* Did you mean 'cuda'"),
        ({"keep": "memry"}, ValueError, "Did you mean 'memory'"),
        ({"seed": -1}, ValueError, "`seed` must be .* got -1"),
    ],
)
def test_bad_arguments(options, error, message, suite):
    with pytest.raises(error, match=message):
        suite(["random:test_resnet"], **options)


def test_bad_results_file_is_named(root, suite):
    (root / "out").mkdir()
    (root / "out" / "results.jsonl").write_text("{}\n")
    with pytest.raises(ValueError, match="results.jsonl, line 1: `line` must be a JSON object"):
        suite(["random:test_resnet"])


def test_bad_checkpoint_is_an_error(root, suite):
    (root / "bad.pt").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="bad.pt"):
        suite([root / "bad.pt"])
