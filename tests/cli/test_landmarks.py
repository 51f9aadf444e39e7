"""The command line for landmarks, and every recipe of it."""

import csv
import functools
import importlib
import json
from pathlib import Path

import pytest
import yaml

import instdisc.cli
from instdisc.checkpoint import export_backbone
from instdisc.data import CATALOG, LandmarkData, SceneLandmarks, Scenes
from instdisc.models import Backbone
from instdisc.report import read_records

# pytorch-lightning 2.6's command line calls a method that newer jsonargparse renamed; not ours.
pytestmark = pytest.mark.filterwarnings(
    "ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning"
)

RECIPES = Path(instdisc.cli.__file__).parent / "recipes"
CONFIGS = sorted((RECIPES / "landmarks").glob("*.yaml"))
FACES = RECIPES / "ablations" / "faces"


@pytest.fixture
def script(monkeypatch):
    return importlib.import_module("instdisc.cli.landmarks")


def test_a_run_leaves_what_it_promises(script, tmp_path, capsys):
    file = export_backbone(Backbone("test_resnet"), tmp_path / "net.safetensors")
    scenes = json.dumps(
        {
            "class_path": "instdisc.data.SceneLandmarks",
            "init_args": {
                "scenes": {
                    "class_path": "instdisc.Scenes",
                    "init_args": {"num_images": 12, "image_size": 32},
                }
            },
        }
    )
    arguments = [
        *[f"--config={RECIPES / 'landmarks' / 'scenes.yaml'}"],
        *[f"--model.backbone={file}", "--data.image_size=32", "--data.batch_size=4"],
        *[f"--data.train={scenes}", f"--data.test={scenes}", "--seed_everything=5"],
        *["--trainer.max_epochs=2", "--trainer.accelerator=cpu"],
        *["--trainer.log_every_n_steps=1", f"--trainer.default_root_dir={tmp_path / 'run'}"],
    ]
    records = script.run(arguments)
    assert read_records(tmp_path / "run" / "results.jsonl") == records
    first = records[0]
    assert (first.metric, first.dataset, first.seed) == ("NME", "scenes", 5)
    assert first.checkpoint == str(file)
    assert first.settings["train"] == 12
    assert first.settings["grid"] == 2
    names = (
        "config.yaml",
        "csv/version_0/metrics.csv",
        "landmarks.png",
        "curve.png",
        "checkpoints/last.ckpt",
    )
    assert all((tmp_path / "run" / name).is_file() for name in names)
    assert "landmarks NME" in capsys.readouterr().out
    again = script.run([*arguments, "--ckpt_path=last"])
    assert again == records == read_records(tmp_path / "run" / "results.jsonl")  # it had ended
    kept = tmp_path / "run" / "predictions"
    assert [file.stem for file in kept.iterdir()] == [first.job]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_recipe_builds(path, script, tmp_path, monkeypatch):
    few = SceneLandmarks(Scenes(8, image_size=32))

    original = LandmarkData.__init__

    @functools.wraps(original)
    def opened(self, train, test=None, **options):
        assert isinstance(train, str)
        assert test is None
        root = options.pop("root")
        assert root == str(tmp_path)
        original(self, few, few, **options)

    monkeypatch.setattr(LandmarkData, "__init__", opened)
    cli = script.make_cli(
        [
            *[f"--config={path}", f"--data.root={tmp_path}", "--model.backbone=test_resnet"],
            *["--trainer.accelerator=cpu", f"--trainer.default_root_dir={tmp_path}"],
        ]
    )
    recipe = yaml.safe_load(path.read_text())
    assert recipe["trainer"]["default_root_dir"] == f"runs/landmarks_{path.stem}"
    assert cli.model.image_size == cli.datamodule.image_size
    assert cli.model.layout == few.layout
    assert cli.model.frozen is recipe["model"].get("frozen", True)
    head = path.read_text()
    command = f"--config landmarks/{path.stem}"
    assert command in head
    for said in ("# Expected: ", "# Cost: "):
        assert said in head


# Zhao et al. (2021) on faces: the three rows differ in the method alone.


def test_face_pretraining():
    rows = {path.stem: yaml.safe_load(path.read_text()) for path in FACES.glob("*.yaml")}
    assert set(rows) == {"supervised", "exemplar_v2", "moco_v2"}
    for name, row in rows.items():
        images = row["data"]["images"]["init_args"]
        assert images == {"name": "celeba", "split": "train_without_mafl_test"}
        assert images["split"] in CATALOG["celeba"].splits
        assert row["trainer"].pop("default_root_dir") == f"runs/{name}_faces"
        recipe = RECIPES / "pretrain" / f"{name}.yaml"
        published = yaml.safe_load(recipe.read_text())
        del row["data"]["images"], published["trainer"]["default_root_dir"]
        if name == "supervised":
            published["model"]["init_args"]["num_classes"] = CATALOG["celeba"].num_classes
        assert row == published
        command = f"--config ablations/faces/{name}"
        assert command in (FACES / f"{name}.yaml").read_text()


@pytest.mark.slow
def test_real_faces_get_better(script, real_data, tmp_path):
    records = script.run(
        [
            *[f"--config={RECIPES / 'landmarks' / 'faces68.yaml'}"],
            *[f"--data.root={real_data('faces68').parent}", "--data.image_size=64"],
            *[
                "--model.backbone=test_resnet",
                "--trainer.max_epochs=8",
                "--trainer.accelerator=cpu",
            ],
            *["--trainer.log_every_n_steps=1", f"--trainer.default_root_dir={tmp_path}"],
        ]
    )
    with (tmp_path / "csv" / "version_0" / "metrics.csv").open() as file:
        errors = [float(row["NME"]) for row in csv.DictReader(file) if row["NME"]]
    assert len(errors) == 8
    assert errors[-1] == pytest.approx(records[0].value, rel=1e-4)
    assert errors[0] < 21.4  # the mean shape's, where the head begins
    assert errors[-1] < 0.95 * errors[0]
    # Only the points outside the pictures do not count.
    assert 6 <= records[0].settings["points_not_counted"] < 20
