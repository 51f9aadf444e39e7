"""What a resume changes holds for the rest of the run, is said, and stays in the recipe."""

import logging
from contextlib import suppress
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import nn

import instdisc
from instdisc.resuming import Change, RateSchedule, RunSettings
from instdisc.resuming.settings import _say
from instdisc.testing.runs import fit, make_batches

SMALL = {"queue_size": 64, "batch_norm_groups": 2}


class Watch(pl.Callback):
    """Notes the first group of the optimiser at every step."""

    def __init__(self):
        self.groups = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        group = trainer.optimizers[0].param_groups[0]
        self.groups.append({name: value for name, value in group.items() if name != "params"})

    def values(self, name):
        return [group[name] for group in self.groups]


def moco(backbone="test_resnet", **settings):
    torch.manual_seed(0)
    return instdisc.MoCoModule(backbone, **{"schedule": "constant", **SMALL, **settings})


class Killed(Exception):
    pass


class Kill(pl.Callback):
    def __init__(self, path, steps):
        self.path, self.steps = path, steps

    def on_train_batch_end(self, trainer, *rest):
        if trainer.global_step == self.steps:
            trainer.save_checkpoint(self.path)
            raise Killed


def begin(path, module=None, steps=3, **options):
    """A run of four steps an epoch and two epochs that is killed; the module it had."""
    module = module or moco()
    kill = Kill(path, steps)
    with suppress(Killed):
        fit(module, make_batches(4, 8, 32), kill, **{"max_epochs": 2, **options})
    return module


def go_on(path, module, **options):
    watch = Watch()
    fit(module, make_batches(4, 8, 32), watch, **{"max_epochs": 2, "ckpt_path": path, **options})
    return watch


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr("instdisc.resuming.settings.rank_zero_info", lines.append)
    return lines


@pytest.mark.parametrize(
    ("name", "group_name", "value"),
    [
        ("learning_rate", "lr", 0.003),
        ("weight_decay", "weight_decay", 0.5),
        ("sgd_momentum", "momentum", 0.5),
    ],
)
def test_a_changed_setting_holds_to_the_end(tmp_path, said, name, group_name, value):
    path = tmp_path / "a.ckpt"
    before = getattr(begin(path), name)
    module = moco(**{name: value})
    watch = go_on(path, module)
    assert watch.values(group_name) == [value] * 5
    assert module.recipe[name] == value
    change = {"step": 3, "name": name, "before": before, "after": value}
    assert change in module.recipe["changes"]
    (line,) = said
    assert line.startswith("Goes on from step 3 (")
    assert f"`{name}` {before} -> {value}" in line


@pytest.mark.parametrize("release", ["0.1.0", "0.2.0"])
def test_a_run_of_lightlys_lars_goes_on(tmp_path, release):
    options = {"optimizer": "lars", "learning_rate": 0.5}
    path = tmp_path / "a.ckpt"
    unbroken = begin(tmp_path / "none.ckpt", moco(**options), steps=100)
    begin(path, moco(**options))
    checkpoint = torch.load(path, weights_only=True)
    (state,) = checkpoint["optimizer_states"]
    for groups in (state["param_groups"], checkpoint["run_settings"]["groups"]):
        (group,) = groups
        group["trust_coefficient"] = group.pop("trust_coeff")
        for name in ("trust_clip", "always_adapt", "foreach"):
            group.pop(name, None)
    assert checkpoint["run_settings"]["optimizers"] == ["Lars"]
    checkpoint["run_settings"]["optimizers"] = ["LARS"]
    if release == "0.1.0":
        del checkpoint["run_settings"]
    torch.save(checkpoint, path)
    module = moco(**options)
    go_on(path, module)
    for name, value in unbroken.state_dict().items():
        assert torch.equal(module.state_dict()[name], value), name


