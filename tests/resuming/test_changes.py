"""A run that goes on with other batches, epochs and workers: its images, steps and rates."""

import itertools
import math

import pytest
import pytorch_lightning as pl
import torch

import instdisc

from .battery import Stop, assert_same, train, train_with_stops

IMAGES = 24


def make(batch=4, accumulate=1, workers=0, epochs=3, seed=3, images=IMAGES, **options):
    data = instdisc.ViewData(
        instdisc.Scenes(images, image_size=32),
        instdisc.Scenes(4, image_size=32, split="test"),
        image_size=16,
        batch_size=batch,
        num_workers=workers,
        seed=seed,
    )
    module = instdisc.ExemplarModule("test_resnet", queue_size=48, batch_norm="plain")
    options = {"max_epochs": epochs, "accumulate_grad_batches": accumulate, **options}
    return module, data, options


def resumed(folder, step, before, after, stops=()):
    """A run that is stopped after a step, and goes on with other arguments of `make`."""
    folder.mkdir(exist_ok=True)
    train(lambda: make(**before), folder, stop=Stop(step + 1), every=1)
    path = str(folder / "last.ckpt")
    assert torch.load(path, weights_only=True)["global_step"] == step
    for stop in (*stops, None):
        run = train(lambda: make(**after), folder, stop=stop, every=1, ckpt_path=path)
    return run


def batches_of(run):
    return [event for event in run.history.events if event[0] == "batch"]


CHANGES = [  # step of the stop, before, after
    (2, {}, {"batch": 8}),
    (2, {}, {"batch": 2}),
    (3, {}, {"batch": 5}),  # 12 images are left, of which 10 come
    (5, {}, {"batch": 6}),  # 4 images are left, and none comes
    (6, {}, {"batch": 8}),  # between two epochs
    (8, {"batch": 5}, {"batch": 3}),
    (7, {}, {"batch": 8, "epochs": 4}),
    (2, {}, {"epochs": 5}),
    (7, {}, {"epochs": 2}),
    (4, {}, {"batch": 6, "workers": 2}),
    (4, {"workers": 2}, {"workers": 0}),
    (3, {}, {"accumulate": 3}),
    (2, {}, {"accumulate": 3}),  # 4 batches are left: the windows begin at the resume
    (4, {}, {"batch": 2, "accumulate": 2}),  # the same step
    (2, {"accumulate": 2}, {"batch": 8}),
    (3, {"accumulate": 3}, {"accumulate": 2, "batch": 2}),
    (18, {}, {"epochs": 4}),  # it was at its end
    (9, {"limit_train_batches": 4}, {"limit_train_batches": 2, "batch": 8}),
]


