"""CKA: published numbers, the definition by loops, closed forms, invariances, refusals."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from instdisc.analysis.similarity import MinibatchCKA, biased_cka, cka, mutual_knn
from instdisc.analysis.similarity.gram import centre_grams, linear_gram
from instdisc.transfer import Features

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())
CASES = GOLDEN["cases"]
SPLITS = [(case, split) for case in CASES for split in case["unbiased"]]


def arrays(recipe, *names):
    """What a recipe computes: numpy's frozen generator, so the same everywhere."""
    values = {"np": np}
    exec(recipe, values)
    return [torch.tensor(values[name]) for name in names]


def meter_of(layers_a, layers_b, splits):
    meter = MinibatchCKA()
    for rows in torch.arange(sum(splits)).split(splits):
        second = None if layers_b is None else [layer[rows] for layer in layers_b]
        meter.update([layer[rows] for layer in layers_a], second)
    return meter


def naive_hsic(x, y):
    """The definition, term by term."""
    n = len(x)
    k, m = x @ x.T, y @ y.T
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    one = np.ones(n)
    total = np.trace(k @ m) + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    return (total - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_whole_set_golden(case):
    assert biased_cka(*arrays(case["recipe"], "X", "Y")) == pytest.approx(
        case["whole_set"], rel=1e-8
    )


@pytest.mark.parametrize(
    ("case", "split"), SPLITS, ids=[f"{case['name']}-{split['splits']}" for case, split in SPLITS]
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-8), (torch.float32, 1e-6)])
def test_unbiased_golden(case, split, dtype, tolerance):
    x, y = (table.to(dtype) for table in arrays(case["recipe"], "X", "Y"))
    sizes = split["splits"]
    meter = meter_of([x], [y], sizes)
    assert meter.compute().item() == pytest.approx(split["cka"], rel=1e-8, abs=tolerance)
    assert (meter.num_images, meter.num_batches) == (sum(sizes), len(sizes))
    if len({*sizes[:-1]}) < 2 and sizes[-1] <= sizes[0]:
        assert cka(x, y, batch_size=sizes[0]) == pytest.approx(
            split["cka"], rel=1e-8, abs=tolerance
        )


def test_layer_matrices_golden():
    golden = GOLDEN["layer_matrices"]
    *first, m0, m1 = arrays(golden["recipe"], "L0", "L1", "L2", "M0", "M1")
    within = meter_of(first, None, golden["splits"]).compute()
    across = meter_of(first, [m0, m1], golden["splits"]).compute()
    np.testing.assert_allclose(within, golden["within_L"], atol=1e-9)
    np.testing.assert_allclose(across, golden["L_by_M"], atol=1e-9)
    torch.testing.assert_close(within, within.T, rtol=1e-14, atol=0)
    whole = [[biased_cka(a, b) for b in (m0, m1)] for a in first]
    np.testing.assert_allclose(whole, golden["L_by_M_whole_set"], atol=1e-9)


def test_hsic_is_the_mean_over_all_tuples_of_four():
    golden = GOLDEN["enumerated_u_statistic"]
    x, y = arrays(golden["recipe"], "X", "Y")

    def enumerated(k, m):
        tuples = itertools.permutations(range(6), 4)
        return np.mean([k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q]) for i, j, q, r in tuples])

    def product(a, b):
        centred = [centre_grams(linear_gram(rows)) for rows in (a, b)]
        return float((centred[0] * centred[1]).sum()) / (6 * 3)

    for a, b, key in ((x, y, "xy"), (x, x, "xx"), (y, y, "yy")):
        assert product(a, b) == pytest.approx(enumerated(a @ a.T, b @ b.T), rel=1e-9)
        assert product(a, b) == pytest.approx(golden[f"hsic_{key}"], rel=1e-8)
    assert cka(x, y) == pytest.approx(golden["cka"], rel=1e-8)


