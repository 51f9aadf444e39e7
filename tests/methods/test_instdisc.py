"""InstDisc against loops over all rows of its memory bank."""

import math

import pytest
import torch
from torch.nn import functional as F

import instdisc
from instdisc.losses import ExemplarLoss, InstanceDiscriminationLoss, SupConLoss, noise_contrast
from instdisc.methods import MemoryBankContrast, SampledContrast
from instdisc.testing.runs import fit, make_batches
from instdisc.types import Views

N, B, K, DIM = 32, 6, 20, 16


def module_of(**options):
    return instdisc.InstDiscModule("test_resnet", num_images=N, projection_dim=16, **options)


def term_and_batch(term):
    """A term in float64 whose rows have been seen in part, features and their places."""
    torch.manual_seed(0)
    term = term.double()
    term.memory_bank.features = F.normalize(term.memory_bank.features.double(), dim=1)
    term.memory_bank.labels = torch.arange(N) % 3
    term.memory_bank.labels[-5:] = -1
    features = torch.randn(B, DIM, dtype=torch.float64, requires_grad=True)
    indices = torch.tensor([4, 9, 4, 31, 0, 17])
    return term, features, indices


def value_and_gradient(term, features, labels, indices):
    term.begin_batch(indices, 0.0)
    value = term({0: features}, {}, labels)
    (gradient,) = torch.autograd.grad(value, features)
    return value, gradient


def check_against(expected_of, term, features, labels, indices):
    value, gradient = value_and_gradient(term, features, labels, indices)
    query = term.projector(features)
    expected = torch.stack([expected_of(query[i], int(indices[i]), i) for i in range(B)]).mean()
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, features)[0])


@pytest.mark.parametrize("loss", [InstanceDiscriminationLoss, ExemplarLoss, SupConLoss])
def test_all_rows(loss):
    term, features, indices = term_and_batch(
        MemoryBankContrast(DIM, loss(0.1), num_images=N, projection_dim=8)
    )
    rows, classes = term.memory_bank.features, term.memory_bank.labels
    labels = torch.tensor([1, 0, 1, -1, 2, 2])

    def expected(query, own, number):
        scores = rows @ query / 0.1
        alike = [j for j in range(N) if classes[j] == labels[number] >= 0 and j != own]
        others = [j for j in range(N) if j != own]
        positives = [own]
        if loss is ExemplarLoss:
            others = [j for j in others if j not in alike]
        if loss is SupConLoss:
            positives += alike
        total = scores[[own, *others]].logsumexp(0)
        return total - scores[positives].mean()

    check_against(expected, term, features, labels, indices)


def test_all_rows_is_the_softmax_over_the_bank():
    term, features, indices = term_and_batch(
        MemoryBankContrast(DIM, InstanceDiscriminationLoss(0.07), num_images=N, projection_dim=8)
    )
    value, _ = value_and_gradient(term, features, torch.full((B,), -1), indices)
    logits = term.projector(features) @ term.memory_bank.features.T / 0.07
    torch.testing.assert_close(value, F.cross_entropy(logits, indices))


def test_update_comes_after_the_gradient():
    term, features, indices = term_and_batch(
        MemoryBankContrast(DIM, InstanceDiscriminationLoss(0.07), num_images=N, projection_dim=8)
    )
    before = term.memory_bank.features.clone()
    labels = torch.arange(B)
    value_and_gradient(term, features, labels, indices)
    assert torch.equal(term.memory_bank.features, before)
    term.after_backward()
    moved = F.normalize((before[9] + term.projector(features)[1]) / 2, dim=0)
    torch.testing.assert_close(term.memory_bank.features[9], moved)
    untouched = [j for j in range(N) if j not in indices.tolist()]
    assert torch.equal(term.memory_bank.features[untouched], before[untouched])
    assert term.memory_bank.labels[indices].tolist() == [2, 1, 2, 3, 4, 5]


