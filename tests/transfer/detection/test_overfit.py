"""A detector that cannot learn two images by heart is broken."""

import pytest
import torch

from instdisc.data import SceneObjects
from instdisc.models import Backbone
from instdisc.transfer import DetectionRecipe, detect


@pytest.mark.slow
@pytest.mark.parametrize("masks", [False, True])
def test_one_batch_can_be_overfitted(masks):
    torch.manual_seed(0)
    source = SceneObjects(2, image_size=96)
    records = detect(
        Backbone("test_resnet", zero_init_last=False), source, source, dataset="scenes",
        method="random", masks=masks, norm="frozen", precise_batches=0, weight_decay=0.0,
        recipe=DetectionRecipe(300, 2, 0.03, (180, 255), 30), flip=0.0, short_sides=[96],
        anchor_sizes=[32, 64], regions_per_image=16, accelerator="cpu",
    )  # fmt: skip
    values = {record.metric: record.value for record in records}
    assert values["box AP"] > 90
    if masks:
        assert values["mask AP50"] > 90
