"""Few-shot accuracy while training: the right number, at the right time, unnoticed."""

import multiprocessing
import os
import socket

import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint

from instdisc.callbacks import ISLAM_VALIDATION_SETS, FewShotAccuracy
from instdisc.checkpoint import load_backbone
from instdisc.data import (
    CATALOG,
    ImageSource,
    ViewData,
    draw_episodes,
    evaluation_policy,
)
from instdisc.methods import MoCoModule
from instdisc.models import Backbone
from instdisc.testing.runs import fit, make_batches
from instdisc.transfer import evaluate_few_shot, extract_features, islam_test_policy


class Colours(ImageSource):
    """Noise with a shift of colour: some classes are easy to tell apart."""

    def __init__(self, count=60, num_classes=3, name="colours", height=20):
        self.name = name
        self.classes = [f"class {number}" for number in range(num_classes)]
        self.labels = torch.arange(count) % num_classes
        self.height = height
        self.reads = []

    def read(self, index):
        self.reads.append(index)
        generator = torch.Generator().manual_seed(index)
        image = torch.randint(0, 160, (3, self.height, 16), generator=generator, dtype=torch.uint8)
        image[int(self.labels[index]) % 3] += 20
        return image


class Logged(Callback):
    """What was logged at the end of each epoch, by the epoch."""

    def __init__(self):
        self.values = {}

    def on_train_epoch_end(self, trainer, pl_module):
        metrics = {k: float(v) for k, v in trainer.callback_metrics.items() if "few_shot" in k}
        self.values[trainer.current_epoch + 1] = metrics


SMALL = {"ways": 3, "queries": 4, "shots": [2], "num_episodes": 30, "image_size": 16}


def module_of(name="test_resnet", **options):
    torch.manual_seed(0)
    return MoCoModule(
        Backbone(name, **options), queue_size=16, batch_norm_groups=1, learning_rate=0.05
    )


def train(*callbacks, epochs=1, module=None, **options):
    module = module or module_of()
    # Not 16 px: torch 2.14 leaves bfloat16 gradients of strided layers on one pixel unwritten.
    fit(module, make_batches(2, 8, 32), *callbacks, max_epochs=epochs, **options)
    return module


def data_of(batch_size=8):
    images = Colours(16)
    return ViewData(images, images, image_size=16, policy="zhao_fr", batch_size=batch_size)


