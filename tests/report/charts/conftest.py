"""Small made records and predictions for the charts."""

import numpy as np
import pytest

from instdisc.predictions import save_predictions
from instdisc.report.comparison import compare
from instdisc.report.material import Material
from instdisc.types import Record


class Made:
    """Records and what lies beside them in a folder."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "predictions").mkdir()

    def record(self, task="knn", dataset="pets", metric="top-1", value=50.0, **fields):
        """A record with an interval from 2 below its value to 3 above."""
        fields = {"low": value - 2, "high": value + 3, "interval": "Wilson, 200 images"} | fields
        fields = {"n": 200, "method": "MoCo", "architecture": "resnet50"} | fields
        return Record(task, dataset, metric, value, **fields)

    def predicted(self, method, hits, *, dataset="pets", confidence=0.75):
        """Records of a read-out and its predictions: images of four classes in turn."""
        hits = np.asarray(hits, bool)
        labels = np.arange(len(hits)) % 4
        job = f"{dataset}-{abs(hash((method, dataset)))}"
        self.keep(
            job,
            image=[str(k) for k in range(len(hits))],
            label=labels,
            prediction=np.where(hits, labels, (labels + 1) % 4),
            confidence=np.broadcast_to(confidence, len(hits)).astype(np.float32),
        )
        same = {"method": method, "dataset": dataset, "job": job, "n": len(hits)}
        return [
            self.record("readout", value=100 * hits.mean(), **same),
            self.record("readout", metric="ECE", value=7.0, higher_is_better=False, **same),
        ]

    def keep(self, job, **columns):
        """Predictions of a job."""
        save_predictions(self.folder / "predictions" / f"{job}.npz", columns)

    def material(self, records):
        """The records as material, and their comparison."""
        material = Material(list(records), [self.folder])
        return material, compare(material)


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path)