def test_defaults_are_the_papers():
    module = instdisc.InstDiscModule("test_resnet", num_images=100)
    term = module.objectives["contrast"]
    assert (term.num_negatives, term.temperature, term.memory_bank.momentum) == (4096, 0.07, 0.5)
    assert term.memory_bank.features.shape == (100, 128)
    assert len(term.projector.layers) == 1
    assert (module.learning_rate, module.weight_decay, module.schedule) == (0.03, 1e-4, "step")
    assert (module.milestones, module.batch_norm.mode) == ((0.6, 0.8), "plain")


def test_each_micro_batch_updates_its_rows():
    module = module_of(num_negatives=None)
    before = module.objectives["contrast"].memory_bank.features.clone()
    fit(module, make_batches(4, 8, 32), accumulate_grad_batches=2)
    bank = module.objectives["contrast"].memory_bank
    assert int(bank.updates) == 4
    assert not (bank.features == before).all(1).any()
    torch.testing.assert_close(bank.features.norm(dim=1), torch.ones(N))


def test_statistics():
    term, features, indices = term_and_batch(
        MemoryBankContrast(DIM, InstanceDiscriminationLoss(0.07), num_images=N, projection_dim=8)
    )
    assert term.statistics() == {}
    term.memory_bank.features[indices[1]] = term.projector(features)[1].detach()
    value_and_gradient(term, features, torch.arange(B), indices)
    cosine = term.projector(features) @ term.memory_bank.features.T
    statistics = term.statistics()
    expected = (cosine.argmax(1) == indices).double().mean()
    assert float(expected) > 0
    assert float(statistics["accuracy"]) == pytest.approx(float(expected))
    own = cosine[torch.arange(B), indices].mean()
    torch.testing.assert_close(statistics["positive_similarity"], own.detach())


def test_bad_input():
    module = module_of(num_negatives=None)
    images, labels, indices = make_batches(1, 8, 32)[0]
    with pytest.raises(ValueError, match="needs `indices`, the positions .* got none. Batches"):
        fit(module, [(images, labels)])
    with pytest.raises(ValueError, match="`indices` of a batch reach from 30 to 37, outside"):
        fit(module, [Views(images, labels, indices + 30)])
    with pytest.raises(TypeError, match="`indices` must be of torch.int64"):
        fit(module, [Views(images, labels, indices.float())])
    make = instdisc.InstDiscModule
    with pytest.raises(ValueError, match="`num_images` must be a whole number of at least 2"):
        make("test_resnet", num_images=1)
    with pytest.raises(ValueError, match="`estimator`='nce' is for drawn rows"):
        make("test_resnet", num_images=9, num_negatives=None, estimator="nce")
    with pytest.raises(ValueError, match="`bank_in_host_memory`=True is for drawn rows"):
        make("test_resnet", num_images=9, num_negatives=None, bank_in_host_memory=True)
    with pytest.raises(ValueError, match="`num_images`=32, but there are 40 training images"):
        instdisc.methods.instdisc._check_num_images(32, range(40))
    with pytest.warns(UserWarning, match="`num_images`=50, but there are 40 training images"):
        instdisc.methods.instdisc._check_num_images(50, range(40))


def sampled(estimator, temperature=0.1, **options):
    return SampledContrast(
        DIM,
        N,
        num_negatives=K,
        temperature=temperature,
        estimator=estimator,
        projection_dim=8,
        **options,
    )


def draws_of(term):
    return term.memory_bank.draw(torch.arange(B), K)  # (B, K)


@pytest.mark.parametrize("in_host_memory", [False, True])
def test_drawn_rows_softmax(in_host_memory):
    term, features, indices = term_and_batch(sampled("softmax", bank_in_host_memory=in_host_memory))
    rows, draws = term.memory_bank.features, draws_of(term)

    def expected(query, own, number):
        scores = [rows[own] @ query / 0.1] + [rows[j] @ query / 0.1 for j in draws[number]]
        return -torch.stack(scores).log_softmax(0)[0]

    check_against(expected, term, features, torch.arange(B), indices)


