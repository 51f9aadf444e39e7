"""The values of DINO's paper, read from the module that is built."""

import inspect

import pytest

import instdisc


@pytest.fixture
def module():
    return instdisc.DINOModule("test_resnet", num_prototypes=64)


def test_objective(module):
    objective = module.objectives["distillation"]
    assert (objective.queries, objective.keys) == (tuple(range(10)), (0, 1))
    assert objective.head.mlp.widths == (2048, 2048, 256)
    assert inspect.signature(instdisc.DINOModule).parameters["num_prototypes"].default == 65536
    temperatures = objective.student_temperature, objective.teacher_temperature
    assert temperatures == (0.1, 0.04)
    assert objective.final_teacher_temperature is None
    assert objective.center.momentum == 0.9
    assert objective.freeze_prototypes == 1 / 100


def test_run(module):
    assert module.momentum_backbone.momentum == 0.996
    assert module.objectives["distillation"].momentum_head.momentum == 0.996
    assert (module.final_momentum, module.warmup, module.reference_batch) == (1.0, 10 / 100, 256)
    assert (module.decay, module.clip, module.schedule) == ("weights", 3.0, "cosine")
    assert module.join_views is True


@pytest.mark.parametrize(
    ("name", "optimizer", "rate", "decay", "final_decay"),
    [("test_vit", "adamw", 5e-4, 0.04, 0.4), ("test_resnet", "sgd", 0.03, 1e-4, None)],
)
def test_rate_by_backbone(name, optimizer, rate, decay, final_decay):
    module = instdisc.DINOModule(name, num_prototypes=64)
    assert (module.optimizer_name, module.learning_rate) == (optimizer, rate)
    assert (module.weight_decay, module.final_weight_decay) == (decay, final_decay)
