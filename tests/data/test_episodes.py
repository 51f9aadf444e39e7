"""Episodes: what they hold, that they are fixed, and their file."""

import numpy as np
import pytest
import torch

from instdisc.data import BSCD_FSL_EPISODES, ISLAM_EPISODES, Episodes, draw_episodes

LABELS = torch.tensor([3, 0, 1, 2, 5, 7, -1]).repeat(30)


@pytest.fixture(scope="module")
def drawn():
    return draw_episodes(LABELS, shots=10, queries=15, episodes=40)


def test_rows_are_different_images_of_one_class(drawn):
    together = torch.cat([drawn.support, drawn.queries], dim=2)
    assert together.shape == (40, 5, 25)
    for episode in together:
        assert len(episode.unique()) == 125
        assert (LABELS[episode] == LABELS[episode[:, :1]]).all()
        assert len(LABELS[episode[:, 0]].unique()) == 5
        assert (LABELS[episode] >= 0).all()


def test_every_class_and_image_comes_up(drawn):
    assert set(LABELS[drawn.support].flatten().tolist()) == {0, 1, 2, 3, 5, 7}
    both = torch.cat([drawn.support.flatten(), drawn.queries.flatten()])
    assert len(both.unique()) == (LABELS >= 0).sum()


def test_classes_are_drawn_evenly():
    many = draw_episodes(torch.arange(10).repeat(4), ways=2, shots=1, queries=1, episodes=2000)
    counts = (many.support[:, :, 0] % 10).flatten().bincount()
    assert counts.min() > 320  # 400 expected; the standard deviation is 18
    assert counts.max() < 480


def test_shots_nest_and_queries_stay(drawn):
    fewer = draw_episodes(LABELS, shots=3, queries=15, episodes=25)
    nested = drawn.first(3)
    assert torch.equal(fewer.support, nested.support[:25])
    assert torch.equal(fewer.queries, nested.queries[:25])


def test_the_draw_is_fixed_for_good():
    # Whoever changes these numbers changes everybody's results.
    few = draw_episodes(torch.arange(4).repeat(5), ways=2, shots=2, queries=1, episodes=2, seed=3)
    assert few.support.flatten().tolist() == SUPPORT
    assert few.queries.flatten().tolist() == QUERIES


SUPPORT, QUERIES = [12, 4, 5, 13, 12, 0, 14, 6], [0, 1, 8, 10]


def test_compacted_episodes_are_the_same_images(drawn):
    labels = torch.arange(3000) % 7
    few = draw_episodes(labels, shots=4, queries=3, episodes=5)
    for episodes in (few, few.first(2)):
        positions, own = episodes.compacted(labels)
        assert len(positions) <= 5 * 5 * 7
        assert torch.equal(positions, positions.unique())
        assert torch.equal(positions[own.support], episodes.support)
        assert torch.equal(positions[own.queries], episodes.queries)
        own.check(labels[positions])
    with pytest.raises(ValueError, match="were drawn from a set with other labels"):
        few.compacted(labels.flip(0))


def test_seeds_differ(drawn):
    other = draw_episodes(LABELS, shots=10, queries=15, episodes=40, seed=1)
    assert not torch.equal(drawn.support, other.support)


def test_file_round_trip(drawn, tmp_path):
    drawn.save(tmp_path / "new" / "list.npz")
    read = Episodes.load(tmp_path / "new" / "list.npz")
    assert torch.equal(read.support, drawn.support)
    assert torch.equal(read.queries, drawn.queries)
    assert read[2:] == drawn[2:]
    read.check(LABELS)


def test_file_is_compact(tmp_path):
    many = draw_episodes(torch.arange(20).repeat(600), shots=20)
    many.save(tmp_path / "list.npz")
    assert (tmp_path / "list.npz").stat().st_size < 300_000  # 105,000 numbers


def test_published_protocols():
    assert ISLAM_EPISODES == (5, (1, 5, 20, 50), 15, 600)
    assert BSCD_FSL_EPISODES == (5, (5, 20, 50), 15, 600)


def test_small_classes_are_refused_by_name():
    labels = torch.cat([torch.arange(6).repeat(10), torch.tensor([0] * 10 + [1] * 10 + [4] * 9)])
    names = ["ant", "bee", "cat", "dog", "eel", "fox"]
    message = r"need 20 images of every class; .*'cat' \(10\), 'dog' \(10\), 'eel' \(19\), 'fox'"
    with pytest.raises(ValueError, match=message):
        draw_episodes(labels, classes=names)
    with pytest.raises(ValueError, match=r"the classes 2 \(10\), 3 \(10\), 4 \(19\)"):
        draw_episodes(labels)
    with pytest.raises(ValueError, match="and 15 others"):
        draw_episodes(torch.arange(20).repeat(3))


def test_too_few_classes():
    with pytest.raises(ValueError, match="needs at least 2 classes, got 1"):
        draw_episodes(torch.zeros(50, dtype=torch.int64), ways=2)
    with pytest.raises(ValueError, match="`labels` must be of at least one image"):
        draw_episodes(LABELS[:0], ways=2)


def test_label_outside():
    names = [str(number) for number in range(7)]
    with pytest.raises(ValueError, match="must be -1 to 6, got 7 for image 5"):
        draw_episodes(LABELS, classes=names)
    with pytest.raises(ValueError, match="got -2 for image 0"):
        draw_episodes(torch.tensor([-2, 0, 1]))


@pytest.mark.parametrize("option", ["ways", "shots", "queries", "episodes"])
def test_bad_numbers(option):
    with pytest.raises(ValueError, match=f"`{option}` must be a whole number of at least ., got 0"):
        draw_episodes(LABELS, **{option: 0})
    with pytest.raises(ValueError, match="`seed` must be a whole number of at least 0, got -1"):
        draw_episodes(LABELS, seed=-1)


def test_more_shots_than_stored(drawn):
    with pytest.raises(ValueError, match="`shots` must be 1 to 10, as many as the episodes have"):
        drawn.first(11)


def test_list_of_another_set(drawn):
    with pytest.raises(ValueError, match="drawn from a set with other labels"):
        drawn.check(LABELS.flip(0))


def test_bad_files(drawn, tmp_path):
    with pytest.raises(ValueError, match="must end in '.npz'"):
        drawn.save(tmp_path / "list.json")
    with pytest.raises(FileNotFoundError):
        Episodes.load(tmp_path / "absent.npz")
    (tmp_path / "broken.npz").write_bytes(b"no such thing")
    np.savez(tmp_path / "foreign.npz", support=np.zeros(3))
    for name in ("broken", "foreign"):
        with pytest.raises(ValueError, match=f"{name}.npz is not a list of episodes"):
            Episodes.load(tmp_path / f"{name}.npz")
