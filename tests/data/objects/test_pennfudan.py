"""Images with a map of their people."""

import numpy as np
import pytest
import torch
from PIL import Image

from instdisc.data import PennFudan


def two_people():
    numbered = np.zeros((30, 40), np.uint8)
    numbered[2:12, 3:9] = 1
    numbered[5:29, 20:40] = 4  # the numbers have gaps
    return numbered


def test_boxes_and_masks(write_people):
    objects = PennFudan(write_people({"B": two_people(), "A": np.zeros((30, 40))}))
    assert objects.image_ids == ["A", "B"]
    assert objects.classes == ["person"]
    assert objects.has_objects.tolist() == [False, True]
    found = objects.objects(1)
    assert found.boxes.tolist() == [[3, 2, 9, 12], [20, 5, 40, 29]]
    assert torch.equal(found.masks[1], torch.from_numpy(two_people() == 4))
    assert objects.areas(1).tolist() == [60, 480]
    assert objects.objects(0).masks.shape == (0, 30, 40)


def test_bad_sets(write_people):
    root = write_people({"A": two_people(), "B": two_people()})
    mask = root / "PedMasks" / "A_mask.png"
    with pytest.raises(FileNotFoundError, match="`root` must be the folder with PedMasks/"):
        PennFudan(root / "nothing")
    Image.new("RGB", (40, 30)).save(mask)
    with pytest.raises(ValueError, match="A_mask.png must have one number per pixel"):
        PennFudan(root)
    mask.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="cannot read the mask .*A_mask.png"):
        PennFudan(root)
    Image.new("L", (20, 30)).save(mask)
    with pytest.raises(ValueError, match="A_mask.png has 20 x 30 pixels and its image 40 x 30"):
        PennFudan(root)
    mask.unlink()
    with pytest.raises(ValueError, match="'A' has no map of its people, and so 0 others"):
        PennFudan(root)
    (root / "PNGImages" / "A.png").unlink()
    (root / "PNGImages" / "B.png").unlink()
    with pytest.raises(ValueError, match="'B' has no image"):
        PennFudan(root)
