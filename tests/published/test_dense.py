"""The papers' values of detection, segmentation and landmarks, as they are used."""

import inspect
import math

import pytest
import torch
from torch import nn

from instdisc.data import FACE_5, SceneObjects, Scenes
from instdisc.data.segments.layouts import Cityscapes
from instdisc.models import Backbone
from instdisc.transfer import DetectionModule, Detector, Segmenter, fit_landmarks
from instdisc.transfer.detection import align as align_room
from instdisc.transfer.detection import boxes as boxes_room
from instdisc.transfer.detection import proposals as proposals_room
from instdisc.transfer.detection import recipe as recipe_room
from instdisc.transfer.detection import roi_heads as heads_room
from instdisc.transfer.detection.anchors import base_anchors
from instdisc.transfer.detection.losses import box_losses, proposal_losses
from instdisc.transfer.detection.precise_norm import precise_batch_norm
from instdisc.transfer.landmarks.heads import gaussian_logits
from instdisc.transfer.landmarks.module import LandmarkModule
from instdisc.transfer.segmentation.network import deeplab_head, fcn_head
from instdisc.transfer.segmentation.schedule import segmentation_rate
from instdisc.types import IGNORED_CLASS, SegmentBatch


def default(function, name):
    return inspect.signature(function).parameters[name].default


def normalised(grey):
    """A grey of 0 to 255 with the mean and deviation of ImageNet in detectron2's numbers."""
    means, deviations = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    return [(grey - mean) / deviation for mean, deviation in zip(means, deviations, strict=True)]


# Detection


def test_detection_training():
    module = DetectionModule("test_resnet", norm="plain")
    parts = module.configure_optimizers()
    weights, norms = parts["optimizer"].param_groups
    assert (weights["initial_lr"], weights["momentum"]) == (0.02, 0.9)
    assert (weights["weight_decay"], norms["weight_decay"]) == (1e-4, 0.0)
    assert (module.warmup, module.milestones) == (100, (6000, 8000))
    assert module.precise_batches == 200
    assert default(precise_batch_norm, "num_batches") == 200
    for grey in (0, 255):
        images = torch.full((1, 3, 4, 4), grey, dtype=torch.uint8)
        normal = module.prepare(images, torch.tensor([[4, 4]]))[0, :, 0, 0]
        assert normal.tolist() == pytest.approx(normalised(grey), rel=1e-4)
    assert default(DetectionModule, "norm") == "sync"
    assert module.detector.spec["freeze_parts"] == 0


def test_detection_schedules():
    assert tuple(recipe_room.VOC07_RECIPE) == (9000, 16, 0.02, (6000, 8000), 100)
    assert tuple(recipe_room.VOC0712_RECIPE) == (24000, 16, 0.02, (18000, 22000), 100)
    assert tuple(recipe_room.COCO_1X_RECIPE) == (90000, 16, 0.02, (60000, 80000), 1000)
    assert tuple(recipe_room.COCO_2X_RECIPE) == (180000, 16, 0.02, (120000, 160000), 1000)
    rates = [
        recipe_room.rate_factor(step, milestones=(6000, 8000), warmup=100)
        for step in (0, 100, 5999, 6000, 8000)
    ]
    assert rates == pytest.approx([0.001, 1, 1, 0.1, 0.01])


@pytest.mark.parametrize(
    ("neck", "counts"), [("c4", (12000, 2000, 6000, 1000)), ("fpn", (2000, 1000, 1000, 1000))]
)
def test_detector(neck, counts):
    detector = Detector(Backbone("test_resnet"), 20, neck=neck, norm="plain")
    assert tuple(detector.rpn.counts) == counts
    sizes = (32, 64, 128, 256, 512)
    levels = [getattr(detector.rpn.anchors, f"base{i}") for i in range(5 if neck == "fpn" else 1)]
    expected = [base_anchors([size], (0.5, 1.0, 2.0)) for size in sizes]
    torch.testing.assert_close(torch.cat(levels), torch.cat(expected))
    assert detector.heads.regions_per_image == 512
    assert detector.heads.max_detections == 100
    assert detector.heads.min_score == 0.05


def test_anchors_are_not_rounded():
    halves = torch.tensor([16 * 2**0.5, 16, 16 / 2**0.5])
    torch.testing.assert_close(base_anchors([32])[:, 2], halves)


