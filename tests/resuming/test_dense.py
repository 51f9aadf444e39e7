"""The dense rooms' runs, stopped and resumed, unchanged and with other batches."""

import itertools

import pytest

import instdisc
from instdisc.data import (
    SCENE_5,
    LandmarkData,
    ObjectData,
    ObjectPolicy,
    SceneLandmarks,
    SceneObjects,
    SceneSegments,
    SegmentData,
)
from instdisc.transfer import DetectionModule, LandmarkModule, ProposalCounts, Segmenter
from instdisc.transfer.detection.recipe import rate_factor

from .battery import Stop, assert_same, train, train_with_stops

STEPS = 4  # of an epoch


def scenes(kind):
    sets = (18, "train"), (3, "test")
    return [kind(instdisc.Scenes(count, image_size=32, split=split)) for count, split in sets]


def segmentation(batch_size=4, **options):
    data = SegmentData(*scenes(SceneSegments), crop_size=32, batch_size=batch_size, seed=3)
    return Segmenter("test_resnet", 11, width=8), data, {"max_epochs": 2, **options}


def landmarks(batch_size=4, **options):
    data = LandmarkData(
        *scenes(SceneLandmarks), image_size=32, crop="box", augment="strong", seed=3,
        batch_size=batch_size,
    )  # fmt: skip
    module = LandmarkModule("test_resnet", SCENE_5, image_size=32, frozen=False)
    return module, data, {"max_epochs": 2, **options}


def detection(batch_size=4, **options):
    data = ObjectData(
        *scenes(SceneObjects), policy=ObjectPolicy([32]), iterations=STEPS, seed=3,
        batch_size=batch_size,
    )  # fmt: skip
    module = DetectionModule(
        "test_resnet", 10, norm="plain", regions_per_image=8, warmup=2, milestones=[6],
        counts=ProposalCounts(100, 20, 20, 10), precise_batches=1,
    )  # fmt: skip
    return module, data, {"max_epochs": 2, **options}


ROOMS = [segmentation, landmarks, detection]
PATTERNS = [
    [Stop(2)],
    [Stop(STEPS + 1), Stop(2 * STEPS)],
    [Stop(STEPS, "on_train_epoch_end"), Stop(STEPS + 1), Stop(2 * STEPS - 1)],
    [Stop(STEPS, "on_validation_end"), Stop(STEPS, "on_train_batch_start")],
]
KINDS = {
    "no validation": {"limit_val_batches": 0},
    "epochs": {},
    "half epochs": {"val_check_interval": 0.5},
    "steps": {"max_steps": 7, "val_check_interval": 3, "check_val_every_n_epoch": None},
    "two batches a step": {"accumulate_grad_batches": 2},
}


def check(room, folder, kind, every, patterns):
    def make():
        return room(**KINDS[kind])

    expected = train(make, folder / "whole", every=every)
    for number, pattern in enumerate(patterns):
        found = train_with_stops(make, folder / str(number), pattern, every=every)
        assert_same(found, expected)
        assert found.module.history.training == expected.module.history.training


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize(
    ("kind", "pattern"), [("epochs", PATTERNS[1]), ("steps", PATTERNS[0])], ids=["epochs", "steps"]
)
def test_stopped_runs_end_as_the_whole_one(room, kind, pattern, tmp_path):
    check(room, tmp_path, kind, 1, [pattern])


@pytest.mark.slow
@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize(("kind", "every"), list(zip(KINDS, itertools.cycle([None, 1, 2]))))
def test_runs_stopped_anywhere_end_as_the_whole_one(room, kind, every, tmp_path):
    check(room, tmp_path, kind, every, PATTERNS[2:])


@pytest.mark.parametrize("room", [segmentation, landmarks])
def test_a_resume_with_half_the_batch_sees_the_rest_of_the_images(room, tmp_path):
    """Of 18 images 8 are seen in fours, the other 10 in twos, and all in twos after that."""
    before = train(room, tmp_path, every=2, stop=Stop(3))
    half = train(lambda: room(batch_size=2), tmp_path, every=2, ckpt_path=tmp_path / "last.ckpt")
    assert half.history.images(0)[:8] == before.history.images(0)[:8]
    assert [sorted(half.history.images(epoch)) for epoch in (0, 1)] == [list(range(18))] * 2
    assert (half.trainer.global_step, half.module.position.num_steps) == (2 + 5 + 9, 18)
    rates = [event[4][0] for event in half.history.events if event[0] == "batch"]
    # 8 of the 36 images of the run are seen: its step 4 of 18.
    expected = half.module.rates._rule(4, 18) * half.module.learning_rate
    if room is segmentation:
        assert rates[2] == pytest.approx(expected)
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert 0 < rates[-1] < 0.1 * rates[0]
    changes = half.module.history.training["changes"]
    assert changes == [{"step": 2, "name": "batch_size", "before": 4, "after": 2}]


def test_milestones_are_iterations_of_the_recipe_as_it_is_now(tmp_path):
    """2 of 8 steps in fours are 8 of 64 images in eights: 1 of the 8 iterations as they are now."""
    train(detection, tmp_path, every=2, stop=Stop(3))
    last = tmp_path / "last.ckpt"
    twice = train(lambda: detection(batch_size=8), tmp_path, every=2, ckpt_path=last)
    position = twice.module.position
    rates = [event[4][0] for event in twice.history.events if event[0] == "batch"]
    places = [position.step(done) for done in range(2, twice.trainer.global_step)]
    assert places == sorted(places)
    assert position.step(twice.trainer.global_step) == pytest.approx(position.num_steps)
    assert places[0] == 1.0
    assert rates[2:] == [0.02 * rate_factor(place, milestones=[6], warmup=2) for place in places]
    assert rates[-1] == pytest.approx(0.002)
