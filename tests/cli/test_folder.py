"""`instdisc pretrain FOLDER`: the recipe scaled to a folder and a machine."""

import csv

import numpy as np
import pytest
from PIL import Image

from instdisc.checkpoint import load_backbone
from instdisc.cli import main, pretrain
from instdisc.cli.folder import folder_run
from instdisc.cli.scaling import Machine, describe, scaled_settings
from instdisc.data import ImageFolder, ImageShards, write_shards

pytestmark = [
    pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning"),
]
CPU = Machine(1, "CPU", False, False, 2)
GPUS = Machine(8, "GPU", True, True, 64)


@pytest.fixture
def folder(tmp_path):
    """Two classes of 40 images of 40 x 36 pixels."""
    rng = np.random.default_rng(0)
    for name in ("ant", "bee"):
        (tmp_path / "insects" / name).mkdir(parents=True)
        for i in range(40):
            pixels = rng.integers(0, 128, (36, 40, 3), dtype=np.uint8) + 100 * (name == "bee")
            Image.fromarray(pixels.astype(np.uint8)).save(
                tmp_path / "insects" / name / f"{i:02d}.png"
            )
    return tmp_path / "insects"


def test_imagenet_on_eight_gpus_is_the_published_recipe():
    settings = scaled_settings(1281167, 400, GPUS)
    assert settings["global_batch"] == 256
    assert settings["model"]["init_args"] == {
        **{"learning_rate": 0.03, "queue_size": 65536, "batch_norm_groups": 8},
        "channels_last": True,
    }
    assert settings["data"] == {"image_size": 224, "num_workers": 7}
    assert settings["trainer"] == {"precision": "bf16-mixed"}


@pytest.mark.parametrize(
    ("num_images", "side", "batch", "expected"),
    [
        # images, side, chosen batch: batch, rate, queue, groups, side of views
        (1190, 500, None, (128, 0.015, 512, 4, 224)),
        (600, 32, None, (64, 0.0075, 256, 2, 32)),
        (60, 64, None, (8, 0.03 / 32, 24, 2, 64)),
        (1190, 500, 32, (32, 0.00375, 576, 2, 224)),
    ],
)
def test_the_rule(num_images, side, batch, expected):
    settings = scaled_settings(num_images, side, CPU, batch=batch)
    model = settings["model"]["init_args"]
    assert expected == (
        settings["global_batch"],
        *(model["learning_rate"], model["queue_size"], model["batch_norm_groups"]),
        settings["data"]["image_size"],
    )
    assert ("backbone" in model) == (side <= 64)
    assert model["queue_size"] <= num_images // 2


