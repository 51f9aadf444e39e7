"""The papers' values of the methods that predict a view from another."""

from torch import nn

import instdisc
from instdisc import losses, methods


def built(kind, **options):
    """The module, and the arguments that its objective's heads were made with."""
    return getattr(instdisc, kind)("test_resnet", **options)


def check(module, **settings):
    assert {name: getattr(module, name) for name in settings} == settings


def widths(head):
    """Of the layers, with a mark where they have a bias, and the last norm."""
    layers = [
        f"{layer.out_features}{'b' if layer.bias is not None else ''}"
        for layer in head.layers
        if isinstance(layer, nn.Linear)
    ]
    last = head.layers[-1]
    return [*layers, *(["plain"] if isinstance(last, nn.BatchNorm1d) and not last.affine else [])]


def test_byol():
    module = built("BYOLModule")
    check(
        module,
        optimizer_name="lars",
        learning_rate=0.2,
        weight_decay=1.5e-6,
        decay="weights",
        sgd_momentum=0.9,
        schedule="cosine",
        warmup=10 / 1000,
        reference_batch=256,
        final_momentum=1.0,
        join_views=False,
    )
    term = module.objectives["prediction"]
    assert type(term) is methods.Prediction
    assert module.momentum_backbone.momentum == term.momentum_projector.momentum == 0.996
    assert module.batch_norm.mode == "sync"
    assert widths(term.projector) == widths(term.predictor) == ["4096b", "256"]


def test_simsiam():
    module = built("SimSiamModule")
    check(
        module,
        optimizer_name="sgd",
        learning_rate=0.05,
        weight_decay=1e-4,
        decay="all",
        sgd_momentum=0.9,
        schedule="cosine",
        warmup=0.0,
        reference_batch=256,
        final_momentum=None,
        momentum_backbone=None,
        join_views=False,
    )
    term = module.objectives["prediction"]
    assert type(term) is methods.CosinePrediction
    assert term.keys == ()
    assert term.parameter_options("predictor.layers.0.weight").scheduled is False
    assert module.batch_norm.mode == "sync"
    assert widths(term.projector) == ["2048", "2048", "2048", "plain"]
    assert widths(term.predictor) == ["512", "2048b"]


MOCO_V3 = {
    "sgd_momentum": 0.9,
    "schedule": "cosine",
    "reference_batch": 256,
    "final_momentum": 1.0,
    "join_views": False,
}


def check_moco_v3(module, temperature):
    term = module.objectives["contrast"]
    assert type(term) is methods.PredictedContrast
    assert type(term.loss) is losses.InstanceDiscriminationLoss
    assert term.loss.temperature == temperature
    assert module.momentum_backbone.momentum == term.momentum_projector.momentum == 0.99
    assert module.batch_norm.mode == "sync"
    return widths(term.projector), widths(term.predictor)


def test_moco_v3():
    module = built("MoCoV3Module")
    check(module, optimizer_name="lars", learning_rate=0.3, weight_decay=1e-6, **MOCO_V3)
    check(module, decay="weights", warmup=10 / 300)
    heads = ["4096", "256", "plain"], ["4096", "256"]
    assert check_moco_v3(module, 1.0) == heads


def test_moco_v3_of_vits():
    module = instdisc.MoCoV3Module("test_vit")
    check(module, optimizer_name="adamw", learning_rate=1.5e-4, weight_decay=0.1, **MOCO_V3)
    check(module, decay="all", warmup=40 / 300)
    heads = ["4096", "4096", "256", "plain"], ["4096", "256", "plain"]
    assert check_moco_v3(module, 0.2) == heads
    assert module.hparams.freeze_patch_projection is True
