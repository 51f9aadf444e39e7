"""Published numbers from files alone: the annotations, the detections, the scores."""

import pytest
import torch

from instdisc.data import COCOObjects
from instdisc.metrics import COCO_NUMBERS
from instdisc.transfer import Evaluator, read_results

# Printed by the official code for its fake results.
BOX = (0.505, 0.697, 0.573, 0.586, 0.519, 0.501, 0.387, 0.594, 0.595, 0.640, 0.566, 0.564)
MASK = (0.320, 0.562, 0.299, 0.387, 0.310, 0.327, 0.268, 0.415, 0.417, 0.469, 0.377, 0.381)


@pytest.mark.parametrize(
    ("kind", "file", "printed"), [("box", "bbox", BOX), ("mask", "segm", MASK)]
)
def test_the_official_numbers(kind, file, printed, real_data):
    folder = real_data("coco_eval_oracle")
    source = COCOObjects(folder / "instances_val2014_100.json")
    found = read_results(folder / f"instances_val2014_fake{file}100_results.json", source)
    evaluator = Evaluator(source, masks=kind == "mask")
    for index, one in enumerate(found):
        truth, areas = source.objects(index), source.areas(index)
        if one.masks is None and kind == "mask":  # an image without detections
            one = one._replace(masks=truth.masks[:0])
        evaluator.store.update([one], [truth], torch.tensor([index]), [areas])
    numbers = evaluator.compute().numbers
    assert [round(numbers[f"{kind} {name}"] / 100, 3) for name in COCO_NUMBERS] == list(printed)
