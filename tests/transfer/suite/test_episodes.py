"""Few-shot tasks of a suite: protocols, several classifiers, and lists of episodes in files."""

import numpy as np
import pytest
import torch
from PIL import Image

from instdisc.data import Episodes, draw_episodes, open_images
from instdisc.models import Backbone
from instdisc.transfer import TASKS, EpisodeRecipe, run_suite
from instdisc.transfer.suite.checking import check_options

from .test_keys import keys

SMALL = {"ways": 2, "queries": 4, "episodes": 3}


@pytest.fixture
def suite(tmp_path):
    generator = np.random.default_rng(0)
    for label in ("ant", "bee", "cat"):
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(9):
            pixels = generator.integers(0, 256, (36, 36, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "set" / label / f"{number}.png")
    torch.manual_seed(0)
    backbone = Backbone("test_resnet")

    def call(out="out", task="few_shot", *, seed=0, **options):
        return run_suite(
            {"m": backbone}, ["set"], tasks=[task], options={task: {**SMALL, **options}},
            data_root=tmp_path, results=tmp_path / out / "results.jsonl", image_size=32, seed=seed,
            progress=False,
        )  # fmt: skip

    return call


def test_every_classifier_with_every_number_of_shots(suite):
    records = suite(shots=[1, 5], classifier=["logistic", "cosine"])
    assert [record.metric for record in records] == [
        *("2-way 1-shot logistic", "2-way 5-shot logistic"),
        *("2-way 1-shot cosine", "2-way 5-shot cosine"),
    ]
    assert suite(shots=[5], classifier="cosine") == records[3:]  # nothing of it is made again


def test_a_list_is_written_and_read(suite, tmp_path):
    file = tmp_path / "lists" / "set.npz"
    plain = suite(shots=[1, 5])
    records = suite("b", shots=[1, 5], episodes_file=str(file))
    assert [r.value for r in records] == [r.value for r in plain]
    assert [r.job for r in records] == [r.job for r in plain]  # the same run as without a file
    stored = Episodes.load(file)
    assert (stored.support.shape, stored.queries.shape) == ((3, 2, 5), (3, 2, 4))
    assert records[1].settings["episodes_digest"] == stored.digest
    again = suite("c", shots=[5], episodes_file=str(tmp_path / "lists"))  # SET.npz in a folder
    assert [r.job for r in again] == [records[1].job]


def test_a_list_of_others_decides(suite, tmp_path):
    labels = open_images("set", tmp_path, part="all").labels
    drawn = draw_episodes(labels, ways=3, shots=2, queries=5, episodes=4)
    others = drawn._replace(support=drawn.support.flip(2))  # as another program drew it
    others.save(tmp_path / "others.npz")
    records = run_suite(
        {"m": Backbone("test_resnet")}, ["set"], tasks=["few_shot"], data_root=tmp_path,
        options={"few_shot": {"shots": [1, 2], "episodes_file": str(tmp_path / "others.npz")}},
        results=tmp_path / "results.jsonl", image_size=32, progress=False,
    )  # fmt: skip
    assert [(r.settings["ways"], r.settings["queries"], r.n) for r in records] == [(3, 5, 4)] * 2
    assert records[0].settings["episodes_digest"] == others.first(1).digest
    assert records[0].settings["episodes_digest"] != drawn.first(1).digest
    assert records[1].settings["episodes_digest"] == others.digest


def test_a_list_that_does_not_fit(suite, tmp_path):
    file = str(tmp_path / "set.npz")
    suite(shots=[2], episodes_file=file)

    def why(**options):
        return suite("other", **{"shots": [2], "episodes_file": file, **options}).missing[0].why

    assert "`episodes` must be 3, as in" in why(episodes=7)
    assert "`ways` must be 2, as in" in why(ways=3)
    assert "`seed` must be 0, as of the episodes in" in why(seed=1)
    assert "`shots` must be 1 to 2, as many as the episodes have, got 4" in why(shots=[4])
    (tmp_path / "set" / "ant" / "0.png").unlink()
    assert f"{file}: the episodes were drawn from a set with other labels" in why()
    (tmp_path / "none.npz").write_text("no list")
    assert "is not a list of episodes" in why(episodes_file=str(tmp_path / "none.npz"))


def test_small_classes_are_named(suite):
    records = suite(protocol="bscd_fsl", ways=2, queries=4, episodes=3)
    assert [record.settings["shots"] for record in records] == [5]
    assert "'ant' (9), 'bee' (9), 'cat' (9)" in records.missing[0].why


def test_protocols_are_their_numbers():
    spelled = {"ways": 5, "queries": 15, "episodes": 600, "shots": [5, 20, 50]}
    named = keys("few_shot", {"few_shot": {"protocol": "bscd_fsl"}})
    assert named == keys("few_shot", {"few_shot": spelled})
    assert keys("few_shot", {"few_shot": {"protocol": "bscd_fsl", "shots": [20]}}) == named[1:2]
    islam = TASKS["few_shot_finetune"].jobs({"protocol": "islam"})
    assert [job["shots"] for job in islam] == [[1], [5], [20], [50]]
    assert islam[0]["recipe"] == EpisodeRecipe(100, 12, 1.0, 1.0, 0.9, 0.0, 0.0)


def test_an_episode_is_trained_by_a_recipe_of_json(suite):
    records = suite(task="few_shot_finetune", shots=[2], recipe={"epochs": 1})
    assert [record.metric for record in records] == ["2-way 2-shot fine-tuned"]


@pytest.mark.parametrize(
    ("task", "options", "match"),
    [
        (
            "few_shot",
            {"protocol": "none"},
            "`protocol` must be one of 'islam', 'bscd_fsl', got 'none'",
        ),
        ("few_shot", {"episodes_file": 3}, "`episodes_file` must be"),
        ("few_shot", {"classifier": ["none"]}, "`classifier` must be"),
        ("few_shot", {"classifier": []}, "`classifier` must be"),
        ("knn", {"episodes_file": "a"}, "`options` of 'knn' are k, temperature"),
        ("linear", {"protocol": "islam"}, "`options` of 'linear' are"),
    ],
)
def test_options_that_are_refused(task, options, match):
    with pytest.raises((TypeError, ValueError), match=match):
        check_options([task], {task: options}, image_size=32, precision="32-true")
