"""Records of a study that never ran: what the engine writes, with made-up numbers."""

import json
import random
from pathlib import Path
from typing import Any

import yaml

from instdisc.records import append_records
from instdisc.types import Record

TARGETS = (
    "eurosat",
    "cropdisease15",
    "omniglot_background",
    "brain_mri4",
    "flowers17",
    "tiny_imagenet100",
)
SOURCE = "cifar10_mini"
FACTORS = ("position", "size", "aspect", "orientation", "object colour", "background colour")
# Of each method, how good it is.
METHODS = {
    "random": -12.0,
    "cross_entropy": 0.0,
    "moco": 2.0,
    "exemplar": 3.0,
    "supcon": 1.0,
    "ce_moco": 2.5,
    "supcon_moco": 2.2,
    "cross_entropy_weak": -1.0,
    "moco_weak": -5.0,
    "simclr": 1.5,
}
MODULES = {
    "random": "",
    "cross_entropy": "SupervisedModule",
    "cross_entropy_weak": "SupervisedModule",
    "moco": "MoCoModule",
    "moco_weak": "MoCoModule",
    "exemplar": "ExemplarModule",
    "supcon": "SupConModule",
    "ce_moco": "CrossEntropyMoCoModule",
    "supcon_moco": "SupConMoCoModule",
    "simclr": "SimCLRModule",
}
PRESET: dict[str, Any] = {
    "source": {
        "name": SOURCE, "train": f"{SOURCE}/train", "test": f"{SOURCE}/test", "held_out": 0.1,
    },
    "image_size": 32,
    "backbone": {"name": "resnet10t", "channels": [16, 32, 64, 128]},
    "policies": {"full": "zhao_frcg", "weak": "zhao_fr"},
    "epochs": 4,
    "batch_size": 128,
    "settings": {"optimizer": "sgd", "momentum": 0.99},
    "trainer": {"accelerator": "cpu", "devices": 1},
    "methods": {
        name: {"module": MODULES[name], "policy": "weak" if name.endswith("weak") else "full"}
        for name in METHODS
    },
    "rates": {"grid": [0.02, 0.06, 0.18], "epochs": 2, "seed": 1000},
    "rounds": [
        {
            "name": "frozen",
            "seeds": [0, 1, 2],
            "suites": [
                {"sets": ["source", *TARGETS[:-1], {"set": TARGETS[-1], "per_class": 50}],
                 "tasks": ["knn", "readout"]},
                {"sets": [{"scenes": [2000, 600]}], "tasks": ["factors"]},
            ],
        },
        {
            "name": "dense",
            "seeds": [0],
            "methods": ["cross_entropy", "moco"],
            "suites": [{"sets": ["bccd"], "tasks": ["detection"]}],
        },
    ],
}  # fmt: skip


def write_preset(folder: Path) -> Path:
    """The preset as a YAML file; its study is called "tiny"."""
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(PRESET, sort_keys=False), encoding="utf-8")
    return path


def write_records(
    folder: Path, methods: list[str], seeds: list[int], *, dense: bool = True
) -> Path:
    """Records, differences, cells and trials of some methods and seeds."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row for method in methods for seed in seeds for row in records(method, seed, dense)]
    append_records(rows, folder / "tiny.jsonl")
    append_records(
        [row for seed in seeds for row in differences(seed)], folder / "tiny_differences.jsonl"
    )
    write_cells(folder, methods, seeds)
    write_lines(folder / "tiny_rates.jsonl", trials(methods))
    return folder


def write_cells(folder: Path, methods: list[str], seeds: list[int]) -> None:
    """The finished cells."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [cell(method, seed) for seed in seeds for method in methods]
    write_lines(folder / "tiny_cells.jsonl", rows)


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def cell(method: str, seed: int) -> dict[str, Any]:
    return {
        "method": method,
        "seed": seed,
        "round": "frozen",
        "weights": f"{method}{seed}".encode().hex()[:32].ljust(32, "0"),
        "learning_rate": None if method == "random" else 0.06,
        "steps": 0 if method == "random" else 700,
        "loss": None if method == "random" else 1.25 + 0.01 * seed,
        "pretraining_seconds": 0.0 if method == "random" else 120.5,
        "seconds": {"readout": 40.0, "factors": 25.5},
        "commit": "2c1220d4aaaa",
        "command": "instdisc study tiny",
        "machine": "Linux x86_64, no GPU",
        "versions": {"instdisc": "0.2.0", "torch": "2.14.1"},
        "date": f"2026-11-2{seed}T10:00:00+00:00",
    }


