"""Runs of the dense rooms that were stopped go on as if they had not been."""

import pytest
import torch
from pytorch_lightning import Callback, Trainer
from torch import nn

from instdisc.data import (
    SCENE_5,
    LandmarkData,
    ObjectData,
    ObjectPolicy,
    SceneLandmarks,
    SceneObjects,
    Scenes,
    SceneSegments,
    SegmentData,
)
from instdisc.models import Backbone
from instdisc.resuming import RunPosition
from instdisc.transfer import DetectionModule, LandmarkModule, ProposalCounts, Segmenter
from instdisc.transfer.draws import StepDraws
from instdisc.transfer.finetuning.module import FineTuner
from instdisc.transfer.landmarks.module import check_still, frozen_state
from instdisc.transfer.rates import RunRates, cosine, take_up_cosine


def scenes(kind, count=10, size=32, **options):
    return kind(Scenes(count, image_size=size, **options))


def segmentation(**options):
    module = Segmenter("test_resnet", 11, **{"width": 8, "auxiliary": 0.4, **options})
    train, test = scenes(SceneSegments), scenes(SceneSegments, 2, split="test")
    return module, SegmentData(train, test, crop_size=32, batch_size=2, seed=1)


def landmarks(**options):
    options = {"image_size": 32, "frozen": False, **options}
    module = LandmarkModule("test_resnet", SCENE_5, **options)
    train, test = scenes(SceneLandmarks), scenes(SceneLandmarks, 2, split="test")
    shown = {"image_size": 32, "crop": "box", "augment": "strong"}
    return module, LandmarkData(train, test, batch_size=2, seed=1, **shown)


def detection(**options):
    options = {"norm": "plain", "regions_per_image": 8, "warmup": 2, "milestones": [4], **options}
    counts = ProposalCounts(200, 40, 40, 20)
    module = DetectionModule("test_resnet", 10, precise_batches=0, counts=counts, **options)
    train, test = scenes(SceneObjects), scenes(SceneObjects, 2, split="test")
    policy = ObjectPolicy([32])
    return module, ObjectData(train, test, policy=policy, batch_size=2, iterations=6, seed=1)


ROOMS = [segmentation, landmarks, detection]


class Killed(Exception):
    pass


class Stop(Callback):
    """Saves after a step, dies, and draws numbers of its own in between."""

    def __init__(self, step, path):
        self.step, self.path, self.rates = step, path, []

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        torch.rand(3 + trainer.global_step % 2)

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)
            raise Killed


def run(room, *, stop=None, path=None, resume=None, seed=5, made=None, **options):
    torch.manual_seed(0)
    module, data = made or room()
    watcher = Stop(stop, path)
    length = {"max_epochs": 1 if room is detection else 2}
    trainer = Trainer(
        **{
            **length, "accelerator": "cpu", "logger": False, "enable_checkpointing": False,
            "enable_progress_bar": False, "enable_model_summary": False,
            "num_sanity_val_steps": 0, "callbacks": [watcher], **options,
        }
    )  # fmt: skip
    torch.manual_seed(seed)
    if stop is None:
        trainer.fit(module, datamodule=data, ckpt_path=resume)
    else:
        with pytest.raises(Killed):
            trainer.fit(module, datamodule=data, ckpt_path=resume)
    return module, watcher.rates


def equal(one, other):
    return [n for n, v in one.state_dict().items() if not torch.equal(v, other.state_dict()[n])]


BY_STEPS = {
    "max_epochs": None, "max_steps": 8, "check_val_every_n_epoch": None, "val_check_interval": 9,
    "limit_val_batches": 1.0,
}  # fmt: skip


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize(
    ("stop", "options"),
    [(3, {}), (5, {}), (3, BY_STEPS), (2, {"accumulate_grad_batches": 2})],
    ids=["within an epoch", "at its end", "by steps", "accumulated"],
)
def test_a_run_that_is_stopped_ends_as_the_run_that_was_not(room, stop, options, tmp_path):
    whole, rates = run(room, **options)
    run(room, stop=stop, path=tmp_path / "it.ckpt", **options)
    # Another seed: that of the run stands in its checkpoint.
    resumed, after = run(room, resume=tmp_path / "it.ckpt", seed=6, **options)
    assert equal(whole, resumed) == []
    assert after == rates[-len(after) :]
    assert resumed.history.training == whole.history.training
    assert "changes" not in resumed.history.training


@pytest.mark.parametrize("room", ROOMS)
def test_what_a_resume_changes_holds_for_the_rest_and_is_recorded(room, tmp_path, caplog):
    run(room, stop=3, path=tmp_path / "it.ckpt")
    module, data = room(learning_rate=1e-4)
    caplog.set_level("INFO", logger="pytorch_lightning")
    _, rates = run(room, made=(module, data), resume=tmp_path / "it.ckpt", gradient_clip_val=5.0)
    _, slow = run(room, made=room(learning_rate=1e-4))
    assert rates == slow[-len(rates) :]
    changes = {change["name"]: change for change in module.history.training["changes"]}
    assert changes["learning_rate"]["step"] == 3
    assert changes["learning_rate"]["after"] == module.history.training["learning_rate"] == 1e-4
    assert changes["gradient_clip"]["before"] is None
    assert "`learning_rate`" in caplog.text


