"""Regions of an image to classes, boxes and masks: training and test.

Legend: R regions, F of them foreground, K classes, M cells per side of a mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor
from torchvision.ops import batched_nms

from ...models import Backbone
from ...types import Detections
from .boxes import ROI_WEIGHTS, clip, decode, encode, has_area
from .losses import box_losses, mask_loss, mask_targets
from .matching import IGNORED, Truth, match, sample
from .neck_c4 import C4Neck
from .neck_fpn import FPNNeck

_IOU, _FOREGROUND_SHARE, _NMS, _MASK_WIDTH = 0.5, 0.25, 0.5, 256


class Regions(NamedTuple):
    """The regions of a batch that the losses see.

    Attributes:
        rois: ``(R, 5)`` image index and box.
        labels: ``(R,)`` class + 1, or 0 = background.
        foreground: ``(F,)`` rows with an object.
        objects: ``(F,)`` the object's row in its image.
        boxes: ``(F, 4)`` the object's box.
    """

    rois: Tensor
    labels: Tensor
    foreground: Tensor
    objects: Tensor
    boxes: Tensor


class RoIHeads(nn.Module):
    """Predicts class, box and mask of each region.

    Args:
        neck: where the features of a region come from.
        num_classes: K.
        masks: whether masks are predicted.
        regions_per_image: sampled in training, a quarter of them foreground at most.
        max_detections: of an image.
        min_score: of a detection.
        chunk: regions that pass the head at once in evaluation.

    Source:
        Girshick, "Fast R-CNN" (2015) and He et al., "Mask R-CNN" (2017) with detectron2's settings:
        foreground from IoU 0.5, the true boxes among the proposals, suppression at IoU 0.5, and
        its initial weights. Differs from `torchvision.models.detection.roi_heads`: plain L1;
        masks share the features of the boxes in training where the neck allows it; the device is
        waited for once per step, for the number of regions of each kind.
    """

    def __init__(
        self,
        neck: C4Neck | FPNNeck,
        num_classes: int,
        *,
        masks: bool,
        regions_per_image: int,
        max_detections: int,
        min_score: float,
        chunk: int,
    ) -> None:
        super().__init__()
        self.regions_per_image = regions_per_image
        self.max_detections = max_detections
        self.min_score = min_score
        self.chunk = chunk
        self.classes = nn.Linear(neck.vector_width, num_classes + 1)
        self.boxes = nn.Linear(neck.vector_width, 4 * num_classes)
        nn.init.normal_(self.classes.weight, std=0.01)
        nn.init.normal_(self.boxes.weight, std=0.001)
        nn.init.zeros_(self.classes.bias)
        nn.init.zeros_(self.boxes.bias)
        self.masks = None
        if masks:
            self.masks = MaskRCNNPredictor(neck.mask_width, _MASK_WIDTH, num_classes)
            nn.init.normal_(self.masks.mask_fcn_logits.weight, std=0.001)
            nn.init.zeros_(self.masks.mask_fcn_logits.bias)
            nn.init.zeros_(self.masks.conv5_mask.bias)

    def losses(
        self,
        neck: C4Neck | FPNNeck,
        backbone: Backbone,
        maps: Sequence[Tensor],
        proposals: Sequence[Tensor],
        truths: Sequence[Truth],
        masks: Sequence[Tensor],
    ) -> dict[str, Tensor]:
        """``loss_classifier``, ``loss_box_reg`` and, if there are masks, ``loss_mask``.

        Args:
            neck: as in the constructor.
            backbone: that of the neck.
            maps: of the neck.
            proposals: of each image, ``(P, 4)``.
            truths: of each image.
            masks: of each image, ``(N, H, W)`` bool; not read if there are no masks to predict.
        """
        regions = self.draw(proposals, truths)
        vectors, shared = neck.box_features(backbone, maps, regions.rois)
        foreground = regions.foreground
        rois = regions.rois[foreground]
        targets = encode(regions.boxes, rois[:, 1:], ROI_WEIGHTS)
        class_loss, box_loss = box_losses(
            self.classes(vectors), self.boxes(vectors), regions.labels, targets, foreground
        )
        losses = {"loss_classifier": class_loss, "loss_box_reg": box_loss}
        if self.masks is not None:
            features = (
                neck.mask_features(backbone, maps, rois) if shared is None else shared[foreground]
            )
            logits = self.masks(features)  # (F, K, M, M)
            cells = mask_targets(masks, rois, regions.objects, logits.shape[-1])
            losses["loss_mask"] = mask_loss(logits, regions.labels[foreground] - 1, cells)
        return losses

    @torch.no_grad()
    def draw(self, proposals: Sequence[Tensor], truths: Sequence[Truth]) -> Regions:
        """The regions that the losses see, of each image the foreground first."""
        boxes, labels, objects = [], [], []
        for proposed, truth in zip(proposals, truths, strict=True):
            candidates = torch.cat([proposed, truth.boxes])
            matched = match(truth, candidates, _IOU, _IOU, keep_best=False)
            label = truth.labels[matched] * (matched >= 0)
            fits = has_area(candidates)
            fits[len(proposed) :] &= truth.usable
            boxes.append(candidates)
            labels.append(label.masked_fill(~fits, IGNORED))
            objects.append(matched)
        all_boxes = pad_sequence(boxes, batch_first=True)
        all_labels = pad_sequence(labels, batch_first=True, padding_value=IGNORED)
        all_objects = pad_sequence(objects, batch_first=True)
        count = self.regions_per_image
        rows, num_positive, num_drawn = sample(all_labels, count, int(count * _FOREGROUND_SHARE))
        # The one wait: later sizes follow from these numbers.
        numbers: list[list[int]] = torch.stack([num_positive, num_drawn], dim=1).tolist()
        rois, kept_labels, foreground, kept_objects, kept_boxes, start = [], [], [], [], [], 0
        for image, (positive, drawn) in enumerate(numbers):
            row = rows[image, :drawn]
            box = all_boxes[image, row]
            rois.append(torch.cat([torch.full_like(box[:, :1], image), box], dim=1))
            kept_labels.append(all_labels[image, row])
            foreground.append(torch.arange(start, start + positive, device=rows.device))
            kept_objects.append(all_objects[image, row[:positive]])
            kept_boxes.append(truths[image].boxes[kept_objects[-1]])
            start += drawn
        return Regions(
            torch.cat(rois),
            torch.cat(kept_labels),
            torch.cat(foreground),
            torch.cat(kept_objects),
            torch.cat(kept_boxes),
        )

    def detect(
        self,
        neck: C4Neck | FPNNeck,
        backbone: Backbone,
        maps: Sequence[Tensor],
        proposals: Sequence[Tensor],
        sizes: Tensor,
    ) -> list[Detections]:
        """The detections of each image, best first; masks are cells inside the box.

        Args:
            neck: as in the constructor.
            backbone: that of the neck.
            maps: of the neck.
            proposals: of each image, ``(P, 4)``.
            sizes: ``(B, 2)`` height and width of each image without padding.
        """
        scores, offsets = [], []
        for part in as_rois(proposals).split(self.chunk):
            vectors, _ = neck.box_features(backbone, maps, part)
            scores.append(self.classes(vectors).float().softmax(dim=1)[:, 1:])
            offsets.append(self.boxes(vectors).float().unflatten(1, (-1, 4)))
        counts = [len(boxes) for boxes in proposals]
        detections = [
            self._suppress(*image)
            for image in zip(
                proposals,
                torch.cat(scores).split(counts),
                torch.cat(offsets).split(counts),
                sizes,
                strict=True,
            )
        ]
        if self.masks is None:
            return detections
        return self._add_masks(neck, backbone, maps, detections)

    def _suppress(
        self, proposals: Tensor, scores: Tensor, offsets: Tensor, size: Tensor
    ) -> Detections:
        rows, labels = (scores > self.min_score).nonzero(as_tuple=True)
        boxes = clip(decode(offsets[rows, labels], proposals[rows], ROI_WEIGHTS), size)
        score = scores[rows, labels]
        usable = has_area(boxes)
        boxes, score, labels = boxes[usable], score[usable], labels[usable]
        best = batched_nms(boxes, score, labels, _NMS)[: self.max_detections]
        return Detections(boxes[best], labels[best], score[best], None)

    def _add_masks(
        self,
        neck: C4Neck | FPNNeck,
        backbone: Backbone,
        maps: Sequence[Tensor],
        detections: Sequence[Detections],
    ) -> list[Detections]:
        assert self.masks is not None
        rois = as_rois([d.boxes for d in detections])
        labels = torch.cat([d.labels for d in detections])
        cells = []
        for roi, label in zip(rois.split(self.chunk), labels.split(self.chunk), strict=True):
            logits = self.masks(neck.mask_features(backbone, maps, roi))
            rows = torch.arange(len(label), device=label.device)
            cells.append(logits[rows, label].float().sigmoid())
        parts = torch.cat(cells).split([len(d.boxes) for d in detections])
        return [d._replace(masks=part) for d, part in zip(detections, parts, strict=True)]


def as_rois(boxes: Sequence[Tensor]) -> Tensor:
    """Boxes of each image as rows of image index and box: ``(R, 5)``."""
    rows = [
        torch.cat([torch.full_like(part[:, :1], image), part], dim=1)
        for image, part in enumerate(boxes)
    ]
    return torch.cat(rows)
