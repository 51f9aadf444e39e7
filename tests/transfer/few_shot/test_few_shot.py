"""Few-shot accuracy of frozen features against naive loops."""

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn import functional as F

from instdisc.data import draw_episodes
from instdisc.transfer import Features, evaluate_base_and_novel, evaluate_few_shot
from instdisc.transfer.few_shot import frozen as module
from instdisc.types import About, Record

ABOUT = {"about": About("made up", dataset="toy")}


def overlapping(noise=3.0, num_classes=8, per_class=40, width=64):
    labels = torch.arange(num_classes).repeat(per_class)
    points = torch.randn(num_classes, width)[labels] + noise * torch.randn(len(labels), width)
    return Features(points.relu(), labels)


def naive(features, episodes, decide, normalize=True):
    """Accuracy of each episode; decide(support, labels, queries) gives classes."""
    table = F.normalize(features.features, dim=1) if normalize else features.features
    found = []
    for support, queries in zip(episodes.support, episodes.queries, strict=True):
        truth = np.repeat(np.arange(len(queries)), queries.shape[1])
        labels = np.repeat(np.arange(len(support)), support.shape[1])
        chosen = decide(table[support.flatten()], labels, table[queries.flatten()])
        found.append(np.mean(np.asarray(chosen) == truth))
    return np.array(found)


def logistic(support, labels, queries):
    model = LogisticRegression(C=1, max_iter=1000, tol=1e-8)
    return model.fit(support.double().numpy(), labels).predict(queries.double().numpy())


def euclidean(support, labels, queries):
    means = [support[labels == way].mean(0) for way in range(labels.max() + 1)]
    return [int(np.argmin([float((q - m).norm()) for m in means])) for q in queries]


def cosine(support, labels, queries):
    means = [support[labels == way].mean(0) for way in range(labels.max() + 1)]
    near = [[float(F.cosine_similarity(q, m, dim=0)) for m in means] for q in queries]
    return np.argmax(near, axis=1)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("decide", [logistic, euclidean, cosine])
def test_accuracies_are_those_of_a_naive_loop(decide, normalize):
    features = overlapping()
    episodes = draw_episodes(features.labels, shots=5, episodes=30)
    (record,) = evaluate_few_shot(
        features,
        shots=[5],
        episodes=episodes,
        classifier=decide.__name__,
        normalize=normalize,
        **ABOUT,
    )
    expected = naive(features, episodes, decide, normalize)
    assert record.value == pytest.approx(100 * expected.mean(), abs=0.05)
    assert record.ci == pytest.approx(196 * expected.std(ddof=1) / math.sqrt(30), abs=0.05)
    assert 30 < record.value < 99


@pytest.mark.slow
@pytest.mark.parametrize("shots", [1, 5, 20])
def test_600_episodes_agree_with_scikit_learn(shots):
    features = overlapping(width=512)
    episodes = draw_episodes(features.labels, shots=shots)
    (record,) = evaluate_few_shot(features, shots=[shots], episodes=episodes, **ABOUT)
    expected = naive(features, episodes, logistic)
    assert record.value == pytest.approx(100 * expected.mean(), abs=0.1)


def test_pieces_do_not_matter(monkeypatch):
    features = overlapping()
    whole, pieces = [], []
    for limit, found in ((2**40, whole), (1, pieces)):
        monkeypatch.setattr(module, "_PIECE_CPU", limit)
        for name in ("logistic", "euclidean", "cosine"):
            found += evaluate_few_shot(features, episodes=20, classifier=name, **ABOUT)
    assert [r.value for r in pieces] == pytest.approx([r.value for r in whole], abs=0.07)


def test_records():
    about = {"about": About("made up", "a.safetensors", dataset="toy"), "seed": 7}
    records = evaluate_few_shot(overlapping(), episodes=20, **about)
    names = [f"5-way {shots}-shot logistic" for shots in (1, 5, 20)]
    assert [record.metric for record in records] == names
    assert records[0].value < records[1].value < records[2].value
    for record in records:
        assert (record.task, record.unit, record.checkpoint) == ("few_shot", "%", "a.safetensors")
        assert (record.seed, record.settings["episode_seed"]) == (7, 7)
        assert record.settings["episodes"] == 20
        assert record.settings["C"] == 1.0
        assert Record.from_json(record.to_json()) == record