def test_a_folder_alone_is_enough(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    few = ["--trainer.max_epochs=2", "--trainer.accelerator=cpu", "--data.num_workers=0"]
    few += ["--model.backbone=test_resnet"]
    assert main(["pretrain", str(folder), *few]) == 0
    shown = capsys.readouterr().out
    for text in (
        "80 images",
        "8 images a step",
        "kNN is measured on 8 images",
        "test_resnet",
        "epoch 2 of 2: ",
    ):
        assert text in shown, text
    run = tmp_path / "runs" / "insects"
    assert load_backbone(run / "checkpoints" / "backbone.safetensors").name == "test_resnet"
    with next(run.glob("csv/*/metrics.csv")).open() as file:
        rows = list(csv.DictReader(file))
    first = [row for row in rows if row["epoch"] == "0"]
    assert any(row["loss"] for row in first)  # from the first epoch on
    assert any(row["knn"] and row["knn_random"] for row in first)
    assert len({row["knn_random"] for row in rows} - {""}) == 1


def test_ctrl_c_is_told(folder, tmp_path, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("instdisc.MoCoModule.training_step", interrupt)
    few = ["--trainer.accelerator=cpu", "--data.num_workers=0", "--model.backbone=test_resnet"]
    assert main(["pretrain", str(folder), *few, "--trainer.enable_progress_bar=false"]) == 130
    assert "stopped. The same command with --ckpt_path last goes on." in capsys.readouterr().err


def test_parts_are_trained_on_and_watched(folder, tmp_path):
    (tmp_path / "set").mkdir()
    folder.rename(tmp_path / "set" / "train")
    (tmp_path / "set" / "val").symlink_to(tmp_path / "set" / "train")
    options, lines, _ = folder_run([str(tmp_path / "set")])
    cli = pretrain.make_cli([*options, "--model.backbone=test_resnet"])
    assert (len(cli.datamodule.images), len(cli.datamodule.test_images)) == (80, 80)
    assert lines[-1].startswith(f"kNN is measured on {tmp_path / 'set' / 'val'}")


def test_what_is_said_is_what_runs(folder):
    chosen = ["--data.image_size", "64", "--model.backbone", "resnet10t", "--global_batch=16"]
    run = folder_run([str(folder), *chosen, "--model.learning_rate=0.5"])
    config = pretrain.make_cli(run.options).config
    backbone = config.model.init_args.backbone.init_args
    assert (backbone.name, backbone.stem) == ("resnet10t", "no_pool")
    lines = describe(config, run.scaled, CPU)
    assert "resnet10t: 16 images a step, learning rate 0.5" in lines[1]
    assert "views of 64 pixels" in lines[1]
    assert not any("takes long" in line for line in lines)


def test_options_that_are_given_count(folder):
    assert folder_run(["--config", "x"]) == (["--config", "x"], [], 0)
    options, lines, scaled = folder_run([str(folder), "--config", "mine.yaml"])
    assert scaled == 0
    assert len(options) == 3  # the data, and the user's two
    assert len(lines) == 1
    with pytest.raises(FileNotFoundError, match="`images` must be a folder of images, got 'none'"):
        folder_run(["none"])
    with pytest.raises(ValueError, match="at least 16 images"):
        scaled_settings(10, 32, CPU)


def test_a_folder_of_tar_shards(folder):
    write_shards(ImageFolder(folder), folder.parent / "shards", images_per_shard=30)
    options, lines, scaled = folder_run([str(folder.parent / "shards")])
    assert scaled == 80
    assert lines[-1].startswith("kNN is measured on 8 images")
    data = pretrain.make_cli([*options, "--model.backbone=test_resnet"]).datamodule
    assert isinstance(data.images.images, ImageShards)
    assert (len(data.images), len(data.test_images)) == (72, 8)


def test_parts_in_files_are_trained_on_and_watched(folder, tmp_path, monkeypatch, capsys):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    images = ImageFolder(folder)
    (tmp_path / "hub" / "data").mkdir(parents=True)
    for name, rows in (("train", range(0, 80, 2)), ("test", range(1, 80, 4))):
        columns = {
            "image": [{"bytes": images.encoded(row), "path": None} for row in rows],
            "label": [images.classes[images.labels[row]] for row in rows],
        }
        file = tmp_path / "hub" / "data" / f"{name}-00000-of-00001.parquet"
        parquet.write_table(arrow.table(columns), file, row_group_size=10)
    monkeypatch.chdir(tmp_path)
    few = ["--trainer.max_epochs=1", "--trainer.accelerator=cpu", "--data.num_workers=0"]
    assert main(["pretrain", "hub", *few, "--model.backbone=test_resnet"]) == 0
    shown = capsys.readouterr().out
    assert "40 images" in shown
    assert "kNN is measured on hub@test, at the end of each epoch" in shown
    assert (tmp_path / "runs" / "hub" / "checkpoints" / "backbone.safetensors").is_file()
    options, lines, _ = folder_run(["hub", "--config=mine.yaml", f"--data.test_images={folder}"])
    assert options[0] == '--config={"data": {"images": "hub@train"}}'
    assert lines == []
    options, lines, _ = folder_run(["hub@train"])  # one part, of which some are held out
    data = pretrain.make_cli([*options, "--model.backbone=test_resnet"]).datamodule
    assert len(data.images) + len(data.test_images) == 40
    assert "a tenth of each class, which are not trained on" in lines[-1]
