"""Arguments whose name means one thing everywhere, and the range that goes with it."""

from __future__ import annotations

from typing import Any

from .arguments import Rule
from .choices import choice, device
from .files import arrays_file
from .form import refuse
from .numbers import count, not_negative, positive, share, whole, within

_SEEDS = 2**63  # as many as a generator of torch takes


def trainer_devices(name: str, value: Any) -> Any:
    """How many devices, or which, as Lightning's Trainer takes them; of a list each number.

    Example:
        >>> trainer_devices("devices", "auto")
        'auto'
        >>> trainer_devices("devices", 0)
        Traceback (most recent call last):
        ValueError: `devices` must be a number of devices, -1 or 'auto' for all, or a list, got 0
    """
    rule = "a number of devices, -1 or 'auto' for all, or a list"
    if isinstance(value, str):
        numbers = [part.strip().removeprefix("-") for part in value.split(",")]
        if value != "auto" and not all(number.isdecimal() for number in numbers):
            refuse(name, rule, value)
    elif name.endswith("]"):
        whole(name, value, at_least=0)
    elif value != -1 and value < 1:
        refuse(name, rule, value)
    return value


def _count_or_list(name: str, value: Any) -> Any:
    """How many there are to be; a list of things in its place is left alone, and its items."""
    return whole(name, value) if isinstance(value, int) and not name.endswith("]") else value


PRECISIONS = (
    *("32-true", "64-true", "16-mixed", "bf16-mixed", "16-true", "bf16-true"),
    *("32", "64", "16", "bf16", "transformer-engine", "transformer-engine-float16"),
)
ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps", "tpu")

_COUNTS = (
    *("batch_size", "image_size", "num_resamples", "num_classes", "num_images"),
    *("num_errors", "num_views", "max_iter", "k", "epochs", "tune_epochs", "num_bins", "bin_size"),
    *("num_points", "max_images", "steps", "width", "ways", "queries", "test_every", "per_class"),
    *("short_side", "output_stride", "regions_per_image"),
)
_POSITIVE = ("temperature", "learning_rate", "tol", "tolerance", "strength", "head_rate")

MEANINGS: dict[str, Rule] = {
    **dict.fromkeys(_COUNTS, whole),
    **dict.fromkeys(
        ("num_workers", "thumbnail", "per_type", "warmup", "freeze_parts", "hidden"), count
    ),
    **dict.fromkeys(_POSITIVE, positive),
    **dict.fromkeys(("weight_decay", "seconds"), not_negative),
    **dict.fromkeys(("min_score", "flip"), share),
    "momentum": within(at_least=0, below=1),
    "level": within(above=0, below=1),
    "seed": lambda name, value: whole(name, value, at_least=0, at_most=_SEEDS - 1),
    "episodes": _count_or_list,
    "device": device,
    "devices": trainer_devices,
    "accelerator": lambda name, value: choice(name, value, ACCELERATORS),
    "precision": lambda name, value: choice(name, value, PRECISIONS),
    "arrays": arrays_file,
    "predictions": arrays_file,
}
