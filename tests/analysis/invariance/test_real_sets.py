"""Factors of real sets, where they are at hand."""

import torch

from instdisc import Backbone
from instdisc.analysis.invariance import (
    evaluate_factors,
    evaluate_invariance,
    landmark_factors,
    object_factors,
)
from instdisc.data import (
    LandmarkSource,
    LandmarkSubset,
    ObjectSubset,
    open_images,
    open_landmarks,
    open_objects,
)


def few(source):
    kind = LandmarkSubset if isinstance(source, LandmarkSource) else ObjectSubset
    return kind(source, torch.arange(40))


def test_boxes_of_blood_cells(real_data):
    folder = real_data("bccd")
    train, test = (few(open_objects("bccd", folder.parent, part=p)) for p in ("train", "test"))
    factors = object_factors(train)
    size, number = factors["size"], factors["number of objects"]
    assert 0.1 < float(size.median()) < 0.8  # of the image's side
    assert bool((number >= 1).all())
    assert 0 < float(factors["position"].min()) < float(factors["position"].max()) < 1
    records = evaluate_factors(Backbone("test_resnet"), train, test, image_size=64)
    assert {record.task for record in records} == {f"stage{k}_object_factors" for k in (1, 2, 3, 4)}
    assert "R2 number of objects" in {record.metric for record in records}


def test_points_of_faces(real_data):
    folder = real_data("faces68")
    train, test = (few(open_landmarks("faces68", folder.parent, part=p)) for p in ("train", "test"))
    factors = landmark_factors(train)
    # Faces stand upright: the second of the two eyes lies on the other side, at about its height.
    assert float(factors["orientation"][:, 0].abs().median()) > 0.9
    assert 0.2 < float(factors["position"].median()) < 0.8
    records = evaluate_factors(Backbone("test_resnet"), train, test, image_size=64)
    assert {record.metric for record in records} == {"R2 orientation", "R2 size", "R2 position"}


def test_invariance_on_photographs(real_data):
    folder = real_data("tiny_imagenet100")
    images = open_images("tiny_imagenet100", folder.parent, part="test")
    records = evaluate_invariance(
        Backbone("test_resnet"), images, image_size=32, num_images=100, transforms=["grey"]
    )
    metrics = [record.metric for record in records[:2]]
    assert metrics == ["invariance to grey", "intra-category invariance"]
    assert all(record.value < 1 for record in records)