def trainer_of(*callbacks, epochs=2, **options):
    defaults = {
        "max_epochs": epochs,
        "callbacks": list(callbacks),
        "logger": False,
        "accelerator": "cpu",
        "enable_checkpointing": any(isinstance(c, ModelCheckpoint) for c in callbacks),
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return Trainer(**{**defaults, **options})


@pytest.mark.parametrize("classifier", ["logistic", "euclidean", "cosine"])
def test_it_is_the_number_of_the_transfer_room(classifier):
    """Of all images, not only of those that were drawn, and with both numbers of shots."""
    images, logged = Colours(200), Logged()
    settings = {"ways": 3, "queries": 4, "shots": [1, 3], "classifier": classifier}
    watch = FewShotAccuracy(images, num_episodes=6, image_size=16, seed=5, **settings)
    module = train(watch, logged)
    assert len(set(images.reads)) < 6 * 3 * 7 + 1 < 200
    features = extract_features(module.backbone, images, policy=islam_test_policy(16))
    episodes = draw_episodes(images.labels, ways=3, shots=3, queries=4, episodes=6, seed=5)
    records = evaluate_few_shot(features, episodes=episodes, **settings)
    one, three = (record.value / 100 for record in records)
    values = logged.values[1]
    assert values["few_shot/colours/1_shot"] == pytest.approx(one)
    assert values["few_shot/colours/3_shot"] == pytest.approx(three)
    assert values["few_shot/colours"] == pytest.approx((one + three) / 2)
    assert values["few_shot"] == pytest.approx((one + three) / 2)
    assert 0.34 < values["few_shot"] < 1


def test_defaults_are_the_papers():
    watch = FewShotAccuracy(Colours(200, 6))
    assert (watch.every, watch.ways, watch.shots, watch.queries) == (20, 5, (5,), 15)
    assert watch.classifier == "logistic"
    assert vars(watch.policy.frame) == vars(islam_test_policy(224).frame)
    assert watch._sets[0].episodes.support.shape == (400, 5, 5)
    assert watch._sets[0].episodes.queries.shape == (400, 5, 15)
    assert len(ISLAM_VALIDATION_SETS) == 6
    for name in ISLAM_VALIDATION_SETS:
        assert "all" in CATALOG[name].transfer


def test_the_square_view_and_one_of_ones_own():
    tall, policy = Colours(height=48), evaluation_policy(16)
    values = []
    for options in ({}, {"policy": policy}):
        logged = Logged()
        module = train(FewShotAccuracy(tall, **SMALL, **options), logged)
        seen = extract_features(
            module.backbone, tall, policy=options.get("policy") or islam_test_policy(16)
        )
        drawn = draw_episodes(tall.labels, ways=3, shots=2, queries=4, episodes=30)
        (record,) = evaluate_few_shot(seen, shots=[2], ways=3, queries=4, episodes=drawn)
        assert logged.values[1]["few_shot"] == pytest.approx(record.value / 100)
        values.append(record.value)
    assert values[0] != values[1]


def test_several_sets_and_their_mean(tmp_path):
    sets = {"a": Colours(40), "b": Colours(60, 4)}
    logged = Logged()
    train(FewShotAccuracy(sets, **SMALL), logged)
    values = logged.values[1]
    assert sorted(values) == ["few_shot", "few_shot/a", "few_shot/b"]
    assert values["few_shot"] == pytest.approx((values["few_shot/a"] + values["few_shot/b"]) / 2)
    alone = Logged()
    train(FewShotAccuracy([Colours(60, 4, name="b")], **SMALL), alone)
    assert alone.values[1]["few_shot/b"] == values["few_shot/b"]


def test_sets_by_name(tmp_path):
    from torchvision.io import write_png

    images = Colours(24)
    for index in range(24):
        folder = tmp_path / "pets" / images.classes[int(images.labels[index])]
        folder.mkdir(parents=True, exist_ok=True)
        write_png(images.read(index), str(folder / f"{index}.png"))
    for given in (tmp_path / "pets", [str(tmp_path / "pets")]):
        assert FewShotAccuracy(given, **SMALL)._sets[0].name == "pets"
    assert FewShotAccuracy({"p": tmp_path / "pets"}, **SMALL)._sets[0].name == "p"
    with pytest.raises(
        FileNotFoundError, match="`images` must be a folder or a file or one of imagenet"
    ):
        FewShotAccuracy(tmp_path / "dogs", **SMALL)


def epochs_seen(every, epochs, trainer=None, **options):
    """The epochs after which the number is there, and the number of evaluations."""
    images, seen = Colours(40), []
    watch = FewShotAccuracy(images, every=every, **SMALL)
    evaluate = watch._accuracies

    def note(one, module):
        seen.append(module.current_epoch + 1)
        return evaluate(one, module)

    watch._accuracies = note
    if trainer is None:
        train(watch, epochs=epochs, **options)
    else:
        trainer(watch, epochs=epochs, **options).fit(module_of(), datamodule=data_of())
    return seen


@pytest.mark.parametrize("trainer", [None, trainer_of], ids=["no validation", "validation"])
@pytest.mark.parametrize(
    ("every", "epochs", "options", "expected"),
    [
        (2, 5, {}, [2, 4, 5]),
        (20, 2, {}, [2]),
        (1, -1, {"max_steps": 4}, [1, 2]),
        (20, -1, {"max_steps": 3}, [2]),
    ],
)
def test_every_so_many_epochs_and_at_the_end(trainer, every, epochs, options, expected):
    assert epochs_seen(every, epochs, trainer, **options) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"val_check_interval": 1}, [2, 4]),  # within the epoch, too
        ({"check_val_every_n_epoch": 3}, [2, 4]),  # rarer than the number is asked for
        ({"limit_val_batches": 0}, [2, 4]),
    ],
)
def test_validations_of_another_pace(options, expected):
    assert epochs_seen(2, 4, trainer_of, **options) == expected


def test_validation_without_training_costs_nothing():
    images = Colours(40)
    trainer_of(FewShotAccuracy(images, every=1, **SMALL)).validate(
        module_of(), datamodule=data_of(), verbose=False
    )
    assert images.reads == []


@pytest.mark.parametrize("on_train_end", [True, False])
def test_a_checkpoint_is_chosen_by_it(tmp_path, on_train_end):
    best = ModelCheckpoint(
        tmp_path,
        "best-{epoch}",
        monitor="few_shot",
        mode="max",
        every_n_epochs=2,
        save_on_train_epoch_end=on_train_end,
    )
    logged, images = Logged(), Colours()
    watch = FewShotAccuracy(images, every=2, **SMALL)
    trainer_of(watch, best, logged, epochs=6).fit(module_of(), datamodule=data_of())
    scores = {epoch: logged.values[epoch]["few_shot"] for epoch in (2, 4, 6)}
    assert float(best.best_model_score) == max(scores.values())
    features = extract_features(
        load_backbone(best.best_model_path), images, policy=islam_test_policy(16)
    )
    drawn = draw_episodes(images.labels, ways=3, shots=2, queries=4, episodes=30)
    (record,) = evaluate_few_shot(features, shots=[2], ways=3, queries=4, episodes=drawn)
    assert record.value / 100 == pytest.approx(float(best.best_model_score))


