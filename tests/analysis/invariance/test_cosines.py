import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity

from instdisc.analysis.inputs import unit_rows
from instdisc.analysis.invariance import intra_category_invariance, invariance
from instdisc.analysis.invariance.cosines import (
    class_cosines,
    other_cosines,
    row_cosines,
)
from instdisc.transfer import Features


@pytest.fixture
def pair():
    r = np.random.RandomState(90)
    plain = r.standard_normal((30, 8)) + 0.7
    changed = plain + 0.5 * r.standard_normal((30, 8))
    assert plain.sum() == pytest.approx(174.342381)
    assert changed.sum() == pytest.approx(173.4507071)
    return torch.from_numpy(plain), torch.from_numpy(changed)


def test_golden(pair):
    plain, changed = pair
    units = unit_rows("features", plain)
    pairs = row_cosines(units, unit_rows("features", changed))
    assert float(pairs.mean()) == pytest.approx(0.9113266804, rel=1e-8)
    assert float(other_cosines(units).mean()) == pytest.approx(0.3138727356, rel=1e-8)
    assert invariance(plain, changed) == pytest.approx(0.8707625768, rel=1e-8)
    labels = torch.from_numpy(np.repeat(np.arange(5), 6))
    sums, counts = class_cosines(units, labels)
    assert float(sums.sum() / counts.sum()) == pytest.approx(0.3286315981, rel=1e-8)
    assert intra_category_invariance(plain, labels) == pytest.approx(0.02151038622, rel=1e-7)


def test_an_image_against_itself_gives_exactly_one(pair):
    assert invariance(pair[0], pair[0]) == 1
    assert invariance(pair[0].float(), pair[0].float()) == 1


def test_shuffled_images_give_zero_on_average(pair):
    plain, _ = pair
    values = [invariance(plain, plain.roll(shift, 0)) for shift in range(1, 30)]
    assert np.mean(values) == pytest.approx(0, abs=1e-9)  # all pairs of different images


def test_of_a_naive_loop_with_classes_of_different_sizes(pair):
    plain, changed = pair
    labels = torch.tensor([0] * 3 + [1] * 20 + [2] + [-1] * 6)
    number = len(plain)
    everyone = [
        float(cosine_similarity(plain[i], plain[j], dim=0))
        for i in range(number)
        for j in range(number)
        if i != j
    ]
    own = [float(cosine_similarity(plain[i], changed[i], dim=0)) for i in range(number)]
    base = np.mean(everyone)
    assert invariance(plain, changed) == pytest.approx((np.mean(own) - base) / (1 - base))
    known = [i for i in range(number) if labels[i] >= 0]
    pairs = [(i, j) for i in known for j in known if i != j]
    cosines = {p: float(cosine_similarity(plain[p[0]], plain[p[1]], dim=0)) for p in pairs}
    base = np.mean(list(cosines.values()))
    same = np.mean([cosines[i, j] for i, j in pairs if labels[i] == labels[j]])
    expected = (same - base) / (1 - base)
    assert intra_category_invariance(plain, labels) == pytest.approx(expected)


def test_length_of_a_feature_and_rotations_do_not_matter(pair):
    plain, changed = pair
    lengths = torch.arange(1, 31).double()[:, None]
    turn = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(0)))[0]
    turned = [rows * lengths @ turn.double() for rows in pair]
    assert invariance(*turned) == pytest.approx(invariance(plain, changed))


def test_features_with_names_are_taken(pair):
    labels = torch.arange(30) % 3
    named = [Features(rows, labels, [str(k) for k in range(30)]) for rows in pair]
    assert invariance(*named) == invariance(*pair)
    with pytest.raises(ValueError, match="`transformed` must be of the same images as `features`"):
        invariance(named[0], named[1]._replace(names=[str(k) for k in range(1, 31)]))


def test_bad_input_is_refused(pair):
    plain, changed = pair
    labels = torch.arange(30) % 3
    with pytest.raises(ValueError, match="`transformed` must be of the same 30 images"):
        invariance(plain, changed[:29])
    with pytest.raises(ValueError, match=r"`transformed` must be a tensor \(30, 8\)"):
        invariance(plain, changed[:, :7])
    with pytest.raises(ValueError, match="`features` must be of at least 4 rows"):
        invariance(plain[:3], changed[:3])
    with pytest.raises(ValueError, match="`features` must be different in some rows"):
        invariance(torch.ones(30, 8), changed)
    with pytest.raises(ValueError, match="`features` must be of different directions, got 'a mean"):
        invariance(torch.ones(30, 8) * torch.arange(1, 31)[:, None], changed)
    zero = plain.clone()
    zero[4] = 0
    with pytest.raises(ValueError, match="`features` must be without rows of zeros.*image 4"):
        invariance(zero, changed)
    with pytest.raises(ValueError, match="`labels` must be of at least two known classes, got 1"):
        intra_category_invariance(plain, torch.zeros(30).long())
    with pytest.raises(ValueError, match="`labels` must be of a class with two images or more"):
        intra_category_invariance(plain, torch.arange(30))
    with pytest.raises(TypeError, match="`labels` must be of torch.int64"):
        intra_category_invariance(plain, labels.float())