@pytest.mark.parametrize(
    ("room", "options", "message"),
    [
        (segmentation, {"head": "fcn"}, "`head` must stay .*'deeplab'.* got 'fcn'"),
        (segmentation, {"width": 16}, "`width` must stay .*8.* got 16"),
        (segmentation, {"auxiliary": 0.0}, "`auxiliary head` must stay .*True.* got False"),
        (landmarks, {"frozen": True}, "`frozen` must stay .*False.* got True"),
        (landmarks, {"head": "heatmap"}, "`head` must stay .*'linear'.* got 'heatmap'"),
        (detection, {"neck": "fpn"}, "`neck` must stay .*'c4'.* got 'fpn'"),
        (detection, {"norm": "frozen"}, "`norm` must stay .*'plain'.* got 'frozen'"),
        (detection, {"std": [0.1, 0.2, 0.3]}, r"`std` must be what .*0.229.* got \(0.1, 0.2"),
    ],
)
def test_what_cannot_go_on_is_refused_by_both_values(room, options, message, tmp_path):
    path = tmp_path / "it.ckpt"
    run(room, stop=1, path=path)
    with pytest.raises(ValueError, match=message):
        run(room, made=room(**options), resume=path)


def test_a_schedule_needs_an_end():
    for room in (segmentation, landmarks):
        with pytest.raises(ValueError, match="a run without end has no schedule: set `max_epochs`"):
            run(room, max_epochs=-1)


@pytest.mark.filterwarnings("ignore:Found .* in eval mode")
def test_a_frozen_backbone_is_that_of_the_checkpoint(tmp_path):
    path = tmp_path / "it.ckpt"
    whole, _ = run(landmarks, made=landmarks(frozen=True))
    torch.manual_seed(0)
    first = landmarks(frozen=True)
    run(landmarks, made=first, stop=3, path=path)
    torch.manual_seed(9)  # of another random backbone
    other = landmarks(frozen=True)
    assert equal(other[0].backbone, first[0].backbone)
    resumed, _ = run(landmarks, made=other, resume=path)
    assert equal(first[0].backbone, resumed.backbone) == []
    assert whole.history.training["steps"] == resumed.history.training["steps"] == 10
    backbone = Backbone("test_resnet").requires_grad_(False)
    before = frozen_state(backbone)
    with torch.no_grad():
        backbone.net.bn1.running_mean += 1
    with pytest.raises(RuntimeError, match="the frozen 'net.bn1.running_mean' of 'test_resnet'"):
        check_still(backbone, before)


@pytest.mark.parametrize("precision", ["16-true", "bf16-true", "64-true"])
@pytest.mark.parametrize("room", ROOMS)
def test_precisions_that_round_the_truth_are_refused(room, precision):
    message = f"`precision` must be '32-true', 'bf16-mixed' or .*, got '{precision}'"
    with pytest.raises(ValueError, match=message):
        run(room, precision=precision)


@pytest.mark.parametrize("precision", ["16-true", "bf16-true", "64-true"])
def test_fine_tuning_refuses_them_too(precision):
    tuner = FineTuner(
        Backbone("test_resnet"), 2, learning_rate=0.1, weight_decay=0.0, epochs=1,
        last_stages=None, on_epoch=lambda: None,
    )  # fmt: skip
    trainer = Trainer(accelerator="cpu", precision=precision, logger=False, max_epochs=1)
    loader = torch.utils.data.DataLoader([0])
    with pytest.raises(ValueError, match=f"`precision` must be .*, got '{precision}'"):
        trainer.fit(tuner, loader, loader)


@pytest.mark.parametrize("room", ROOMS)
def test_two_steps_in_bfloat16(room):
    module, _ = run(room, precision="bf16-mixed", limit_train_batches=2, max_epochs=1)
    assert all(value.isfinite().all() for value in module.state_dict().values())
    assert {p.dtype for p in module.parameters()} == {torch.float32}


def test_draws_depend_on_seed_step_batch_and_process():
    def numbers(draws, *place):
        with draws.at(*place):
            return tuple(nn.Dropout()(torch.ones(40)).tolist())

    draws = StepDraws(3)
    before = torch.get_rng_state()
    seen = [numbers(draws, 0), numbers(draws, 0), numbers(draws, 1), numbers(draws, 2, 1)]
    seen.append(numbers(StepDraws(4), 0))
    assert len(set(seen)) == 5
    assert torch.equal(before, torch.get_rng_state())
    again = StepDraws(3)
    assert [numbers(again, 0), numbers(again, 0), numbers(again, 1)] == seen[:3]
    with pytest.raises(Killed), draws.at(7):
        raise Killed
    assert torch.equal(before, torch.get_rng_state())


def test_rates_before_and_after_the_length_is_there():
    position = RunPosition()
    rates = RunRates(position, cosine)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 2.0)
    configured = rates.configure(optimizer)
    assert configured["optimizer"] is optimizer
    assert (rates.factor(0), optimizer.param_groups[0]["lr"]) == (1.0, 2.0)
    with pytest.raises(TypeError, match="`on_train_start` must call that of its parent"):
        rates.factor(3)
    position.num_steps = 4
    scheduler = configured["lr_scheduler"]["scheduler"]
    expected = torch.optim.lr_scheduler.CosineAnnealingLR(
        torch.optim.SGD([torch.zeros(1, requires_grad=True)], 2.0), 4
    )
    for _ in range(4):
        for each in (expected, scheduler):
            each.optimizer.step()
            each.step()
        assert scheduler.get_last_lr() == pytest.approx(expected.get_last_lr(), abs=1e-12)
    checkpoint = {"lr_schedulers": [expected.state_dict(), {"last_epoch": 2}]}
    take_up_cosine(checkpoint)
    scheduler.load_state_dict(checkpoint["lr_schedulers"][0])
    assert scheduler.last_epoch == 4
    assert checkpoint["lr_schedulers"][1] == {"last_epoch": 2}
