"""A set of the catalog that is not all there is noted in the records."""

from types import SimpleNamespace

import pytest

from instdisc.data import CatalogImages, Scenes
from instdisc.transfer.suite.runner import _official_size


class Part(CatalogImages):
    def __init__(self, split, length):
        self.split, self.length = split, length
        self.entry = SimpleNamespace(sizes={"test": 8100})

    def __len__(self):
        return self.length


@pytest.mark.parametrize(
    ("images", "noted"),
    [
        (Part("test", 600), {"official_images": 8100}),
        (Part("test", 8100), {}),
        (Part("extra", 600), {}),
        (Scenes(4, image_size=32, num_categories=2), {}),
    ],
)
def test_the_official_number_is_noted_where_it_is_another(images, noted):
    assert _official_size(images) == noted
