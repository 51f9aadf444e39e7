"""Queries matched with their keys: a loop, the start value, two processes."""

import math

import pytest
import torch
from torch.nn import functional as F

from instdisc import distributed
from instdisc.losses import match_in_batch

TEMPERATURE = 0.2


def make_pair():
    return [F.normalize(torch.randn(6, 4, dtype=torch.float64), dim=1) for _ in range(2)]


def value_and_gradients(function, pair):
    leaves = [rows.clone().requires_grad_() for rows in pair]
    value = function(*leaves)
    return value.detach(), torch.autograd.grad(value, leaves)


def test_equals_a_loop():
    def loop(query, key):
        terms = []
        for i in range(len(query)):
            to_all = torch.stack([query[i] @ key[j] for j in range(len(key))]) / TEMPERATURE
            terms.append(to_all.exp().sum().log() - to_all[i])
        return sum(terms) / len(terms)

    pair = make_pair()
    result = value_and_gradients(lambda q, k: match_in_batch(q, k, TEMPERATURE), pair)
    torch.testing.assert_close(result, value_and_gradients(loop, pair))


def test_start_value():
    alike = torch.ones(8, 4) / 2
    assert float(match_in_batch(alike, alike, 0.07)) == pytest.approx(math.log(8), abs=1e-5)


def test_in_float32_under_autocast():
    pair = make_pair()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = match_in_batch(*(rows.float() for rows in pair), TEMPERATURE)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.double(), match_in_batch(*pair, TEMPERATURE))


def test_each_process_adds_its_share(monkeypatch):
    """As rank 0 and 1 see it; the second's rows begin where those of the first end."""
    pair = make_pair()
    expected = value_and_gradients(lambda q, k: match_in_batch(q, k, TEMPERATURE), pair)

    def both(query, key):
        monkeypatch.setattr(distributed, "gather_with_gradient", lambda rows: key)
        values = []
        for rank in range(2):
            monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
            rows = slice(3 * rank, 3 * rank + 3)
            values.append(match_in_batch(query[rows], key[rows], TEMPERATURE))
        return sum(values) / 2

    torch.testing.assert_close(value_and_gradients(both, pair), expected)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"query": torch.ones(4, 3)}, ValueError, r"`key` must be \(4, 3\) like `query`"),
        ({"query": torch.ones(4, 8).long()}, TypeError, "`query` must be of"),
        ({"key": torch.ones(8)}, ValueError, r"`key` must be a tensor \(B, D\)"),
        ({"query": torch.ones(0, 8), "key": torch.ones(0, 8)}, ValueError, "`query` must be of at"),
        ({"temperature": 0.0}, ValueError, "`temperature` must be a finite number above 0"),
    ],
)
def test_bad_input(change, error, message):
    good = {"query": torch.ones(4, 8), "key": torch.ones(4, 8), "temperature": 0.1}
    with pytest.raises(error, match=message):
        match_in_batch(**{**good, **change})
