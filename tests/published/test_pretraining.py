"""The papers' values of the pretraining methods, read from the modules that are built."""

import math

import pytest
import torch
from torch import nn

import instdisc
from instdisc.losses import ExemplarLoss, InstanceDiscriminationLoss, SupConLoss
from instdisc.methods import learning_rate_factor
from instdisc.models import FeatureQueue, Projector

MOCO = {
    "learning_rate": 0.03,
    "weight_decay": 1e-4,
    "sgd_momentum": 0.9,
    "warmup": 0.0,
    "milestones": (0.6, 0.8),
    "reference_batch": None,
    "optimizer_name": "sgd",
}
ISLAM = MOCO | {
    "learning_rate": 0.02,
    "warmup": 5 / 400,
    "reference_batch": 64,
    "schedule": "cosine",
}


def built(name, **options):
    if "CrossEntropy" in name or name == "SupervisedModule":
        options["num_classes"] = 10
    return getattr(instdisc, name)("test_resnet", **options)


def check(module, settings):
    assert {name: getattr(module, name) for name in settings} == settings


def check_contrast(term, loss, temperature, size, *, first=False, layers=3):
    assert type(term.loss) is loss
    assert term.loss.temperature == temperature
    assert (term.queue.size, term.queue.features.shape[1]) == (size, 128)
    assert term.momentum_projector.momentum == 0.999
    assert term.enqueue_first is first
    assert len(term.projector.layers) == layers


@pytest.mark.parametrize(
    ("name", "loss"),
    [("MoCoModule", InstanceDiscriminationLoss), ("ExemplarModule", ExemplarLoss)],
)
@pytest.mark.parametrize(
    ("version", "temperature", "layers", "schedule"),
    [("v1", 0.07, 1, "step"), ("v2", 0.2, 3, "cosine")],
)
def test_moco_and_exemplar(name, loss, version, temperature, layers, schedule):
    module = built(name, version=version)
    check(module, MOCO | {"schedule": schedule})
    check_contrast(module.objectives["contrast"], loss, temperature, 65536, layers=layers)
    assert module.momentum_backbone.momentum == 0.999
    assert (module.batch_norm.mode, module.batch_norm.groups) == ("shuffled", 8)


def test_supervised():
    module = built("SupervisedModule")
    check(module, MOCO | {"learning_rate": 0.1, "schedule": "cosine"})
    assert module.objectives["classes"].queries == (0,)


def test_supcon():
    module = built("SupConModule")
    check(module, ISLAM)
    (term,) = module.objectives.values()
    check_contrast(term, SupConLoss, 0.07, 64000, first=True)


def test_cross_entropy_and_moco():
    module = built("CrossEntropyMoCoModule")
    check(module, ISLAM)
    terms = module.objectives
    assert (terms["classes"].weight, terms["contrast"].weight) == (1.0, 0.5)
    check_contrast(terms["contrast"], InstanceDiscriminationLoss, 0.07, 64000)


def test_cross_entropy_and_supcon():
    module = built("CrossEntropySupConModule")
    check(module, ISLAM)
    terms = module.objectives
    assert (terms["classes"].weight, terms["supcon"].weight) == (1.0, 0.2)
    check_contrast(terms["supcon"], SupConLoss, 0.07, 64000, first=True)


def test_supcon_and_moco():
    module = built("SupConMoCoModule")
    check(module, ISLAM)
    terms = module.objectives
    assert (terms["supcon"].weight, terms["contrast"].weight) == (1.0, 0.5)
    check_contrast(terms["contrast"], InstanceDiscriminationLoss, 0.07, 64000)
    check_contrast(terms["supcon"], SupConLoss, 0.07, 64000, first=True)


def test_schedules():
    def cosine(step):
        return learning_rate_factor(step, 400, schedule="cosine", warmup=5 / 400)

    assert cosine(0) == pytest.approx(0.01)  # the warm-up begins at 1 %
    assert cosine(5) == pytest.approx(1.0)
    assert cosine(5 + 395 // 2) == pytest.approx((1 + math.cos(math.pi * 197 / 395)) / 2)
    assert [
        learning_rate_factor(epoch, 200, schedule="step") for epoch in (119, 120, 159, 160)
    ] == pytest.approx([1.0, 0.1, 0.1, 0.01])


def test_projector_and_queue():
    layers = Projector(512).layers
    widths = [(one.in_features, one.out_features) for one in layers if isinstance(one, nn.Linear)]
    assert widths == [(512, 512), (512, 128)]
    queue = FeatureQueue(256, 16)
    assert (queue.labels == -1).all()  # equal to no class
    torch.testing.assert_close(queue.features.norm(dim=1), torch.ones(256))


def test_momentum_encoder_moves_by_a_thousandth():
    from instdisc.models import MomentumEncoder

    net = nn.Linear(1, 1, bias=False)
    nn.init.ones_(net.weight)
    encoder = MomentumEncoder(net)
    nn.init.zeros_(net.weight)
    encoder.update(net)
    assert float(encoder.module.weight) == pytest.approx(0.999)


BARDES = {  # of both methods
    "learning_rate": 0.2,
    "weight_decay": 1e-6,
    "sgd_momentum": 0.9,
    "schedule": "cosine",
    "warmup": 10 / 1000,
    "reference_batch": 256,
    "optimizer_name": "lars",
    "decay": "weights",
}


def test_barlow_twins():
    module = built("BarlowTwinsModule")
    check(module, BARDES)
    assert module.learning_rate * module.bias_rate == pytest.approx(0.0048)
    (term,) = module.objectives.values()
    assert term.redundancy_weight == 0.0051
    assert term.projector.widths == (8192, 8192, 8192)
    biases = [layer.bias for layer in term.projector.layers if isinstance(layer, nn.Linear)]
    assert biases == [None, None, None]
    assert module.batch_norm.mode == "sync"


def test_vicreg():
    module = built("VICRegModule")
    check(module, BARDES)
    (term,) = module.objectives.values()
    factors = (term.invariance_weight, term.variance_weight, term.covariance_weight)
    assert factors == (25, 25, 1)
    assert term.projector.widths == (8192, 8192, 8192)
    linear = [layer for layer in term.projector.layers if isinstance(layer, nn.Linear)]
    assert [layer.bias is None for layer in linear] == [False, False, True]
    assert module.batch_norm.mode == "sync"
