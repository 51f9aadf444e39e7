import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge, RidgeClassifierCV
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler

from instdisc.analysis.invariance import PENALTIES, factor_probes
from instdisc.analysis.invariance.scores import r2_intervals, r2_scores
from instdisc.metrics.bootstrap import draw_images
from instdisc.transfer import Features


def rows(count=200, width=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, width, generator=generator).double()


def halves(features, factors):
    """To fit and to test: what `factor_probes` takes."""
    half = len(features) // 2
    return (
        [features[:half]],
        {name: column[:half] for name, column in factors.items()},
        [features[half:]],
        {name: column[half:] for name, column in factors.items()},
    )


def test_a_linear_factor_is_told_and_noise_is_not():
    features = rows()
    noise = rows(seed=5)
    factors = {"linear": features @ noise[:6, :2], "noise": noise[:, 0], "pair": noise[:, 1:3]}
    probes = factor_probes(*halves(features, factors))
    scores = dict(zip(probes.factors, probes.scores[:, 0], strict=True))
    assert scores["linear"] == pytest.approx(1, abs=1e-5)
    assert abs(scores["noise"]) < 0.1
    assert abs(scores["pair"]) < 0.1
    assert probes.metrics == ["R2"] * 3
    assert probes.chance.tolist() == [0, 0, 0]
    assert probes.counts.tolist() == [100] * 3


def test_r2_below_zero_is_not_clamped():
    features = torch.cat([rows(20), rows(20, seed=1)])
    factor = torch.cat([features[:20, 0], -features[20:, 0]])  # the rule turns around
    probes = factor_probes(*halves(features, {"turned": factor}))
    assert probes.scores[0, 0] == pytest.approx(-3, abs=0.3)


def test_scores_are_those_of_scikit_learn_at_the_chosen_penalty():
    features = rows() * torch.tensor([1, 10, 100, 1, 5, 0.01]) + 7
    factors = {"pair": (features[:, :2] @ rows(2, 2)) + rows(seed=3)[:, :2], "one": rows()[:, 3]}
    train, of_train, test, of_test = halves(features, factors)
    probes = factor_probes(train, of_train, test, of_test)
    scaler = StandardScaler().fit(train[0].numpy())
    for place, name in enumerate(probes.factors):
        penalty = 100 * probes.penalties[place, 0]
        fit = Ridge(alpha=penalty).fit(scaler.transform(train[0]), of_train[name].numpy())
        told = fit.predict(scaler.transform(test[0]))
        expected = r2_score(of_test[name].numpy(), told, multioutput="uniform_average")
        assert probes.scores[place, 0] == pytest.approx(expected, rel=1e-9)


def test_classes_are_those_of_scikit_learn_with_its_choice_of_penalty():
    features = rows(300)
    labels = (features[:, :3] + 0.8 * rows(300, 3, seed=4)).argmax(1) * 5 + 2  # 2, 7, 12
    train, of_train, test, of_test = halves(features, {"class": labels})
    probes = factor_probes(train, of_train, test, of_test)
    scaler = StandardScaler().fit(train[0].numpy())
    reference = RidgeClassifierCV(alphas=[150 * penalty for penalty in PENALTIES])
    reference.fit(scaler.transform(train[0]), of_train["class"].numpy())
    told = reference.predict(scaler.transform(test[0]))
    assert probes.penalties[0, 0] * 150 == pytest.approx(reference.alpha_)
    assert probes.scores[0, 0] == pytest.approx(np.mean(told == of_test["class"].numpy()))
    assert probes.metrics == ["accuracy"]
    most = of_train["class"].mode().values
    assert probes.chance[0] == pytest.approx(float((of_test["class"] == most).double().mean()))


def test_a_class_that_was_never_seen_is_never_told():
    features = rows(40)
    labels = (features[:, 0] > 0).long()
    train, of_train, test, of_test = halves(features, {"class": labels})
    of_test["class"] = torch.full_like(of_test["class"], 9)
    of_test["class"][0] = 0
    probes = factor_probes(train, of_train, test, of_test)
    assert probes.scores[0, 0] <= 1 / 20


def test_images_that_have_no_such_factor_are_left_out():
    features = rows()
    factors = {"x": features[:, 0] + rows(seed=8)[:, 0], "y": rows(seed=9)[:, 0]}
    factors["class"] = (factors["x"] > 0).long()
    known = torch.arange(200) % 3 > 0
    gaps = {
        "x": torch.where(known, factors["x"], torch.nan),
        "y": factors["y"],
        "class": torch.where(known, factors["class"], -1),
    }
    probes = factor_probes(*halves(features, gaps))
    assert probes.counts.tolist() == [int(known[100:].sum()), 100, int(known[100:].sum())]
    # As if each were probed by itself, on those images alone.
    for place, name in enumerate(probes.factors):
        kept = known if name != "y" else torch.ones_like(known)
        train, test = kept[:100], kept[100:]
        alone = factor_probes(
            [features[:100][train]],
            {name: factors[name][:100][train]},
            [features[100:][test]],
            {name: factors[name][100:][test]},
        )
        # The columns are scaled by all images of train, which moves a penalised fit a little.
        assert probes.scores[place, 0] == pytest.approx(alone.scores[0, 0], abs=0.02)