def test_drawn_rows_noise_contrast():
    term, features, indices = term_and_batch(sampled("nce"))
    rows, draws = term.memory_bank.features, draws_of(term)
    query = term.projector(features).detach()
    exps = [(rows[[int(indices[i]), *draws[i].tolist()]] @ query[i] / 0.1).exp() for i in range(B)]
    partition = torch.stack(exps).mean() * N

    def expected(query, own, number):
        own_p = (rows[own] @ query / 0.1).exp() / partition
        loss = -(own_p / (own_p + K / N)).log()
        for j in draws[number]:
            p = (rows[j] @ query / 0.1).exp() / partition
            loss = loss - ((K / N) / (p + K / N)).log()
        return loss

    check_against(expected, term, features, torch.arange(B), indices)
    kept = term.memory_bank.log_partition.clone()
    torch.testing.assert_close(kept.exp().double(), partition, rtol=1e-6, atol=0)
    term.after_backward()
    term.memory_bank.features *= -1
    value_and_gradient(term, features, torch.arange(B), indices)  # Z stays
    assert torch.equal(term.memory_bank.log_partition, kept)
    restored = sampled("nce").double()
    restored.load_state_dict(term.state_dict())
    value_and_gradient(restored, features, torch.arange(B), indices)
    assert torch.equal(restored.memory_bank.log_partition, kept)


@pytest.mark.parametrize(("temperature", "ratio"), [(0.07, 2.22), (0.1, 1.48)])
def test_published_start_of_noise_contrast(temperature, ratio):
    """Random rows: Z / N = exp(1 / (2 D T^2)), and log(K + 1) + K log(1 + 1 / K) = 9.32."""
    count, num_negatives = 20_000, 4096
    term = SampledContrast(DIM, count, temperature=temperature, estimator="nce")
    term.begin_batch(torch.arange(64), 0.0)
    value = term({0: torch.randn(64, DIM)}, {}, torch.full((64,), -1))
    partition = float(term.memory_bank.log_partition.exp()) / count
    assert math.exp(1 / (2 * 128 * temperature**2)) == pytest.approx(ratio, abs=0.005)
    assert partition == pytest.approx(ratio, rel=0.02)
    flat = math.log(num_negatives + 1) + num_negatives * math.log(1 + 1 / num_negatives)
    assert flat == pytest.approx(9.32, abs=0.005)
    similarities = term.memory_bank.log_partition - math.log(count) + torch.zeros(1, 4097)
    start = noise_contrast(similarities, term.memory_bank.log_partition, count)
    assert float(start) == pytest.approx(flat, rel=1e-4)
    spread = 1 / (2 * 128 * temperature**2)  # of similarities about 0, which Z takes in
    assert float(value.detach()) == pytest.approx(flat + spread, rel=0.06)


def test_start_of_the_softmax():
    """Similarities of random rows have variance 1 / (D T^2): log(1 + K exp(1 / (2 D T^2)))."""
    for term in (
        SampledContrast(DIM, 20_000),
        MemoryBankContrast(DIM, InstanceDiscriminationLoss(0.07), num_images=4096),
    ):
        term.begin_batch(torch.arange(64), 0.0)
        value = term({0: torch.randn(64, DIM)}, {}, torch.full((64,), -1))
        expected = math.log(1 + 4096 * math.exp(1 / (2 * 128 * 0.07**2)))
        assert float(value.detach()) == pytest.approx(expected, rel=0.05)


def test_slices_change_nothing(monkeypatch):
    values = []
    term, features, indices = term_and_batch(sampled("softmax"))
    for length in (1, 4, B):
        monkeypatch.setattr(
            instdisc.losses.sampled, "_slice_length", lambda *_, length=length: length
        )
        values.append(value_and_gradient(term, features, torch.arange(B), indices))
    for other in values[1:]:
        torch.testing.assert_close(values[0], other, rtol=1e-12, atol=1e-12)


def test_host_memory_is_refused_where_nccl_would_send_it(monkeypatch):
    monkeypatch.setattr(instdisc.methods.instdisc, "world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "get_backend", lambda: "nccl")
    module = module_of(bank_in_host_memory=True)
    with pytest.raises(ValueError, match="`bank_in_host_memory`=True is for a single GPU"):
        module.on_fit_start()
