"""The regularisation of a readout: what it is chosen on, and what becomes of it."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression

from instdisc.transfer import Features, fit_readout
from instdisc.transfer.linear.softmax_path import fit_softmax_path


def noisy(count, seed, classes=3, width=6):
    """Features of classes that overlap."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    centres = torch.randn(classes, width, generator=torch.Generator().manual_seed(7))
    return Features(centres[labels] + 2 * torch.randn(count, width, generator=generator), labels)


def test_the_last_solution_is_that_of_the_path_that_was_judged():
    """Within a loose `tol` a weak penalty, reached from stronger ones, is not that from zero."""
    images = noisy(90, 0, width=20)  # few enough to be learnt by heart
    readout = fit_readout(images, validation=images, penalties=[0.01, 1e-6, 100.0], tol=1e-2)
    assert readout.settings["penalty"] == 0.01
    both = Features.join([images, images])
    path = fit_softmax_path(both.features, both.labels, [100.0, 0.01], num_classes=3, tol=1e-2)
    assert torch.equal(readout.weight, path.weight[-1])
    alone = fit_softmax_path(both.features, both.labels, [0.01], num_classes=3, tol=1e-2)
    assert not torch.allclose(readout.weight, alone.weight[0], rtol=0.1)


def test_every_image_is_left_out_once():
    images, penalties = noisy(100, 2), [10.0, 0.1, 1e-3]
    readout = fit_readout(images, folds=4, seed=3, penalties=penalties)
    # By hand: four parts of a permutation, from the last on.
    parts = torch.randperm(100, generator=torch.Generator().manual_seed(3)).view(4, 25).flip(0)
    right = torch.zeros(3)
    for part in parts:
        kept = torch.ones(100, dtype=torch.bool)
        kept[part] = False
        for row, penalty in enumerate(penalties):
            model = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=10_000)
            model.fit(images.features[kept].numpy(), images.labels[kept].numpy())
            guesses = model.predict(images.features[part].numpy())
            right[row] += int((guesses == images.labels[part].numpy()).sum())
    assert [row["validation"] for row in readout.settings["penalties"]] == right.tolist()
    assert readout.settings["penalty"] == penalties[int(right.argmax())]
    logits, labels = readout.validation
    assert torch.equal(labels, images.labels[parts.flatten()])
    assert int((logits.argmax(1) == labels).sum()) == int(right.max())
    assert readout.settings["train"] == readout.settings["validation"] == 100


def test_bad_folds():
    images = noisy(30, 4)
    with pytest.raises(ValueError, match="`folds` must be 1 where `validation` is given, got 2"):
        fit_readout(images, validation=images, folds=2)
    with pytest.raises(ValueError, match="`folds` must be at most the 30 images, got 31"):
        fit_readout(images, folds=31)
    with pytest.raises(ValueError, match="`folds` must be a whole number of at least 1, got 0"):
        fit_readout(images, folds=0)
