"""Which images a picture shows."""

import pytest
import torch

from instdisc.analysis.pictures import choose_images, thumbnails
from instdisc.data import ImageArray, Scenes


def make_images(labels: list[int]) -> ImageArray:
    pixels = torch.arange(len(labels), dtype=torch.uint8)[:, None, None, None]
    names = [f"{row}.png" for row in range(len(labels))]
    return ImageArray(
        pixels.expand(-1, 3, 8, 8).clone(),
        torch.tensor(labels),
        classes=["a", "b", "c"],
        name="small",
        names=names,
    )


def test_classes_are_spread_evenly():
    images = make_images([0] * 50 + [1] * 5 + [2] * 20)
    for count in (1, 2, 3, 7, 12, 15):
        labels = images.labels[choose_images(images, count, seed=3)]
        counts = labels.bincount(minlength=3)
        assert int(counts.sum()) == count
        assert int(counts.max() - counts.min()) <= 1, counts
        assert labels.tolist() == sorted(labels.tolist())


def test_a_small_class_gives_all_it_has():
    images = make_images([0] * 10 + [1] * 2)
    assert images.labels[choose_images(images, 8)].bincount().tolist() == [6, 2]
    assert choose_images(images, 100).tolist() == list(range(12))


def test_the_seed_decides():
    images = Scenes(100, image_size=32)
    first = choose_images(images, 20, seed=1)
    assert torch.equal(first, choose_images(images, 20, seed=1))
    assert not torch.equal(first, choose_images(images, 20, seed=2))
    assert len(first.unique()) == 20


def test_without_labels_any_image_may_come():
    chosen = choose_images(make_images([-1] * 30), 5)
    assert len(chosen.unique()) == 5


def test_images_are_named():
    images = make_images([0, 1, 2, 0])
    assert choose_images(images, 1, shown=["3.png", 0]).tolist() == [3, 0]


@pytest.mark.parametrize(
    ("shown", "kind", "message"),
    [
        ([], ValueError, "`shown` must be a list of at least one position or name"),
        ("0.png", TypeError, "`shown` must be a sequence of whole numbers or texts"),
        (["x.png"], ValueError, "among the images of 'small', got 'x.png'. Its first image"),
        ([4], ValueError, "at most 3, got 4. 'small' holds 4 images."),
        ([0, "0.png"], ValueError, "images that differ, got '0.png'. It is named twice."),
        ([0.5], TypeError, "`shown` must be a sequence of whole numbers"),
    ],
)
def test_what_is_not_there_is_refused(shown, kind, message):
    with pytest.raises(kind, match=message):
        choose_images(make_images([0, 1, 2, 0]), 1, shown=shown)


def test_no_image_is_refused():
    with pytest.raises(ValueError, match="`num_images` must be a whole number of at least 1"):
        choose_images(make_images([0, 1]), 0)


def test_thumbnails_show_the_images():
    images = make_images([0, 1, 2])
    pictures = thumbnails(images, torch.tensor([2, 0]), 4)
    assert pictures.shape == (2, 4, 4, 3)
    assert (pictures[0] == 2).all()
    assert (pictures[1] == 0).all()
    assert thumbnails(images, torch.tensor([2, 0]), 0).shape == (2, 0, 0, 3)


def test_thumbnails_of_a_wrong_size_are_refused():
    for side in (-1, 513):
        with pytest.raises(ValueError, match="`side` must be a whole number"):
            thumbnails(make_images([0]), torch.tensor([0]), side)
