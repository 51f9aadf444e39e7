"""Numbers of a pixel: their law, and what they do and don't depend on."""

import torch
from scipy import stats

from instdisc.analysis.robustness.random_fields import (
    draw_normal,
    draw_uniform,
    draw_words,
    image_keys,
)

MASK = (1 << 64) - 1


def naive_mix(word):
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & MASK
    return word ^ (word >> 31)


def test_words_are_splitmix64():
    """Python's integers do not overflow, and shift zeros in."""
    keys = torch.tensor([7, -3])
    words = draw_words(keys, 5, stream=2)
    for row, key in enumerate(keys.tolist()):
        for k in range(5):
            state = (key + ((k + 1) + (2 << 40)) * 0x9E3779B97F4A7C15) & MASK
            assert int(words[row, k]) == naive_mix(state) >> 32


def test_laws():
    keys = image_keys(0, "noise", torch.arange(4))
    shares, normals = draw_uniform(keys, 5000), draw_normal(keys, 5000)
    for row in range(4):
        assert stats.kstest(shares[row], "uniform").pvalue > 1e-3
        assert stats.kstest(normals[row], "norm").pvalue > 1e-3
    assert shares.min() > 0
    assert shares.max() < 1
    assert torch.corrcoef(normals).triu(1).abs().max() < 0.06
    assert draw_uniform(keys, 9, low=-2, high=-1).abs().sub(1.5).abs().max() < 0.5


def test_numbers_depend_on_seed_purpose_and_index_alone():
    keys = image_keys(3, "noise", torch.tensor([5, 9, 2]))
    assert torch.equal(image_keys(3, "noise", torch.tensor([9])), keys[1:2])
    others = [
        image_keys(3, "noise", torch.tensor([6]))[0],
        image_keys(4, "noise", torch.tensor([5]))[0],
        image_keys(3, "fog", torch.tensor([5]))[0],
    ]
    assert len({int(key) for key in [*keys, *others]}) == 6
    fields = [draw_uniform(keys, 50), draw_uniform(keys, 50, 1)]
    assert not torch.equal(*fields)
    assert torch.equal(draw_uniform(keys, 20), fields[0][:, :20])
    state = torch.get_rng_state()
    draw_normal(keys, 10)
    assert torch.equal(torch.get_rng_state(), state)