def test_betas_of_adamw(tmp_path):
    """Settings that a subclass gives our optimiser."""

    class Mine(instdisc.MoCoModule):
        betas = (0.9, 0.999)

        def configure_optimizers(self):
            configured = super().configure_optimizers()
            configured["optimizer"].param_groups[0]["betas"] = self.betas
            self.settings.keep(configured["optimizer"])
            return configured

    path = tmp_path / "a.ckpt"
    begin(path, Mine("test_resnet", optimizer="adamw", **SMALL))
    module = Mine("test_resnet", optimizer="adamw", **SMALL)
    module.betas = (0.8, 0.99)
    assert go_on(path, module).values("betas") == [(0.8, 0.99)] * 5


def test_another_schedule_is_read_from_where_the_run_stands(tmp_path):
    path = tmp_path / "a.ckpt"
    begin(path)
    watch = go_on(path, moco(schedule="cosine", learning_rate=0.1))
    expected = [0.1 * instdisc.methods.learning_rate_factor(step, 8) for step in range(3, 8)]
    assert watch.values("lr") == pytest.approx(expected)


def test_unchanged_run_says_nothing_and_records_nothing(tmp_path, said):
    path = tmp_path / "a.ckpt"
    module = begin(path, moco(schedule="cosine"))
    whole, again = Watch(), moco(schedule="cosine")
    fit(moco(schedule="cosine"), make_batches(4, 8, 32), whole, max_epochs=2)
    watch = go_on(path, again)
    assert watch.groups == whole.groups[3:]
    assert said == []
    assert again.recipe == module.recipe
    assert again.recipe["changes"] == []


def test_a_longer_run_raises_the_rate_and_says_so(tmp_path, said):
    path = tmp_path / "a.ckpt"
    begin(path, moco(schedule="cosine", learning_rate=1.0), steps=6)
    go_on(path, moco(schedule="cosine", learning_rate=1.0), max_epochs=4)
    (line,) = said
    assert "`max_epochs` 2 -> 4; images of the run " in line
    assert "; the learning rate of the next step 0.1464 -> 0.6913" in line


def test_changes_through_several_resumes(tmp_path):
    paths = [tmp_path / f"{number}.ckpt" for number in range(3)]
    begin(paths[0], moco(learning_rate=0.1), steps=2)
    for number, rate in ((1, 0.2), (2, 0.3)):
        module = moco(learning_rate=rate, weight_decay=0.0)
        begin(paths[number], module, steps=(2, 5, 7)[number], ckpt_path=paths[number - 1])
    changes = torch.load(paths[2], weights_only=True)["instdisc"]["recipe"]["changes"]
    assert [tuple(change.values()) for change in changes] == [
        (2, "learning_rate", 0.1, 0.2),
        (2, "weight_decay", 1e-4, 0.0),
        (5, "learning_rate", 0.2, 0.3),
    ]
    exported = instdisc.export_backbone(paths[2], tmp_path / "b.safetensors")
    info = instdisc.checkpoint.describe_checkpoint(exported)
    assert info.recipe["changes"] == changes
    assert info.recipe["learning_rate"] == 0.3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: moco(queue_size=32), "`queue_size` must stay .* 64, .* got 32"),
        (lambda: moco(optimizer="adamw"), "`optimizer` must stay .* 'sgd', .* got 'adamw'"),
        (
            lambda: moco("test_resnet.r160_in1k"),
            "`backbone` must stay .*'test_resnet', 'stem'.* got .*r160_in1k",
        ),
        (
            lambda: instdisc.ExemplarModule("test_resnet", **SMALL),
            "`method` must stay .*'MoCoModule', .* got 'ExemplarModule'",
        ),
        (lambda: moco(projection_dim=64), "`projection_dim` must stay .* 128, .* got 64"),
        (lambda: moco(projector="linear"), "`projector` must stay .* 'mlp', .* got 'linear'"),
    ],
)
def test_what_cannot_go_on_is_refused_by_both_values(tmp_path, make, message):
    path = tmp_path / "a.ckpt"
    begin(path)
    with pytest.raises(ValueError, match=message):
        go_on(path, make())


