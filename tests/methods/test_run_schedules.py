"""What changes over a run besides the learning rate: momentum, temperature, weight decay."""

import math

import pytest
import torch

import instdisc
from instdisc.methods import ParameterOptions
from instdisc.testing import check_method
from instdisc.testing.runs import fit, make_batches


def make(method=instdisc.MoCoModule, **options):
    return method("test_resnet", queue_size=40, batch_norm_groups=2, **options)


def wave(first, last, step, steps):
    return last - (last - first) * (1 + math.cos(math.pi * step / steps)) / 2


class Recorder(instdisc.MoCoModule):
    """Notes what each step was made with."""

    def optimizer_step(self, *args, **kwargs):
        super().optimizer_step(*args, **kwargs)
        term = self.objectives["contrast"]
        (group,) = self.trainer.optimizers[0].param_groups
        self.noted.append(
            (
                self.momentum_backbone.momentum,
                term.momentum_projector.momentum,
                group["weight_decay"],
                term.loss.temperature / float(term._sharpness),
            )
        )


def test_cosines_by_step():
    module = make(
        Recorder,
        momentum=0.9,
        final_momentum=1.0,
        weight_decay=0.04,
        final_weight_decay=0.4,
        temperature=0.2,
        final_temperature=0.1,
    )
    module.noted = []
    fit(module, make_batches(4, 8, 32))
    expected = [
        (wave(0.9, 1, k, 4), wave(0.9, 1, k, 4), wave(0.04, 0.4, k, 4), wave(0.2, 0.1, k, 4))
        for k in range(4)
    ]
    for noted, values in zip(module.noted, expected, strict=True):
        assert noted == pytest.approx(values, rel=1e-6)


def test_temperature_of_now_is_that_of_a_loss_made_with_it():
    torch.manual_seed(0)
    term = make(final_temperature=0.1).objectives["contrast"]
    features = {0: torch.randn(4, 96)}, {1: torch.randn(4, 96)}, torch.arange(4)
    term.begin_batch(None, 0.5)
    value = term(*features)
    term.final_temperature, term.loss.temperature = None, 0.15
    torch.testing.assert_close(value, term(*features))


def test_a_method_with_schedules_keeps_every_promise():
    check_method(
        make(final_momentum=1.0, final_weight_decay=1e-3, final_temperature=0.1, momentum=0.9),
        two_processes=False,
    )


@pytest.mark.parametrize("name", ["final_momentum", "final_temperature", "final_weight_decay"])
def test_a_run_without_end_has_none(name):
    module = make(schedule="constant", **{name: 0.5})
    with pytest.raises(ValueError, match=f"has no shares, by which `{name}` goes"):
        fit(module, make_batches(1, 8, 32), max_epochs=-1)


def optimizer_of(module):
    return fit(module, make_batches(1, 8, 32)).optimizers[0]


class TestGroups:
    def test_one_by_default(self):
        assert len(optimizer_of(make()).param_groups) == 1

    @pytest.mark.parametrize("optimizer", ["sgd", "lars", "adamw"])
    def test_weights_alone_decay(self, optimizer):
        module = make(decay="weights", optimizer=optimizer, weight_decay=0.5)
        groups = optimizer_of(module).param_groups
        assert {g["weight_decay"]: {p.ndim > 1 for p in g["params"]} for g in groups} == {
            0.5: {True},
            0.0: {False},
        }

    def test_lars_moves_the_others_by_their_gradient(self):
        options = {"weight_decay": 0.5, "sgd_momentum": 0.0, "schedule": "constant"}
        module = make(decay="weights", optimizer="lars", **options)
        optimizer = optimizer_of(module)
        optimizer.zero_grad()
        bias = module.objectives["contrast"].projector.layers[0].bias
        before = bias.detach().clone()
        bias.grad = torch.ones_like(bias)
        optimizer.step()
        torch.testing.assert_close(bias.detach(), before - module.learning_rate)  # no trust ratio

    def test_of_an_objective(self):
        class Own(instdisc.MoCoModule):
            def __init__(self, backbone):
                super().__init__(backbone, queue_size=40, batch_norm_groups=2, reference_batch=4)
                self.objectives["contrast"].parameter_options = options

        def options(name):
            assert name.startswith("projector.")
            return ParameterOptions(rate=10.0, scheduled=False)

        trainer = fit(Own("test_resnet"), make_batches(2, 8, 32), max_epochs=2)
        backbone, projector = trainer.optimizers[0].param_groups
        assert backbone["lr"] == 0  # of the step after the last
        assert projector["lr"] == pytest.approx(0.03 * 10 * 2)

    def test_unknown_decay(self):
        with pytest.raises(ValueError, match="`decay` must be one of 'all', 'weights', got 'some'"):
            make(decay="some")
