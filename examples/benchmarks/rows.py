"""The rows of the benchmark by name, and sets of them."""

import argparse
import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

Contenders = dict[str, Callable[[], Any]]
METHODS = (  # those of `benchmarks.methods`; MoCo has rows of its own
    *("instdisc", "simclr", "byol", "simsiam", "moco_v3"),
    *("barlow_twins", "vicreg", "nnclr", "dino"),
)


class Row(NamedTuple):
    """Contenders that do the same; the first is the peer that the others are compared with.

    A contender whose name begins with "limit" is what the others cannot beat: the share of it
    that they reach is that of the limit above them, or else of the row's first.

    Attributes:
        title: what they do.
        maker: the function that prepares them, as ``module.function``; it is given the options.
            By name, so that a row that cannot be imported stops no other.
        settings: further arguments of it by name, if it has any.
        threads: of the CPU; 0 = all.
        pairs: name of the option that holds the images (pairs of views) of a call, for a rate;
            "" = none.
        memory: whether the memory that a call takes is shown.
        device: where the row runs by itself: "cpu", "cuda", or "" for both.
        in_turns: whether the contenders take turns, so that what else a machine does hits all
            alike; if not, each is prepared, timed and dropped before the next, as on a GPU.
        seconds: in less a GPU gives nothing of use: with less time left the row is skipped.
        most: seconds after which it is ended on a GPU, where the time for all rows is limited.
        beside: row and contender that is this row's limit, where it has none of its own.
    """

    title: str
    maker: str
    settings: dict[str, Any] | None = None
    threads: int = 0
    pairs: str = ""
    memory: bool = False
    device: str = ""
    in_turns: bool = True
    seconds: int = 12
    most: int = 30
    beside: tuple[str, str] | None = None

    def make(self, options: argparse.Namespace) -> Contenders:
        """Its contenders."""
        module, _, function = self.maker.rpartition(".")
        maker = getattr(importlib.import_module(module), function)
        contenders: Contenders = maker(options, **(self.settings or {}))
        return contenders


def _cpu_views() -> dict[str, Row]:
    few: dict[str, Any] = {"threads": 1, "pairs": "images", "device": "cpu"}
    many = {**few, "pairs": "small_images"}
    title = "worker part, two 224 px views of a 500x375 JPEG, per core"
    return {
        "worker": Row(title, "benchmarks.views.worker", **few),
        "copies": Row(
            "worker part from resized copies, per core", "benchmarks.views.copies", **few
        ),
        "views_224": Row(
            "whole views, 224 px from JPEG, per core", "benchmarks.views.whole_224", **few
        ),
        "sources": Row(
            "worker part, two views of 64 px JPEGs in random order, by where they lie, per core",
            "benchmarks.sources.sources",
            **many,
        ),
        **{
            f"decode_{form}_{size[0]}": Row(
                f"decoding a {form.upper()} of {size[0]} x {size[1]} pixels, per core",
                "benchmarks.decoding.files",
                {"form": form, "size": size},
                **few,
            )
            for form, size in (("png", (32, 32)), ("png", (500, 375)), ("jpeg", (500, 375)))
        },
        **{
            f"views_{size}": Row(
                f"whole views, {size} px from memory, per core",
                "benchmarks.views.from_memory",
                {"size": size},
                **many,
            )
            for size in (64, 32)
        },
    }


def _shards() -> dict[str, Row]:
    apart: dict[str, Any] = {"threads": 1, "device": "cpu", "in_turns": False}
    first = "from an index of shards to the first batch of 256 at 64 px by 2 workers"
    return {
        "streams": Row(
            "worker part, an epoch of two views of 64 px JPEGs, per core",
            "benchmarks.streams.streams",
            threads=1,
            pairs="stream_images",
            device="cpu",
        ),
        "shard_scan": Row(
            "what lies in the shards of a set, per core",
            "benchmarks.shards.scans",
            threads=1,
            device="cpu",
        ),
        "index_100m": Row(first, "benchmarks.shards.index_100m", **apart),
    }


