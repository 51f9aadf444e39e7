"""MoCo v2's published recipe, scaled to a set of images and to the machine.

The rule: 200 epochs as published. A step has 256 images, or the largest power of two that leaves 8
steps to an epoch; the learning rate is 0.03 for 256 images and follows the batch linearly (Goyal et
al., 2017). Batch norm sees groups of 32 images as published, at least two groups, so that query and
key do not share their statistics (He et al., 2020). The queue has 65,536 keys, or the multiple of
the batch next below half of the images: so no image has an older key of its own among the
negatives. Views have 224 pixels; of smaller images, the multiple of 32 next below their short
side, and up to 64 pixels the network's stem does not pool. The rule is ours.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import torch

PUBLISHED_BATCH, PUBLISHED_RATE, PUBLISHED_QUEUE, PUBLISHED_GROUP = 256, 0.03, 65536, 32
_STEPS = 8  # at least, of an epoch
_LEAST_BATCH = 8
_PER_LOADER = 16  # workers beyond these wait for the disk


class Machine(NamedTuple):
    """What computes.

    Attributes:
        devices: that share a step.
        name: of one of them.
        cuda: whether they are CUDA GPUs.
        bfloat16: whether they compute in bfloat16.
        processors: that this process may use.
    """

    devices: int
    name: str
    cuda: bool
    bfloat16: bool
    processors: int


def this_machine() -> Machine:
    """The machine as torch sees it."""
    processors = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    )
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
        bfloat16 = torch.cuda.is_bf16_supported()
        return Machine(torch.cuda.device_count(), name, True, bfloat16, processors or 1)
    mps = torch.backends.mps.is_available()
    return Machine(1, "Apple GPU" if mps else "CPU", False, False, processors or 1)


def scaled_settings(
    num_images: int,
    short_side: int,
    machine: Machine,
    *,
    batch: int | None = None,
    image_size: int | None = None,
) -> dict[str, Any]:
    """Options of ``instdisc pretrain`` that differ from the recipe ``pretrain/moco_v2``.

    Args:
        num_images: of the set.
        short_side: of its images, in pixels; of most of them.
        machine: that computes.
        batch: images of a step, if the user has chosen it.
        image_size: of the views in pixels, likewise.

    Returns:
        Nested, as in a YAML file.

    Raises:
        ValueError: if there are too few images for two steps.

    Example:
        >>> machine = Machine(1, "CPU", False, False, 2)
        >>> settings = scaled_settings(1190, 500, machine)
        >>> settings["global_batch"], settings["model"]["init_args"]["queue_size"]
        (128, 512)
    """
    if num_images < 2 * _LEAST_BATCH:
        raise ValueError(
            f"`images` must be at least {2 * _LEAST_BATCH} images for MoCo, got {num_images}"
        )
    if batch is None:
        batch = PUBLISHED_BATCH
        while batch > _LEAST_BATCH and batch * _STEPS > num_images:
            batch //= 2
        batch = max(batch, machine.devices * 2)
    groups = max(2, batch // PUBLISHED_GROUP)
    groups += -groups % machine.devices
    queue = min(PUBLISHED_QUEUE, max(batch, num_images // 2 // batch * batch))
    size = image_size or min(224, max(32, short_side // 32 * 32))
    model: dict[str, Any] = {
        "learning_rate": PUBLISHED_RATE * batch / PUBLISHED_BATCH,
        "queue_size": queue,
        "batch_norm_groups": groups,
    }
    if size <= 64:
        model["backbone"] = {"init_args": {"stem": "no_pool"}}
    if machine.cuda:
        model["channels_last"] = True
    return {
        "global_batch": batch,
        "model": {"init_args": model},
        "data": {"image_size": size, "num_workers": _workers(machine)},
        "trainer": {"precision": _precision(machine)},
    }


def describe(config: Any, num_images: int, machine: Machine) -> list[str]:
    """What a run uses, in lines for the screen.

    Args:
        config: of the command line, as parsed.
        num_images: of the folder.
        machine: that computes.
    """
    model, data = config.model.init_args, config.data
    backbone = model.backbone if isinstance(model.backbone, str) else model.backbone.init_args.name
    workers = f"{data.num_workers} process{'es' * (data.num_workers != 1)} that load images"
    lines = [
        f"{num_images} images, {machine.devices} x {machine.name}, {machine.processors} processors",
        f"MoCo v2 (recipe pretrain/moco_v2, scaled) of a {backbone}: {config.global_batch} images "
        f"a step, learning rate {model.learning_rate:g}, a queue of {model.queue_size} keys, views "
        f"of {data.image_size} pixels, {config.trainer.max_epochs} epochs",
        f"precision {config.trainer.precision}, {workers}",
    ]
    if machine.name == "CPU" and backbone == "resnet50":
        lines.append(
            "On a CPU a ResNet-50 takes long: --model.backbone resnet18 and --data.image_size 64 "
            "are quicker."
        )
    return lines


def _workers(machine: Machine) -> int:
    """Processes that load: all processors where a GPU computes, else one."""
    share = machine.processors // machine.devices
    return min(_PER_LOADER, max(1, share - 1)) if machine.name != "CPU" else min(1, share - 1)


def _precision(machine: Machine) -> str:
    if machine.cuda:
        return "bf16-mixed" if machine.bfloat16 else "16-mixed"
    return "32-true"
