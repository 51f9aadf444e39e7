"""Small pictures of predicted classes for a report: the same test images for every segmenter.

Legend: H x W size of an image.
"""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor

from instdisc.data import SegmentSource, image_names
from instdisc.types import IGNORED_CLASS

from ..thumbnails import NUM_SHOWN, picture_columns, spread_order
from .module import Segmenter
from .pictures import colored

_ALPHA = 0.65  # of the colour of a class; the image is the rest
_NAMED = 4  # classes that words name


def shown_columns(
    module: Segmenter, segments: SegmentSource, positions: Tensor, longest: int
) -> dict[str, Any]:
    """Truth and prediction of a few test images, see `picture_columns`; they are predicted anew.

    Args:
        module: after a test.
        segments: the test set.
        positions: ``(N,)`` int64 of the images that were tested.
        longest: side of a picture in pixels.

    Returns:
        Nothing where a strategy shards the weights: this process cannot predict alone.
    """
    strategy = module.trainer.strategy
    if module.trainer.world_size > 1 and type(strategy) is not DDPStrategy:
        return {}
    names = image_names(segments)
    tested = [names[position] for position in positions.tolist()]
    chosen = [int(positions[place]) for place in spread_order(tested)[:NUM_SHOWN]]
    truths, predictions = [], []
    labels: set[int] = set()
    before, was_training = module.device, module.training
    module.to(strategy.root_device).eval()  # a run ends on the CPU
    for position in chosen:
        image, mask = segments.pair(position)
        predicted = module.predict_classes(image[None].to(module.device))[0].cpu()
        labels.update(mask.unique().tolist(), predicted.unique().tolist())
        truths.append((_laid_over(image, mask, segments.colors), _words(mask, segments)))
        counts = mask != IGNORED_CLASS
        share = 100 * float((predicted == mask)[counts].float().mean()) if bool(counts.any()) else 0
        words = f"{share:.0f} % of the pixels right; {_words(predicted, segments)}"
        predictions.append((_laid_over(image, predicted, segments.colors), words))
    module.to(before).train(was_training)
    key = {
        segments.classes[k]: segments.colors[k].tolist() for k in sorted(labels - {IGNORED_CLASS})
    }
    return picture_columns([names[place] for place in chosen], truths, predictions, longest, key)


def _laid_over(image: Tensor, mask: Tensor, colors: Tensor) -> Tensor:
    over = colored(mask, colors).permute(2, 0, 1).float()
    return ((1 - _ALPHA) * image.float() + _ALPHA * over).round().to(torch.uint8)


def _words(mask: Tensor, segments: SegmentSource) -> str:
    """The largest classes, e.g. ``"road 62 %, sky 21 %"``."""
    counts = mask[mask != IGNORED_CLASS].flatten().long().bincount(minlength=1)
    largest = counts.argsort(descending=True, stable=True)[:_NAMED].tolist()
    total = max(1, int(counts.sum()))
    shares = [(segments.classes[k], 100 * int(counts[k]) / total) for k in largest]
    return ", ".join(f"{name} {share:.0f} %" for name, share in shares if share >= 1)
