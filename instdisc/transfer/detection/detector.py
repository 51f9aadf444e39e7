"""Faster R-CNN and Mask R-CNN on any ResNet.

Legend: B batch, N objects of an image, K classes, H x W size of the batch's images.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from instdisc.checks import checked_call, positive, refuse, whole

from ...models import Backbone
from ...types import Detections, Objects
from .anchors import Anchors
from .body import check_backbone, freeze
from .matching import as_truth
from .neck_c4 import C4Neck
from .neck_fpn import FPNNeck
from .norms import Norm, set_norm
from .proposals import ProposalCounts, ProposalNetwork
from .roi_heads import RoIHeads


class Detector(nn.Module):
    """Finds objects: their class, box and, if wanted, mask.

    In training it gives losses, in evaluation detections. It works on a copy of `backbone`, whose
    weights it starts from bit for bit; `backbone` itself stays as it is.

    Args:
        backbone: a timm ResNet, e.g. ``Backbone("resnet50")``.
        num_classes: K, without the background.
        masks: also predict masks (Mask R-CNN instead of Faster R-CNN).
        neck: ``"c4"``: conv1 to layer3 are the body, layer4 is the head of each region (the papers'
            R50-C4). ``"fpn"``: a feature pyramid on all stages.
        norm: of the backbone and the new layers. ``"sync"``: batch norm over all processes, as in
            the papers; needs GPUs when there are several processes. ``"plain"``: over the images
            of one process. ``"frozen"``: the backbone's stored statistics, scale and shift.
        freeze_parts: of the backbone that stay as they are: 0 none, as in the papers; 1 the stem;
            2 the stem and layer1; ... 5 everything.
        anchor_sizes: sides of the anchors in pixels, fine to coarse; each stands for three
            anchors (ratios 0.5, 1, 2). With ``"fpn"`` one per map, five in all. ``None``: 32, 64,
            128, 256, 512.
        counts: proposals to keep. ``None``: 12000 to 2000 in training and 6000 to 1000 in
            evaluation; with ``"fpn"`` 2000 to 1000 and 1000 to 1000.
        regions_per_image: that the losses see, at most a quarter of them foreground.
        max_detections: of an image.
        min_score: of a detection.
        chunk: regions that pass the head at once in evaluation; bounds the memory.

    Attributes:
        backbone: the copy.
        spec: the arguments that build this detector again on a backbone of the same kind.

    Raises:
        TypeError: if `backbone` is no `Backbone`.
        ValueError: if an argument breaks a rule above.

    Source:
        Ren et al., "Faster R-CNN" (2015); He et al., "Mask R-CNN" (2017); He et al., "MoCo" (2020)
        for the C4 recipe, in detectron2's settings. Differs from `torchvision.models.detection`:
        anchors are not rounded and stand at fixed strides, RoIAlign is aligned, box losses are
        plain L1, masks are predicted from the features of the boxes, images come resized and
        normalised, and boxes without area are passed over.

    Example:
        >>> detector = Detector(Backbone("test_resnet"), 3).eval()
        >>> (found,) = detector(torch.zeros(1, 3, 64, 64), torch.tensor([[64, 48]]))
        >>> found.boxes.shape[1], found.masks
        (4, None)
    """

    @checked_call(counts=whole, anchor_sizes=positive, max_detections=whole, chunk=whole)
    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        *,
        masks: bool = False,
        neck: Literal["c4", "fpn"] = "c4",
        norm: Norm = "sync",
        freeze_parts: int = 0,
        anchor_sizes: Sequence[float] | None = None,
        counts: ProposalCounts | Sequence[int] | None = None,
        regions_per_image: int = 512,
        max_detections: int = 100,
        min_score: float = 0.05,
        chunk: int = 128,
    ) -> None:
        super().__init__()
        check_backbone(backbone)
        if counts is not None and len(counts) != len(ProposalCounts._fields):
            refuse("counts", f"{len(ProposalCounts._fields)} numbers", counts)
        self.spec: dict[str, Any] = {
            "num_classes": num_classes,
            "masks": masks,
            "neck": neck,
            "norm": norm,
            "freeze_parts": freeze_parts,
            "anchor_sizes": None if anchor_sizes is None else list(anchor_sizes),
            "counts": None if counts is None else list(counts),
            "regions_per_image": regions_per_image,
            "max_detections": max_detections,
            "min_score": min_score,
            "chunk": chunk,
        }
        self.backbone = copy.deepcopy(backbone)
        set_norm(self.backbone, norm)
        freeze(self.backbone, freeze_parts)
        self.neck: C4Neck | FPNNeck
        if neck == "c4":
            self.neck = C4Neck(self.backbone, norm)
        else:
            self.neck = FPNNeck(self.backbone, norm, masks)
        anchors = Anchors(_anchor_sizes(self.neck, anchor_sizes), self.neck.strides)
        kept = self.neck.counts if counts is None else ProposalCounts(*counts)
        self.rpn = ProposalNetwork(self.neck.width, anchors, kept)
        self.heads = RoIHeads(
            self.neck,
            num_classes,
            masks=masks,
            regions_per_image=regions_per_image,
            max_detections=max_detections,
            min_score=min_score,
            chunk=chunk,
        )

    def forward(
        self, images: Tensor, sizes: Tensor, objects: Sequence[Objects] | None = None
    ) -> dict[str, Tensor] | list[Detections]:
        """Losses in training, detections in evaluation.

        Args:
            images: ``(B, 3, H, W)`` float, normalised as the backbone was trained, zeros where
                there is no image. Any H and W.
            sizes: ``(B, 2)`` int64 height and width of each image without padding.
            objects: of each image, in pixels of `images`; in training. Crowds, and boxes without
                area, are neither object nor background's foe: nothing is learnt from them. An
                image without objects is all background. In evaluation they are not looked at.

        Returns:
            In training float32 scalars, whose sum is to be minimised: ``loss_objectness``,
            ``loss_rpn_box_reg``, ``loss_classifier``, ``loss_box_reg`` and, with masks,
            ``loss_mask``. In evaluation the `Detections` of each image, in pixels of `images`;
            their masks are ``(N, 14, 14)`` (C4) or ``(N, 28, 28)`` (FPN) probabilities
            inside the box, for `paste_masks`.

        Raises:
            TypeError: if `images` is not float.
            ValueError: if `sizes` or `objects` do not fit `images`, or masks are missing.
        """
        self._check(images, sizes, objects)
        sizes = sizes.to(images.device)
        if not self.training:
            with torch.no_grad():
                maps = self.neck.maps(self.backbone, images)
                proposals, _ = self.rpn(maps, sizes)
                return self.heads.detect(self.neck, self.backbone, maps, proposals, sizes)
        assert objects is not None
        truths = [as_truth(image) for image in objects]
        maps = self.neck.maps(self.backbone, images)
        proposals, losses = self.rpn(maps, sizes, truths)
        masks = [image.masks for image in objects if image.masks is not None]
        regions = self.heads.losses(self.neck, self.backbone, maps, proposals, truths, masks)
        return {**losses, **regions}

    def _check(self, images: Tensor, sizes: Tensor, objects: Sequence[Objects] | None) -> None:
        if not images.is_floating_point():
            raise TypeError(
                f"`images` must be float and normalised, got {images.dtype}. "
                "Divide by 255, subtract the mean and divide by the deviation first."
            )
        if sizes.shape != (len(images), 2):
            raise ValueError(
                f"`sizes` must be (B, 2) = ({len(images)}, 2), got {tuple(sizes.shape)}"
            )
        if not self.training:
            return
        if objects is None or len(objects) != len(images):
            got = "None" if objects is None else str(len(objects))
            raise ValueError(
                f"`objects` must be one per image in training, {len(images)} in all, got {got}. "
                "Call detector.eval() for detections."
            )
        if self.spec["masks"] and any(image.masks is None for image in objects):
            raise ValueError(
                "`objects` must have masks for Mask R-CNN, got an image without them. "
                "Use masks=False, or data with masks."
            )


def _anchor_sizes(
    neck: C4Neck | FPNNeck, sizes: Sequence[float] | None
) -> Sequence[Sequence[float]]:
    """The sizes of each map."""
    if sizes is None:
        return neck.anchor_sizes
    if not sizes or min(sizes) <= 0:
        raise ValueError(f"`anchor_sizes` must be positive sizes in pixels, got {list(sizes)}")
    if isinstance(neck, C4Neck):
        return [sizes]
    if len(sizes) != len(neck.strides):
        raise ValueError(
            f"`anchor_sizes` must be {len(neck.strides)} sizes with neck='fpn', one for each map, "
            f"got {list(sizes)}"
        )
    return [[size] for size in sizes]
