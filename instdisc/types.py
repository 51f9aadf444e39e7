"""The few types that cross a border between parts of the library.

Legend: B batch, K queue length, D width, V views, N objects, C classes, H x W size of an image,
P points, S side of a square view.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from torch import Tensor

from .checks import checked_call, count, positive, whole

_NOTHING: Mapping[str, Any] = {}  # plain, so that what holds it can be pickled and copied
UNKNOWN_LABEL = -1
IGNORED_CLASS = 255  # of a pixel that neither trains nor counts


class Views(NamedTuple):
    """A batch of views: what data hands to a method.

    Any tuple that begins ``(sequence of tensors, labels)`` works in its place, so lightly's
    loaders do.

    Attributes:
        images: V tensors ``(B, 3, H, W)``, float, normalised; ``images[v][b]`` is view v of
            image b.
        labels: ``(B,)`` int64 class indices; ``-1`` where the class is unknown.
        indices: ``(B,)`` int64 positions in the data set.
    """

    images: list[Tensor]
    labels: Tensor
    indices: Tensor


class Bank(NamedTuple):
    """Stored keys: what a queue hands to a loss.

    Attributes:
        features: ``(K, D)`` float, one unit-length key per row.
        labels: ``(K,)`` int64 class of each key; ``-1`` where it is unknown.
    """

    features: Tensor
    labels: Tensor


class Objects(NamedTuple):
    """What is in one image: what data hands to a detector as the truth.

    Attributes:
        boxes: ``(N, 4)`` float32 left, top, right, bottom in pixels. Pixel i spans i to i + 1, so
            a box's width is right - left.
        labels: ``(N,)`` int64 classes, 0 to C - 1; the background has none.
        masks: ``(N, H, W)`` bool, or ``None`` where the data set has no masks.
        difficult: ``(N,)`` bool; trained on, and ignored by the evaluation (PASCAL VOC).
        crowd: ``(N,)`` bool; one box or mask around many objects, which is left out of training
            and ignored by the evaluation (COCO).
    """

    boxes: Tensor
    labels: Tensor
    masks: Tensor | None
    difficult: Tensor
    crowd: Tensor


class ObjectBatch(NamedTuple):
    """Images with their objects: what data hands to a detector.

    Attributes:
        images: ``(B, 3, H, W)`` uint8 RGB; each is resized, and padded on the right and below.
        sizes: ``(B, 2)`` int64 height and width of each image without the padding.
        objects: of each image, in its pixels as they stand in `images`; masks are
            ``(N, H, W)`` with the padding.
        indices: ``(B,)`` int64 positions in the data set.
        original_sizes: ``(B, 2)`` int64 height and width before the resizing.
    """

    images: Tensor
    sizes: Tensor
    objects: list[Objects]
    indices: Tensor
    original_sizes: Tensor


class Detections(NamedTuple):
    """What a detector finds in one image, best first.

    Attributes:
        boxes: ``(N, 4)`` float32 as in `Objects`.
        labels: ``(N,)`` int64 classes, 0 to C - 1.
        scores: ``(N,)`` float32 between 0 and 1.
        masks: ``(N, H, W)`` bool, or ``None``.
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor
    masks: Tensor | None


class SegmentBatch(NamedTuple):
    """Images with a class for each pixel: what data hands to a segmenter.

    Attributes:
        images: ``(B, 3, H, W)`` uint8 RGB; each is padded on the right and below.
        masks: ``(B, H, W)`` uint8 classes, 0 to C - 1; 255 = ignored, as the padding is.
        sizes: ``(B, 2)`` int64 height and width of each image without the padding.
        indices: ``(B,)`` int64 positions in the data set.
    """

    images: Tensor
    masks: Tensor
    sizes: Tensor
    indices: Tensor


class LandmarkBatch(NamedTuple):
    """Views of images with their points: what data hands to a landmark model.

    Points that lie outside keep their place: they are masked, never clamped.

    Attributes:
        images: ``(B, 3, S, S)`` float, normalised; or ``(B, ...)`` features of such views.
        points: ``(B, P, 2)`` float32 x, y in pixels of the view, where pixel i spans i to i + 1.
        inside: ``(B, P)`` bool, whether a point is to be learnt from: it counts (next line) and
            the view shows its place.
        visible: ``(B, P)`` bool, whether a point counts for the score: its place is in the image,
            and the data set does not call it hidden.
        boxes: ``(B, 4)`` float32 left, top, right, bottom of what the view shows, in pixels of the
            image; it may reach beyond the image.
        indices: ``(B,)`` int64 positions in the data set.
    """

    images: Tensor
    points: Tensor
    inside: Tensor
    visible: Tensor
    boxes: Tensor
    indices: Tensor