@pytest.mark.parametrize("widths", [(5, 7), (60, 9), (60, 70)])  # by features, mixed, by Grams
def test_whole_set_at_once_equals_the_naive_formula(widths):
    random = np.random.RandomState(7)
    x, y = (random.standard_normal((24, width)) + 1 for width in widths)
    y[:, :5] += x[:, :5]
    expected = naive_hsic(x, y) / np.sqrt(naive_hsic(x, x) * naive_hsic(y, y))
    assert cka(torch.tensor(x), torch.tensor(y)) == pytest.approx(expected, rel=1e-10)
    meter = meter_of([torch.tensor(x)], [torch.tensor(y)], [24])
    assert meter.compute().item() == pytest.approx(expected, rel=1e-10)


def test_rotated_scaled_and_moved_is_the_same_but_any_map_is_not():
    golden = GOLDEN["invariance"]
    x, q, a = arrays(golden["recipe"], "X", "Q", "A")
    for batch_size in (None, 8):
        assert cka(x, 3 * x @ q + 5, batch_size=batch_size) == pytest.approx(1, abs=1e-12)
        rotated = cka(x @ q, x @ a, batch_size=batch_size)
        assert rotated == pytest.approx(cka(x, x @ a, batch_size=batch_size), rel=1e-10)
    assert cka(x, x @ a) == pytest.approx(golden["cka(X, X A)"]["unbiased_one_batch"], rel=1e-8)
    assert biased_cka(x, x @ a) == pytest.approx(golden["cka(X, X A)"]["whole_set"], rel=1e-8)


def test_its_expectation_does_not_depend_on_the_batch_size():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4096, 6, generator=generator)
    y = torch.cat([x[:, :3], torch.randn(4096, 5, generator=generator)], 1)
    values = {size: cka(x, y, batch_size=size) for size in (None, 512, 64, 16)}
    assert max(values.values()) - min(values.values()) < 0.02
    # The biased form, over the same batches, is not.
    small = np.mean([biased_cka(a, b) for a, b in zip(x.split(16), y.split(16), strict=True)])
    assert small > biased_cka(x, y) + 0.1


def test_features_far_from_zero_keep_their_digits_in_float32():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 300, generator=generator) + 100
    y = x[:, :50].tanh() + x[:, :50] + torch.randn(64, 50, generator=generator)
    exact = cka(x.double(), y.double(), batch_size=32)
    assert meter_of([x], [y], [32, 32]).compute().item() == pytest.approx(exact, abs=1e-7)


def test_maps_give_the_linear_kernel_of_their_cells_in_any_layout(monkeypatch):
    maps = torch.randn(5, 3, 4, 6)
    plain = linear_gram(maps)
    rows = maps.double().flatten(1)
    rows = rows - rows.mean(0)
    torch.testing.assert_close(plain, rows @ rows.T, atol=1e-5, rtol=1e-5)
    inside = maps.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(linear_gram(inside), plain, atol=1e-5, rtol=1e-5)
    monkeypatch.setattr("instdisc.analysis.similarity.gram._AT_ONCE", {"cpu": 5 * 64})
    torch.testing.assert_close(linear_gram(maps), plain, atol=1e-5, rtol=1e-5)
    assert linear_gram(maps.bfloat16()).dtype == torch.float64


def test_short_last_batches_are_left_out_and_counted():
    x, y = torch.randn(35, 4).double(), torch.randn(35, 3).double()
    meter = meter_of([x], [y], [16, 16, 3])
    assert (meter.num_images, meter.num_batches, meter.num_left_out) == (32, 2, 3)
    expected = meter_of([x[:32]], [y[:32]], [16, 16]).compute().item()
    assert meter.compute().item() == expected
    assert cka(x, y, batch_size=16) == pytest.approx(expected, rel=1e-10)


def test_what_is_kept_does_not_grow_with_the_images():
    def size(batches):
        meter = MinibatchCKA()
        for _ in range(batches):
            meter.update([torch.randn(8, 5), torch.randn(8, 3)])
        return sum(v.numel() for v in vars(meter).values() if isinstance(v, torch.Tensor))

    assert size(1) == size(50) == 4 * 2 * 2