def _gpu() -> dict[str, Row]:
    there: dict[str, Any] = {"device": "cuda", "in_turns": False, "pairs": "batch"}
    large = {**there, "memory": True, "beside": ("step_50_cuda", "limit: bare network, compiled")}
    small = {**there, "memory": True}
    small["beside"] = ("end_to_end_18", "limit: bare step, compiled, CUDA graphs")
    files = "training, ResNet-50, 224 px, bf16, from JPEG files"
    images = "training, ResNet-18, 64 px, bf16, images on the device"
    step = "MoCo step, ResNet-50, 224 px, bf16, channels_last"
    features = "features of a frozen ResNet-50, 224 px from JPEG files"
    colours, views = "colours of two 224 px views on the device", "images kept on the device"
    road = "from JPEG files to views: a batch at each station of its way"
    starts, steps = "benchmarks.training.starts", "benchmarks.step.device_steps"
    end_to_end = "benchmarks.training.end_to_end"
    inversion = "feature inversion, a step, 224 px, recipe of Zhao et al., ResNet-50"
    few, many, further = {"peers": False}, {"peers": True}, f"{step}: further"
    return {
        "end_to_end_50": Row(files, f"{end_to_end}_50", **large, seconds=60, most=140),
        "step_50_cuda": Row(step, steps, few, **there, memory=True, seconds=40, most=140),
        "end_to_end_18": Row(images, f"{end_to_end}_18", **small, seconds=40, most=110),
        "views_device": Row(colours, "benchmarks.views.colours", **there, memory=True),
        "features": Row(features, "benchmarks.features.extraction", **there, seconds=25, most=80),
        "detection_train_masks": _detection("train", masks=True),
        "starts_18": Row(
            f"{images}: starts", starts, {"small": True}, **small, seconds=20, most=60
        ),
        "starts_50": Row(
            f"{files}: starts", starts, {"small": False}, **large, seconds=35, most=90
        ),
        "views_device_64": Row(
            f"whole views, 64 px, {views}", "benchmarks.views.from_device", **there, memory=True
        ),
        "roofline": Row(
            "what the device does at most",
            "benchmarks.roofline.limits",
            device="cuda",
            in_turns=False,
        ),
        "road": Row(road, "benchmarks.road.road", **there, seconds=40, most=75),
        "step_50_peers": Row(further, steps, many, **large, seconds=30, most=90),
        "inversion_224": Row(inversion, "benchmarks.inversion.published", seconds=30, most=90),
    }


def _detection(part: str, *, masks: bool) -> Row:
    title = f"{'Mask' if masks else 'Faster'} R-CNN, R50-C4, {part}"
    settings = {"masks": masks}
    return Row(
        title,
        f"benchmarks.detection.{part}",
        settings,
        pairs="detection_images",
        seconds=15,
        most=50,
    )


def _losses() -> dict[str, Row]:
    rows = {}
    for name, batch, queue, keys in (
        ("loss_64", 64, "queue_size", "65,536"),
        ("loss_256", 256, "queue_size", "65,536"),
        ("loss_imagenet", 64, "long_queue_size", "1,281,167"),
    ):
        title = f"loss, backward, enqueue: B {batch}, K {keys}"
        rows[name] = Row(
            title, "benchmarks.loss.row", {"batch": batch, "queue": queue}, memory=True
        )
    return rows


def _steps() -> dict[str, Row]:
    form = "MoCo step, ResNet-18, 32 px, B 64: form of the network"
    return {
        "momentum": Row("momentum update, ResNet-50", "benchmarks.loss.momentum"),
        "step_18": Row(
            "MoCo step, ResNet-18, 32 px, B 64",
            "benchmarks.step.steps",
            {"name": "resnet18", "size": 32, "batch": 64},
        ),
        "forms": Row(form, "benchmarks.step.forms", device="cpu"),
        "step_50": Row(
            "MoCo step, ResNet-50, 224 px, B 16",
            "benchmarks.step.steps",
            {"name": "resnet50", "size": 224, "batch": 16},
            device="cpu",
        ),
        "trainer": Row(
            "a step of a tiny model under Lightning's Trainer",
            "benchmarks.training.trainer",
            device="cpu",
        ),
    }


