"""Features on disk, found again by what they were computed from.

Legend: N images, D width.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from instdisc.checks import checked_call
from instdisc.data import (
    ImageSource,
    ViewPolicy,
    evaluation_policy,
    image_names,
)
from instdisc.locking import hold_lock
from instdisc.models import Backbone
from instdisc.types import About, ImageSize
from instdisc.writing import write_atomically

from .extract import Features, Precision, extract_features, features_about

_FORMAT = 3  # another number if the same inputs come to give other features
_log = logging.getLogger(__name__)


@checked_call()
def cached_features(
    backbone: Backbone,
    images: ImageSource,
    *,
    folder: str | Path,
    image_size: ImageSize | None = None,
    batch_size: int = 256,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
    policy: ViewPolicy | None = None,
    precision: Precision = "32-true",
) -> Features:
    """`extract_features`, kept in a file for the next time.

    The file is named by a hash of the weights and the architecture, of the images with their
    labels (`ImageSource.fingerprint`) and of the view. If any of these changes, the features are
    computed anew. The file is written beside its place and renamed; one that is damaged is computed
    again, with a line in the log. Of several processes that ask at once, one computes and the
    others wait for it.

    Args:
        backbone: that computes them; frozen, in eval mode.
        images: whose features.
        folder: of the files; it is made if need be.
        image_size: at which images are shown, in pixels; see `extract_features`.
        batch_size: images at a time; not part of the hash.
        num_workers: processes that read; not part of the hash.
        device: that computes; not part of the hash.
        policy: how images are shown; see `extract_features`.
        precision: of the computation; part of the hash.

    Raises:
        ValueError: see `extract_features`.

    Example:
        >>> import os
        >>> from tempfile import TemporaryDirectory
        >>> from instdisc.data import Scenes
        >>> backbone, scenes = Backbone("test_resnet"), Scenes(4, image_size=32)
        >>> with TemporaryDirectory() as folder:
        ...     first, again = (
        ...         cached_features(backbone, scenes, folder=folder, image_size=32)
        ...         for _ in range(2)
        ...     )
        ...     len(os.listdir(folder)), torch.equal(first.features, again.features)
        (1, True)
    """
    policy = policy or evaluation_policy(image_size, seen=backbone.input)
    about = features_about(backbone, images, policy, precision)
    parts = {
        "format": str(_FORMAT),
        "weights": about.weights,
        "images": images.fingerprint().digest,
        "view": json.dumps(dict(about.view), sort_keys=True),
    }
    name = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
    path = Path(folder) / f"{name}.safetensors"
    stored = _read(path, images, about)
    if stored is not None:
        return stored
    path.parent.mkdir(parents=True, exist_ok=True)
    seen = _time_of(path)
    with hold_lock(path, tidy=True):
        if _time_of(path) != seen:  # another process wrote it meanwhile
            stored = _read(path, images, about)
        if stored is None:
            stored = extract_features(
                backbone,
                images,
                batch_size=batch_size,
                num_workers=num_workers,
                device=device,
                policy=policy,
                precision=precision,
            )
            _write(path, stored, images, {**parts, "set": f"{images.name}, {len(images)} images"})
    return stored


def _time_of(path: Path) -> int:
    """When it was written; 0 if it is not there."""
    return path.stat().st_mtime_ns if path.is_file() else 0


def _checksum(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.contiguous().reshape(-1).view(torch.uint8)
        digest.update(memoryview(flat.numpy()))  # type: ignore[arg-type]  # numpy 1's types
    return digest.hexdigest()


def _read(path: Path, images: ImageSource, about: About) -> Features | None:
    if not path.exists():
        return None
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in ("features", "labels", "rows")}
            checksum = (file.metadata() or {}).get("checksum")
        if _checksum(tensors) != checksum:
            raise ValueError("its checksum is wrong")
    except (safetensors.SafetensorError, ValueError, OSError) as error:
        _log.warning("features are computed again: %s is damaged (%s)", path, error)
        return None
    # The names are those of these images: a copy of the set may have others.
    names = image_names(images)
    shown = [names[row] for row in tensors["rows"].tolist()]
    return Features(tensors["features"], tensors["labels"], shown, about)


def _write(path: Path, stored: Features, images: ImageSource, parts: dict[str, str]) -> None:
    places: dict[str, int] = {}
    for place, name in enumerate(image_names(images)):
        places.setdefault(name, place)
    tensors = {
        "features": stored.features.contiguous(),
        "labels": stored.labels.contiguous(),
        "rows": torch.tensor([places[name] for name in stored.names]),
    }
    about = {**parts, "checksum": _checksum(tensors)}
    write_atomically(path, lambda file: safetensors.torch.save_file(tensors, file, about))
