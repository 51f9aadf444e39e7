"""The papers' values of the methods that predict a view from another."""

from torch import nn

import instdisc
from instdisc import methods


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