def test_thresholds_of_training(monkeypatch):
    """One step of training: by what overlaps boxes are matched, sampled and suppressed."""
    seen = {}

    def watch(room, name):
        real = getattr(room, name)

        def record(*arguments, **options):
            seen.setdefault((room.__name__.rpartition(".")[2], name), (arguments, options))
            return real(*arguments, **options)

        monkeypatch.setattr(room, name, record)

    for name in ("match", "sample", "nms"):
        watch(proposals_room, name)
    for name in ("match", "sample"):
        watch(heads_room, name)
    source = SceneObjects(Scenes(1, image_size=64))
    detector = Detector(Backbone("test_resnet"), 20, norm="plain")
    images = source.read(0)[None].float() / 255
    detector(images, torch.tensor([[64, 64]]), [source.objects(0)])
    arguments, options = seen["proposals", "match"]
    assert (arguments[2:], options) == ((0.3, 0.7), {"keep_best": True})
    assert seen["proposals", "sample"][0][1:] == (256, 128)
    assert seen["proposals", "nms"][0][2] == 0.7
    arguments, options = seen["roi_heads", "match"]
    assert (arguments[2:], options) == ((0.5, 0.5), {"keep_best": False})
    assert seen["roi_heads", "sample"][0][1:] == (512, 128)


def test_thresholds_of_test(monkeypatch):
    overlaps = []

    def record(boxes, scores, labels, overlap):
        overlaps.append(overlap)
        return torch.arange(len(boxes))

    monkeypatch.setattr(heads_room, "batched_nms", record)
    detector = Detector(Backbone("test_resnet"), 2, norm="plain").eval()
    detector(torch.zeros(1, 3, 64, 64), torch.tensor([[64, 64]]))
    assert set(overlaps) == {0.5}


def test_weights_of_offsets():
    assert boxes_room.ROI_WEIGHTS == (10.0, 10.0, 5.0, 5.0)
    assert boxes_room.RPN_WEIGHTS == (1.0, 1.0, 1.0, 1.0)
    square = torch.tensor([0.0, 0.0, 8.0, 8.0])
    grown = boxes_room.decode(torch.tensor([0, 0, 99.0, 99.0]), square, boxes_room.RPN_WEIGHTS)
    assert float(grown[2] - grown[0]) == pytest.approx(8 * 1000 / 16)


def test_box_losses_are_plain_l1():
    one = torch.tensor([[True]])
    zeros, small = torch.zeros(1, 1, 4), torch.full((1, 1, 4), 0.01)
    _, distance = proposal_losses(torch.zeros(1, 1), zeros, small, positive=one, drawn=one)
    assert float(distance) == pytest.approx(0.04)
    rows = torch.tensor([0])
    _, distance = box_losses(torch.zeros(1, 2), zeros[0], torch.tensor([1]), small[0], rows)
    assert float(distance) == pytest.approx(0.04)


