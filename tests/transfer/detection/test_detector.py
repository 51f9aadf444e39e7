"""What a detector must keep: the backbone's weights, any batch, its losses' fall."""

import copy

import pytest
import torch
from torch import nn
from torchvision.ops import box_iou

from instdisc.data import Scenes
from instdisc.models import Backbone
from instdisc.transfer import Detector, ProposalCounts, precise_batch_norm
from instdisc.transfer.detection.body import stage_maps
from instdisc.transfer.detection.matching import as_truth
from instdisc.types import Objects

CLASSES = 3
COUNTS = ProposalCounts(150, 60, 120, 40)


@pytest.mark.parametrize("name", ["test_resnet", "resnet18", "resnet50"])
def test_stage_outputs_are_those_of_the_backbone(name):
    backbone = Backbone(name).eval()
    detector = Detector(backbone, CLASSES).eval()
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        maps = backbone.maps(images)
        (third,) = detector.neck.maps(detector.backbone, images)
        assert torch.equal(third, maps[2])
        for found, map_ in zip(
            stage_maps(detector.backbone, images, [0, 1, 2, 3]), maps, strict=True
        ):
            assert torch.equal(found, map_)
        assert torch.equal(detector.backbone.net.layer4(third), maps[3])


@pytest.mark.parametrize("norm", ["frozen", "plain", "sync"])
@pytest.mark.parametrize("neck", ["c4", "fpn"])
def test_weights_arrive_bit_for_bit_and_the_backbone_stays(make_detector, make_batch, neck, norm):
    backbone = Backbone("test_resnet")
    before = copy.deepcopy(backbone.state_dict())
    detector = make_detector(
        backbone=backbone, neck=neck, norm=norm, anchor_sizes=None, masks=False
    )
    arrived = detector.backbone.state_dict()
    assert arrived.keys() == before.keys()
    assert all(torch.equal(arrived[name], value) for name, value in before.items())
    losses = detector(*make_batch())
    sum(losses.values()).backward()
    torch.optim.SGD(detector.parameters(), 0.1).step()
    assert all(torch.equal(backbone.state_dict()[name], value) for name, value in before.items())
    assert all(p.requires_grad and p.grad is None for p in backbone.parameters())


@pytest.mark.parametrize("parts", [0, 2, 5])
def test_all_layers_train_but_the_frozen(make_detector, make_batch, parts):
    detector = make_detector(freeze_parts=parts)
    before = copy.deepcopy(detector.state_dict())
    losses = detector(*make_batch())
    sum(losses.values()).backward()
    torch.optim.SGD([p for p in detector.parameters() if p.requires_grad], 0.1).step()
    stages = [("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("layer4",)]
    still = tuple(f"backbone.net.{name}." for stage in stages[:parts] for name in stage)
    for name, value in detector.state_dict().items():
        if name.startswith(still or ("none",)):
            assert torch.equal(value, before[name]), name
        elif name.endswith("weight"):
            assert not torch.equal(value, before[name]), name


@pytest.mark.parametrize("neck", ["c4", "fpn"])
def test_image_without_objects_trains_as_background(make_detector, make_batch, make_objects, neck):
    detector = make_detector(neck=neck, anchor_sizes=None, regions_per_image=32)
    images, sizes, objects = make_batch()
    none = make_objects(0)
    losses = detector(images, sizes, [none, none])
    assert losses["loss_box_reg"] == losses["loss_rpn_box_reg"] == losses["loss_mask"] == 0
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in detector.parameters())
    mixed = detector(images, sizes, [objects[0], none])
    assert all(loss.isfinite() for loss in mixed.values())
    assert mixed["loss_box_reg"] > 0


def test_crowds_and_boxes_without_area_teach_nothing(make_detector, make_batch, make_objects):
    detector = make_detector(norm="frozen", regions_per_image=1000, counts=COUNTS)
    images, sizes, (one, _) = make_batch()
    extra = make_objects(3)
    extra.boxes[2, 2:] = extra.boxes[2, :2]
    extra = extra._replace(crowd=torch.tensor([True, True, False]))
    joined = Objects(*(torch.cat(pair) for pair in zip(one, extra, strict=True)))
    plain = detector(images[:1], sizes[:1], [one])
    with_crowd = detector(images[:1], sizes[:1], [joined])
    for name in ("loss_classifier", "loss_box_reg", "loss_mask"):
        torch.testing.assert_close(with_crowd[name], plain[name])


def test_bf16_autocast_gives_float32_losses_and_detections(make_detector, make_batch):
    detector = make_detector(counts=ProposalCounts(60, 8, 60, 8), regions_per_image=8)
    images, sizes, objects = make_batch()
    with torch.autocast("cpu", torch.bfloat16):
        losses = detector(images[:1], sizes[:1], objects[:1])
        (found,) = detector.eval()(images[:1], sizes[:1])
    assert {loss.dtype for loss in losses.values()} == {torch.float32}
    assert {found.boxes.dtype, found.scores.dtype, found.masks.dtype} == {torch.float32}
    sum(losses.values()).backward()
    assert all(p.grad.isfinite().all() for p in detector.parameters())


def test_chunks_change_nothing(make_detector, make_batch):
    images, sizes, _ = make_batch()
    detector = make_detector(counts=COUNTS, chunk=7).eval()
    few = detector(images, sizes)
    detector.heads.chunk = 1000
    for a, b in zip(few, detector(images, sizes), strict=True):
        torch.testing.assert_close(a.boxes, b.boxes)
        torch.testing.assert_close(a.masks, b.masks)


def test_one_image_is_the_same_alone_and_in_a_batch(make_detector, make_batch):
    detector = make_detector(counts=COUNTS).eval()
    images, sizes, _ = make_batch()
    (alone,) = detector(images[:1], sizes[:1])
    torch.testing.assert_close(alone.boxes, detector(images, sizes)[0].boxes)
    assert (alone.boxes[:, 2] <= 96).all()
    assert alone.scores.diff().max() <= 0


def test_spec_builds_the_same_detector(make_detector):
    detector = make_detector(neck="fpn", anchor_sizes=[8, 16, 32, 64, 128], counts=COUNTS)
    again = Detector(Backbone("test_resnet"), **detector.spec)
    again.load_state_dict(detector.state_dict())
    assert again.spec == detector.spec


def test_regions_are_at_most_a_quarter_foreground(make_detector, make_objects):
    detector = make_detector(regions_per_image=16)
    truths = [as_truth(make_objects(9)), as_truth(make_objects(0)), as_truth(make_objects(1))]
    proposals = [make_objects(n).boxes for n in (50, 50, 3)]
    regions = detector.heads.draw(proposals, truths)
    counts = torch.bincount(regions.rois[:, 0].long())
    assert counts.tolist() == [16, 16, 4]  # three proposals and the object itself
    assert (regions.labels[regions.foreground] > 0).all()
    rest = regions.labels.clone()
    rest[regions.foreground] = 0
    assert not rest.any()
    per_image = torch.bincount(regions.rois[regions.foreground, 0].long(), minlength=3)
    assert per_image[0] == 4
    assert per_image[1] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 0}, "`num_classes` must be a whole number of at least 1"),
        ({"regions_per_image": 0}, "`regions_per_image` must be a whole number of"),
        ({"chunk": 0}, "`chunk` must be a whole number of at least 1, got 0"),
        ({"neck": "c5"}, "`neck` must be one of 'c4', 'fpn', got 'c5'"),
        ({"norm": "group"}, "`norm` must be one of 'frozen', 'plain', 'sync', got"),
        ({"freeze_parts": 6}, "`freeze_parts` must be from 0 .* got 6"),
        ({"counts": (10, 0, 10, 10)}, r"`counts\[1\]` must be a whole number"),
        ({"anchor_sizes": []}, "`anchor_sizes` must be positive"),
        ({"anchor_sizes": [32, 64], "neck": "fpn"}, "`anchor_sizes` must be 5 sizes"),
        ({"backbone": Backbone("test_vit")}, "`backbone` must be a ResNet .* got 'test_vit'"),
    ],
)  # fmt: skip
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        Detector(**({"backbone": Backbone("test_resnet"), "num_classes": 2} | options))