def test_a_checkpoint_of_another_run_may_be_read(tmp_path):
    """To test it, or as a start: only a run that goes on is held to what it began with."""
    path = tmp_path / "a.ckpt"
    begin(path)

    class Mine(instdisc.MoCoModule):
        pass

    Mine.load_from_checkpoint(path, backbone="test_resnet", learning_rate=0.5)


def test_a_checkpoint_of_release_0_1_goes_on(tmp_path):
    """It has no settings but the recipe."""
    path = tmp_path / "a.ckpt"
    begin(path)
    old = torch.load(path, weights_only=True)
    for name in ("run_settings", "instdisc_position"):
        del old[name]
    del old["instdisc"]["losses"], old["instdisc"]["recipe"]["changes"]
    torch.save(old, path)
    module = moco(learning_rate=0.003, weight_decay=0.5)
    watch = go_on(path, module)
    assert watch.values("lr") == [0.003] * 5
    assert watch.values("weight_decay") == [0.5] * 5
    assert [tuple(change.values()) for change in module.recipe["changes"]] == [
        (3, "learning_rate", 0.03, 0.003),
        (3, "weight_decay", 1e-4, 0.5),
    ]
    with pytest.raises(ValueError, match="`queue_size` must stay .* 64, .* got 32"):
        go_on(path, moco(queue_size=32))


def test_objects_among_the_settings_are_no_changes(tmp_path):
    class Mine(instdisc.MoCoModule):
        def __init__(self, thing, margin):
            super().__init__("test_resnet", schedule="constant", **SMALL)
            self.save_hyperparameters()

    path = tmp_path / "a.ckpt"
    begin(path, Mine(Mine, 1.0))
    module = Mine(object(), 2.0)
    go_on(path, module)
    assert [tuple(change.values()) for change in module.recipe["changes"]] == [
        (3, "margin", 1.0, 2.0)
    ]


def test_a_subclass_with_another_hook_goes_on(tmp_path):
    class Mine(instdisc.MoCoModule):
        pass

    path = tmp_path / "a.ckpt"
    begin(path)
    assert len(go_on(path, Mine("test_resnet", schedule="constant", **SMALL)).groups) == 5


def test_a_diverged_run_goes_on_at_a_lower_rate(tmp_path):
    """As the message on a loss that is not finite advises."""
    batches = make_batches(4, 8, 32)
    keep = ModelCheckpoint(tmp_path, every_n_train_steps=1, save_last=True)
    with pytest.raises(FloatingPointError, match="last good checkpoint is .*last.ckpt"):
        fit(
            Diverges("test_resnet", learning_rate=1.0, **SMALL),
            batches,
            keep,
            max_epochs=2,
            enable_checkpointing=True,
        )
    module = Diverges("test_resnet", learning_rate=0.01, **SMALL)
    watch = go_on(tmp_path / "last.ckpt", module)
    assert len(watch.groups) == 8 - 2
    assert max(watch.values("lr")) <= 0.01
    assert all(torch.isfinite(value).all() for value in module.state_dict().values())


class Diverges(instdisc.MoCoModule):
    """Its loss is not finite where the rate is high, from the third step on."""

    def training_step(self, batch, batch_idx):
        if self.global_step == 2 and self.trainer.optimizers[0].param_groups[0]["lr"] > 0.1:
            batch = batch._replace(images=[view * torch.nan for view in batch.images])
        return super().training_step(batch, batch_idx)


