"""What release 0.1.0 wrote stays readable: an export and a results file, as it wrote them."""

from pathlib import Path

import pytest

from instdisc import load_backbone
from instdisc.data import Scenes
from instdisc.records import append_records, read_jobs, read_records
from instdisc.transfer import evaluate_knn, extract_features
from instdisc.types import InputSpec

FOLDER = Path(__file__).parent


def test_export_gives_the_features_it_gave():
    backbone = load_backbone(FOLDER / "backbone.safetensors")
    assert backbone.input == InputSpec()  # it did not say how it saw images
    about = backbone.about()
    assert (about.method, about.pretraining) == ("MoCoModule", "MoCoModule")
    features = [
        extract_features(
            backbone, Scenes(24, image_size=32, num_categories=2, split=split), image_size=32
        )
        for split in ("train", "test")
    ]
    # As computed by release 0.1.0.
    assert float(features[0].features.double().sum()) == pytest.approx(63.599754, rel=1e-5)
    assert evaluate_knn(*features).value == 50.0


def test_results_are_read_and_added_to(tmp_path):
    first, second = read_records(FOLDER / "results.jsonl")
    assert (first.task, first.value, first.n) == ("knn", 50.0, first.n)
    assert (first.low, first.high) == (
        pytest.approx(29.996, abs=1e-3),
        pytest.approx(70.004, abs=1e-3),
    )
    assert (second.metric, second.higher_is_better, second.low) == ("ECE", False, None)
    assert first.versions["instdisc"] == "0.1.0"
    file = tmp_path / "results.jsonl"
    file.write_bytes((FOLDER / "results.jsonl").read_bytes())
    assert list(read_jobs(file)) == ["abc"]
    append_records([first], file)
    assert read_records(file) == [first, second, first]
