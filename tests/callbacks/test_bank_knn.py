"""kNN against the memory bank in a Trainer."""

import pytest
import torch

import instdisc
from instdisc.callbacks import MemoryBankKNN
from instdisc.metrics import knn_scores

from .test_knn import Noise, validated

N, CLASSES = 24, 4


def test_accuracy_is_that_of_the_rows():
    labels = torch.arange(N) % CLASSES
    train, test = Noise(labels, CLASSES), Noise(labels, CLASSES, first=500)
    data = instdisc.ViewData(train, test, image_size=16, policy="zhao_fr", batch_size=10)
    module = instdisc.InstDiscModule("test_resnet", num_images=N, num_negatives=8)
    collect = validated(data, MemoryBankKNN(k=5), module)
    term = module.objectives["contrast"]
    rows, row_labels = term.memory_bank.bank()
    seen = row_labels >= 0  # a batch of 10 twice of 24 images, in two epochs
    assert 20 <= int(seen.sum()) <= N
    assert torch.equal(row_labels[seen], labels[seen])
    features, wanted = (torch.cat(part) for part in collect.batches[1])
    query = term.projector(features).detach()
    scores = knn_scores(
        query, rows[seen], row_labels[seen], num_classes=CLASSES, k=5, temperature=0.07
    )
    expected = (scores.argmax(1) == wanted).float().mean()
    assert collect.metrics[-1]["knn_bank"] == pytest.approx(float(expected))
    assert "knn_bank" not in collect.metrics[0]  # of the images looked at before the first step


def test_method_without_a_memory_bank_is_refused():
    data = instdisc.ViewData(Noise([0, 1], 2), Noise([0, 1], 2), image_size=16, batch_size=2)
    with pytest.raises(ValueError, match="MemoryBankKNN needs a method with a memory bank, as"):
        validated(data, MemoryBankKNN())
