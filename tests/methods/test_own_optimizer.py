"""An optimiser of the user's own: what ``configure_optimizers`` may return is what trains."""

import math

import pytest
import pytorch_lightning as pl
import torch
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
)

import instdisc
from instdisc.testing.runs import fit, make_batches

STEPS = 4


class Rates(pl.Callback):
    def __init__(self):
        self.rates = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.rates.append([group["lr"] for group in trainer.optimizers[0].param_groups])


def bare(module):
    return torch.optim.AdamW(_trained(module), 1e-3)


def in_a_list(module):
    return [bare(module)]


def two_lists(module):
    optimizer = bare(module)
    return [optimizer], [MultiStepLR(optimizer, [1], 0.5)]


def dictionary(module):
    return {"optimizer": bare(module)}


def groups(module):
    optimizer = _groups(module)
    return {"optimizer": optimizer, "lr_scheduler": MultiStepLR(optimizer, [1], 0.5)}


def groups_alone(module):
    return _groups(module)


def one_cycle(module):
    optimizer = _groups(module)
    scheduler = OneCycleLR(optimizer, [0.1, 1.0], total_steps=2 * STEPS)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def two_schedulers(module):
    optimizer = _groups(module)
    per_step = {"scheduler": LambdaLR(optimizer, lambda step: 0.9**step), "interval": "step"}
    return [optimizer], [per_step, {"scheduler": MultiStepLR(optimizer, [1], 0.5)}]


def plateau(module):
    optimizer = _groups(module)
    scheduler = ReduceLROnPlateau(optimizer, factor=0.5, patience=0, threshold=10.0)
    return {"optimizer": optimizer, "lr_scheduler": scheduler, "monitor": "loss"}


def plateau_each_step(module):
    optimizer = _groups(module)
    scheduler = ReduceLROnPlateau(optimizer, factor=0.5, patience=0, threshold=10.0)
    told = {"scheduler": scheduler, "monitor": "loss", "interval": "step"}
    return {"optimizer": optimizer, "lr_scheduler": told}


def ours_with_another_scheduler(module):
    configured = instdisc.MoCoModule.configure_optimizers(module)
    optimizer = configured["optimizer"]
    scheduler = CosineAnnealingLR(optimizer, 2 * STEPS)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def _trained(module):
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def _groups(module):
    head = [p for n, p in module.named_parameters() if p.requires_grad and "backbone." not in n]
    body = list(module.backbone.parameters())
    return torch.optim.SGD(
        [{"params": body, "lr": 0.01}, {"params": head, "lr": 0.1}], momentum=0.9
    )


class Plain(pl.LightningModule):
    """What Lightning does with the same optimiser, without this library."""

    def __init__(self, configure):
        super().__init__()
        self.backbone, self.head = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
        self.configure = configure

    def training_step(self, batch, batch_idx):
        loss = self.head(self.backbone(torch.ones(1, 1))).square().mean()
        self.log("loss", loss, on_step=True, on_epoch=True, batch_size=1)
        return loss

    def configure_optimizers(self):
        return self.configure(self)


@pytest.mark.parametrize(
    "configure",
    [
        bare,
        in_a_list,
        two_lists,
        dictionary,
        groups,
        groups_alone,
        one_cycle,
        two_schedulers,
        plateau,
        plateau_each_step,
    ],
)
def test_rates_are_those_that_lightning_alone_would_give(configure):
    class Mine(instdisc.MoCoModule):
        def configure_optimizers(self):
            return configure(self)

    seen, expected = Rates(), Rates()
    module = Mine("test_resnet", queue_size=64, batch_norm_groups=2, learning_rate=7.0, warmup=0.5)
    batches = make_batches(STEPS, 8, 32)
    fit(module, batches, seen, max_epochs=2)
    fit(Plain(configure), batches, expected, max_epochs=2)
    assert len(seen.rates) == 2 * STEPS
    assert seen.rates == expected.rates
    assert module.recipe["changes"] == []


def test_our_optimizer_with_another_scheduler():
    class Mine(instdisc.MoCoModule):
        def configure_optimizers(self):
            return ours_with_another_scheduler(self)

    seen = Rates()
    module = Mine(
        "test_resnet", queue_size=64, batch_norm_groups=2, learning_rate=1.0, reference_batch=4
    )
    fit(module, make_batches(STEPS, 8, 32), seen, max_epochs=2)
    cosine = [0.5 * (1 + math.cos(math.pi * step / 8)) for step in range(8)]
    assert [rate for (rate,) in seen.rates] == pytest.approx(cosine)


def test_own_optimizer_goes_on_as_lightning_restores_it(tmp_path):
    class Mine(instdisc.MoCoModule):
        def configure_optimizers(self):
            return groups(self)

    def make(**settings):
        return Mine("test_resnet", queue_size=64, batch_norm_groups=2, **settings)

    batches = make_batches(STEPS, 8, 32)
    path = tmp_path / "a.ckpt"
    fit(make(), batches).save_checkpoint(path)
    rest = Rates()
    module = make(learning_rate=5.0)
    fit(module, batches, rest, max_epochs=2, ckpt_path=path)
    assert rest.rates == [[0.005, 0.05]] * STEPS
    names = {change["name"] for change in module.recipe["changes"]}
    assert names == {"max_epochs"}


def test_another_own_optimizer_is_refused_by_both_names(tmp_path):
    class Mine(instdisc.MoCoModule):
        kind = "SGD"

        def configure_optimizers(self):
            return getattr(torch.optim, self.kind)(_trained(self), 0.1)

    path = tmp_path / "a.ckpt"
    batches = make_batches(2, 8, 32)
    fit(Mine("test_resnet", queue_size=64, batch_norm_groups=2), batches).save_checkpoint(path)
    module = Mine("test_resnet", queue_size=64, batch_norm_groups=2)
    module.kind = "AdamW"
    message = "`configure_optimizers` must make what the run began with, SGD, .* got AdamW"
    with pytest.raises(ValueError, match=message):
        fit(module, batches, max_epochs=2, ckpt_path=path)


def test_manual_optimization_with_two_optimizers():
    class Mine(instdisc.MoCoModule):
        def __init__(self):
            super().__init__("test_resnet", queue_size=64, batch_norm_groups=2)
            self.automatic_optimization = False

        def configure_optimizers(self):
            head = [
                p for n, p in self.named_parameters() if p.requires_grad and "backbone." not in n
            ]
            return torch.optim.SGD(self.backbone.parameters(), 0.01), torch.optim.SGD(head, 0.1)

        def training_step(self, batch, batch_idx):
            outputs = super().training_step(batch, batch_idx)
            for optimizer in self.optimizers():
                optimizer.zero_grad()
            self.manual_backward(outputs["loss"])
            for optimizer in self.optimizers():
                optimizer.step()
            return outputs

    module = Mine()
    weights = [
        module.backbone.net.conv1[0].weight,
        module.objectives["contrast"].projector.layers[0].weight,
        # Lightning leaves the hook of an optimiser's step out here:
        module.momentum_backbone.module.net.conv1[0].weight,
        module.objectives["contrast"].momentum_projector.module.layers[0].weight,
    ]
    before = [weight.clone() for weight in weights]
    trainer = fit(module, make_batches(3, 8, 32))
    assert [group["lr"] for o in trainer.optimizers for group in o.param_groups] == [0.01, 0.1]
    assert not any(torch.equal(*pair) for pair in zip(before, weights, strict=True))
    assert torch.isfinite(trainer.callback_metrics["loss"])
