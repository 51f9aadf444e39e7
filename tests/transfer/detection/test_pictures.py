"""Pictures: every mask shows, also where two of them lie on each other."""

import torch

from instdisc.transfer.detection.pictures import detection_picture
from instdisc.types import Detections, Objects

SIDE = 320  # pictures of this size are not enlarged


def test_masks_on_each_other_are_both_coloured():
    image = torch.zeros(3, SIDE, SIDE, dtype=torch.uint8)
    boxes = torch.tensor([[100.0, 100, 220, 220], [160, 100, 280, 220]])
    masks = torch.zeros(2, SIDE, SIDE, dtype=torch.bool)
    masks[0, 100:220, 100:220] = True
    masks[1, 100:220, 160:280] = True
    labels, no = torch.zeros(2, dtype=torch.int64), torch.zeros(2, dtype=torch.bool)
    picture = detection_picture(
        image,
        Objects(boxes, labels, masks, no, no),
        Detections(boxes, labels, torch.tensor([0.9, 0.8]), masks),
        ["cat"],
    )
    assert picture.shape == (3, SIDE, 2 * SIDE + 8)
    for half in (picture[:, :, :SIDE], picture[:, :, -SIDE:]):
        one, both, neither = (half[:, 200, x].sum() for x in (130, 190, 50))
        assert neither == 0
        assert both > one > 0
