"""A trained detector as a file, and back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from instdisc import checks
from instdisc.checks import checked_call
from instdisc.models import Backbone
from instdisc.version import __version__
from instdisc.writing import write_atomically

from ..normalisation import check_statistics
from .detector import Detector

_LAYOUT = "instdisc-detector"


@checked_call()
class SavedDetector(NamedTuple):
    """What `load_detector` gives.

    Attributes:
        detector: in eval mode; takes images that are normalised with `mean` and `std`.
        classes: names of its classes.
        category_ids: their numbers in the annotations it was trained on.
        mean: of the images in [0, 1], per channel.
        std: likewise.
    """

    detector: Detector
    classes: list[str]
    category_ids: list[int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@checked_call()
def export_detector(
    detector: Detector,
    path: str | Path,
    *,
    classes: Sequence[str],
    category_ids: Sequence[int],
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Path:
    """Writes a detector with all that is needed to use it elsewhere.

    The file is what torch.save makes of tensors, numbers and strings: it loads with
    ``weights_only=True``. There is no file in torchvision's or detectron2's layout of whole
    detectors: the same weights would give other boxes there (see `Detector`). The fine-tuned
    backbone alone goes to both by ``export_backbone(detector.backbone, path, format=...)``.

    Args:
        detector: the detector.
        path: the file; its folder is made if need be.
        classes: names of its classes.
        category_ids: their numbers in the annotations.
        mean: of the normalisation, per channel; ``None``: the backbone's.
        std: likewise.

    Returns:
        `path`.

    Raises:
        ValueError: if `classes` or `category_ids` are not as many as the detector has.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> detector = Detector(Backbone("test_resnet"), 2)
        >>> with TemporaryDirectory() as folder:
        ...     path = export_detector(detector, f"{folder}/detector.pt", classes=["cat", "dog"],
        ...         category_ids=[17, 18])
        ...     load_detector(path).classes
        ['cat', 'dog']
    """
    check_statistics(mean, std)
    for number in category_ids:
        checks.count("category_ids", number)
    path = checks.output_file("path", path)
    count = detector.spec["num_classes"]
    if not len(classes) == len(category_ids) == count:
        raise ValueError(
            f"`classes` and `category_ids` must be as many as the detector's {count}, got "
            f"{len(classes)} and {len(category_ids)}"
        )
    content = {
        "layout": _LAYOUT,
        "version": __version__,
        "backbone": detector.backbone.spec,
        "detector": detector.spec,
        "classes": list(classes),
        "category_ids": list(category_ids),
        "mean": list(detector.backbone.input.mean if mean is None else mean),
        "std": list(detector.backbone.input.std if std is None else std),
        "interpolation": detector.backbone.input.interpolation,
        "state_dict": {key: _plain(value) for key, value in detector.state_dict().items()},
    }
    return write_atomically(path, lambda file: torch.save(content, file))


@checked_call()
def load_detector(path: str | Path) -> SavedDetector:
    """Reads what `export_detector` wrote; runs no code from the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is none of these, or was damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"`path` must be a file of export_detector, got {str(path)!r}")
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if content["layout"] != _LAYOUT:
            raise ValueError(f"its layout is {content['layout']!r}")
        with torch.random.fork_rng(devices=[]):  # loading must not disturb a seeded run
            detector = Detector(Backbone(**content["backbone"]), **content["detector"])
        detector.load_state_dict(content["state_dict"])
        mean, std = (tuple(content[name]) for name in ("mean", "std"))
        seen = detector.backbone.input
        way = content.get("interpolation", seen.interpolation)  # release 0.1.0 did not say
        detector.backbone.input = seen._replace(mean=mean, std=std, interpolation=way)
        return SavedDetector(
            detector.eval(), content["classes"], content["category_ids"], mean, std
        )
    except (OSError, MemoryError):
        raise
    except Exception as error:  # torch.load raises almost anything for a file that is not its own
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"{path} is not a whole file of export_detector ({reason}). Export it again."
        ) from error


def _plain(value: Tensor) -> Tensor:
    return value.detach().cpu().clone(memory_format=torch.contiguous_format)
