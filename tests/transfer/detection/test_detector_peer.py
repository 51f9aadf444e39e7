"""The whole detector against torchvision's own, on the same weights."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.detection import MaskRCNN, roi_heads
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign, roi_align

from instdisc.transfer import ProposalCounts
from instdisc.transfer.detection.anchors import base_anchors

SIZES = (16, 32, 64)
COUNTS = ProposalCounts(150, 60, 120, 40)


class Unrounded(AnchorGenerator):
    def __init__(self):
        super().__init__((SIZES,), ((0.5, 1.0, 2.0),))
        self.cell_anchors = [base_anchors(SIZES)]


class Aligned(MultiScaleRoIAlign):
    def forward(self, x, boxes, image_shapes):
        return roi_align(x["0"], list(boxes), 14, 1 / 16, 0, aligned=True)


class Res5(nn.Module):
    def __init__(self, detector):
        super().__init__()
        self.layer4, self.norm = detector.backbone.net.layer4, detector.neck.norm

    def forward(self, regions):
        return self.norm(self.layer4(regions))


class Predictor(nn.Module):
    """Ours with four offsets for the background, as torchvision wants them."""

    def __init__(self, detector):
        super().__init__()
        self.classes, self.boxes = detector.heads.classes, detector.heads.boxes

    def forward(self, vectors):
        vectors = vectors.mean(dim=(2, 3))
        return self.classes(vectors), F.pad(self.boxes(vectors), (4, 0))


class Masks(nn.Module):
    def __init__(self, detector):
        super().__init__()
        self.predict = detector.heads.masks

    def forward(self, features):
        return F.pad(self.predict(features), (0, 0, 0, 0, 1, 0))


def as_torchvision(detector, counts):
    net = detector.backbone.net
    body = nn.Sequential(
        net.conv1, net.bn1, net.act1, net.maxpool, net.layer1, net.layer2, net.layer3
    )
    body.out_channels = detector.backbone.widths[2]
    model = MaskRCNN(
        body, None, min_size=64, max_size=96, image_mean=[0, 0, 0], image_std=[1, 1, 1],
        rpn_anchor_generator=Unrounded(),
        rpn_pre_nms_top_n_train=counts.train_before, rpn_pre_nms_top_n_test=counts.test_before,
        rpn_post_nms_top_n_train=counts.train_after, rpn_post_nms_top_n_test=counts.test_after,
        box_roi_pool=Aligned(["0"], 14, 0), box_head=Res5(detector),
        box_predictor=Predictor(detector), box_score_thresh=0.0,
        mask_roi_pool=Aligned(["0"], 14, 0), mask_head=Res5(detector),
        mask_predictor=Masks(detector),
    )  # fmt: skip
    model.rpn.head = detector.rpn.head
    model.transform.postprocess = lambda result, *sizes: result  # boxes stay as they are
    return model.train(detector.training)


@pytest.fixture
def sized_64(monkeypatch):
    """torchvision's transform resizes no image: the batch is padded already."""
    transform = "torchvision.models.detection.transform.GeneralizedRCNNTransform.resize"
    monkeypatch.setattr(transform, lambda self, image, target=None: (image, target))


def test_detections_are_torchvisions(make_detector, make_batch, sized_64):
    detector = make_detector(counts=COUNTS).eval()
    nn.init.normal_(detector.heads.classes.weight, std=0.3)
    nn.init.normal_(detector.heads.boxes.weight, std=0.3)
    nn.init.normal_(detector.rpn.head.bbox_pred.weight, std=0.1)
    images, sizes, _ = make_batch()
    with torch.no_grad():
        theirs = as_torchvision(detector, COUNTS)([images[0], images[1, :, :56, :80]])
    for ours, reference in zip(detector(images, sizes), theirs, strict=True):
        assert len(ours.boxes) > 20
        torch.testing.assert_close(ours.scores, reference["scores"])
        torch.testing.assert_close(ours.boxes, reference["boxes"], rtol=1e-4, atol=1e-3)
        assert torch.equal(ours.labels + 1, reference["labels"])
        torch.testing.assert_close(ours.masks, reference["masks"][:, 0])


def test_training_step_is_torchvisions_with_the_losses_of_the_facts(
    make_detector, make_batch, sized_64, monkeypatch
):
    # So few anchors and proposals that all background is drawn, and nothing is random.
    counts = ProposalCounts(60, 40, 60, 40)
    detector = make_detector(
        counts=counts, anchor_sizes=(32,), norm="frozen", regions_per_image=512
    )
    images, sizes, objects = make_batch()
    theirs = as_torchvision(detector, counts)
    theirs.rpn.anchor_generator = Unrounded()
    theirs.rpn.anchor_generator.cell_anchors = [base_anchors((32,))]
    plain_l1 = lambda x, y, beta, reduction: F.l1_loss(x, y, reduction=reduction)  # noqa: E731
    monkeypatch.setattr(F, "smooth_l1_loss", plain_l1)

    def cut(masks, boxes, matched, size):
        rois = torch.cat([matched[:, None].to(boxes), boxes], dim=1)
        return (
            roi_align(masks[:, None].float(), rois, size, 1, 0, aligned=True)[:, 0] >= 0.5
        ).float()

    monkeypatch.setattr(roi_heads, "project_masks_on_boxes", cut)
    targets = [
        {"boxes": o.boxes, "labels": o.labels + 1, "masks": o.masks.to(torch.uint8)}
        for o in objects
    ]
    reference = theirs([images[0], images[1, :, :56, :80]], targets)
    found = detector(images, sizes, objects)
    for name in ("loss_classifier", "loss_box_reg", "loss_mask"):
        torch.testing.assert_close(found[name], reference[name], msg=name)
        assert reference[name] > 0
    # Theirs are divided by the anchors drawn, ours by the anchors to draw.
    ratios = [reference[n] / found[n] for n in ("loss_objectness", "loss_rpn_box_reg")]
    torch.testing.assert_close(ratios[0], ratios[1])
    assert 1 <= ratios[0] < 1.5
    roi = [n for n in found if "rpn" not in n and "objectness" not in n]
    parameters = [p for p in detector.parameters() if p.requires_grad]
    ours = torch.autograd.grad(sum(found[n] for n in roi), parameters, allow_unused=True)
    expected = torch.autograd.grad(sum(reference[n] for n in roi), parameters, allow_unused=True)
    for a, b in zip(ours, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)
