"""Features on disk, found again by what they were computed from.

Legend: N images, D width.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from instdisc.data import ImageFiles, ImageSource, ImageSubset, evaluation_policy
from instdisc.models import Backbone

from .extract import Features, extract_features

_FORMAT = 1  # another number if the same inputs come to give other features
_log = logging.getLogger(__name__)


def cached_features(
    backbone: Backbone,
    images: ImageSource,
    *,
    folder: str | Path,
    image_size: int = 224,
    batch_size: int = 256,
    num_workers: int = 0,
    device: str | torch.device = "cpu",
) -> Features:
    """`extract_features`, kept in a file for the next time.

    The file is named by a hash of the weights and the architecture, of the images (see
    `hash_images`) and of the transform: image size, resize, mean and standard deviation. If any
    of these changes, the features are computed anew. The file is written beside its place and
    renamed; one that is damaged is computed again, with a line in the log.

    Args:
        backbone: see `extract_features`, like the rest.
        images: whose features.
        folder: of the files; it is made if need be.
        image_size: see `extract_features`.
        batch_size: see `extract_features`; not part of the hash.
        num_workers: likewise.
        device: likewise.

    Raises:
        ValueError: see `extract_features`.

    Example:
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
    policy = evaluation_policy(image_size)
    about = {
        "format": str(_FORMAT),
        "weights": hash_weights(backbone),
        "data": f"{images.name}, {len(images)} images",
        "images": hash_images(images),
        "transform": json.dumps([vars(policy.frame), policy.mean, policy.std]),
    }
    name = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:32]
    path = Path(folder) / f"{name}.safetensors"
    found = _read(path)
    if found is None:
        found = extract_features(
            backbone,
            images,
            image_size=image_size,
            batch_size=batch_size,
            num_workers=num_workers,
            device=device,
        )
        _write(path, found, about)
    return found


def hash_weights(backbone: Backbone) -> str:
    """A hash of the architecture and of every weight and statistic."""
    digest = hashlib.sha256(json.dumps(backbone.spec, sort_keys=True, default=repr).encode())
    for name, tensor in sorted(backbone.state_dict().items()):
        _add(digest.update, name, tensor)
    return digest.hexdigest()


def hash_images(images: ImageSource) -> str:
    """A hash of the names, the order and the labels of the images, and of what they show.

    For an image in a file its path, size and time of change stand for what it shows. Images of
    other sources are read, so that two sets that differ in their pixels alone differ here too.

    Args:
        images: any source.

    Example:
        >>> from instdisc.data import Scenes
        >>> one, two = Scenes(4, image_size=32, seed=0), Scenes(4, image_size=32, seed=1)
        >>> hash_images(one) == hash_images(one), hash_images(one) == hash_images(two)
        (True, False)
    """
    about = [images.name, list(images.classes), images.on_unreadable]
    digest = hashlib.sha256(json.dumps(about).encode())
    _add(digest.update, "labels", images.labels)
    files = image_files(images)
    if files is None:
        for index in range(len(images)):
            _add(digest.update, "image", images.fetch(index)[1])
    for path in files or ():
        # A file that is gone is the reader's business, not the hash's.
        state = path.stat() if path.exists() else None
        stamp = (state.st_size, state.st_mtime_ns) if state else ()
        digest.update(json.dumps([str(path), *stamp]).encode())
    return digest.hexdigest()


def image_files(images: ImageSource) -> list[Path] | None:
    """The file of each image, absolute; ``None`` if the images are more than what files show."""
    if isinstance(images, ImageSubset) and type(images).read is ImageSubset.read:
        files = image_files(images.images)
        return None if files is None else [files[position] for position in images.positions]
    if isinstance(images, ImageFiles) and type(images).read is ImageFiles.read:
        root = images.root.absolute()
        return [root / path for path in images.paths]
    return None


def _add(update: Callable[[bytes | memoryview], None], name: str, tensor: Tensor) -> None:
    update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    update(memoryview(flat.view(torch.uint8).numpy()))  # type: ignore[arg-type]  # numpy 1's types


def _checksum(found: Features) -> str:
    digest = hashlib.sha256()
    for name, tensor in found._asdict().items():
        _add(digest.update, name, tensor)
    return digest.hexdigest()


def _read(path: Path) -> Features | None:
    if not path.exists():
        return None
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            found = Features(file.get_tensor("features"), file.get_tensor("labels"))
            checksum = (file.metadata() or {}).get("checksum")
        if _checksum(found) != checksum:
            raise ValueError("its checksum is wrong")
    except (safetensors.SafetensorError, ValueError, OSError) as error:
        _log.warning("features are computed again: %s is damaged (%s)", path, error)
        return None
    return found


def _write(path: Path, found: Features, about: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    tensors = {name: tensor.contiguous() for name, tensor in found._asdict().items()}
    try:
        safetensors.torch.save_file(tensors, partial, {**about, "checksum": _checksum(found)})
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
