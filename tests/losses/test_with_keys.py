"""A loss of queries and keys of one batch: a double loop, torch's cross-entropy, bad calls.

Legend: B images.
"""

import pytest
import torch
from torch.nn import functional as F

from instdisc import distributed
from instdisc.losses import (
    ContrastiveLoss,
    ExemplarLoss,
    InstanceDiscriminationLoss,
    SupConLoss,
    contrast_with_keys,
    same_class,
)

TEMPERATURE = 0.3
LABELS = torch.tensor([0, 1, 0, -1, -1, 1, 0])


class NearestRepelMost(ContrastiveLoss):
    """Rules of the labels and weights of the similarities at once."""

    weights_have_gradient = True

    def positives(self, labels, bank_labels):
        return same_class(labels, bank_labels)

    def negatives(self, labels, bank_labels):
        return (bank_labels != 1)[None, :].expand(len(labels), -1)

    def weights(self, similarities, labels, bank_labels):
        return similarities.exp()


def rows(seed, count=7, dim=5, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(count, dim, generator=generator, dtype=dtype)
    return F.normalize(vectors, dim=1).requires_grad_()


def naive(loss, query, key, labels):
    """One pair at a time."""
    terms = []
    for i in range(len(query)):
        own = query[i] @ key[i] / loss.temperature
        positives, denominator = [own], [own.exp()]
        for j in range(len(key)):
            if i == j:
                continue
            s = query[i] @ key[j] / loss.temperature
            pair = labels[i, None], labels[j, None]
            attracts, repels = loss.positives(*pair), loss.negatives(*pair)
            attracts = attracts is not None and bool(attracts)
            if attracts:
                positives.append(s)
            if attracts or repels is None or bool(repels):
                weight = loss.weights(s[None, None], *pair)
                denominator.append(s.exp() * (1 if weight is None else weight[0, 0]))
        terms.append(sum(denominator).log() - sum(positives) / len(positives))
    return sum(terms) / len(terms)


@pytest.mark.parametrize(
    "kind", [InstanceDiscriminationLoss, ExemplarLoss, SupConLoss, NearestRepelMost]
)
def test_equals_a_double_loop(kind):
    loss, leaves = kind(TEMPERATURE), (rows(0), rows(1))
    value, expected = contrast_with_keys(loss, *leaves, LABELS), naive(loss, *leaves, LABELS)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(
        torch.autograd.grad(value, leaves), torch.autograd.grad(expected, leaves)
    )


def test_of_instances_it_is_the_cross_entropy_with_all_keys():
    query, key = rows(0, 64, 16, torch.float32), rows(1, 64, 16, torch.float32)
    value = contrast_with_keys(InstanceDiscriminationLoss(0.05), query, key, torch.zeros(64).long())
    expected = F.cross_entropy(query @ key.T / 0.05, torch.arange(64))
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("kind", [InstanceDiscriminationLoss, SupConLoss])
def test_each_process_adds_its_share(kind, monkeypatch):
    """As rank 0 and 1 see it; the second's keys begin where those of the first end."""
    loss, leaves, labels = kind(TEMPERATURE), (rows(0, 6), rows(1, 6)), LABELS[:6]
    expected = contrast_with_keys(loss, *leaves, labels)
    monkeypatch.setattr(distributed, "gather_with_gradient", lambda key: leaves[1])
    monkeypatch.setattr(distributed, "gather", lambda part: labels)
    values = []
    for rank in range(2):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        part = slice(3 * rank, 3 * rank + 3)
        values.append(contrast_with_keys(loss, *(leaf[part] for leaf in leaves), labels[part]))
    value = sum(values) / 2
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(
        torch.autograd.grad(value, leaves), torch.autograd.grad(expected, leaves)
    )


def test_half_precision_is_left_under_autocast():
    query, key = rows(0, dtype=torch.float32), rows(1, dtype=torch.float32)
    expected = contrast_with_keys(SupConLoss(0.1), query, key, LABELS)
    with torch.autocast("cpu", torch.bfloat16):
        value = contrast_with_keys(SupConLoss(0.1), query, key, LABELS)
    torch.testing.assert_close(value, expected)


def test_bad_input():
    loss, query = SupConLoss(0.1), rows(0)
    with pytest.raises(TypeError, match="`loss` must be a ContrastiveLoss, got 'supcon'"):
        contrast_with_keys("supcon", query, query, LABELS)
    with pytest.raises(ValueError, match=r"`key` must be \(7, 5\) like `query`"):
        contrast_with_keys(loss, query, query[1:], LABELS)
    with pytest.raises(ValueError, match=r"`labels` must be \(7,\), a label for each query"):
        contrast_with_keys(loss, query, query, LABELS[1:])
    with pytest.raises(ValueError, match="`query` must be of at least 1 row"):
        contrast_with_keys(loss, query[:0], query[:0], LABELS[:0])