def _methods() -> dict[str, Row]:
    return {
        **{
            f"{name}_loss": Row(
                f"{name} loss and gradient, B 256, 2048 outputs, per core",
                "benchmarks.methods.two_views",
                {"name": name, "batch": 256, "dim": 2048},
                threads=1,
            )
            for name in ("barlow_twins", "vicreg")
        },
        **_method_steps(),
    }


def _method_steps() -> dict[str, Row]:
    return {
        f"{name}_{size}": Row(
            f"{name} step, ResNet-18, {size} px, B 64",
            "benchmarks.methods.step",
            {"name": name, "size": size, "batch": 64},
        )
        for name in METHODS
        for size in (32, 64)
    }


def _transfer() -> dict[str, Row]:
    few_shot = {
        f"few_shot_{shots}": Row(
            f"few-shot on cached features, 512-d, 5-way {shots}-shot, all episodes, per core",
            "benchmarks.transfer.few_shot",
            {"shots": shots},
            threads=1,
        )
        for shots in (1, 5, 20)
    }
    readout = "logistic regression, 45 regularisers, 256-d, 20 classes, per core"
    grid = "12 linear heads on ResNet-18, 64 px, an epoch"
    confusion = "confusion matrix of 2048 x 1024 pixels, 19 classes, per core"
    return {
        **few_shot,
        "readout": Row(readout, "benchmarks.transfer.readouts", threads=1),
        "linear_grid": Row(grid, "benchmarks.transfer.grid"),
        "confusion": Row(confusion, "benchmarks.segmentation.confusion", threads=1),
        "detection_train": _detection("train", masks=False),
        "detection_test": _detection("test", masks=False),
        "detection_test_masks": _detection("test", masks=True),
    }


def _analyses() -> dict[str, Row]:
    two = "CKA of 18 layers of two ResNet-18s, 64 px, B 64, per core"
    three = "CKA of 18 layers, all 6 maps of three ResNet-18s, 64 px, B 64, per core"
    errors = "errors of detections (TIDE), 5,000 images, 180,000 detections, per core"
    inversion = "feature inversion, a step, 64 px, 32 channels, ResNet-18, per core"
    return {
        "cka": Row(two, "benchmarks.similarity.one_map", threads=1),
        "cka_maps": Row(three, "benchmarks.similarity.all_maps", threads=1),
        "errors": Row(errors, "benchmarks.errors.errors", threads=1, device="cpu"),
        "inversion_64": Row(inversion, "benchmarks.inversion.small", threads=1),
    }


GPU = _gpu()  # the targets of a GPU, what matters most first
_METHOD_ROWS = _methods()
ROWS = {
    **GPU,
    **_cpu_views(),
    **_shards(),
    **_losses(),
    **_steps(),
    **_METHOD_ROWS,
    **_transfer(),
    **_analyses(),
}
SETS = {
    "gpu": list(GPU),
    "methods": list(_METHOD_ROWS),
    "cpu": [name for name, row in ROWS.items() if row.device != "cuda"],
    "all": list(ROWS),
}
SET_SECONDS = {"gpu": 480.0}  # what a set may take where `--total` says nothing


def chosen(names: list[str] | None, device: str) -> list[str]:
    """The rows that names of rows and sets mean; ``None``: every row of the device."""
    if names is None:
        return [name for name, row in ROWS.items() if row.device in ("", device)]
    rows = [row for name in names for row in SETS.get(name, [name])]
    return list(dict.fromkeys(rows))