def trials(methods: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "method": method,
            "learning_rate": rate,
            "value": 40 - abs(rate - 0.06),
            "seed": 1000,
            "seconds": 60,
        }
        for method in methods
        if method != "random"
        for rate in (0.02, 0.06, 0.18)
    ]


def records(method: str, seed: int, dense: bool = True) -> list[Record]:
    """What a cell measures."""
    draw = random.Random(f"{method} {seed}")
    good = METHODS[method]
    shared: dict[str, Any] = {
        "method": method,
        "seed": seed,
        "checkpoint": f"{method}-{seed}.safetensors",
        "weights": cell(method, seed)["weights"],
        "architecture": "resnet10t",
        "parameters": 312_000,
        "versions": {"instdisc": "0.2.0"},
        "date": f"2026-11-2{seed}T10:00:00+00:00",
        "n": 600,
    }  # fmt: skip

    def make(
        task: str, dataset: str, metric: str, base: float, spread: float, **more: Any
    ) -> Record:
        value = base + spread * (0.4 * good + draw.gauss(0, 0.6))
        return Record(
            task, dataset, metric, value, value - spread, value + spread, **shared, **more
        )

    rows = []
    for place, name in enumerate((SOURCE, *TARGETS)):
        base = 45.0 + 6 * place
        rows += [make(task, name, "top-1", base, 1.0) for task in ("readout", "knn")]
        rows += [
            make(f"stage{stage}_readout", name, "top-1", base - 10 + 3 * stage, 1.0)
            for stage in (1, 2, 3, 4)
        ]
    for name in TARGETS[:5]:
        ways = 4 if name == "brain_mri4" else 5
        for shots in (1, 5) if name == "omniglot_background" else (1, 5, 20):
            metric = f"{ways}-way {shots}-shot logistic"
            rows.append(make("few_shot", name, metric, 50 + shots, 1.0, settings={"shots": shots}))
        rows += [
            make("transferability", name, metric, 1.0, 0.1, unit="")
            for metric in ("LogME", "H-score, shrunk covariance")
        ]
    for stage in (1, 2, 3, 4):
        rows += [
            make(f"stage{stage}_factors", "scenes", f"R2 {factor}", 0.4, 0.03, unit="")
            for factor in FACTORS
        ]
        rows.append(make(f"stage{stage}_factors", "scenes", "accuracy category", 60, 2.0))
        rows += [
            make(f"stage{stage}_geometry", SOURCE, "intra-class spread", 0.5, 0.02, unit=""),
            make(f"stage{stage}_geometry", SOURCE, "RankMe", 30, 2.0, unit=""),
            make(f"stage{stage}_geometry", SOURCE, "class separation", 0.7, -0.03, unit="",
                 higher_is_better=False),
        ]  # fmt: skip
        if stage > 1:
            metric = "CKA with the layer before"
            rows.append(make(f"layer{stage}_similarity", SOURCE, metric, 0.6, 0.02, unit=""))
    if dense and method != "random":
        for reset in (0, 1):
            rows += [
                make(
                    "finetune", name, "top-1", 70 - 2 * reset, 1.0, settings={"reset_stages": reset}
                )
                for name in ("eurosat", "flowers17")
            ]
        for name in ("bccd", "pennfudan"):
            rows.append(make("detection", name, "box AP50", 50, 1.0))
            rows += [
                make("hoiem", name, metric, 20, -0.5, higher_is_better=metric == "Cor")
                for metric in ("Cor", "Loc", "Sim", "Oth", "BG")
            ]
        rows.append(make("segmentation", "camvid", "mIoU", 40, 1.0))
        rows.append(make("landmarks", "faces68", "NME", 8, -0.1, higher_is_better=False))
        rows.append(make("stage4_inversion", SOURCE, "SSIM", 0.3, 0.01, unit=""))
        rows += [
            make(f"last4_layer{layer}_moved", "flowers17", "CKA", 0.9, 0.01, unit="")
            for layer in (1, 2, 3, 4)
        ]
    return rows


