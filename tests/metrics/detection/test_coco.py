"""COCO's numbers: the published ones, and what counts."""

import json

import pytest
import torch
from pycocotools import mask as coco_masks

from instdisc.metrics.detection import (
    COCO_NUMBERS,
    COCOAveragePrecision,
    RunLengths,
    average_precisions,
    bootstrap_average_precision,
    coco_average_precision,
    decode_masks,
    encode_masks,
)
from instdisc.types import Detections, Objects

# Printed by the official code for its fake results.
BOX = (0.505, 0.697, 0.573, 0.586, 0.519, 0.501, 0.387, 0.594, 0.595, 0.640, 0.566, 0.564)
MASK = (0.320, 0.562, 0.299, 0.387, 0.310, 0.327, 0.268, 0.415, 0.417, 0.469, 0.377, 0.381)


def boxes(rows):
    sides = torch.tensor(rows, dtype=torch.float64).reshape(-1, 4)
    return torch.cat([sides[:, :2], sides[:, :2] + sides[:, 2:]], 1)


def raster(segmentation, height, width):
    if isinstance(segmentation, list):
        runs = coco_masks.merge(coco_masks.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation["counts"], list):
        runs = coco_masks.frPyObjects(segmentation, height, width)
    else:
        runs = segmentation
    return decode_masks(RunLengths((height, width), [runs["counts"]]))[0]


@pytest.fixture(scope="module")
def oracle(request):
    """Images of the official subset as this library's types: found and true, by kind."""
    folder = request.getfixturevalue("real_data")("coco_eval_oracle")
    truth = json.loads((folder / "instances_val2014_100.json").read_text())
    category = {one["id"]: row for row, one in enumerate(truth["categories"])}
    found = {
        kind: json.loads((folder / f"instances_val2014_fake{name}100_results.json").read_text())
        for kind, name in (("box", "bbox"), ("mask", "segm"))
    }

    def labels(rows):
        return torch.tensor([category[one["category_id"]] for one in rows], dtype=torch.int64)

    def images(kind):
        for image in sorted(truth["images"], key=lambda one: one["id"]):
            size = image["height"], image["width"]
            own = [one for one in truth["annotations"] if one["image_id"] == image["id"]]
            hits = [one for one in found[kind] if one["image_id"] == image["id"]]
            marks = torch.tensor([bool(one["iscrowd"]) for one in own], dtype=torch.bool)
            masks, true_masks = (
                torch.stack([raster(one["segmentation"], *size) for one in rows])
                if rows and kind == "mask"
                else torch.zeros(0, *size, dtype=torch.bool)
                for rows in (hits, own)
            )
            scores = torch.tensor([one["score"] for one in hits])
            sides = boxes([one.get("bbox", [0] * 4) for one in hits])
            yield (
                Detections(sides, labels(hits), scores, masks),
                Objects(
                    boxes([one["bbox"] for one in own]),
                    labels(own),
                    true_masks,
                    torch.zeros_like(marks),
                    marks,
                ),
                torch.tensor([one["area"] for one in own]),
            )

    return lambda kind: tuple(zip(*images(kind), strict=True))


@pytest.mark.parametrize(("kind", "printed"), [("box", BOX), ("mask", MASK)])
def test_the_official_numbers(kind, printed, oracle, capsys):
    found, true, areas = oracle(kind)
    result = coco_average_precision(found, true, num_classes=80, kind=kind, areas=areas)
    assert [round(result.numbers[name], 3) for name in COCO_NUMBERS] == list(printed)
    for name, values in result.per_class.items():
        mean = torch.tensor(values).nanmean().item()
        assert mean == pytest.approx(result.numbers[name])
    exact = {"box": (0.5045806987, 0.6969727247, 0.5729816669)}.get(
        kind, (0.3195452759, 0.5622883972, 0.2989265341)
    )
    for name, value in zip(COCO_NUMBERS, exact, strict=False):
        assert result.numbers[name] == pytest.approx(value, abs=1e-8)
    assert capsys.readouterr().out == ""  # pycocotools would print
    # With every image once, the table that is resampled says the same.
    table = average_precisions(result.matches)[0]  # (T, C)
    for name, rows in (("AP", table), ("AP50", table[:1]), ("AP75", table[5:6])):
        assert float(rows.nanmean()) == pytest.approx(result.numbers[name], abs=1e-12)
        values = torch.tensor(result.per_class[name], dtype=torch.float64)
        assert torch.allclose(rows.mean(0), values, rtol=0, atol=1e-12, equal_nan=True)
    low, high = bootstrap_average_precision(result.matches)["AP"]
    assert low < result.numbers["AP"] < high < low + 0.2


def test_batches_and_their_order_change_nothing(oracle):
    found, true, areas = oracle("box")
    whole = coco_average_precision(found, true, num_classes=80, areas=areas)
    metric = COCOAveragePrecision(80)
    for start in (60, 0, 30):
        rows = range(start, min(start + 30, 100) if start < 60 else 100)
        metric.update(*([all_[i] for i in rows] for all_ in (found, true)), torch.tensor(rows),
                      [areas[i] for i in rows])  # fmt: skip
    assert metric.compute()["box"].numbers == whole.numbers