def test_intervals_have_the_spread_of_repeated_draws():
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(6, 5, generator=generator)
    values, errors = [], []
    for _ in range(150):
        x = torch.randn(96, 6, generator=generator).relu()
        y = x @ mixing + torch.randn(96, 5, generator=generator)
        meter = meter_of([x], [y], [48, 48])
        low, high = meter.intervals()
        assert low < meter.compute() < high
        values.append(meter.compute().item())
        errors.append((high - low).item() / (2 * 1.96))
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.2)


def test_interval_of_a_layer_with_itself_has_no_width():
    x = torch.randn(40, 6)
    low, high = meter_of([x, 2 * x, x.tanh()], None, [20, 20]).intervals()
    ones = torch.ones(2, 2).double()
    torch.testing.assert_close(low[:2, :2], ones)
    torch.testing.assert_close(high[:2, :2], ones)
    assert low[0, 2] < high[0, 2] <= 1


def test_refusals():
    x = torch.randn(8, 3)
    with pytest.raises(ValueError, match="`b` must be of the same 8 images as `a`, got 7"):
        cka(x, x[:7])
    with pytest.raises(ValueError, match="of at least 4 rows"):
        cka(x[:3], x[:3])
    with pytest.raises(ValueError, match="`a` must be different in some rows"):
        biased_cka(torch.ones(8, 2), x)
    with pytest.raises(ValueError, match="`batch_size` must be a whole number of at least 4"):
        cka(x, x, batch_size=3)
    first = Features(x, torch.zeros(8).long(), list("abcdefgh"))
    with pytest.raises(ValueError, match="`b` must be of the same images as `a`.*'h' for 'a'"):
        cka(first, first._replace(names=list("hbcdefga")))
    steps = torch.arange(8).div(4, rounding_mode="floor")[:, None].float()
    with pytest.raises(ValueError, match="`b` must be of features that differ between images"):
        cka(x, steps, batch_size=4)
    with pytest.raises(ValueError, match="`batches` must be at least one.*Call update first"):
        MinibatchCKA().compute()
    meter = meter_of([x], None, [8])
    with pytest.raises(ValueError, match="`layers` must be as many as before"):
        meter.update([x, x])
    with pytest.raises(ValueError, match="`layers` must be at least one, all of the same images"):
        meter.update([x], [x[:5]])
    with pytest.raises(ValueError, match="`layers` must be finite, got nan in layer 0"):
        meter.update([x * float("nan")])
    with pytest.raises(TypeError, match="`layers` must be of torch.float32"):
        meter.update([x.long()])
    with pytest.raises(ValueError, match="`layers` must be different for some images.*layer 1"):
        meter_of([x, torch.ones(8, 2)], None, [8]).compute()
    with pytest.raises(ValueError, match="`level`"):
        meter.intervals(1.0)


@pytest.mark.parametrize("scale", [1e-37, 1e-20, 1e20, 1e37])
def test_huge_and_tiny_features_are_compared_like_others(scale):
    generator = torch.Generator().manual_seed(5)
    x, y = torch.randn(40, 6, generator=generator), torch.randn(40, 5, generator=generator)
    y = y + x[:, :5]
    numbers = []
    for factor in (1.0, scale):
        meter = MinibatchCKA()
        for a, b in zip((x * factor).split(13), y.split(13), strict=True):
            meter.update([a], [b])
        low, high = (float(end) for end in meter.intervals())
        near = mutual_knn(x * factor, y, k=5)
        numbers.append([float(meter.compute()), low, high, cka(x * factor, y, batch_size=13), near])
    assert numbers[1] == pytest.approx(numbers[0], rel=1e-6)
    assert numbers[0][0] == pytest.approx(numbers[0][3], rel=1e-6)


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_powers_of_float64_numbers_stay_finite(scale):
    x = torch.randn(20, 4, generator=torch.Generator().manual_seed(6)).double()
    y = x[:, :3].square()
    assert cka(x * scale, y) == pytest.approx(cka(x, y))
    assert biased_cka(x * scale, y) == pytest.approx(biased_cka(x, y))