def test_each_stage_is_probed_by_itself():
    features = rows()
    stages = [features[:, :2], features, torch.cat([features, torch.full((200, 1), 3.0)], 1)]
    factor = {"sum": features.sum(1)}
    probes = factor_probes(
        [stage[:100] for stage in stages],
        {"sum": factor["sum"][:100]},
        [Features(stage[100:], torch.zeros(100).long()) for stage in stages],
        {"sum": factor["sum"][100:]},
    )
    assert probes.scores.shape == (1, 3)
    assert probes.intervals.shape == (1, 3, 2)
    assert probes.scores[0, 0] < 0.7
    # A column that is constant tells nothing and harms nothing.
    assert probes.scores[0, 1] == pytest.approx(probes.scores[0, 2], abs=1e-12)


def test_factors_that_never_change_are_left_out_and_said(caplog):
    features = rows()
    factors = {"x": features[:, 0], "same number": torch.ones(200), "same": torch.ones(200).long()}
    probes = factor_probes(*halves(features, factors))
    assert probes.factors == ["x"]
    assert "2 factors are the same in all images" in caplog.text
    assert "first: same number" in caplog.text
    del factors["x"]
    with pytest.raises(ValueError, match="`train_factors` must be different between images"):
        factor_probes(*halves(features, factors))


def test_the_same_numbers_again_and_from_float32():
    features, factors = rows(), {"x": rows(seed=2)[:, 0] + rows()[:, 0]}
    first, again = (factor_probes(*halves(features, factors), seed=3) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    single = factor_probes(*halves(features.float(), {"x": factors["x"].float()}), seed=3)
    np.testing.assert_allclose(single.scores, first.scores, rtol=1e-5)


# -- scores and intervals ---------------------------------------------------------------------


def test_r2_is_that_of_scikit_learn():
    truth, told = rows(50, 5) + 3, rows(50, 5, seed=1)
    scores = r2_scores((told - truth).square(), truth, [slice(0, 2), slice(2, 5)])
    expected = [
        r2_score(truth[:, part].numpy(), told[:, part].numpy())
        for part in (slice(0, 2), slice(2, 5))
    ]
    assert scores == pytest.approx(expected)


def test_intervals_are_those_of_a_naive_loop():
    truth = rows(40, 3)
    errors = (truth + 0.5 * rows(40, 3, seed=1)).square()
    columns = [slice(0, 1), slice(1, 3)]
    (drawn,) = draw_images(40, 1000, 7, at_once=1000)
    naive = torch.tensor(
        [r2_scores(errors[sample], truth[sample], columns) for sample in drawn]
    ).double()
    ends = naive.quantile(torch.tensor([0.025, 0.975]).double(), dim=0).T
    intervals = r2_intervals(errors, truth, columns, seed=7)
    for interval, (low, high) in zip(intervals, ends.tolist(), strict=True):
        assert interval == pytest.approx((low, high), abs=1e-6)


def test_a_resample_of_one_value_is_no_division_by_zero():
    truth = torch.tensor([[0.0], [0], [0], [1]]).double()
    (interval,) = r2_intervals(torch.full((4, 1), 0.1).double(), truth, [slice(0, 1)])
    assert -10 < interval.low < interval.high < 1


# -- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": []}, "`train` must be a list of features, one per stage"),
        ({"train": rows()}, "`train` must be a sequence of tensors or Features"),
        ({"test": [rows(), rows()]}, "`test` must be of the same 1 stages as `train`"),
        ({"test": [rows(width=3)]}, r"`test\[0\]` must be a tensor \(M, 6\)"),
        ({"train": [torch.ones(200, 6)]}, r"`train\[0\]` must be different in some rows"),
        ({"train": [rows(3)]}, r"`train\[0\]` must be of at least 4 rows"),
        ({"train_factors": {}}, r"`test_factors` must be the factors of `train_factors`, \[\]"),
        ({"test_factors": {"y": torch.rand(200)}}, r"the factors of `train_factors`"),
        ({"train_factors": {"x": torch.rand(7)}}, r"`train_factors\['x'\]` must be a tensor \(200"),
        ({"test_factors": {"x": torch.ones(200).long()}}, r"`test_factors\['x'\]` must be like"),
        ({"test_factors": {"x": torch.rand(200, 2)}}, r"`test_factors\['x'\]` must be like"),
        ({"penalties": []}, "`penalties` must be a list of at least one number"),
        ({"penalties": [0.0]}, "`penalties` must be a finite number above 0, got 0.0"),
    ],
)
def test_bad_input_is_refused(change, message):
    arguments = {
        "train": [rows()],
        "train_factors": {"x": torch.rand(200)},
        "test": [rows(seed=1)],
        "test_factors": {"x": torch.rand(200)},
        **change,
    }
    options = {name: arguments.pop(name) for name in ("penalties",) if name in arguments}
    with pytest.raises((ValueError, TypeError), match=message):
        factor_probes(*arguments.values(), **options)


@pytest.mark.parametrize("factor", [torch.ones(200).bool(), torch.ones(200).int(), [1.0] * 200])
def test_a_factor_of_another_kind_is_refused(factor):
    with pytest.raises(TypeError, match=r"`train_factors\['x'\]` must be a tensor of|must be of"):
        factor_probes([rows()], {"x": factor}, [rows()], {"x": factor})


def test_stages_of_different_images_are_refused():
    with pytest.raises(ValueError, match="`train` must be of the same images in every stage"):
        factor_probes(
            [rows(), rows(100)], {"x": torch.rand(200)}, [rows(), rows()], {"x": torch.rand(200)}
        )