def one(box=(0, 0, 10, 10), score=None, difficult=False, crowd=False, label=0):
    sides = torch.tensor([box], dtype=torch.float32)
    if score is not None:
        return Detections(sides, torch.tensor([label]), torch.tensor([score]), None)
    return Objects(
        sides, torch.tensor([label]), None, torch.tensor([difficult]), torch.tensor([crowd])
    )


def both(*parts):
    """Several of `one` in one image."""
    columns = zip(*parts, strict=True)
    return type(parts[0])(*(None if c[0] is None else torch.cat(c) for c in columns))


@pytest.mark.parametrize("mark", ["difficult", "crowd"])
def test_what_is_ignored_is_neither_right_nor_wrong(mark):
    far = (50, 50, 90, 90)
    true = both(one(), one(far, **{mark: True}))
    found = both(one(far, score=0.9), one(score=0.8))
    assert coco_average_precision([found], [true], num_classes=1).numbers["AP"] == pytest.approx(1)
    lonely = coco_average_precision([found], [one()], num_classes=1).numbers["AP"]
    assert lonely == pytest.approx(0.5)


def test_one_crowd_takes_many_detections():
    true = both(one(), one((50, 50, 90, 90), crowd=True))
    found = both(one((51, 51, 60, 60), 0.9), one((70, 70, 80, 80), 0.9), one(score=0.8))
    assert coco_average_precision([found], [true], num_classes=1).numbers["AP"] == pytest.approx(1)


def test_classes_without_objects_are_nan_and_do_not_count():
    found = both(one(score=0.9), one((50, 50, 90, 90), score=0.5, label=2))
    result = coco_average_precision([found], [one()], num_classes=3)
    assert result.numbers["AP"] == pytest.approx(1)
    assert torch.tensor(result.per_class["AP"]).isnan().tolist() == [False, True, True]


def test_nothing_found_is_zero_and_nothing_to_find_is_nan():
    nothing = Detections(torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0), None)
    assert coco_average_precision([nothing], [one()], num_classes=1).numbers["AP"] == 0
    empty = Objects(*(part[:0] if part is not None else None for part in one()))
    result = coco_average_precision([one(score=0.5)], [empty], num_classes=1)
    assert torch.tensor(list(result.numbers.values())).isnan().all()


def test_masks_decide_where_boxes_agree():
    mask = torch.zeros(1, 12, 12, dtype=torch.bool)
    mask[:, :10, :10] = True
    half = mask.clone()
    half[:, 5:] = False
    true = one()._replace(masks=mask)
    found = one(score=0.9)._replace(masks=half)
    metric = COCOAveragePrecision(1, kinds=("box", "mask"))
    metric.update([found], [true], torch.tensor([0]))
    result = metric.compute()
    assert result["box"].numbers["AP"] == pytest.approx(1)
    assert result["box"].per_class["AP"] == [pytest.approx(1)]
    assert result["mask"].numbers["AP"] == pytest.approx(0.1)  # an overlap of .5 is no more


def test_run_lengths_are_exact():
    masks = torch.rand(5, 17, 23) > 0.4
    runs = encode_masks(masks)
    assert torch.equal(decode_masks(runs), masks)
    assert decode_masks(encode_masks(masks[:0])).shape == (0, 17, 23)
    for mask, counts in zip(masks, runs.counts, strict=True):
        assert counts == coco_masks.encode(mask.numpy().astype("uint8", order="F"))["counts"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.update([], [one()], torch.tensor([0])), "must be of the same images, got 0"),
        (
            lambda m: m.update([one(score=1, label=1)], [one()], torch.tensor([0])),
            r"`detections\[0\].labels` must be classes from 0 to 0, got 1",
        ),
        (
            lambda m: m.update([one(score=1)], [one(label=1)], torch.tensor([0])),
            r"`objects\[0\].labels` must be classes from 0 to 0, got 1",
        ),
        (
            lambda m: COCOAveragePrecision(0),
            "`num_classes` must be a whole number of at least 1, got 0",
        ),
        (lambda m: COCOAveragePrecision(1, kinds=()), "`kinds` must be of 'box' and"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call(COCOAveragePrecision(1))


def test_an_unlisted_kind():
    with pytest.raises(TypeError, match="`kinds` must be a sequence of 'box' or 'mask', got"):
        COCOAveragePrecision(1, kinds=("boxes",))


def test_bad_masks():
    metric = COCOAveragePrecision(1, kinds=("mask",))
    mask = torch.ones(1, 8, 8, dtype=torch.bool)
    with pytest.raises(ValueError, match="those of image 4 have no masks and masks"):
        metric.update([one(score=1)], [one()._replace(masks=mask)], torch.tensor([4]))
    found = one(score=1)._replace(masks=mask[..., 1:])
    with pytest.raises(ValueError, match=r"image 4 must be of one size, got \(8, 7\)"):
        metric.update([found], [one()._replace(masks=mask)], torch.tensor([4]))
    with pytest.raises(TypeError, match="`masks` must be of torch.bool, got"):
        encode_masks(mask.float())
