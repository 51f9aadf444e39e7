"""Small made records and predictions for the charts."""

from pathlib import Path

import numpy as np

from instdisc.predictions import save_predictions
from instdisc.report.comparison import compare
from instdisc.report.material import Material
from instdisc.types import Record


def record(task="knn", dataset="pets", metric="top-1", value=50.0, **fields):
    """A record with an interval of 4 around its value."""
    fields = {"low": value - 2, "high": value + 2, "interval": "Wilson, 200 images"} | fields
    fields = {"n": 200, "method": "MoCo", "architecture": "resnet50"} | fields
    return Record(task, dataset, metric, value, **fields)


def compared(records, folder: Path | None = None):
    """The records as material, and their comparison."""
    material = Material(list(records), [] if folder is None else [folder])
    return material, compare(material)


def keep(folder: Path, job: str, **columns):
    """Predictions of a job beside the records."""
    (folder / "predictions").mkdir(exist_ok=True)
    save_predictions(folder / "predictions" / f"{job}.npz", columns)


def predicted(folder: Path, method: str, accuracy: float, *, dataset="pets", seed=0, **fields):
    """Records of a read-out and its predictions on 200 images of 4 classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(200) % 4
    hits = rng.random(200) < accuracy
    guesses = np.where(hits, labels, (labels + 1) % 4)
    confidence = np.clip(accuracy + rng.normal(0, 0.15, 200), 0.25, 1)
    job = f"readout-{method}-{dataset}".replace("/", "").replace("<", "")[:60]
    images = [str(k) for k in range(200)]
    keep(folder, job, image=images, label=labels, prediction=guesses, confidence=confidence)
    same = {"method": method, "dataset": dataset, "job": job, **fields}
    return [
        record("readout", value=100 * hits.mean(), **same),
        record("readout", metric="ECE", value=7.0, higher_is_better=False, **same),
    ]
