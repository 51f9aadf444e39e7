"""``instdisc pretrain FOLDER``: what a folder of images alone decides."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from instdisc.data import HeldOut, ImageSource, StreamedShards, open_path
from instdisc.data.format_parts import find_format, has_parts, stored_parts
from instdisc.data.images.address import Address, as_address
from instdisc.data.layout import TEST_FOLDERS, TRAIN_FOLDERS

from .recipes import recipe_path
from .scaling import scaled_settings, this_machine

_LOOKED_AT = 64  # images whose size is read
_SHARE = 0.1  # of the images of each class, held out to watch the run


class FolderRun(NamedTuple):
    """What a folder in the place of options stands for.

    Attributes:
        options: the command line with options in its place.
        lines: that say how the run is watched.
        scaled: the number of images to which the recipe was scaled; 0 if it was not.
    """

    options: list[str]
    lines: list[str]
    scaled: int = 0


def folder_run(arguments: Sequence[str]) -> FolderRun:
    """The options that stand for a folder in the first place.

    A folder with parts is trained on ``train``, and watched on ``test`` or ``val``. Of a folder of
    classes, a tenth of each class is held out to watch the run; at an address nothing is. Without
    ``--config`` and ``--model`` the recipe is MoCo v2, scaled: see `scaled_settings`. Options that
    are given count.

    Args:
        arguments: of ``instdisc pretrain``.

    Raises:
        ValueError: if the first argument is no folder of images.
    """
    if not arguments or arguments[0].startswith("-"):
        return FolderRun(list(arguments), [])
    folder, *others = _joined(arguments)
    at = as_address(folder)
    data, images, lines = _data(Path(folder)) if at is None else _data_at(at)
    if _has_option(others, "data.test_images"):
        data, lines = {"images": _place(Path(folder)) if at is None else data["images"]}, []
    options = [f"--config={json.dumps({'data': data})}"]
    if not any(_has_option(others, name) for name in ("config", "model", "data.images")):
        settings = scaled_settings(
            len(images),
            _short_side(images),
            this_machine(),
            batch=_number(others, "global_batch"),
            image_size=_number(others, "data.image_size"),
        )
        name = Path(folder).resolve().name if at is None else Address(at).name
        options = [
            f"--config={recipe_path('pretrain/moco_v2')}",
            f"--config={json.dumps(settings)}",
            *options,
            f"--trainer.default_root_dir=runs/{name}",
        ]
        return FolderRun([*options, *map(_keep_stem, others)], lines, len(images))
    return FolderRun([*options, *others], lines)


def _data(folder: Path) -> tuple[dict[str, Any], ImageSource, list[str]]:
    """Options of the data, the images to train on, and a line that says which are watched."""
    parts = _parts(folder)
    if parts is not None:
        line = f"kNN is measured on {parts[1]}, at the end of each epoch"
        return (
            {"images": parts[0], "test_images": parts[1]},
            open_path(parts[0], argument="images"),
            [line],
        )
    root = _place(folder)
    images = open_path(root, argument="images")
    if len(images.classes) < 2 or bool((images.labels < 0).any()):
        return {"images": root}, images, ["one class or none: kNN cannot be measured"]
    try:
        watched = HeldOut(images, "test", share=_SHARE)
    except ValueError:
        return {"images": root}, images, ["some classes are too small to hold images out for kNN"]
    halves = {
        name: {
            "class_path": "instdisc.data.HeldOut",
            "init_args": {"images": root, "part": part, "share": _SHARE},
        }
        for name, part in (("images", "train"), ("test_images", "test"))
    }
    line = (
        f"kNN is measured on {len(watched)} images, a tenth of each class, which are not trained "
        "on; to train on all: --data.images FOLDER in place of FOLDER"
    )
    return halves, images, [line]


def _parts(folder: Path) -> tuple[str, str] | None:
    """The images to train on and those to test on, as `open_path` takes them, if they lie apart."""
    train, test = (_inner(folder, names) for names in (TRAIN_FOLDERS, TEST_FOLDERS))
    if train is not None and test is not None:
        return str(train), str(test)
    lies = find_format(folder)
    if lies is not None and has_parts(*lies):
        return f"{folder}@train", f"{folder}@test"
    return None


def _place(folder: Path) -> str:
    """The images to train on."""
    parts = _parts(folder)
    return parts[0] if parts is not None else str(_inner(folder, TRAIN_FOLDERS) or folder)


def _data_at(address: str) -> tuple[dict[str, Any], ImageSource, list[str]]:
    """The same of shards in a store."""
    train = stored_parts(address).get("train", address)
    line = (
        "kNN is not measured: it would read all shards again at the end of each epoch. "
        "--data.test_images ADDRESS measures it, --data.max_bank takes part of the training images"
    )
    return {"images": train}, open_path(train, argument="images"), [line]


def _inner(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def _short_side(images: ImageSource) -> int:
    """The median short side of some images: spread over the set, or of shards the first."""
    step = max(1, len(images) // _LOOKED_AT)
    if isinstance(images, StreamedShards):  # each of them would be another shard
        images, step = images.subset(torch.arange(min(_LOOKED_AT, len(images)))), 1
    sides = sorted(min(images.read(i).shape[-2:]) for i in range(0, len(images), step))
    return sides[len(sides) // 2]


def _has_option(arguments: Sequence[str], name: str) -> bool:
    return any(word == f"--{name}" or word.startswith(f"--{name}=") for word in arguments)


def _values(arguments: Sequence[str], name: str) -> list[str]:
    """What is given for an option, as ``--name value`` or ``--name=value``."""
    spaced = [after for word, after in itertools.pairwise(arguments) if word == f"--{name}"]
    joined = [word.partition("=")[2] for word in arguments if word.startswith(f"--{name}=")]
    return spaced + joined


def _joined(arguments: Sequence[str]) -> list[str]:
    """The arguments with ``--model.backbone NAME`` as one word."""
    words: list[str] = []
    for word in arguments:
        if words and words[-1] == "--model.backbone":
            words[-1] += f"={word}"
        else:
            words.append(word)
    return words


def _number(arguments: Sequence[str], name: str) -> int | None:
    """The whole number that is given for an option; ``None`` for none, or for another value."""
    return next((int(text) for text in _values(arguments, name) if text.isdecimal()), None)


def _keep_stem(argument: str) -> str:
    """``--model.backbone=NAME`` of a ResNet changes the name alone: small images need the stem."""
    option, _, value = argument.partition("=")
    if option == "--model.backbone" and re.fullmatch(r"\w*resnet\w*", value):
        return f"--model.backbone.init_args.name={value}"
    return argument
