"""What a contrastive objective owns: the dtype of its queue, and its statistics."""

import pytest
import torch
from torch.nn import functional as F

import instdisc
from instdisc.losses import (
    ExemplarLoss,
    HardNegativeLoss,
    InstanceDiscriminationLoss,
    SupConLoss,
    sweep,
)
from instdisc.methods import Contrast
from instdisc.testing.runs import fit, make_batches

SMALL = {"queue_size": 40, "batch_norm_groups": 2, "reference_batch": None}
METHODS = {
    "moco": (instdisc.MoCoModule, {}),
    "exemplar": (instdisc.ExemplarModule, {}),
    "supcon": (instdisc.SupConModule, {}),
    "ce_moco": (instdisc.CrossEntropyMoCoModule, {"num_classes": 4}),
    "ce_supcon": (instdisc.CrossEntropySupConModule, {"num_classes": 4}),
    "supcon_moco": (instdisc.SupConMoCoModule, {}),
}


def contrasts(module):
    return [term for term in module.objectives.values() if isinstance(term, Contrast)]


@pytest.mark.parametrize("name", METHODS)
def test_bfloat16_queue(name):
    method, options = METHODS[name]
    module = method("test_resnet", queue_dtype="bfloat16", **options, **SMALL)
    assert module.hparams["queue_dtype"] == "bfloat16"
    fit(module, make_batches(2, 8, 32))
    for term in contrasts(module):
        assert term.queue.bank().features.dtype == torch.bfloat16
        assert int(term.queue.pushed) == 16
    other = method("test_resnet", queue_dtype="bfloat16", **options, **SMALL)
    other.load_state_dict(module.state_dict(), strict=True)
    for ours, theirs in zip(contrasts(other), contrasts(module), strict=True):
        assert torch.equal(ours.queue.bank().features, theirs.queue.bank().features)


@pytest.mark.parametrize("queue_dtype", ["float32", "bfloat16"])
def test_trains_in_bfloat16_throughout(queue_dtype):
    module = instdisc.SupConMoCoModule("test_resnet", queue_dtype=queue_dtype, **SMALL)
    fit(module, make_batches(2, 8, 32), precision="bf16-true")
    for term in contrasts(module):
        assert all(value.isfinite() for value in term.statistics().values())


def test_bad_queue_dtype():
    with pytest.raises(
        ValueError, match="`queue_dtype` must be one of 'float32', 'bfloat16', got 'int8'"
    ):
        Contrast(8, InstanceDiscriminationLoss(0.2), queue_size=8, queue_dtype="int8")


@pytest.mark.parametrize("loss_class", [InstanceDiscriminationLoss, ExemplarLoss, SupConLoss])
def test_statistics_equal_those_of_the_whole_matrix(monkeypatch, loss_class):
    monkeypatch.setattr(sweep, "slice_length", lambda *sizes: 16)
    contrast = Contrast(12, loss_class(0.2), projection_dim=8, queue_size=50)
    keys = F.normalize(torch.randn(50, 8), dim=1)
    contrast.queue.push(keys, torch.randint(-1, 3, (50,)))
    labels = torch.arange(6) % 3
    contrast({0: torch.randn(6, 12)}, {1: torch.randn(6, 12)}, labels)
    query, key, _ = contrast._last
    same = labels[:, None] == contrast.queue.bank().labels
    negatives = torch.ones_like(same) if loss_class is InstanceDiscriminationLoss else ~same
    similarity, own = query @ contrast.queue.bank().features.T, (query * key).sum(1)
    statistics = contrast.statistics()
    torch.testing.assert_close(statistics["negative_similarity"], similarity[negatives].mean())
    hardest = similarity.masked_fill(~negatives, -1.0).amax(1)
    assert torch.equal(statistics["accuracy"], (own > hardest).float().mean())


def test_a_loss_that_changes_the_sum_needs_the_own_key():
    with pytest.raises(ValueError, match="`enqueue_first` must be False for HardNegativeLoss"):
        Contrast(8, HardNegativeLoss(0.2, tau=0.1), queue_size=8, enqueue_first=True)
