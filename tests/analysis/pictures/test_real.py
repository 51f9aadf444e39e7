"""The comparisons on real images, where they are at hand."""

import io

import pytest
import torch

from instdisc.analysis.pictures import (
    compare_components,
    compare_neighbours,
    components_figure,
    neighbours_figure,
)
from instdisc.data import StratifiedSubset, open_images
from instdisc.models import Backbone
from instdisc.transfer import read_predictions


@pytest.mark.parametrize("name", ["flowers17", "tiny_imagenet100"])
def test_pictures_of_real_images(name, real_data, tmp_path):
    folder = real_data(name)
    images = open_images(name, folder.parent, part="test")
    images = StratifiedSubset(images, per_class=2, seed=0).subset(torch.arange(20))
    backbones = {"a": Backbone("test_resnet"), "b": Backbone("test_resnet")}
    file = tmp_path / "arrays.npz"
    for compare, draw in (
        (compare_neighbours, neighbours_figure),
        (compare_components, components_figure),
    ):
        compare(backbones, images, num_images=2, image_size=64, arrays=file)
        arrays = read_predictions(file)
        assert arrays["thumbnail"].std() > 10  # they show something
        draw(arrays).savefig(io.BytesIO(), format="png")
