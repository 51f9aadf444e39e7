"""A detector that cannot learn two images by heart is broken."""

import pytest
import torch

from instdisc.data import ObjectSubset, SceneObjects, Scenes
from instdisc.models import Backbone
from instdisc.transfer import DetectionRecipe, detect


@pytest.mark.slow
def test_one_batch_can_be_overfitted():
    """Boxes and masks; boxes alone are learnt in test_detector.py."""
    torch.manual_seed(0)
    # Images with one object each: a minute must do.
    source = ObjectSubset(SceneObjects(Scenes(22, image_size=96)), torch.tensor([12, 21]))
    records = detect(
        Backbone("test_resnet", zero_init_last=False), source, source,
        masks=True, norm="frozen", precise_batches=0, weight_decay=0.0,
        recipe=DetectionRecipe(400, 2, 0.04, (280, 360), 30), flip=0.0, short_sides=[96],
        anchor_sizes=[32, 64], regions_per_image=32, accelerator="cpu",
    )  # fmt: skip
    values = {record.metric: record.value for record in records}
    assert values["box AP"] > 90
    assert values["mask AP50"] > 90