def test_drawn_and_stored_episodes_give_the_same():
    features = overlapping()
    stored = draw_episodes(features.labels, shots=20, episodes=10, seed=4)
    drawn = evaluate_few_shot(features, shots=[1, 5], episodes=10, seed=4, **ABOUT)
    again = evaluate_few_shot(features, shots=[1, 5], episodes=stored, seed=4, **ABOUT)
    assert [r.value for r in drawn] == [r.value for r in again]
    assert drawn[0].settings == again[0].settings


def test_chance_and_certainty():
    labels = torch.arange(5).repeat(30)
    noise = Features(torch.randn(150, 16), labels)
    (record,) = evaluate_few_shot(noise, shots=[5], episodes=100, **ABOUT)
    assert record.value == pytest.approx(20, abs=4)
    clear = Features(torch.eye(5)[labels], labels)
    (record,) = evaluate_few_shot(clear, shots=[1], episodes=5, **ABOUT)
    assert (record.value, record.ci) == (100, 0)
    (record,) = evaluate_few_shot(clear, shots=[1], episodes=1, **ABOUT)
    assert record.ci is None


def test_unknown_images_are_left_out():
    features = overlapping()
    padded = Features(
        torch.cat([features.features, torch.full((9, 64), 7.0)]),
        torch.cat([features.labels, torch.full((9,), -1)]),
    )
    found = [evaluate_few_shot(f, episodes=5, **ABOUT)[0].value for f in (features, padded)]
    assert found[0] == found[1]


@pytest.mark.parametrize("readout", ["linear", "knn"])
def test_base_beside_novel(readout):
    base, novel = overlapping(1.0), overlapping()
    records = evaluate_base_and_novel(base, base, novel, readout=readout, episodes=5, **ABOUT)
    assert [(r.task, r.dataset) for r in records] == [
        (readout, "toy base"),
        ("few_shot", "toy novel"),
        ("few_shot", "toy novel"),
    ]
    assert records[0].value > 95
    assert records[2] == evaluate_few_shot(novel, shots=[5], episodes=5, **ABOUT)[0]._replace(
        dataset="toy novel", seconds=records[2].seconds
    )


def test_bad_base_readout():
    some = overlapping()
    with pytest.raises(ValueError, match="`readout` must be one of 'linear', 'knn', got 'svm'"):
        evaluate_base_and_novel(some, some, some, readout="svm", **ABOUT)


def test_broken_features_name_the_image():
    features = overlapping()
    features.features[17, 3] = float("nan")
    features.features[19, 0] = float("inf")
    with pytest.raises(ValueError, match=r"those of image 17 are not \(2 such images\)"):
        evaluate_few_shot(features, **ABOUT)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classifier": "svm"}, "`classifier` must be one of .* got 'svm'"),
        ({"shots": []}, "`shots` must be a list of at least one, got"),
        ({"shots": [0]}, "`shots\\[0\\]` must be a whole number of at least 1, got 0"),
        ({"shots": [1, 30]}, r"the classes 'a' \(40\), 'b' \(40\)"),
        ({"ways": 9}, "`ways`=9 needs at least 9 classes, got 8"),
        (
            {"classes": list("abcdefg")},
            "`classes` must be the names of all classes of `features`, 8,",
        ),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        evaluate_few_shot(overlapping(), **{"classes": list("abcdefgh"), **options}, **ABOUT)


def test_list_that_does_not_fit():
    features = overlapping()
    stored = draw_episodes(features.labels, shots=5, episodes=3)
    for options, message in (
        ({"ways": 4}, "`ways`=4 and `queries`=15 must be those of the list of `episodes`, 5 and"),
        ({"shots": [6]}, "`shots` must be 1 to 5"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluate_few_shot(features, **{"shots": [1], **options}, episodes=stored, **ABOUT)
    with pytest.raises(ValueError, match="drawn from a set with other labels"):
        evaluate_few_shot(overlapping(num_classes=9), shots=[1], episodes=stored, **ABOUT)
    with pytest.raises(
        ValueError, match=r"`features.labels` must be a tensor \(320,\), got \(319,\)"
    ):
        evaluate_few_shot(features._replace(labels=features.labels[1:]), **ABOUT)
