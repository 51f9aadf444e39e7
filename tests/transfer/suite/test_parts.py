"""Sets that are given by their parts: separate folders to train and to test on, new classes."""

import logging
import re

import numpy as np
import pytest
import torch
from PIL import Image

from instdisc.data import ClassSubset, JoinedImages, Scenes
from instdisc.models import Backbone
from instdisc.transfer import evaluate_base_and_novel, extract_features, run_suite
from instdisc.transfer.suite.sets import find_sets

EPISODES = {"ways": 2, "queries": 2, "episodes": 3, "shots": [1, 2]}


@pytest.fixture(scope="module")
def backbone():
    torch.manual_seed(0)
    return Backbone("test_resnet")


@pytest.fixture
def suite(tmp_path, backbone):
    def call(data_sets, tasks=("knn",), **options):
        return run_suite(
            {"m": backbone}, data_sets, tasks=tasks, data_root=tmp_path, image_size=32,
            results=tmp_path / "out" / "results.jsonl", progress=False, **options,
        )  # fmt: skip

    return call


def images(folder, classes="ab", count=4, seed=0):
    """Noise, brighter from class to class."""
    rng = np.random.default_rng(seed)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for index in range(count):
            pixels = rng.integers(0, 60, (32, 32, 3), dtype=np.uint8) + 40 * "abcde".index(name)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{index}.png")


def only(records):
    (record,) = records
    return record


def test_separate_folders(suite, tmp_path, backbone):
    images(tmp_path / "here" / "shots", "abc", count=5)
    images(tmp_path / "there", "abc", count=3, seed=1)
    record = only(suite([f"mine=here/shots:{tmp_path}/there"]))
    assert (record.dataset, record.n) == ("mine", 9)
    assert suite({"mine": ("here/shots", tmp_path / "there")}) == [record]
    assert suite({"mine": "here/shots:there"}) == [record]
    # All images of both, where a task asks for all.
    few = suite(["mine=here/shots:there"], ["few_shot"], options={"few_shot": EPISODES})
    assert [r.settings["shots"] for r in few] == [1, 2]
    (whole,) = find_sets(["mine=here/shots:there"], tmp_path, "nothing")
    both = whole.images("images", "all")
    assert (len(both), both.image_names()[-1]) == (24, "test/c/2.png")
    assert torch.equal(both.read(15), whole.images("images", "test").read(0))
    assert both.image_keys(torch.tensor([15, 2])).keys.shape == (2, 16)


def test_the_parts_of_one_set_are_that_set(suite, tmp_path):
    for part in ("train", "test"):
        images(tmp_path / "pets" / part, seed=len(part))
    jobs = [
        only(suite([text])).job
        for text in ("pets", "again=pets@train:pets@test", "more=pets/train:pets/test")
    ]
    assert len(set(jobs)) == 1


def test_a_part_alone_is_a_set(suite, tmp_path):
    images(tmp_path / "pets" / "train", count=10)
    images(tmp_path / "pets" / "test", count=2)
    assert [(r.dataset, r.n) for r in suite(["pets@train", "mine=pets@train"])] == [
        ("pets@train", 6),
        ("mine", 6),
    ]
    (part,) = find_sets(["pets@train"], tmp_path, "nothing")
    assert len(part.images("images", "all")) == 20
    odd = suite(["pets@none"]).missing
    assert "`pets@PART` must be one of 'all', 'train', 'val', 'test', got 'none'" in odd[0].why


def test_catalog_sets_by_split(tmp_path):
    """Of a set of the catalog the splits have their official names."""
    for part in ("train", "test"):
        for row in range(38):
            (tmp_path / "cropdisease" / part / f"{row:02}").mkdir(parents=True)
            image = Image.new("RGB", (8, 8))
            image.save(tmp_path / "cropdisease" / part / f"{row:02}" / f"{part}.png")
    group = find_sets(["bscd_fsl"], tmp_path, "nothing")
    assert [one.name for one in group] == ["cropdisease@train", "eurosat", "isic", "chestx"]
    assert group[0].images("images", "all").image_names()[0] == "train/00/train.png"
    (named,) = find_sets([f"cropdisease={tmp_path}/cropdisease@test"], "elsewhere", "nothing")
    assert named.name == "cropdisease@test"
    assert len(named.images("images", "all")) == 38
    (odd,) = find_sets(["cropdisease@val"], tmp_path, "nothing")
    with pytest.raises(ValueError, match=r"`cropdisease@PART` must be one of train, test, all"):
        odd.images("images", "all")