@pytest.mark.parametrize(("step", "before", "after"), CHANGES)
def test_every_image_comes_once_and_the_rate_is_that_of_its_share(tmp_path, step, before, after):
    run = resumed(tmp_path, step, before, after)
    events = batches_of(run)
    old, new = ({"batch": 4, "accumulate": 1, "epochs": 3, **change} for change in (before, after))
    per_epoch = [run.history.images(epoch) for epoch in range(new["epochs"])]
    assert all(len(images) == len(set(images)) for images in per_epoch)

    # Counted by hand: the epochs, what is left of that of the stop, and those after it.
    limits = [old.get("limit_train_batches", 99), new.get("limit_train_batches", 99)]
    batches = [
        min(IMAGES // side["batch"], most) for side, most in zip((old, new), limits, strict=True)
    ]
    epoch, done = divmod(step, -(-batches[0] // old["accumulate"]))
    seen = done * old["accumulate"] * old["batch"]
    whole = IMAGES if limits[1] == 99 else batches[1] * new["batch"]
    left = (whole - seen) // new["batch"]
    expected = [batches[0] * old["batch"]] * epoch + [seen + left * new["batch"]]
    expected += [batches[1] * new["batch"]] * (new["epochs"] - epoch - 1)
    assert [len(images) for images in per_epoch] == expected

    # One rate for the batches of a step; each at the share of the images before it.
    num_before = sum(expected[:epoch]) + seen
    total, images, steps = sum(expected), 0, []
    for event in events:
        steps.append((images, event[4][0]))
        images += len(event[3])
    assert images == total
    rates = [rate for _, rate in steps]
    assert min(rates) > 0
    for (_, earlier), (images, rate) in itertools.pairwise([(0, 0.0), *steps]):
        if images >= num_before and rate != earlier:  # a new step
            share = images / total
            assert rate == pytest.approx(0.015 * (1 + math.cos(math.pi * share)), rel=1e-6)
    # Whole windows from the stop on, but for the last of an epoch.
    steps_left = [-(-left // new["accumulate"])]
    steps_left += [-(-batches[1] // new["accumulate"])] * (new["epochs"] - epoch - 1)
    assert run.trainer.global_step == step + sum(steps_left)


@pytest.mark.slow
@pytest.mark.parametrize(("step", "before", "after"), [CHANGES[2], CHANGES[7], CHANGES[12]])
def test_a_changed_run_is_stopped_as_any_other(tmp_path, step, before, after):
    expected = resumed(tmp_path / "whole", step, before, after)
    stops = [Stop(step + 2), Stop(step + 4, "on_train_epoch_end")]
    assert_same(resumed(tmp_path / "stopped", step, before, after, stops[:1]), expected)
    assert_same(resumed(tmp_path / "again", step, before, after, stops), expected)


def test_it_is_said_what_the_schedule_makes_of_it(tmp_path, caplog):
    caplog.set_level("INFO", logger="pytorch_lightning")
    resumed(tmp_path, 2, {}, {"batch": 8})
    (line,) = [line for line in caplog.messages if "Goes on" in line]
    assert line == (
        "Goes on from step 2 (8 images, 11.1% of the run, 8 steps to come) with "
        "`batch_size` 4 -> 8; images of a step 4 -> 8"
    )
    caplog.clear()
    resumed(tmp_path / "longer", 2, {}, {"epochs": 6})
    assert "5.6% of the run" in caplog.text
    assert "images of the run 72 -> 144" in caplog.text
    caplog.clear()
    train_with_stops(make, tmp_path / "as it was", [Stop(3)], every=1)
    assert "Goes on" not in caplog.text


@pytest.mark.parametrize(
    ("name", "change", "line"),
    [("seed", 4, "`data_seed` 3 -> 4"), ("images", 30, "`num_images` 24 -> 30")],
)
def test_another_order_of_the_images_is_told(tmp_path, caplog, name, change, line):
    caplog.set_level("INFO", logger="pytorch_lightning")
    for step, within in ((2, True), (6, False)):
        caplog.clear()
        run = resumed(tmp_path / str(step), step, {}, {name: change})
        assert line in caplog.text
        assert ("some come twice" in caplog.text) == within
        assert run.module.recipe["changes"][0]["after"] == change


def test_a_second_fit_of_one_trainer_goes_on_with_the_schedule(tmp_path):
    module, data, _ = make()
    rates = []

    class Watch(pl.Callback):
        def on_train_batch_start(self, trainer, *rest):
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    trainer = pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        max_epochs=1,
        callbacks=[Watch()],
    )
    trainer.fit(module, data)
    trainer.fit_loop.max_epochs = 2
    trainer.fit(module, data)
    wanted = [0.015 * (1 + math.cos(math.pi * step / 12)) for step in range(6, 12)]
    assert rates[6:] == pytest.approx(wanted)


def test_another_run_of_a_module_does_not_name_the_changes_of_the_one_before(tmp_path):
    module = resumed(tmp_path, 2, {}, {"batch": 8, "epochs": 1}).module
    assert module.recipe["changes"]
    _, data, _ = make()
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        max_epochs=1,
    )
    trainer.fit(module, data)
    assert module.recipe["changes"] == []


def test_a_run_of_steps_reads_its_schedule_at_the_images_of_its_steps(tmp_path):
    run = resumed(tmp_path, 6, {"max_steps": 12}, {"batch": 8, "max_steps": 12, "epochs": 9})
    assert run.trainer.global_step == 12
    events = batches_of(run)
    # 24 images in 6 steps, 48 in the other 6.
    assert [len(event[3]) for event in events] == [4] * 6 + [8] * 6
    for number, event in enumerate(events[6:]):
        share = (24 + 8 * number) / 72
        assert event[4][0] == pytest.approx(0.015 * (1 + math.cos(math.pi * share)), rel=1e-6)


@pytest.mark.filterwarnings("ignore:The dirpath has changed")
def test_a_loader_that_is_not_ours_keeps_its_steps(tmp_path):
    class Plain(instdisc.ViewData):
        def train_dataloader(self):
            views = [self.images.read(index).float() / 255 for index in range(IMAGES)]
            rows = [(view, view, index) for index, view in enumerate(views)]
            return torch.utils.data.DataLoader(rows, self.batch_size, collate_fn=collate)

    def collate(rows):
        first, second, indices = zip(*rows, strict=True)
        views = [torch.stack(first), torch.stack(second)]
        return instdisc.types.Views(views, torch.zeros(len(rows)).long(), torch.tensor(indices))

    def made(**change):
        module, data, options = make(**change)
        data.__class__ = Plain
        return module, data, options

    train(made, tmp_path, stop=Stop(4), every=1)
    path = str(tmp_path / "last.ckpt")
    with pytest.warns(UserWarning, match="your dataloader is not resumable"):
        same = train(made, tmp_path / "same", every=1, ckpt_path=path)
    assert same.trainer.global_step == 18
    with pytest.warns(UserWarning, match="your dataloader is not resumable"):
        larger = train(lambda: made(batch=6), tmp_path / "larger", every=1, ckpt_path=path)
    assert larger.trainer.global_step == 3 + 2 + 4 + 4  # 12 images are left: two batches


@pytest.mark.parametrize("step", [2, 6, 9])
def test_a_checkpoint_that_counts_batches_goes_on(tmp_path, step):
    expected = train(make, tmp_path / "whole", every=1)
    train(make, tmp_path / "stopped", every=1, stop=Stop(step + 1))
    path = tmp_path / "stopped" / "last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    assert checkpoint["global_step"] == step
    # As release 0.1.0 wrote it.
    del checkpoint["instdisc_position"]
    (loader,) = checkpoint["loops"]["fit_loop"]["state_dict"]["combined_loader"]
    assert loader.pop("images") == 4 * (step % 6 or 6)
    loader["batches"] = step % 6 or 6
    torch.save(checkpoint, path)
    found = train(make, tmp_path / "stopped", every=1, ckpt_path=str(path))
    assert_same(found, expected)