def test_a_resumed_run_logs_the_same(tmp_path):
    class Save(Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            if trainer.current_epoch == 0:
                trainer.save_checkpoint(tmp_path / "half.ckpt")

    whole, resumed = Logged(), Logged()
    trainer_of(FewShotAccuracy(Colours(), every=1, **SMALL), whole, Save(), epochs=3).fit(
        module_of(), datamodule=data_of()
    )
    trainer_of(FewShotAccuracy(Colours(), every=1, **SMALL), resumed, epochs=3).fit(
        module_of(), datamodule=data_of(), ckpt_path=tmp_path / "half.ckpt"
    )
    assert resumed.values == {epoch: whole.values[epoch] for epoch in (2, 3)}


class Restless(Colours):
    """Draws random numbers when it is read, as a source of one's own may."""

    def read(self, index):
        torch.rand(3)
        return super().read(index)


@pytest.mark.parametrize("validation", [False, True])
@pytest.mark.parametrize(
    ("name", "options"),
    [("test_resnet", {}), ("test_vit", {"img_size": 16, "drop_path_rate": 0.3})],
)
def test_training_does_not_notice(name, options, validation):
    states, numbers = [], []
    for callbacks in ([], [FewShotAccuracy(Restless(), every=1, num_workers=0, **SMALL)]):
        module = module_of(name, **options)
        if validation:
            trainer_of(*callbacks, epochs=3).fit(module, datamodule=data_of())
        else:
            train(*callbacks, epochs=3, module=module)
        states.append(module.state_dict())
        numbers.append(torch.rand(1))
        assert module.backbone.net.training
    assert torch.equal(*numbers)
    assert states[0].keys() == states[1].keys()
    for key, value in states[0].items():
        assert torch.equal(value, states[1][key]), key


def test_a_frozen_part_stays_in_its_mode():
    module = module_of()
    modes = {}

    class Freeze(Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            pl_module.backbone.net.layer1.eval()
            modes.update({name: m.training for name, m in pl_module.backbone.named_modules()})

        def on_train_epoch_end(self, trainer, pl_module):
            after = {name: m.training for name, m in pl_module.backbone.named_modules()}
            assert after == modes

    train(FewShotAccuracy(Colours(40), **SMALL), Freeze(), module=module)
    assert not modes["net.layer1"]
    assert modes["net"]


def test_epochs_compare():
    """Where nothing is learnt, nothing changes."""
    logged = Logged()
    module = MoCoModule(
        Backbone("test_vit", img_size=16), queue_size=16, learning_rate=1e-30, batch_norm="plain"
    )
    train(FewShotAccuracy(Colours(), every=1, **SMALL), logged, epochs=3, module=module)
    assert logged.values[1] == logged.values[2] == logged.values[3]


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "64-true"])
def test_precisions(precision):
    logged = Logged()
    options = {"precision": precision} if precision != "bf16-true" else {}
    module = module_of()
    if precision == "bf16-true":
        module.backbone.to(torch.bfloat16)
        watch = FewShotAccuracy(Colours(), **SMALL)
        (value,) = watch._accuracies(watch._sets[0], module)
        assert next(module.backbone.parameters()).dtype == torch.bfloat16
        assert not module.backbone._forward_pre_hooks
    else:
        train(FewShotAccuracy(Colours(), **SMALL), logged, module=module, **options)
        value = logged.values[1]["few_shot"]
    assert 0.34 < value <= 1


def work(rank, folder, port):
    os.environ.update(
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        WORLD_SIZE="2",
        NODE_RANK="0",
        LOCAL_RANK=str(rank),
    )
    batches = make_batches(4, 8, 16)[rank::2]  # of other images: other statistics of batch norm
    logged, module = Logged(), module_of()
    watch = FewShotAccuracy(Colours(41), **SMALL)
    fit(module, batches, watch, logged, devices=2, strategy="ddp")
    state = module.backbone.state_dict()
    torch.save(
        (logged.values[1]["few_shot"], state, len(watch._sets[0].images)), folder / f"{rank}.pt"
    )


