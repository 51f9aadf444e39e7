"""Which weights these are, and how they see images."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch
from torch import nn

from instdisc.types import ImageSize, InputSpec

_OF_THE_START = {"zero_init_last"}  # options that draw the first weights and do no more


def hash_weights(net: nn.Module, spec: dict[str, Any]) -> str:
    """A hash of an architecture and of every weight and statistic of a network.

    It is of the tensors, not of a file: equal weights give one hash, however they are stored and
    wherever they lie. Counters of batches are left out, as no feature depends on them; so are how
    the weights were drawn at first, and the tag of a timm name, which only tells whose they are.

    Args:
        net: the network.
        spec: what builds its architecture.

    Returns:
        32 hexadecimal digits.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> hash_weights(layer, {}) == hash_weights(layer, {}) != hash_weights(nn.Linear(2, 2), {})
        True
    """
    spec = {name: value for name, value in spec.items() if name not in _OF_THE_START}
    if isinstance(spec.get("name"), str):
        spec["name"] = spec["name"].split(".")[0]
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True, default=repr).encode())
    for name, tensor in sorted(net.state_dict().items()):
        name = name.replace("_orig_mod.", "")  # torch.compile wraps it
        if name.endswith("num_batches_tracked"):
            continue
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(memoryview(flat.view(torch.uint8).numpy()))  # type: ignore[arg-type]  # numpy 1's types
    return digest.hexdigest()[:32]


def published_input(config: dict[str, Any]) -> InputSpec:
    """How timm says that published weights see images.

    Args:
        config: timm's ``pretrained_cfg``.

    Example:
        >>> published_input({"input_size": (3, 224, 224), "crop_pct": 0.9, "mean": (0.5,) * 3}).crop
        0.9
    """
    plain = InputSpec()
    interpolation = config.get("interpolation") or plain.interpolation
    size = config.get("input_size") or (3, plain.size, plain.size)
    return InputSpec(
        _size(size[-2:]),
        _three(config.get("mean"), plain.mean),
        _three(config.get("std"), plain.std),
        # "random" and "lanczos" of old training recipes: their tests were bicubic.
        "bilinear" if interpolation == "bilinear" else "bicubic",
        float(config.get("crop_pct") or plain.crop),
    )


def fixed_size(net: Any, config: dict[str, Any]) -> ImageSize | None:
    """The size in pixels that a network was built for; ``None`` if it is all the same to it."""
    sizes = getattr(getattr(net, "patch_embed", None), "img_size", None)
    if sizes is not None:
        return _size(sizes)
    return _size(config["input_size"][-2:]) if config.get("fixed_input_size") else None


def input_from_json(fields: dict[str, Any]) -> InputSpec:
    """Reads ``InputSpec._asdict()`` as JSON gives it back.

    Raises:
        TypeError, ValueError: if the fields are not those of an `InputSpec`.
    """
    spec = InputSpec(**fields)
    return spec._replace(
        size=_size(spec.size), mean=_three(spec.mean, ()), std=_three(spec.std, ())
    )


def _size(size: Any) -> ImageSize:
    """One number for a square, else height and width; JSON has lists for tuples."""
    if not isinstance(size, tuple | list):
        return int(size)
    height, width = (int(side) for side in size)
    return height if height == width else (height, width)


def _three(numbers: Any, default: tuple[float, ...]) -> tuple[float, float, float]:
    values = tuple(float(number) for number in numbers or default)
    if len(values) != 3:
        raise ValueError(f"mean and std must be of 3 channels, got {values}")
    return values