class Module(pl.LightningModule):
    """Two groups with their rates, as the modules for dense tasks have."""

    def __init__(self, rates, decay, scheduler):
        super().__init__()
        self.body, self.head = nn.Linear(2, 2), nn.Linear(2, 2)
        self.rates, self.decay, self.scheduler = rates, decay, scheduler
        self.settings = RunSettings({"rates": rates}, {})

    def training_step(self, batch, batch_idx):
        return self.head(self.body(batch[0])).square().mean()

    def configure_optimizers(self):
        groups = [
            {"params": part.parameters(), "lr": rate}
            for part, rate in zip((self.body, self.head), self.rates, strict=True)
        ]
        groups[1]["weight_decay"] = self.decay
        optimizer = torch.optim.SGD(groups, momentum=0.9)
        scheduler = self.scheduler(optimizer)
        self.settings.keep(optimizer)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def on_train_start(self):
        self.settings.begin(self)

    def on_save_checkpoint(self, checkpoint):
        self.settings.save(checkpoint)

    def on_load_checkpoint(self, checkpoint):
        self.settings.load(self, checkpoint)


SCHEDULERS = {
    "lambda": lambda optimizer: RateSchedule(optimizer, lambda step: 1 / (1 + step)),
    "steps": lambda optimizer: torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 5], 0.5),
}
FACTORS = {"lambda": [1 / (1 + step) for step in range(6)], "steps": [1, 1, 0.5, 0.5, 0.5, 0.25]}


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_groups_keep_their_own_rates(tmp_path, scheduler):
    class Rates(pl.Callback):
        def __init__(self):
            self.rates = []

        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            groups = trainer.optimizers[0].param_groups
            self.rates.append([group["lr"] for group in groups])
            self.decays = [group["weight_decay"] for group in groups]

    path, make = tmp_path / "a.ckpt", SCHEDULERS[scheduler]
    batches = [(torch.ones(1, 2), torch.zeros(1)) for _ in range(6)]
    first, rest = Rates(), Rates()
    with suppress(Killed):
        fit(Module((0.1, 1.0), 0.0, make), batches, first, Kill(path, 3))
    fit(Module((0.1, 0.5), 0.3, make), batches, rest, ckpt_path=path)
    factors = FACTORS[scheduler]
    expected = [[0.1 * f, 1.0 * f] for f in factors[:3]] + [[0.1 * f, 0.5 * f] for f in factors[3:]]
    for rates, wanted in zip(first.rates + rest.rates, expected, strict=True):
        assert rates == pytest.approx(wanted)
    assert rest.decays == [0, 0.3]


def test_what_a_callback_set_stays_where_nothing_changed():
    """A weight decay that a callback moves is not reset by a resume."""
    optimizer = torch.optim.SGD([torch.zeros(1)], 0.1, weight_decay=0.1)
    settings = RunSettings({}, {})
    settings.keep(optimizer)
    checkpoint = {}
    settings.save(checkpoint)
    optimizer.param_groups[0]["weight_decay"] = 0.25  # by then
    later = RunSettings({}, {})
    later.keep(torch.optim.SGD([torch.zeros(1)], 0.1, weight_decay=0.1))
    trainer = SimpleNamespace(
        state=SimpleNamespace(fn="fit"),
        ckpt_path="a.ckpt",
        global_step=3,
        train_dataloader=None,
        world_size=1,
        accumulate_grad_batches=1,
        precision="32-true",
        max_epochs=1,
        max_steps=-1,
        optimizers=[],
        lr_scheduler_configs=[],
    )
    module = SimpleNamespace(_trainer=trainer, trainer=trainer)
    later.load(module, checkpoint)
    later._groups.optimizer.load_state_dict(optimizer.state_dict())
    later.begin(module)
    assert later._groups.optimizer.param_groups[0]["weight_decay"] == 0.25


def test_the_line_reaches_the_terminal(caplog):
    """By Lightning's logger, which writes to it, at the level that Lightning sets."""
    logger = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    caplog.set_level(logging.INFO, logger="pytorch_lightning")
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger.addHandler(handler)
    try:
        _say(3, [Change(3, "precision", "32-true", "bf16-mixed")], [0.1], [0.1])
    finally:
        logger.removeHandler(handler)
    assert lines == ["Goes on from step 3 with `precision` 32-true -> bf16-mixed"]
