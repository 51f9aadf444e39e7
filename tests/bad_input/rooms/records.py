"""Records and their files, reports, checkpoints, and the types that cross borders."""

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from instdisc import Backbone
from instdisc.checkpoint import export_backbone, from_hub, push_to_hub
from instdisc.records import append_records
from instdisc.report.material import Material
from instdisc.types import About, Record

from .. import sorts
from ..calls import Call
from ..documented import documented, written
from ..sorts import OBJECT, number, optional, sequence, whole

RECORDS = OBJECT.without("list", "mapping", "tensor").also(numbers=[3], none=[None])
FILLED = RECORDS.also(empty=[])
TEXT = sorts.TEXT
PATH = sorts.PATH.also(folder="/")
REPOSITORY = TEXT.also(address="hf-hub:me/net", empty="")


def records() -> list[Record]:
    return [Record("knn", "scenes", "top-1", 71.5, method="MoCo")]


def folder() -> Path:
    return Path(tempfile.mkdtemp())


def file() -> Path:
    path = folder() / "results.jsonl"
    append_records(records(), path)
    return path


def checkpoint() -> Path:
    return export_backbone(Backbone("test_resnet"), folder() / "net.safetensors")


def offline(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function without the Hugging Face Hub: uploads go nowhere, downloads are a checkpoint."""

    @functools.wraps(function)
    def call(**arguments: Any) -> Any:
        with (
            mock.patch("huggingface_hub.HfApi.create_repo"),
            mock.patch("huggingface_hub.HfApi.upload_folder"),
            mock.patch("huggingface_hub.hf_hub_download", return_value=str(checkpoint())),
        ):
            return function(**arguments)

    return call


CALLS: list[Call] = [
    *documented("instdisc.types", "InputSpec", std=sequence(sorts.POSITIVE), crop=sorts.POSITIVE),
    *documented(
        "instdisc.types",
        "Record",
        view=OBJECT.without("mapping"),
        settings=OBJECT.without("mapping"),
        versions=OBJECT.without("mapping"),
        low=optional(number()),
        high=optional(number()),
        n=whole(0),
    ),
    *documented("instdisc.types", "About", view=OBJECT.without("mapping")),
    written(
        "instdisc.records.Run",
        lambda: {"about": About()},
        settings=OBJECT.without("mapping"),
        device=TEXT,
    ),
    *documented("instdisc.records", "device_name"),
    written(
        "instdisc.records.append_records",
        lambda: {"records": records(), "path": folder() / "a.jsonl"},
        records=RECORDS,
        path=PATH,
    ),
    written(
        "instdisc.records.append_job",
        lambda: {"records": records(), "path": folder() / "a.jsonl", "key": "a"},
        records=sequence(OBJECT, empty=True),
        path=PATH,
        key=TEXT.also(empty=""),
    ),
    written(
        "instdisc.records.read_records",
        lambda: {"path": file()},
        path=PATH.also(missing="none-such.jsonl"),
    ),
    written("instdisc.records.read_jobs", lambda: {"path": file()}, path=PATH),
    *documented("instdisc.report", "results_table", records=FILLED, comparison=optional(OBJECT)),
    *documented(
        "instdisc.report", "compare", records=FILLED, folders=sequence(sorts.PATH, empty=True)
    ),
    *documented("instdisc.report", "published_lines", records=RECORDS),
    *documented("instdisc.report", "sort_records", records=RECORDS),
    *documented("instdisc.report", "published_values"),
    *documented(
        "instdisc.report",
        "write_table",
        records=FILLED,
        path=PATH.also(suffix="table.xyz"),
        comparison=optional(OBJECT),
    ),
    *documented(
        "instdisc.report",
        "write_model_card",
        records=FILLED,
        path=PATH.also(suffix="card.txt"),
        weights=PATH.also(folder="/", missing="none-such.safetensors"),
        method=optional(TEXT),
        license=optional(TEXT),
        name=optional(TEXT),
        repo_id=optional(TEXT),
    ),
    written(
        "instdisc.report.write_report",
        lambda: {"results": [file()], "out": folder() / "a.html"},
        results=sequence(PATH.also(missing="none-such.jsonl")),
        out=PATH.also(suffix="report.xyz"),
    ),
    written(
        "instdisc.runs.RunNote",
        lambda: {"date": "", "command": "", "missing": ()},
        missing=sequence(OBJECT, empty=True),
    ),
    written(
        "instdisc.runs.append_run",
        lambda: {"results": folder() / "results.jsonl", "missing": [("knn on pets", "no set")]},
        results=PATH,
        missing=sequence(OBJECT, empty=True),
    ),
    written(
        "instdisc.runs.read_runs", lambda: {"results": folder() / "results.jsonl"}, results=PATH
    ),
    written(
        "instdisc.report.results_figure",
        lambda: {"records": records(), "path": folder() / "a.png"},
        records=FILLED,
        path=PATH.also(suffix="figure.xyz"),
    ),
    written(
        "instdisc.report.gallery.galleries",
        lambda: {"material": Material([], []), "most_bytes": 9},
        material=OBJECT,
        most_bytes=whole(1),
    ),
    *documented(
        "instdisc.checkpoint",
        "export_backbone",
        source=OBJECT.without("text").also(missing="none-such"),
    ),
    written(
        "instdisc.checkpoint.load_backbone",
        lambda: {"path": checkpoint()},
        path=PATH.also(missing="none-such.pt"),
        name=optional(TEXT),
        options=optional(OBJECT),
    ),
    written(
        "instdisc.checkpoint.describe_checkpoint",
        lambda: {"path": checkpoint()},
        path=PATH.also(missing="none-such.pt"),
    ),
    Call(
        "instdisc.checkpoint.push_to_hub",
        lambda: {"source": checkpoint(), "repo_id": "me/net"},
        {
            "source": OBJECT.without("text").also(missing="none-such"),
            "repo_id": REPOSITORY,
            "card": optional(PATH.also(missing="none-such.md")),
            "private": optional(sorts.FLAG),
            "token": optional(TEXT),
        },
        function=lambda: offline(push_to_hub),
    ),
    Call(
        "instdisc.checkpoint.from_hub",
        lambda: {"repo_id": "me/net"},
        {
            "repo_id": REPOSITORY,
            "revision": optional(TEXT),
            "backbone": optional(OBJECT),
            "token": optional(TEXT),
        },
        function=lambda: offline(from_hub),
    ),
    *documented("instdisc.checkpoint", "newest_checkpoint"),
    *documented("instdisc.checkpoint", "open_backbone"),
]
# "backbone" is what modules and tasks call the argument of `open_backbone`.
for call in CALLS:
    files = dict.fromkeys(("source", "weights", "card"), FileNotFoundError)
    call.raises = {**call.raises, **files, "path": OSError}
    if call.name == "instdisc.report.write_report":
        call.raises["results"] = FileNotFoundError
CALLS[-1].says = {"source": "backbone"}
EXEMPT = {
    **{
        f"instdisc.types.{name}": "a plain tuple of tensors; whoever takes it checks it"
        for name in (
            *("Bank", "Views", "Objects", "Detections"),
            *("ObjectBatch", "SegmentBatch", "LandmarkBatch"),
        )
    },
    "instdisc.checkpoint.CheckpointInfo": "a result that `describe_checkpoint` gives back",
    "instdisc.report.Comparison": "a result that `compare` gives back",
    "instdisc.report.Published": "a row of our own table of published numbers",
    "instdisc.records.finite": "a check of `instdisc.checks`, imported here",
}
