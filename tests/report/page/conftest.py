"""A page of made-up records, with a figure and a gallery."""

import io
from pathlib import Path
from types import SimpleNamespace

import pytest
from matplotlib.figure import Figure
from PIL import Image

from instdisc.records import append_records
from instdisc.report import write_report
from instdisc.report.charts import Chart
from instdisc.report.gallery import Gallery, Picture
from instdisc.report.page import write
from instdisc.runs import append_run
from instdisc.types import Record

METHODS = {"<script>alert(1)</script>": 80.0, "B & co": 78.0, "random": 40.0}
SETS = ("pets", "cars")


def records() -> list[Record]:
    made = []
    for number, (method, value) in enumerate(METHODS.items()):
        fields = {
            "method": method,
            "architecture": "resnet50",
            "parameters": 23508032,
            "weights": f"{number}" * 32,
            "pretraining": "random" if method == "random" else "MoCoModule",
            "view": {"size": 224, "resize": 256},
            "versions": {"instdisc": "0.2.0", "torch": "2.14.1"},
            "device": "cpu (x86_64)",
            "date": "2026-11-26T15:05:43+00:00",
            "seconds": 75.0,
        }
        for dataset in SETS:
            ends = {"n": 900, "interval": "Wilson, 900 images", "settings": {"k": 20}}
            for metric, shift in (("top-1", 0.0), ("ECE", -60.0)):
                top = value + shift + len(dataset)
                made.append(
                    Record(
                        "readout", dataset, metric, top, top - 2, top + 2, **ends, **fields
                    )._replace(higher_is_better=metric == "top-1", job=f"{dataset}{number}")
                )
            for seed in (0, 1, 2):
                shots = {"seed": seed, "n": 600, "settings": {"shots": 5}}
                value_of_seed = value / 2 + seed
                made.append(Record("few_shot", dataset, "5-way 5-shot logistic", value_of_seed,
                                   **shots, **fields))  # fmt: skip
        made.append(Record("stage2_geometry", "pets", "alpha", 1.0 + number, unit="", **fields))
    first, second = list(METHODS)[:2]
    made.append(Record("layer2_similarity", "pets", "CKA", 0.4, unit="",
                       method=f"{first} and {second}"))  # fmt: skip
    voc = Record("moco_linear", "imagenet", "top-1", 60.7, 60.3, 61.1, n=50000, method="moco_v1",
                 architecture="resnet50", weights="a" * 32)  # fmt: skip
    return [*made, voc]


def charts(material, comparison) -> list[Chart]:
    drawn = []
    for name in ("one", "two"):
        figure = Figure(figsize=(4, 3))
        axes = figure.subplots(1, 2)
        axes[0].plot([1, 2, 3], [1, 4, 9], "o-", label="<i>line</i>")
        axes[0].legend()
        axes[1].imshow([[0.0, 1.0], [2.0, 3.0]])
        drawn.append(Chart(name, f"Figure <b>{name}</b>", "A caption & more.", "Rises.", figure))
    return drawn


def picture(side: int = 64, title: str = "A cat", noise: bool = False) -> Picture:
    image = Image.effect_noise((side, side), 90) if noise else Image.new("RGB", (side, side))
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "PNG")
    return Picture(title, 'right: "cat"', buffer.getvalue(), "image/png")


def galleries(material) -> list[Gallery]:
    return [Gallery("Neighbours <u>", "The nearest.", [picture(), picture(title="A dog")])]


@pytest.fixture(scope="module")
def stand_ins():
    """Figures and pictures that take no time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "draw_all", charts)
        patch.setattr(write, "find_galleries", galleries)
        yield


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("run") / "results.jsonl"
    append_records(records(), path)
    append_run(path, [("knn on <em>birds</em>", "there is no such set")])
    (path.parent / "predictions").mkdir()
    (path.parent / "predictions" / "pets0.npz").write_bytes(b"no arrays")
    return path


@pytest.fixture(scope="module")
def page(stand_ins, results, tmp_path_factory) -> SimpleNamespace:
    """``path`` and ``text`` of the page."""
    path = write_report([results], tmp_path_factory.mktemp("out") / "new" / "report.html")
    return SimpleNamespace(path=path, text=path.read_text(encoding="utf-8"))
