"""Similarity of one place to the others, against a loop."""

import math

import pytest
import torch

from instdisc.analysis.pictures import location_similarity, similarity_map
from instdisc.analysis.pictures.location import cell_at
from instdisc.data import Scenes
from instdisc.models import Backbone


def test_equals_a_loop():
    maps = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(0))
    result = similarity_map(maps, (0.8, 0.4))  # column 3 of 4, row 1 of 3
    for image in range(2):
        at = maps[image, :, 1, 3].tolist()
        for row in range(3):
            for column in range(4):
                cell = maps[image, :, row, column].tolist()
                product = sum(a * b for a, b in zip(at, cell, strict=True))
                lengths = math.sqrt(sum(a * a for a in at) * sum(b * b for b in cell))
                assert float(result[image, row, column]) == pytest.approx(product / lengths)


def test_a_cell_is_like_itself_and_lengths_do_not_matter():
    maps = torch.randn(2, 5, 4, 4, generator=torch.Generator().manual_seed(0)).double()
    result = similarity_map(maps, (0.1, 0.9))
    assert result[:, 3, 0].tolist() == pytest.approx([1, 1])
    scaled = maps * torch.arange(1, 17).view(1, 1, 4, 4)
    assert similarity_map(scaled, (0.1, 0.9)).numpy() == pytest.approx(result.numpy())


def test_an_empty_cell_is_like_nothing():
    maps = torch.ones(1, 2, 2, 2)
    maps[0, :, 1, 1] = 0
    assert similarity_map(maps, (0, 0)).flatten().tolist() == pytest.approx([1, 1, 1, 0])


@pytest.mark.parametrize(
    ("location", "cell"),
    [((0, 0), (0, 0)), ((1, 1), (3, 1)), ((0.5, 0.5), (2, 1)), ((0.49, 0.49), (1, 0))],
)
def test_cells(location, cell):
    assert cell_at(location, 4, 2) == cell


@pytest.mark.parametrize(
    ("location", "kind", "message"),
    [
        (
            (0.5, 1.5),
            ValueError,
            "`location` must be a finite number of at least 0 and at most 1",
        ),
        ((0.5,), TypeError, "`location` must be a pair x, y"),
        ("ab", TypeError, "`location` must be a sequence of numbers"),
        ((0.5, "a"), TypeError, "`location` must be a sequence of numbers"),
    ],
)
def test_other_places_are_refused(location, kind, message):
    with pytest.raises(kind, match=message):
        similarity_map(torch.ones(1, 2, 2, 2), location)


def test_bad_maps_are_refused():
    with pytest.raises(ValueError, match=r"`maps` must be a tensor \(M, C, h, w\)"):
        similarity_map(torch.ones(2, 2, 2))
    with pytest.raises(ValueError, match="`maps` must be finite, got nan in image 0"):
        similarity_map(torch.full((1, 2, 2, 2), torch.nan))
    with pytest.raises(TypeError, match="`maps` must be of torch.float32"):
        similarity_map(torch.ones(1, 2, 2, 2, dtype=torch.int64))


def test_of_a_backbone():
    backbone, images = Backbone("test_resnet"), Scenes(3, image_size=64)
    result = location_similarity(backbone, images, stage=1, location=(0, 0), image_size=64)
    assert result.shape == (3, 16, 16)
    assert result[:, 0, 0].tolist() == pytest.approx([1, 1, 1])
