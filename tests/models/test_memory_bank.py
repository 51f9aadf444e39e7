"""The memory bank against a loop over its rows."""

import copy

import pytest
import torch
from torch.nn import functional as F

from instdisc.models import MemoryBank
from instdisc.models.random_bits import mix_bits


def unit(rows, dim=8):
    return F.normalize(torch.randn(rows, dim), dim=1)


@pytest.mark.parametrize("in_host_memory", [False, True])
def test_rows_follow_their_features(in_host_memory):
    bank = MemoryBank(10, 8, momentum=0.3, in_host_memory=in_host_memory)
    expected, labels = bank.features.clone(), bank.labels.clone()
    features, classes = unit(6), torch.arange(6)
    indices = torch.tensor([3, 1, 3, 9, 0, 3])
    for row in indices.unique():
        last = int((indices == row).nonzero()[-1])  # the last of an image counts
        moved = 0.3 * expected[row] + 0.7 * features[last]
        expected[row], labels[row] = moved / moved.norm(), classes[last]
    bank.update(indices, features, classes)
    torch.testing.assert_close(bank.bank().features, expected)
    assert torch.equal(bank.bank().labels, labels)
    assert torch.equal(bank.rows(indices.view(2, 3)), bank.features[indices].view(2, 3, 8))
    assert int(bank.updates) == 1


def test_random_rows_have_length_1_on_average():
    lengths = MemoryBank(4000, 128).features.square().sum(1)
    assert abs(float(lengths.mean()) - 1) < 0.01
    assert float(lengths.std()) > 0.05  # only on average


def test_draws_are_uniform_and_repeat():
    bank = MemoryBank(50, 8)
    positions = torch.arange(64)
    drawn = bank.draw(positions, 4000)
    assert (int(drawn.min()), int(drawn.max())) == (0, 49)
    counts = drawn.flatten().bincount().double()
    chi2 = float(((counts - counts.mean()) ** 2 / counts.mean()).sum())
    assert 20 < chi2 < 90  # 49 degrees of freedom: 23 to 86 in 99.9 %
    chi2 = [float(((row.bincount(minlength=50) - 80) ** 2 / 80).sum()) for row in drawn]
    assert 40 < sum(chi2) / len(chi2) < 58  # of each image by itself
    assert torch.equal(bank.draw(positions[40:], 4000), drawn[40:])  # as another process would
    assert torch.equal(copy.deepcopy(bank).draw(positions, 9), drawn[:, :9])
    bank.update(torch.tensor([0]), unit(1), torch.tensor([0]))
    assert float((bank.draw(positions, 4000) == drawn).float().mean()) < 0.03
    assert float((MemoryBank(50, 8).draw(positions, 4000) == drawn).float().mean()) < 0.03


def test_bits_are_those_of_splitmix():
    mask = 2**64 - 1

    def expected(z):
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    numbers = torch.randint(-(2**63), 2**63 - 1, (100,))
    mixed = mix_bits(numbers)
    assert [int(m) & mask for m in mixed] == [expected(int(n) & mask) for n in numbers]


def test_conversions_keep_the_rows():
    here = MemoryBank(4, 8).bfloat16().to("meta")
    assert (here.features.dtype, here.features.device.type) == (torch.float32, "meta")
    host = MemoryBank(4, 8, in_host_memory=True)
    names = list(host.state_dict())
    host.bfloat16().to("meta")
    assert (host.features.dtype, host.features.device.type) == (torch.float32, "cpu")
    assert host.labels.device.type == "meta"
    assert sorted(host.state_dict()) == sorted(names)


def test_bad_input():
    bank = MemoryBank(4, 8)
    with pytest.raises(ValueError, match="`size` must be a whole number of at least 1, got 0"):
        MemoryBank(0, 8)
    with pytest.raises(ValueError, match="`momentum` must be a finite number of at least 0 and"):
        MemoryBank(4, 8, momentum=1.0)
    with pytest.raises(ValueError, match=r"`features` must be a tensor \(B, 8\)"):
        bank.update(torch.arange(2), unit(2, 4), torch.arange(2))
    with pytest.raises(ValueError, match=r"`indices` must be \(2,\), one for each row of"):
        bank.update(torch.arange(3), unit(2), torch.arange(2))
    with pytest.raises(TypeError, match="`indices` must be of torch.int64"):
        bank.rows(torch.ones(2))
    with pytest.raises(ValueError, match="`count` must be a whole number of at least 1"):
        bank.draw(torch.arange(2), 0)