def test_classes_are_matched_by_name(suite, tmp_path):
    images(tmp_path / "learn", "abcd", count=4)
    images(tmp_path / "test", "bd", count=4, seed=3)
    record = only(suite(["mine=learn:test"], options={"knn": {"k": 3}}))
    assert record.value == 100  # and not the classes a and b
    images(tmp_path / "other", "be")
    record, missing = suite(["mine=learn:other"]), "the parts of 'mine' must be of the same classes"
    assert missing in record.missing[0].why
    assert "'e' is not in all of them (2 and 4 classes)" in record.missing[0].why


def test_base_and_novel_classes(suite, tmp_path, backbone):
    scenes = Scenes(60, image_size=32, num_categories=5)
    base = ClassSubset(scenes, scenes.classes[:3])
    novel = ClassSubset(scenes, scenes.classes[3:])
    parts = (base, ClassSubset(Scenes(20, split="test", image_size=32), base.classes), novel)
    records = suite({"toy": parts}, ["base_and_novel"], options={"base_and_novel": EPISODES})
    features = [extract_features(backbone, part, image_size=32) for part in parts]
    direct = evaluate_base_and_novel(*features, **EPISODES)
    assert [r.value for r in records] == [r.value for r in direct]
    assert [(r.dataset, r.task) for r in records] == [
        ("toy base", "linear"), ("toy novel", "few_shot"), ("toy novel", "few_shot")
    ]  # fmt: skip
    again = suite({"new": parts}, ["base_and_novel"], options={"base_and_novel": EPISODES})
    assert {r.dataset for r in again} == {"new base", "new novel"}
    assert [r.job for r in again] == [r.job for r in records]
    (_, why) = suite({"toy": parts}).missing[0]
    assert "is given by the images of its parts base_train, base_test, novel" in why


def test_new_classes_must_be_new(suite, tmp_path):
    images(tmp_path / "set", "abc")
    images(tmp_path / "more", "abc", seed=1)
    images(tmp_path / "novel", "ce")
    (_, why) = suite(["toy=set:more:novel"], ["base_and_novel"]).missing[0]
    assert "the novel classes of 'toy' must be others than its base classes, 'c' is both" in why
    (_, why) = suite(["set"], ["base_and_novel"]).missing[0]
    assert "'set' does not tell base from novel classes, as mini_imagenet does" in why


def test_mini_imagenet_has_base_and_novel_classes(tmp_path, caplog):
    (tmp_path / "mini_imagenet" / "images").mkdir(parents=True)
    for split, classes in (("train", range(64)), ("test", range(80, 100))):
        lines = ["filename,label"]
        for label in classes:
            for number in range(6):
                name = f"n{label:02}_{number}.jpg"
                image = Image.new("RGB", (8, 8), (label, number, 0))
                image.save(tmp_path / "mini_imagenet" / "images" / name)
                lines.append(f"{name},n{label:02}")
        (tmp_path / "mini_imagenet" / f"{split}.csv").write_text("\n".join(lines))
    with caplog.at_level(logging.ERROR):  # the real set has more images
        (mini,) = find_sets(["mini_imagenet"], tmp_path, "nothing")
        sizes = [len(mini.images("images", p)) for p in ("base_train", "base_test", "novel", "all")]
    assert sizes == [320, 64, 120, 120]


@pytest.mark.parametrize(
    ("sets", "match"),
    [
        (["a:b"], "named, with two or three sets of images, got 'a:b'. Write NAME=TRAIN:TEST"),
        (["x=a:b:c:d"], "with two or three sets of images, got 'x=a:b:c:d'"),
        (["x=a:"], "with two or three sets of images"),
        (["x=a:a"], "of different images for each part of 'x', got 'a'. A set that has parts"),
        (["x=a@train:a@train"], "of different images for each part"),
        ([("a", "b")], "a mapping of names to tuples"),
        ({"x": "bscd_fsl"}, "one set for the name 'x', got 'bscd_fsl'. It stands for cropdisease@"),
        (["x=a:b", "x=a:c"], "different names, got 'x' twice"),
    ],
)
def test_forms_that_mean_nothing(sets, match, tmp_path):
    with pytest.raises(ValueError, match=re.escape(match)):
        find_sets(sets, tmp_path, "nothing")


def test_a_folder_whose_name_has_signs_is_a_folder(suite, tmp_path):
    images(tmp_path / "a:b@c", count=6)
    assert [(r.dataset, r.n) for r in suite(["a:b@c", f"mine={tmp_path}/a:b@c"])] == [
        ("a:b@c", 4),
        ("mine", 4),
    ]


def test_joined_images_keep_their_bytes(tmp_path):
    scenes = Scenes(4, image_size=32)
    both = JoinedImages({"train": scenes, "test": scenes})
    assert both.encoded(5) is None
    assert both.fingerprint() != scenes.fingerprint()