ImageSize = int | tuple[int, int]  # the side of a square in pixels, or height and width


@checked_call(size=whole, std=positive, crop=positive)
class InputSpec(NamedTuple):
    """How a backbone was trained to see images; whatever uses it shows them so.

    Attributes:
        size: side of the view in pixels; ``(height, width)`` where it is no square.
        mean: of the normalisation, per channel, for images in [0, 1].
        std: likewise.
        interpolation: ``"bilinear"`` or ``"bicubic"``, both with antialias.
        crop: side of the view over the short side of the resized image: 0.875 is 224 of 256; of
            both sides where the view is no square.

    Example:
        >>> InputSpec().mean
        (0.485, 0.456, 0.406)
    """

    size: ImageSize = 224
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    crop: float = 0.875


@checked_call(parameters=count)
class About(NamedTuple):
    """Whose result something is, and on what; it travels with backbones and features.

    Attributes:
        method: what tables call it; ``""`` for nothing but the architecture.
        checkpoint: the file that the weights came from, as long as they are those of the file.
        pretraining: how the backbone was pretrained, as its file tells, e.g. ``"MoCoModule"``.
        architecture: e.g. ``"resnet50"``.
        parameters: of the backbone.
        weights: hash of architecture, weights and statistics.
        dataset: the test set's name.
        view: how images were shown: size, resize, normalisation and so on; JSON values.

    Example:
        >>> About("MoCo", architecture="resnet18").update(About(dataset="scenes")).dataset
        'scenes'
    """

    method: str = ""
    checkpoint: str = ""
    pretraining: str = ""
    architecture: str = ""
    parameters: int = 0
    weights: str = ""
    dataset: str = ""
    view: Mapping[str, Any] = _NOTHING

    def update(self, other: About | None) -> About:
        """This with all that `other` says."""
        return self._replace(**{} if other is None else other.said)

    @property
    def said(self) -> dict[str, Any]:
        """The fields that say something."""
        return {name: value for name, value in self._asdict().items() if value}


