"""A backbone with a classifier on top, trained or given, for test sets of any kind.

Legend: N images, D width, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from instdisc import checks
from instdisc.data import ImageSource
from instdisc.models import Backbone
from instdisc.transfer import Features, extract_features, fit_readout
from instdisc.transfer.labelled import count_classes

Head = Callable[[Tensor], Tensor]  # from features (N, D) to logits (N, C)


class Classifier:
    """A frozen backbone and a head.

    Args:
        backbone: see `extract_features`.
        train: its classes are those of the head, in their order; a readout learns from its images
            where there is no head.
        head: from features to logits; ``None``: see `fit_readout`.
        seed: of the readout.
        image_size: see `extract_features`.
        batch_size: images at once.
        num_workers: processes that read.
        device: where to compute.

    Attributes:
        num_classes: C.

    Example:
        >>> from instdisc.data import Scenes
        >>> images = Scenes(40, image_size=32, num_categories=2)
        >>> whole = Classifier(Backbone("test_resnet"), images, head=nn.Linear(96, 2),
        ...     image_size=32)
        >>> features, logits = whole.classify(images)
        >>> logits.shape
        torch.Size([40, 2])
    """

    def __init__(
        self,
        backbone: Backbone,
        train: ImageSource,
        *,
        head: Head | None = None,
        seed: int = 0,
        image_size: int | None = None,
        batch_size: int = 256,
        num_workers: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        self.num_classes = count_classes(train.labels, train.classes, "train")
        self._backbone = backbone
        self._keywords: dict[str, Any] = {
            "image_size": image_size,
            "batch_size": batch_size,
            "num_workers": num_workers,
            "device": device,
        }
        if head is None:
            readout = fit_readout(
                self.extract(train), num_classes=self.num_classes, seed=seed, device=device
            )
            head = readout.logits
        self._head: Head = head

    def extract(self, images: ImageSource) -> Features:
        """The features of images."""
        return extract_features(self._backbone, images, **self._keywords)

    def classify(self, images: ImageSource) -> tuple[Features, Tensor]:
        """The features of images and their ``(N, C)`` float32 logits, on the CPU.

        Raises:
            ValueError: if the head gives another shape, or what is not finite.
        """
        seen = self.extract(images)
        logits = self._logits(seen.features)
        shape = (len(seen.labels), self.num_classes)
        checks.shape("head", logits, shape, remedy="It gives a logit for each class of `train`.")
        return seen, checks.all_finite("head", logits, row="image")

    def _logits(self, features: Tensor) -> Tensor:
        head = self._head
        if not isinstance(head, nn.Module):
            return head(features).float().cpu()
        training = [module for module in head.modules() if module.training]
        place = next(iter(head.parameters()), features)
        try:
            with torch.no_grad():
                logits = head.eval()(features.to(place.device, place.dtype))
        finally:
            for module in training:
                module.training = True
        return logits.float().cpu()