def test_two_processes_share_the_work(tmp_path):
    """Both log what the checkpoint, which has the statistics of the first, is worth."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    fork = multiprocessing.get_context("fork")
    ranks = [fork.Process(target=work, args=(rank, tmp_path, port)) for rank in range(2)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(120)
        assert process.exitcode == 0
    (first, state, count), (second, other, _) = (torch.load(tmp_path / f"{r}.pt") for r in range(2))
    assert first == second
    assert count == 41  # not even: the shares differ
    assert not torch.equal(state["net.bn1.running_mean"], other["net.bn1.running_mean"])
    backbone = Backbone("test_resnet")
    backbone.load_state_dict(state)
    images = Colours(41)
    features = extract_features(backbone, images, policy=islam_test_policy(16))
    (record,) = evaluate_few_shot(features, shots=[2], ways=3, queries=4, episodes=30)
    assert first == pytest.approx(record.value / 100)


class Broken(Colours):
    def read(self, index):
        if index == 7:
            raise ValueError("image 7 of 'broken' is unreadable")
        return super().read(index)


@pytest.mark.parametrize("on_unreadable", ["raise", "skip"])
def test_an_unreadable_image_of_an_episode_is_refused(on_unreadable):
    images = Broken(24)
    images.on_unreadable = on_unreadable
    with pytest.raises(ValueError, match="image 7 of 'broken' is unreadable"):
        train(FewShotAccuracy(images, **SMALL))


def test_images_of_unknown_class_are_not_read():
    images = Colours(60)
    images.labels[::5] = -1
    train(FewShotAccuracy(images, **SMALL))
    assert images.reads
    assert not any(index % 5 == 0 for index in images.reads)


def test_a_module_without_backbone_is_refused():
    with pytest.raises(TypeError, match="`backbone` must be a Backbone, .* got None"):
        FewShotAccuracy(Colours(), **SMALL).on_fit_start(Trainer(logger=False), LightningModule())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"every": 0}, ValueError, "`every` must be a whole number of at least 1, got 0"),
        ({"every": 0.5}, TypeError, "`every` must be a whole number"),
        ({"every": True}, TypeError, "`every` must be a whole number"),
        ({"num_episodes": 0}, ValueError, "`num_episodes` must be a whole number of at least 1"),
        ({"shots": []}, ValueError, "`shots` must be one or more different numbers, got"),
        ({"shots": [1, 1]}, ValueError, "`shots` must be one or more different numbers, got"),
        ({"shots": [0, 1]}, ValueError, "`shots.0.` must be a whole number of at least 1, got 0"),
        ({"shots": 5}, TypeError, "`shots` must be a sequence of whole numbers, got 5"),
        ({"shots": "5"}, TypeError, "`shots` must be a sequence of whole numbers, got '5'"),
        ({"ways": 1}, ValueError, "`ways` must be a whole number of at least 2, got 1"),
        ({"queries": 0}, ValueError, "`queries` must be a whole number of at least 1, got 0"),
        ({"classifier": "cosin"}, ValueError, "`classifier` must be one of .* mean 'cosine'"),
        ({"image_size": 0}, ValueError, "`image_size` must be a whole number of at least 1"),
        (
            {"policy": "islam_weak"},
            TypeError,
            "`policy` must be a ViewPolicy or None, got 'islam_weak'",
        ),
        ({"batch_size": 0}, ValueError, "`batch_size` must be a whole number of at least 1"),
        ({"num_workers": -1}, ValueError, "`num_workers` must be a whole number of at least 0"),
        ({"seed": -1}, ValueError, "`seed` must be a whole number of at least 0, got -1"),
        ({"ways": 4}, ValueError, "set 'colours' of `images` gives no episodes: `ways`=4 needs"),
        ({"queries": 19}, ValueError, "'colours' of `images` gives no episodes: .*'class 0'"),
        ({"images": {}}, ValueError, "`images` must be one set or more, got {}"),
        ({"images": []}, ValueError, r"`images` must be one set or more, got \[\]"),
        (
            {"images": 3},
            TypeError,
            "`images` must be an ImageSource, a text, a Path, a sequence of ImageSource",
        ),
        (
            {"images": [3]},
            TypeError,
            "`images` must be an ImageSource, a text, a Path, a sequence of ImageSource",
        ),
        ({"images": {3: Colours()}}, TypeError, "`images` must be named by str, got 3"),
        (
            {"images": [Colours(), Colours()]},
            ValueError,
            "`images` must be of different names, got 'colours'. Name them",
        ),
    ],
)
def test_bad_arguments(options, error, message):
    with pytest.raises(error, match=message):
        FewShotAccuracy(**{"images": Colours(), **SMALL, **options})
