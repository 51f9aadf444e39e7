"""Confident errors, disagreements and McNemar's test."""

from math import comb

import numpy as np
import pytest
from scipy.stats import binomtest

from instdisc.analysis.pictures import confident_errors, disagreements, mcnemar_p_value

# (only the first right, only the second right): exact p, to 10 digits.
EXACT = {
    (10, 3): 0.09228515625,
    (25, 15): 0.1538599442,
    (1, 0): 1.0,
    (0, 0): 1.0,
    (8, 8): 1.0,
    (120, 80): 0.005685155997,
}


def predictions(**columns: list) -> dict[str, np.ndarray]:
    return {name: np.array(column) for name, column in columns.items()}


A = predictions(
    image=list("abcdef"),
    label=[0, 1, 2, 0, 1, 2],
    prediction=[0, 1, 0, 1, 1, 2],
    confidence=[0.9, 0.8, 0.7, 0.95, 0.6, 0.99],
)
B = predictions(  # in another order
    image=list("fedcba"),
    label=[2, 1, 0, 2, 1, 0],
    prediction=[1, 0, 0, 1, 1, 2],
    confidence=[0.5, 0.9, 0.4, 0.6, 0.7, 0.7],
)


@pytest.mark.parametrize("counts", EXACT)
def test_mcnemar_of_known_tables(counts):
    assert mcnemar_p_value(*counts) == pytest.approx(EXACT[counts], rel=1e-9)


def test_mcnemar_is_a_binomial_test():
    for a in range(7):
        for b in range(7):
            tail = sum(comb(a + b, i) for i in range(min(a, b) + 1)) / 2 ** (a + b)
            assert mcnemar_p_value(a, b) == pytest.approx(min(1, 2 * tail))
            assert mcnemar_p_value(a, b) == pytest.approx(mcnemar_p_value(b, a))
            if a + b:
                assert mcnemar_p_value(a, b) == pytest.approx(binomtest(a, a + b).pvalue)


@pytest.mark.parametrize("counts", [(-1, 2), (2, -1)])
def test_mcnemar_of_no_counts_is_refused(counts):
    with pytest.raises(ValueError, match="must be a whole number of at least 0"):
        mcnemar_p_value(*counts)


def test_confident_errors():
    assert confident_errors(A).tolist() == [3, 2]
    assert confident_errors(A, num_errors=1).tolist() == [3]
    right = {**A, "prediction": A["label"]}
    assert confident_errors(right).tolist() == []


def test_of_equal_confidence_the_first_comes_first():
    wrong = {**A, "prediction": A["label"] + 1, "confidence": np.array([0.5, 0.7, 0.5, 0.7, 0, 1])}
    assert confident_errors(wrong).tolist() == [5, 1, 3, 0, 2, 4]


def test_disagreements():
    result = disagreements(A, B)
    # A is wrong on c and d, B on a, c, e and f; B is surest of e, then a (0.7), then f.
    assert result.only_a == ["e", "a", "f"]
    assert result.only_b == ["d"]
    assert (result.both_right, result.both_wrong) == (1, 1)
    assert result.p_value == mcnemar_p_value(3, 1)
    swapped = disagreements(B, A)
    assert (swapped.only_a, sorted(swapped.only_b)) == (["d"], ["a", "e", "f"])


def test_the_order_of_rows_does_not_matter():
    order = np.array([3, 0, 5, 1, 4, 2])
    shuffled = {name: column[order] for name, column in B.items()}
    assert disagreements(A, shuffled) == disagreements(A, B)


def test_disagreements_without_confidences():
    first, second = ({k: v for k, v in content.items() if k != "confidence"} for content in (A, B))
    assert disagreements(first, second).only_a == ["a", "e", "f"]
    unknown = {**B, "confidence": np.full(6, np.nan)}
    assert disagreements(A, unknown).only_a == ["a", "e", "f"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"image": np.array(list("fedcbx"))},
            "`predictions_a`, got 'a'. Of 2 images",
        ),
        ({"image": np.array(list("fedcbb"))}, "of each image once, got 'b'. It comes twice"),
        (
            {"label": np.array([2, 1, 0, 2, 0, 0])},
            "of the classes of `predictions_a`, 1 .* got 0",
        ),
        ({"label": np.array([2])}, "of columns of one length of at least 1"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        disagreements(A, {**B, **change})


def test_fewer_images_of_the_second_are_refused():
    with pytest.raises(ValueError, match="got 'a'. Of 1 images .*; of this the first's"):
        disagreements(A, {name: column[:5] for name, column in B.items()})
    with pytest.raises(ValueError, match="got 'a'. Of 1 images .*; of this the second's"):
        disagreements({name: column[1:] for name, column in A.items()}, B)


def test_predictions_without_what_is_needed_are_refused():
    with pytest.raises(ValueError, match="with the column 'prediction'"):
        disagreements(A, {"image": B["image"], "label": B["label"]})
    with pytest.raises(ValueError, match="with the column 'confidence'"):
        confident_errors({name: A[name] for name in ("image", "label", "prediction")})
    with pytest.raises(ValueError, match="with a finite confidence .* keeps none"):
        confident_errors({**A, "confidence": np.full(6, np.nan)})
    with pytest.raises(ValueError, match="of columns of one length of at least 1"):
        confident_errors({name: column[:0] for name, column in A.items()})
    with pytest.raises(ValueError, match="`num_errors` must be a whole number"):
        confident_errors(A, num_errors=0)