def test_levels_of_the_pyramid():
    """A box of 224 pixels is read from the map of stride 16, one of 112 from that of stride 8."""
    maps = [torch.full((1, 1, 128 // 2**i, 128 // 2**i), float(i)) for i in range(4)]
    boxes = torch.tensor([[0.0, 0, 0, side, side] for side in (223, 224, 111, 112, 447, 448)])
    levels = align_room.align(maps, boxes, [4, 8, 16, 32], 1).flatten().tolist()
    assert levels == [1, 2, 0, 1, 2, 3]


def test_heads_of_the_pyramid():
    detector = Detector(Backbone("test_resnet"), 20, neck="fpn", masks=True, norm="plain")
    neck = detector.neck
    assert (neck.width, neck.vector_width, neck.mask_width) == (256, 1024, 256)
    assert neck.box_head.fc6.in_features == 256 * 7 * 7
    maps = neck.maps(detector.backbone, torch.zeros(1, 3, 64, 64))
    rois = torch.tensor([[0.0, 0, 0, 32, 32]])
    assert neck.mask_features(detector.backbone, maps, rois).shape == (1, 256, 14, 14)
    assert len(neck.mask_head) == 4


def test_regions_of_c4():
    detector = Detector(Backbone("test_resnet"), 20, masks=True, norm="plain")
    maps = detector.neck.maps(detector.backbone, torch.zeros(1, 3, 64, 64))
    rois = torch.tensor([[0.0, 0, 0, 32, 32]])
    assert detector.neck.mask_features(detector.backbone, maps, rois).shape[-2:] == (7, 7)
    assert detector.heads.masks.conv5_mask.out_channels == 256


# Segmentation


def test_segmentation_training():
    module = Segmenter("test_resnet", 5, width=8)
    assert (module.learning_rate, module.momentum, module.weight_decay) == (0.01, 0.9, 1e-4)
    assert (module.schedule, module.power) == ("poly", 0.9)
    assert module.milestones == (0.7, 0.9)
    seen = []
    module.net.register_forward_pre_hook(lambda net, given: seen.append(given[0]))
    module.eval().predict_classes(torch.full((1, 3, 32, 32), 255, dtype=torch.uint8))
    assert seen[0][0, :, 0, 0].tolist() == pytest.approx(normalised(255), rel=1e-4)


def test_segmentation_schedules():
    rates = [segmentation_rate(step, 40000, least=0.01) for step in (0, 20000, 40000)]
    assert rates == pytest.approx([1.0, 0.01 + 0.99 * 0.5**0.9, 0.01])
    steps = [segmentation_rate(step, 90000, schedule="step") for step in (62999, 63000, 81000)]
    assert steps == pytest.approx([1.0, 0.1, 0.01])


def test_auxiliary_loss_is_weighed(monkeypatch):
    module = Segmenter("test_resnet", 3, width=8, auxiliary=0.4)
    torch.manual_seed(0)
    batch = SegmentBatch(
        torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8),
        torch.randint(0, 3, (2, 32, 32), dtype=torch.uint8),
        *([torch.tensor([[32, 32]] * 2)] if "sizes" in SegmentBatch._fields else []),
        *([torch.arange(2)] * (len(SegmentBatch._fields) - 3)),
    )
    monkeypatch.setattr(module, "log", lambda *_, **__: None)
    outputs = []
    module.net.register_forward_hook(lambda net, given, output: outputs.append(output))
    loss = module.training_step(batch, 0)
    (logits,) = outputs
    entropy = nn.functional.cross_entropy
    masks = batch.masks.long()
    expected = entropy(logits.classes, masks) + 0.4 * entropy(logits.auxiliary, masks)
    torch.testing.assert_close(loss, expected)


def test_pyramid_of_deeplab():
    for stride, rates in ((16, [6, 12, 18]), (8, [12, 24, 36])):
        head = deeplab_head(8, 5, stride)
        assert [branch[0].dilation[0] for branch in head[0].convs[1:4]] == rates
        assert head[-1].in_channels == 256
        assert {one.p for one in head.modules() if isinstance(one, nn.Dropout)} == {0.5}
    assert [one.dilation[0] for one in fcn_head(8, 5, 16) if isinstance(one, nn.Conv2d)] == [
        6,
        6,
        1,
    ]


def test_dilations_of_the_backbone():
    def dilations(**options):
        net = Segmenter("resnet50", 5, width=8, **options).net.backbone.net
        return [{block.conv2.dilation[0] for block in layer} for layer in (net.layer3, net.layer4)]

    assert dilations() == [{1}, {1, 2}]
    assert dilations(output_stride=8) == [{1, 2}, {2, 4}]
    assert dilations(head="fcn") == [{1}, {2}]


def test_classes_of_cityscapes():
    from instdisc.data.segments import layouts

    assert len(layouts._CITYSCAPES) == 19
    assert Cityscapes is layouts.Cityscapes
    assert IGNORED_CLASS == 255


# Landmarks


def test_landmark_training():
    module = LandmarkModule("test_resnet", FACE_5)
    assert (module.learning_rate, module.weight_decay) == (1e-3, 5e-4)
    assert module.backbone_learning_rate == pytest.approx(1e-4)
    assert (default(fit_landmarks, "epochs"), default(fit_landmarks, "batch_size")) == (120, 32)


def test_heatmaps_are_two_cells_wide_in_64():
    logits = gaussian_logits(torch.tensor([[[0.5, 0.5]]]), (64, 64))
    # half a cell from the point along both axes
    assert float(logits[0, 0, 32, 32]) == pytest.approx(-2 * 0.25 / (2 * 2**2))
    assert math.isclose(float(logits.amax()), float(logits[0, 0, 32, 32]))
