"""The papers' values of the methods that contrast the images of a batch."""

import pytest
from torch import nn

import instdisc
from instdisc.losses import ExemplarLoss, InstanceDiscriminationLoss, SupConLoss

LARGE_BATCH = {
    "optimizer_name": "lars",
    "learning_rate": 0.3,
    "decay": "weights",
    "sgd_momentum": 0.9,
    "schedule": "cosine",
    "reference_batch": 256,
}


def check(module, settings):
    assert {name: getattr(module, name) for name in settings} == settings
    assert module.batch_norm.mode == "sync"


def layers(head):
    """Widths, with a mark where a bias is, and the norms between them."""
    return [
        f"{layer.out_features}{'b' if layer.bias is not None else ''}"
        if isinstance(layer, nn.Linear)
        else f"norm{'b' if layer.bias is not None else ''}"
        for layer in head.layers
        if not isinstance(layer, nn.ReLU)
    ]


@pytest.mark.parametrize(
    ("name", "loss"),
    [("SimCLRModule", InstanceDiscriminationLoss), ("InBatchExemplarModule", ExemplarLoss)],
)
def test_simclr(name, loss):
    module = getattr(instdisc, name)("test_resnet")
    check(module, LARGE_BATCH | {"weight_decay": 1e-4, "warmup": 10 / 100, "join_views": True})
    term = module.objectives["contrast"]
    assert (type(term.loss), term.loss.temperature, term.queries) == (loss, 0.1, (0, 1))
    assert layers(term.projector) == ["96", "normb", "128", "norm"]


def test_supcon_in_batch():
    """The code's loss is T / 0.07 times as large: the same steps at another rate and decay."""
    module = instdisc.InBatchSupConModule("test_resnet")
    settings = {
        "optimizer_name": "sgd",
        "sgd_momentum": 0.9,
        "decay": "all",
        "schedule": "cosine",
        "warmup": 10 / 1000,
        "reference_batch": 1024,
        "join_views": True,
    }
    check(module, settings)
    term = module.objectives["supcon"]
    assert (type(term.loss), term.loss.temperature, term.queries) == (SupConLoss, 0.1, (0, 1))
    factor = term.loss.temperature / 0.07
    assert module.learning_rate == pytest.approx(0.5 * factor, rel=1e-3)
    assert module.weight_decay == pytest.approx(1e-4 / factor)
    assert layers(term.projector) == ["96b", "128b"]


def test_nnclr():
    module = instdisc.NNCLRModule("test_resnet")
    check(module, LARGE_BATCH | {"weight_decay": 1e-6, "warmup": 10 / 1000, "join_views": False})
    term = module.objectives["neighbour"]
    assert (term.loss.temperature, term.queue.size, term.queries) == (0.1, 98304, (0, 1))
    assert layers(term.projector) == ["2048", "normb", "2048", "normb", "256", "normb"]
    assert layers(term.predictor) == ["4096", "normb", "256b"]
