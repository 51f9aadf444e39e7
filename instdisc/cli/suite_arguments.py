"""The options that the commands transfer and analyse share."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

import rich
import torch
import yaml
from jsonargparse import ArgumentParser, Namespace
from rich.markup import escape

from instdisc import checks
from instdisc.transfer import SuiteRecords

from .checkpoint_files import refuse_absent
from .executors import FORMS, executor_option, named_executor, read_options


def add_suite_arguments(parser: ArgumentParser, out: str) -> None:
    """Checkpoints, data sets, settings, and where to compute.

    Args:
        parser: gets the arguments.
        out: the default folder.
    """
    parser.add_argument(
        "--checkpoint",
        action="append",
        required=True,
        metavar="[NAME=]FILE",
        help="may be repeated; FILE:ARCHITECTURE if the file does not name it; also timm:NAME, "
        "random (in each architecture of the files) or random:resnet50",
    )
    parser.add_argument(
        "--data-root", type=Path, default=Path("data"), help="the folder of the named data sets"
    )
    parser.add_argument(
        "--data",
        nargs="+",
        required=True,
        metavar="[NAME=]SET",
        help="names of the catalog, folders, or .csv files; SET@PART for one part of a set, "
        "NAME=TRAIN:TEST for separate sets of the same classes, NAME=BASE_TRAIN:BASE_TEST:NOVEL "
        "for base and novel classes, bscd_fsl for the four sets of BSCD-FSL",
    )
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="TASK.OPTION=JSON",
        type=setting,
        help="options of tasks or analyses, those of their functions",
    )
    parser.add_argument("--image-size", type=int | None, help="default: that of each backbone")
    parser.add_argument("--batch-size", type=int, default=256, help="images at a time")
    parser.add_argument("--workers", type=int, default=0, help="processes that read images")
    parser.add_argument(
        "--device",
        type=str | None,
        help="cpu, cuda, cuda:1, mps; default: cuda if there is a GPU where jobs run, else cpu",
    )
    parser.add_argument("--precision", default="32-true", help="of fine-tuning")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--allow-missing", action="store_true", help="exit with 0 although results are missing"
    )
    parser.add_argument(
        "--executor",
        type=str | None,
        metavar="EXECUTOR",
        help=f"runs jobs on other processes or machines: {FORMS} that makes one",
    )
    parser.add_argument(
        "--executor-options",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        type=executor_option,
        help="of the executor, e.g. partition=gpu gpus_per_node=1 timeout_min=240",
    )
    parser.add_argument("--out", type=Path, default=Path(out))


def setting(text: str) -> str:
    """The text of a setting, if `option` can read it."""
    option(text)
    return text


def option(text: str) -> tuple[str, str, Any]:
    """``finetune.epochs=10`` in its parts.

    A value that is not JSON is a string; in brackets, YAML: ``few_shot.classifier=[logistic,
    cosine]`` needs no quotes.
    """
    name, _, value = text.partition("=")
    task, dot, key = name.partition(".")
    if not (dot and key and value):
        raise ArgumentTypeError(f"must be TASK.OPTION=JSON, got {text!r}")
    try:
        return task, key, json.loads(value)
    except ValueError:
        pass
    try:
        return task, key, yaml.safe_load(value) if value[0] in "[{" else value
    except yaml.YAMLError:
        return task, key, value


def suite_keywords(options: Namespace) -> dict[str, Any]:
    """The keywords that `run_suite` and `analyse` have in common.

    Raises:
        FileNotFoundError: if a checkpoint is not there, and nothing may be missing.
    """
    if not options.allow_missing:
        refuse_absent(options.checkpoint)  # those of a YAML file, too
    settings: dict[str, dict[str, Any]] = {}
    for task, key, value in map(option, options.set):
        settings.setdefault(task, {})[key] = value
    executor = None
    if options.executor:
        executor = named_executor(options.executor, read_options(options.executor_options))
    elif options.executor_options:
        checks.refuse("--executor-options", "given with --executor", options.executor_options)
    here = "cuda" if torch.cuda.is_available() else "cpu"
    return {
        "options": settings,
        "data_root": options.data_root,
        "image_size": options.image_size,
        "batch_size": options.batch_size,
        "num_workers": options.workers,
        "device": options.device or (here if executor is None else "auto"),
        "precision": options.precision,
        "seed": options.seed,
        "executor": executor,
    }


def say_missing(records: SuiteRecords, allowed: bool) -> None:
    """Prints what is missing; what is allowed to be is forgotten."""
    for what, why in records.missing:
        rich.print(f"[red]missing[/red]: {escape(what)}: {escape(why)}")
    if allowed:
        records.missing.clear()
