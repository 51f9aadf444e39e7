"""Every script runs: the shortest job that still goes through all of it."""

import ast
import importlib
import importlib.util
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from instdisc import Backbone, InstanceDiscriminationLoss, PretrainModule
from instdisc.analysis import ANALYSES
from instdisc.methods import Contrast, InBatchContrast, Prediction, SelfDistillation
from instdisc.records import read_records
from instdisc.testing import check_loss, check_method, check_source, check_two_processes
from instdisc.testing.runs import make_batches
from instdisc.transfer import TASKS, Features, read_predictions

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
OWN_METHODS = ["custom_byol", "custom_simclr", "custom_dino", "custom_hard_negatives"]


def load(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def picture_size(path):
    with Image.open(path) as picture:
        return picture.size


pytestmark = [
    pytest.mark.filterwarnings("ignore:The number of training batches"),
    pytest.mark.filterwarnings("ignore:`Trainer` was configured with"),
]


def test_quickstart(tmp_path):
    quickstart = load("quickstart")
    records = quickstart.main(["--epochs", "1", "--images", "256", "--out", str(tmp_path)])
    methods = {"MoCo", "exemplar", "supervised", "random"}
    for task, dataset in (("knn", "scenes"), ("linear", "new categories")):
        assert {r.method for r in records if (r.task, r.dataset) == (task, dataset)} == methods
    known = {r.metric for r in records if r.task == "stage4_factors"}
    assert {"R2 position", "R2 object colour", "accuracy category"} <= known
    page = (tmp_path / "report.html").read_text()
    assert all(name in page for name in methods)
    for name in methods - {"random"}:
        assert (tmp_path / name / "backbone.safetensors").exists()
        (views,) = (tmp_path / name).rglob("views.png")
        assert picture_size(views)[0] > 64


def test_custom_loss():
    check_loss(load("custom_loss").CautiousExemplarLoss(0.2))


def test_custom_source(tmp_path):
    pixels = np.random.RandomState(0).randint(0, 256, (8, 12, 10, 3), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", images=pixels, labels=np.arange(8) % 3 - 1)
    source = importlib.import_module("custom_source").ArchiveImages  # pickled by its name
    check_source(lambda: source(tmp_path / "images.npz"), two_processes=False)
    assert torch.equal(
        source(tmp_path / "images.npz").read(3).permute(1, 2, 0), torch.from_numpy(pixels[3])
    )


def test_custom_method():
    method = load("custom_method").CrossEntropyExemplarModule(
        "test_resnet", num_classes=4, queue_size=40, batch_norm_groups=2
    )
    check_method(method, two_processes=False)


def own_methods():
    """The methods of the scripts, small, by the names of their files."""
    own = {name: importlib.import_module(name) for name in OWN_METHODS}
    backbone = Backbone("test_resnet")
    hard = own["custom_hard_negatives"].HardSupConLoss(0.2)
    term = Contrast(backbone.dim, hard, queue_size=40, needs_labels=True)
    return {
        "custom_byol": own["custom_byol"].BYOLModule("test_resnet", widths=(32, 16)),
        "custom_simclr": own["custom_simclr"].SimCLRModule("test_resnet", projection_dim=16),
        "custom_dino": own["custom_dino"].DINOModule("test_vit", num_views=4, num_prototypes=32),
        "custom_hard_negatives": PretrainModule(backbone, {"contrast": term}, batch_norm_groups=2),
    }


@pytest.mark.parametrize("name", OWN_METHODS)
def test_own_method(name):
    check_method(own_methods()[name], two_processes=False)


@pytest.mark.parametrize("name", OWN_METHODS)
def test_own_method_takes_30_lines(name):
    """Of its classes, without docstrings, comments and empty lines."""
    source = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    classes = [part for part in ast.parse(source).body if isinstance(part, ast.ClassDef)]
    lines = [
        line
        for part in classes
        for line in source.splitlines()[part.body[0].end_lineno : part.end_lineno]
        if line.strip() and not line.strip().startswith("#")
    ]
    assert 5 < len(classes) + len(lines) <= 30


@pytest.mark.slow
def test_own_methods_on_two_processes():
    batches = make_batches(2, 8, 32, num_views=4, num_small_views=2)
    check_two_processes(list(own_methods().values()), batches)


def test_own_simclr_and_byol_are_those_of_the_library():
    own, queries, labels = own_methods(), *make_features()
    term = own["custom_simclr"].objectives["simclr"]
    loss = InstanceDiscriminationLoss(term.temperature)
    twin = InBatchContrast(term.projector, loss, join_views=False)
    torch.testing.assert_close(term(queries, {}, labels), twin(queries, {}, labels))
    term = own["custom_byol"].objectives["byol"]
    twin = Prediction(term.projector, term.predictor, momentum=0.9)
    both = queries, queries, labels
    torch.testing.assert_close(term(*both), twin(*both))


def test_own_dino_is_that_of_the_library():
    own, queries, labels = own_methods()["custom_dino"].objectives["dino"], *make_features(64)
    twin = SelfDistillation(64, num_views=4, num_prototypes=32)
    twin.head, twin.momentum_head = own.head, own.momentum_head
    keys = {view: queries[view] for view in (0, 1)}
    for _ in range(2):  # at the second the centre is no longer 0
        torch.testing.assert_close(own(queries, keys, labels), twin(queries, keys, labels))
        own.after_backward()
        twin.after_backward()


def test_own_hard_negatives():
    check_loss(importlib.import_module("custom_hard_negatives").HardSupConLoss(0.2))


def make_features(dim=96):
    """Of four views of six images, with labels."""
    torch.manual_seed(0)
    return {view: torch.randn(6, dim) for view in range(4)}, torch.arange(6)


@pytest.fixture
def unregistered(monkeypatch):
    """What the script registers is gone after the test."""
    for table in (TASKS, ANALYSES):
        monkeypatch.setitem(table, "silence", None)


def test_custom_analysis(unregistered, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / "custom_analysis.py"), run_name="__main__")
    said = capsys.readouterr().out
    out = tmp_path / "runs" / "custom_analysis"
    records = read_records(out / "results.jsonl")
    assert [(record.task, record.method, record.n) for record in records] == [
        ("silence", "test_resnet", 60),
        ("silence", "resnet18", 60),
    ]
    for record in records:
        assert f"{record.method}: {record.value:.1f} % of the features are silent" in said
        active = read_predictions(out / "predictions" / f"{record.job}.npz")["active"]
        assert record.value == 100 * np.mean(active <= record.settings["share"])
    assert min(picture_size(out / "figures" / "scenes_silence.png")) > 300


def test_custom_analysis_counts_silent_features(unregistered):
    script = load("custom_analysis")
    features = torch.zeros(100, 4)
    features[:, 0] = 1.0
    features[:2, 1] = 0.5
    features[0, 2] = 3.0
    table = Features(features, torch.zeros(100, dtype=torch.int64))
    record = script.evaluate_silence(table)
    assert (record.value, record.n) == (50.0, 100)  # of 1 % and of no image
    assert script.evaluate_silence(table, share=0.0).value == 25.0


def test_compare(tmp_path):
    for split in ("train", "test"):
        for label in ("a", "b"):
            (tmp_path / "set" / split / label).mkdir(parents=True)
            for number in range(8):
                image = Image.effect_noise((32, 32), 20 + 60 * (label == "a")).convert("RGB")
                image.save(tmp_path / "set" / split / label / f"{number}.png")
    arguments = [
        *("--train", str(tmp_path / "set/train"), "--test", str(tmp_path / "set/test")),
        *("--backbone", "test_resnet", "--epochs", "1", "--batch-size", "8"),
        *("--queue-size", "16", "--batch-norm-groups", "2", "--out", str(tmp_path / "out")),
    ]
    compare = load("compare")
    records = compare.main(arguments)
    assert len({record.method for record in records}) == len(compare.METHODS)
    assert compare.main(arguments) == records  # all of it stands there already