def test_backbone_by_name():
    with pytest.raises(TypeError, match="`backbone` must be a Backbone, got 'resnet18'"):
        Detector("resnet18", 2)


def test_wrong_batches(make_detector, make_batch):
    detector = make_detector()
    images, sizes, objects = make_batch()
    with pytest.raises(TypeError, match="`images` must be float and normalised, got torch.uint8"):
        detector(images.byte(), sizes, objects)
    with pytest.raises(ValueError, match=r"`sizes` must be \(B, 2\) = \(2, 2\), got \(1, 2\)"):
        detector(images, sizes[:1], objects)
    with pytest.raises(ValueError, match="`objects` must be one per image in training, 2 .* got 1"):
        detector(images, sizes, objects[:1])
    with pytest.raises(ValueError, match="`objects` must be one per image in training, 2 .* None"):
        detector(images, sizes)
    with pytest.raises(ValueError, match="`objects` must have masks for Mask R-CNN"):
        detector(images, sizes, make_batch(masks=False)[2])


@pytest.mark.slow
@pytest.mark.parametrize("masks", [False, True])
def test_overfits_two_scenes(masks):
    scenes = Scenes(2, image_size=96)
    images = torch.stack([scenes.read(index) for index in range(2)]).float() / 127.5 - 1
    objects = []
    for index in range(2):
        scene = scenes[index]
        no = torch.zeros(len(scene.boxes), dtype=torch.bool)
        objects.append(Objects(scene.boxes, scene.classes, scene.masks if masks else None, no, no))
    detector = Detector(
        Backbone("test_resnet"),
        10,
        masks=masks,
        anchor_sizes=(12, 24, 48, 72),
        counts=ProposalCounts(300, 100, 300, 100),
        regions_per_image=48,
    )
    optimizer = torch.optim.SGD(detector.parameters(), 0.02, momentum=0.9)
    sizes, history = torch.tensor([[96, 96]] * 2), []
    for _ in range(60):
        losses = detector(images, sizes, objects)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        nn.utils.clip_grad_norm_(detector.parameters(), 5.0)
        optimizer.step()
        history.append({name: loss.item() for name, loss in losses.items()})
    names = history[0].keys()
    start = {name: max(step[name] for step in history[:20]) for name in names}
    end = {name: sum(step[name] for step in history[-5:]) / 5 for name in names}
    assert end["loss_objectness"] < 0.15 * start["loss_objectness"]
    assert end["loss_rpn_box_reg"] < 0.5 * start["loss_rpn_box_reg"]
    assert end["loss_classifier"] < 0.3 * start["loss_classifier"]
    assert end["loss_box_reg"] < 0.6 * start["loss_box_reg"]
    if masks:
        assert end["loss_mask"] < 0.7 * start["loss_mask"]
    # The weights that were learnt find the objects' places.
    precise_batch_norm(detector, [(images, sizes, objects)] * 5)
    for found, truth in zip(detector.eval()(images, sizes), objects, strict=True):
        assert (box_iou(truth.boxes, found.boxes).amax(dim=1) > 0.6).all()
