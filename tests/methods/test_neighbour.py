"""NNCLR: the formula by a loop, which rows can be neighbours, and what enters the queue.

Legend: B images, K queue length.
"""

import math

import pytest
import torch
from torch.nn import functional as F

import instdisc
from instdisc.losses import sweep
from instdisc.methods import NeighbourContrast
from instdisc.methods.objectives.neighbour import nearest_keys
from instdisc.models import MLP, FeatureQueue
from instdisc.testing.runs import fit, make_batches

TEMPERATURE = 0.2
LABELS = torch.tensor([0, 1, 2, 0, -1])


def unit(rows, dim=8):
    return F.normalize(torch.randn(rows, dim, dtype=torch.float64), dim=1)


def make(queue_size=40, pushed=12, labels=None):
    heads = MLP(12, (16, 16, 8), last_norm="affine"), MLP(8, (16, 8))
    term = NeighbourContrast(*heads, temperature=TEMPERATURE, queue_size=queue_size).double()
    if pushed:
        term.queue.push(unit(pushed), torch.arange(pushed) % 3 if labels is None else labels)
    return term


def make_features(images=5):
    return [torch.randn(images, 12, dtype=torch.float64) for _ in range(2)]


def value_and_gradients(function, term, features):
    """With respect to features and all weights of the heads."""
    leaves = [view.clone().requires_grad_() for view in features]
    value = function(leaves)
    return value.detach(), torch.autograd.grad(value, [*leaves, *term.parameters()])


def test_equals_the_formula_as_a_loop():
    term, features = make(), make_features()
    stored = term.queue.features[:12].double()

    def loop(leaves):
        projections = [term.projector(view) for view in leaves]
        predictions = [F.normalize(term.predictor(each), dim=1) for each in projections]
        terms = []
        for here, there in ((0, 1), (1, 0)):
            for i, projection in enumerate(F.normalize(projections[here], dim=1).detach()):
                nearest = max(stored, key=lambda row: float(row @ projection))
                logits = torch.stack([nearest @ p for p in predictions[there]]) / TEMPERATURE
                terms.append(logits.logsumexp(0) - logits[i])
        return sum(terms) / len(terms)

    result = value_and_gradients(
        lambda leaves: term(dict(enumerate(leaves)), {}, LABELS), term, features
    )
    torch.testing.assert_close(result, value_and_gradients(loop, term, features))


def test_start_value():
    """Predictions that are all alike."""
    alike = torch.ones(5, 12, dtype=torch.float64)
    value = make()({0: alike, 1: alike}, {}, LABELS)
    assert float(value.detach()) == pytest.approx(math.log(5), abs=1e-9)


@pytest.mark.parametrize("pushed", [8, 30, 70])
def test_neighbours_are_among_what_was_pushed(monkeypatch, pushed):
    """The random rows that a queue begins with are none, even where they would be the nearest."""
    monkeypatch.setattr(sweep, "slice_length", lambda *sizes: 16)
    queue, query = FeatureQueue(50, 8), unit(6)
    queue.features[:6] = queue.features[-6:] = query.float()
    keys, labels = unit(pushed), torch.arange(pushed)
    queue.push(keys, labels)
    neighbours = nearest_keys(query, queue)
    expected = (query @ keys[-50:].T).argmax(1) + max(0, pushed - 50)
    assert torch.equal(neighbours.labels, expected)
    assert torch.equal(neighbours.features, keys[expected].float().double())


def test_without_keys_each_is_its_own_neighbour():
    query = unit(6)
    neighbours = nearest_keys(query, FeatureQueue(50, 8))
    assert torch.equal(neighbours.features, query)
    assert neighbours.labels.tolist() == [-1] * 6


def test_looks_up_first_and_pushes_the_first_view_after_the_backward_pass():
    term, features = make(pushed=0), make_features()
    loss = term(dict(enumerate(features)), {}, LABELS)
    loss.backward()
    assert int(term.queue.pushed) == 0
    term.after_backward()
    expected = F.normalize(term.projector(features[0]), dim=1).float()
    torch.testing.assert_close(term.queue.features[:5], expected)
    assert torch.equal(term.queue.labels[:5], LABELS)
    assert int(term.queue.pushed) == 5


def test_statistics_equal_those_of_a_loop():
    stored = torch.tensor([0, 1, -1] * 4)
    term, features = make(labels=stored), make_features()
    term(dict(enumerate(features)), {}, LABELS)
    same, hits, similarities = [], [], []
    projections = [term.projector(view) for view in features]
    predictions = [F.normalize(term.predictor(each), dim=1) for each in projections]
    for view in (0, 1):
        for i, row in enumerate(F.normalize(projections[view], dim=1)):
            number = int((term.queue.features[:12].double() @ row).argmax())
            if stored[number] >= 0 and LABELS[i] >= 0:
                same.append(float(stored[number] == LABELS[i]))
            pairs = predictions[1 - view] @ term.queue.features[number].double()
            hits.append(float(pairs.argmax() == i))
            similarities.append(pairs[i])
    statistics = term.statistics()
    assert float(statistics["same_class"]) == pytest.approx(sum(same) / len(same))
    assert float(statistics["accuracy"]) == pytest.approx(sum(hits) / 10)
    torch.testing.assert_close(statistics["similarity"], torch.stack(similarities).mean())
    assert float(statistics["queue_fill"]) == pytest.approx(12 / 40)


def test_labels_are_counted_alone():
    """They change no loss; where none is of a class that can be compared the share is nan."""
    term, features = make(), dict(enumerate(make_features()))
    values = []
    for labels in (LABELS, torch.full((5,), -1)):
        values.append(term(features, {}, labels))
    assert torch.equal(*values)
    assert term.statistics()["same_class"].isnan()


def test_bad_arguments_and_batches():
    with pytest.raises(ValueError, match="`temperature` must be a finite number above 0"):
        NeighbourContrast(MLP(4, (8, 2)), MLP(2, (8, 2)), temperature=0.0)
    with pytest.raises(ValueError, match="`predictor` must be for features of width 2"):
        NeighbourContrast(MLP(4, (8, 2)), MLP(4, (8, 2)))
    with pytest.raises(ValueError, match="`predictor_dim` must be a whole number of at least 1"):
        instdisc.NNCLRModule("test_resnet", predictor_dim=0)
    module = instdisc.NNCLRModule("test_resnet", queue_size=4)
    with pytest.raises(ValueError, match="`queue_size`=4 is smaller than the global batch of 8"):
        fit(module, make_batches(1, 8, 32))
