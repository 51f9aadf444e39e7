"""A share of every class, some of the classes."""

import pytest
import torch
from PIL import Image

from instdisc.data import ClassSubset, ImageFiles, RandomSubset, Scenes, StratifiedSubset


@pytest.fixture
def uneven(tmp_path):
    """Ten images of class a, three of b, 26 of c in mixed order, five of none."""
    labels = torch.tensor([0] * 10 + [1] * 3 + [2] * 26 + [-1] * 5)
    labels = labels[torch.randperm(len(labels))]
    Image.new("RGB", (8, 6)).save(tmp_path / "0.png")
    return ImageFiles(tmp_path, ["0.png"] * len(labels), labels, classes=["a", "b", "c"])


def test_share_is_kept_in_each_class(uneven):
    half = StratifiedSubset(uneven, 0.5)
    assert (half.labels + 1).bincount().tolist() == [3, 5, 2, 13]  # none, a, b, c; halves go up
    tenth = StratifiedSubset(uneven, 0.1)
    assert (tenth.labels + 1).bincount().tolist() == [1, 1, 1, 3]
    assert torch.equal(half.labels, uneven.labels[half.positions])
    assert half.positions.tolist() == sorted(set(half.positions.tolist()))
    assert half.classes == uneven.classes


def test_draw_depends_on_the_seed_alone(uneven):
    one, same, other = (StratifiedSubset(uneven, 0.5, seed=seed).positions for seed in (3, 3, 4))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert StratifiedSubset(uneven, 1.0).positions.tolist() == list(range(len(uneven)))


def test_draw_of_a_class_does_not_depend_on_other_classes(uneven):
    alone = ClassSubset(uneven, ["c"])
    alone.labels = torch.full_like(alone.labels, 2)  # the same number as before
    drawn = alone.positions[StratifiedSubset(alone, 0.3).positions]
    with_others = StratifiedSubset(uneven, 0.3)
    assert drawn.tolist() == with_others.positions[with_others.labels == 2].tolist()


def test_draw_is_the_same_for_all_time():
    scenes = Scenes(40, image_size=32, num_categories=2)
    assert StratifiedSubset(scenes, 0.1).positions.tolist() == [0, 15, 20, 28]


def test_draw_is_even():
    """Over many seeds each image comes equally often: 1 of 5, within five standard errors."""
    scenes = Scenes(20, image_size=32, num_categories=2)
    positions = [StratifiedSubset(scenes, 0.2, seed=seed).positions for seed in range(1000)]
    times = torch.cat(positions).bincount(minlength=20).double()
    assert (times - 200).abs().max() < 5 * (1000 * 0.2 * 0.8) ** 0.5


def test_classes_are_numbered_anew(uneven):
    kept = ClassSubset(uneven, ["c", "a"])
    assert kept.classes == ["a", "c"]
    assert kept.labels.bincount().tolist() == [10, 26]
    assert torch.equal(kept.labels * 2, uneven.labels[kept.positions])
    assert ClassSubset(uneven, 2).classes == ["a", "b"]
    assert ClassSubset(uneven, 3).classes == ["a", "b", "c"]


def test_folder_by_its_path(tmp_path):
    for name in ("ant", "bee"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 6)).save(tmp_path / name / "1.png")
    assert len(StratifiedSubset(tmp_path, 0.1)) == 2
    assert ClassSubset(str(tmp_path), 1).classes == ["ant"]


@pytest.mark.parametrize("share", [0, -0.1, 1.5])
def test_bad_share(share, uneven):
    with pytest.raises(ValueError, match=f"`share` must be a finite .* got {share}"):
        StratifiedSubset(uneven, share)


def test_so_many_whatever_their_classes(uneven):
    few, more = RandomSubset(uneven, 5), RandomSubset(uneven, 20)
    assert (len(few), len(more)) == (5, 20)
    assert set(few.positions.tolist()) < set(more.positions.tolist())
    assert few.positions.tolist() == sorted(few.positions.tolist())
    assert not torch.equal(few.positions, RandomSubset(uneven, 5, seed=1).positions)
    assert torch.equal(few.labels, uneven.labels[few.positions])
    assert torch.equal(RandomSubset(uneven, len(uneven)).positions, torch.arange(len(uneven)))


@pytest.mark.parametrize("count", [0, 10_000])
def test_bad_count(count, uneven):
    with pytest.raises(ValueError, match=f"`count` must be .* got {count}"):
        RandomSubset(uneven, count)


def test_bad_seed(uneven):
    with pytest.raises(ValueError, match="`seed` must be a whole number of at least 0, got -1"):
        StratifiedSubset(uneven, 0.5, seed=-1)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["a", "z"], "1 others, 'z' first"),
        (["a", "a"], r"got \['a', 'a'\]"),
        ([], r"different classes of .*got \[\]"),
        (0, "`classes` must be 1 to 3, the classes of .*got 0"),
        (4, "`classes` must be 1 to 3, the classes of .*got 4"),
    ],
)
def test_bad_classes(classes, message, uneven):
    with pytest.raises(ValueError, match=message):
        ClassSubset(uneven, classes)