@checked_call(n=count, parameters=count, job_records=count)
class Record(NamedTuple):
    """One result: what a task hands to a report, one JSON line each.

    Attributes:
        task: what was done, e.g. ``"knn"``.
        dataset: on what, e.g. ``"scenes"``.
        metric: what ``value`` is, e.g. ``"top-1"``.
        value: the result, in ``unit``.
        low: lower end of its 95 % interval in ``unit``; ``None`` if there is none.
        high: upper end, likewise.
        interval: what the interval is, e.g. ``"Wilson, 600 images"``; ``""`` if there is none.
        n: images, episodes or whatever the value is computed from; 0 if unknown.
        unit: e.g. ``"%"``.
        higher_is_better: which way is better.
        method: what tables call the backbone, e.g. ``"MoCo"`` or ``"random"``.
        checkpoint: the file it came from, or ``""``.
        pretraining: how it was pretrained, as its file tells; ``""`` if it does not.
        architecture: e.g. ``"resnet50"``.
        parameters: of the backbone; 0 if unknown.
        weights: hash of architecture and weights; ``""`` if unknown.
        view: how images were shown: size, resize, normalisation.
        seed: the task's random seed.
        seconds: wall-clock time the task took.
        settings: everything else needed to repeat it; JSON values only.
        versions: of instdisc and torch.
        date: when, in UTC, ISO 8601.
        device: on what it was computed.
        job: key of the run that it is of, by which its predictions are found; ``""`` if it has
            none.
        job_records: how many records that run has.

    Example:
        >>> record = Record("knn", "scenes", "top-1", 71.5, low=70.3, high=72.7, n=600)
        >>> Record.from_json(record.to_json()) == record, round(record.ci, 1)
        (True, 1.2)
    """

    task: str
    dataset: str
    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    interval: str = ""
    n: int = 0
    unit: str = "%"
    higher_is_better: bool = True
    method: str = ""
    checkpoint: str = ""
    pretraining: str = ""
    architecture: str = ""
    parameters: int = 0
    weights: str = ""
    view: Mapping[str, Any] = _NOTHING
    seed: int = 0
    seconds: float = 0.0
    settings: Mapping[str, Any] = _NOTHING
    versions: Mapping[str, str] = _NOTHING
    date: str = ""
    device: str = ""
    job: str = ""
    job_records: int = 0

    @property
    def ci(self) -> float | None:
        """Half of what lies between the ends of the interval, or ``None``."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    def to_json(self) -> str:
        """The record as one line of JSON.

        Raises:
            TypeError: if a field is of another type, or holds what JSON has not, such as a tensor.
            ValueError: if a number is not finite: JSON has none, and a record is no place for it.
        """
        fields = self._asdict()
        _check_kinds(fields, TypeError)
        for name in _MAPPINGS:
            fields[name] = dict(fields[name])
        try:
            return json.dumps({"format": _RECORD_FORMAT, **fields}, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise type(error)(
                f"a record must hold finite numbers and JSON values, got {self.metric!r} of "
                f"{self.task!r} on {self.dataset!r} with {self.value} in {self.low} to "
                f"{self.high} ({error})"
            ) from error

    @classmethod
    def from_json(cls, line: str) -> Record:
        """Reads what `to_json` wrote, here or in release 0.1.0.

        Raises:
            ValueError: if the line is not JSON, or its fields are not those of a record in name
                and type.
        """
        fields = json.loads(line)
        if isinstance(fields, dict) and set(fields) == _FIRST_FIELDS:
            return _from_first_form(fields)
        form = fields.pop("format", None) if isinstance(fields, dict) else None
        if isinstance(form, int) and form > _RECORD_FORMAT:
            raise ValueError(
                f"`line` must be a record of form {_RECORD_FORMAT} or an earlier one, got form "
                f"{form}. A later release wrote it: update instdisc."
            )
        if form != _RECORD_FORMAT or set(fields) != set(cls._fields):
            raise ValueError(
                f"`line` must be a JSON object with the fields {list(cls._fields)}, "
                f"got {line[:200]!r}"
            )
        _check_kinds(fields, ValueError)
        return cls(**fields)


_RECORD_FORMAT = 2
_MAPPINGS = ("view", "settings", "versions")
_NUMBERS = ("value", "seconds", "n", "parameters", "seed", "job_records")
_PERHAPS = ("low", "high", "ci")  # numbers or None
# Of release 0.1.0, which did not say which way is better.
_FIRST_FIELDS = {
    *("task", "dataset", "metric", "value", "ci", "unit"),
    *("method", "checkpoint", "seed", "seconds", "settings"),
}
_FIRST_LOWER = {"ECE", "NME", "failures above 8 %", "failures above 10 %"}


def _check_kinds(fields: Mapping[str, Any], kind: type[Exception]) -> None:
    """Refuses what would make the record unreadable."""
    for name, value in fields.items():
        if name in _MAPPINGS:
            rule, fits = "a mapping", isinstance(value, Mapping)
        elif name == "higher_is_better":
            rule, fits = "True or False", isinstance(value, bool)
        elif name in (*_NUMBERS, *_PERHAPS):
            fits = isinstance(value, int | float) and not isinstance(value, bool)
            rule, fits = "a number", fits or (name in _PERHAPS and value is None)
        else:
            rule, fits = "a text", isinstance(value, str)
        if not fits:
            raise kind(f"a record must hold {rule} as `{name}`, got {value!r}")


def _from_first_form(fields: dict[str, Any]) -> Record:
    _check_kinds(fields, ValueError)
    half = fields.pop("ci")
    settings = fields.pop("settings")
    count = settings.get("test") or settings.get("episodes") or 0
    return Record(
        low=None if half is None else fields["value"] - half,
        high=None if half is None else fields["value"] + half,
        interval="" if half is None else settings.get("interval", "normal, of release 0.1.0"),
        n=count if isinstance(count, int) else 0,
        higher_is_better=fields["metric"] not in _FIRST_LOWER,
        job=settings.get("job", ""),
        job_records=settings.get("job_records", 0),
        settings={k: v for k, v in settings.items() if k not in ("job", "job_records")},
        versions={"instdisc": "0.1.0"},
        **fields,
    )