def differences(seed: int) -> list[Record]:
    return [
        Record(
            "readout", name, "top-1", 1.5 + 0.2 * seed, 0.2, 2.8 + 0.2 * seed,
            "paired bootstrap over 600 images, 10,000 resamples", 600, "points",
            method=f"{a} - {b}", seed=seed, settings={"a": a, "b": b, "p": 0.02},
        )
        for a, b in (("exemplar", "moco"), ("ce_moco", "cross_entropy"))
        for name in (SOURCE, *TARGETS)
    ]  # fmt: skip


KEPT = {"kept": 0.83, "gain": {"value": 9.21, "low": 7.9, "high": 10.4, "p": 0.001}}


def part(value: float, half: float, margin: float, **more: Any) -> dict[str, Any]:
    """A part of a verdict."""
    return {
        "quantity": "transfer of A minus B",
        "kind": "difference",
        "methods": ["A", "B"],
        "image_error": 0.25 * half,
        "value": value,
        "low": value - half,
        "high": value + half,
        "unit": "%",
        "margin": margin,
        "direction": "above",
        "p": 0.012,
        "verdict": "supported" if value - half > margin else "undecided",
        "seeds": [0, 1, 2],
        "per_seed": {"0": value - 0.31, "1": value + 0.11, "2": value + 0.2},
        "why": "it lies there",
        "details": {},
        **more,
    }


def missing_part(quantity: str, **more: Any) -> dict[str, Any]:
    """A part that could not be computed."""
    numbers = dict.fromkeys(("value", "low", "high", "p"))
    return {**part(0.0, 0.0, 1.0, quantity=quantity, seeds=[], per_seed={}, **more), **numbers}


def verdicts() -> list[dict[str, Any]]:
    """Of nine of the ten claims."""
    return [
        verdict("source-is-no-guide", "undecided",
                _over_methods(0.24, 0.61, 0.5, kind="tau", direction="below")),
        verdict("low-and-middle-stages", "supported", part(2.31, 0.82, 0.0, details=KEPT)),
        verdict("spread-goes-with-transfer", "supported",
                _over_methods(0.71, 0.22, 0.0, kind="correlation")),
        verdict(
            "exemplar",
            "contradicted",
            part(0.35, 0.9, -1.0, quantity="source, exemplar minus moco"),
            part(1.12, 0.7, -1.0, quantity="transfer, exemplar minus moco"),
            part(-2.4, 1.1, 1.0, quantity="transfer, exemplar minus cross_entropy",
                 verdict="contradicted"),
        ),
        verdict(
            "joint-objectives",
            "undecided",
            part(1.73, 1.2, 1.0, quantity="transfer, ce_moco minus cross_entropy"),
            part(0.4, 1.4, 1.0, quantity="transfer, supcon_moco minus supcon"),
        ),
        verdict(
            "augmentation",
            "supported",
            part(5.2, 1.3, 1.0, quantity="source, moco minus moco_weak"),
            part(4.1, 1.9, 1.0, quantity="source, moco minus moco_weak, less cross_entropy minus "
                 "cross_entropy_weak"),
        ),
        verdict("localisation", "undecided", missing_part("localisation", why="no seed has it")),
        verdict("inversion", "supported", _bare(0.051, 0.012, 0.02)),
        verdict("layers-alike", "undecided", _bare(0.031, 0.03, 0.02), _bare(0.012, 0.02, 0.02)),
    ]  # fmt: skip


def _bare(value: float, half: float, margin: float, **more: Any) -> dict[str, Any]:
    """A part without a unit and without values of single seeds."""
    return part(value, half, margin, unit="", per_seed={}, **more)


def _over_methods(value: float, half: float, margin: float, **more: Any) -> dict[str, Any]:
    """A part over seven methods."""
    methods = [f"method {number}" for number in range(7)]
    return _bare(value, half, margin, methods=methods, image_error=None, **more)


def verdict(claim: str, verdict: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {
        "claim": claim,
        "verdict": verdict,
        "p": 0.0123,
        "p_adjusted": 0.0456,
        "why": "The interval says so.",
        "parts": list(parts),
    }
