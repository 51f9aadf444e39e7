"""The command line: every published row builds, a run leaves what it promises, a resume goes on."""

import csv
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from pytorch_lightning.callbacks import ModelCheckpoint, RichProgressBar

import instdisc
import instdisc.cli
from instdisc.callbacks import OnlineKNN, OnlineLinearProbe
from instdisc.checkpoint import describe_checkpoint
from instdisc.cli.recipes import recipe_path
from instdisc.data import CATALOG, view_policy
from instdisc.methods import Classification, Contrast

# pytorch-lightning 2.6's command line calls a method that newer jsonargparse renamed; not ours.
pytestmark = pytest.mark.filterwarnings(
    "ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning"
)

RECIPES = Path(instdisc.cli.__file__).parent / "recipes"
CONFIGS = sorted((RECIPES / "pretrain").glob("*.yaml"))
ABLATIONS = RECIPES / "ablations"
AUGMENTATION = sorted((ABLATIONS / "augmentation").glob("*.yaml"))
DATA_SETS = sorted((ABLATIONS / "data").glob("*.yaml"))
TINY = [RECIPES / "pretrain" / "tiny_imagenet100.yaml"]
TINY += [ABLATIONS / "small" / "tiny_supervised.yaml"]
ON_SCENES = [ABLATIONS / "small" / f"scenes_{name}.yaml" for name in ("moco_v2", "supervised")]
BASES = TINY + ON_SCENES
ON_TOP = sorted(set((ABLATIONS / "small").glob("*.yaml")) - set(BASES))
PAIRS = [
    (base, path)
    for path in ON_TOP
    for base in BASES
    if path.stem.startswith(("zhao", base.stem.partition("_")[0]))
]
ONE_CPU = [
    *["--trainer.accelerator=cpu", "--trainer.devices=1", "--trainer.num_nodes=1"],
    *["--trainer.strategy=auto", "--data.num_workers=0"],
]
SCENES = """
model:
  class_path: instdisc.MoCoModule
  init_args: {backbone: test_resnet, queue_size: 64, batch_norm_groups: 2}
data:
  images: {class_path: instdisc.Scenes, init_args: {num_images: 64, image_size: 32}}
  test_images:
    class_path: instdisc.Scenes
    init_args: {num_images: 16, image_size: 32, split: test}
  image_size: 32
  batch_size: 8
trainer:
  accelerator: cpu
  max_epochs: 1
  limit_train_batches: 2
  log_every_n_steps: 1
"""
OWN_METHOD = """
import instdisc
from instdisc.checkpoint import open_backbone
from instdisc.methods import Classification

class TwoViewClassifier(instdisc.PretrainModule):
    def __init__(self, backbone: str | instdisc.Backbone = "resnet50", *, num_classes: int) -> None:
        backbone = open_backbone(backbone)
        classes = Classification(backbone.dim, num_classes, both_views=True)
        super().__init__(backbone, {"classes": classes}, batch_norm="plain")
        self.save_hyperparameters(ignore=["backbone"])
"""
WIDE = ("hidden_dim", "projection_dim", "num_prototypes")  # of heads that take seconds to draw


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return importlib.import_module("instdisc.cli.pretrain")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Three classes of eight images."""
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for name in ("ant", "bee", "cat"):
        (root / name).mkdir()
        for i in range(8):
            pixels = rng.integers(0, 256, (40, 36, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return root


@pytest.fixture
def scenes(tmp_path) -> list[str]:
    (tmp_path / "scenes.yaml").write_text(SCENES)
    run = tmp_path / "run"
    return [f"--config={tmp_path / 'scenes.yaml'}", f"--trainer.default_root_dir={run}"]


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_row_builds(path, script, folder, tmp_path):
    row = yaml.safe_load(path.read_text())
    settings = row["model"]["init_args"]
    net = settings["backbone"]["init_args"]
    tiny = "vit_tiny_patch16_224" if net["name"].startswith("vit") else "test_resnet"
    # test_resnet has no stem for CIFAR.
    stem = ["--model.backbone.init_args.stem=no_pool"] if net.get("stem") == "cifar" else []
    cli = script.make_cli(
        [
            f"--config={path}",
            f"--data.images={folder}",
            *(f"--model.backbone.init_args.name={tiny}", *stem),
            *(f"--model.{name}=32" for name in WIDE if settings.get(name, 0) > 4096),
            f"--trainer.default_root_dir={tmp_path}",
            *ONE_CPU,
        ]
    )
    assert type(cli.model).__name__ == row["model"]["class_path"].removeprefix("instdisc.")
    assert cli.model.backbone.timm_options == settings["backbone"].get("dict_kwargs", {})
    assert cli.trainer.max_epochs == row["trainer"]["max_epochs"]
    assert row["trainer"]["default_root_dir"] == f"runs/{path.stem}"
    cli.datamodule.batch_size = 8  # there are 24 images
    views = cli.datamodule.train_dataloader().dataset[0, 0].views
    objectives = cli.model.objectives.values()
    assert len(views) == 1 + max(max(*term.queries, *term.keys, 0) for term in objectives)
    assert views[0].shape[-2:] == (row["data"]["image_size"],) * 2


def test_a_memory_bank_has_a_row_for_each_image(script, scenes):
    options = [*scenes, "--model=InstDiscModule", "--model.backbone=test_resnet"]
    for further, rows in (([], 64), (["--model.num_images=70"], 70)):
        model = script.make_cli([*options, *further]).model
        assert model.objectives["contrast"].memory_bank.size == rows


@pytest.mark.parametrize(
    "path", CONFIGS + AUGMENTATION + DATA_SETS + BASES[1:], ids=lambda path: path.stem
)
def test_every_row_is_headed_by_command_result_and_cost(path):
    head = path.read_text().split("\nmodel:")[0]
    assert f"--config {path.relative_to(RECIPES).with_suffix('')}" in head
    for word in ("# Expected: ", "# Cost: ", "# Batch: "):
        assert head.count(word) == 1


# Zhao et al. (2021) and MoCo's code; Islam et al. (2021), their code.
PUBLISHED = {
    # row: epochs, images per step, final rate, policy, T, K, weights of the terms
    "moco_v1": (200, 256, 0.03, "moco_v1", 0.07, 65536, {"contrast": 1}),
    "moco_v2": (200, 256, 0.03, "moco_v2", 0.2, 65536, {"contrast": 1}),
    "exemplar_v1": (200, 256, 0.03, "moco_v1", 0.07, 65536, {"contrast": 1}),
    "exemplar_v2": (200, 256, 0.03, "moco_v2", 0.2, 65536, {"contrast": 1}),
    "islam_imagenet_ce": (400, 1536, 0.48, "islam_weak", None, None, {"classes": 1}),
    "islam_imagenet_selfsupcon": (400, 1536, 0.48, "islam_strong", 0.07, 64000, {"contrast": 1}),
    "islam_imagenet_supcon": (400, 1536, 0.48, "islam_strong", 0.07, 64000, {"supcon": 1}),
    "islam_imagenet_ce_selfsupcon": (
        *(400, 1536, 0.48, "islam_strong", 0.07, 64000),
        {"classes": 1, "contrast": 0.5},
    ),
    "islam_imagenet_supcon_selfsupcon": (
        *(400, 1536, 0.48, "islam_strong", 0.07, 64000),
        {"contrast": 0.5, "supcon": 1},
    ),
    "islam_mini_ce": (300, 128, 0.04, "islam_weak", None, None, {"classes": 1}),
    "islam_mini_selfsupcon": (300, 128, 0.04, "islam_strong", 0.07, 16384, {"contrast": 1}),
    "islam_mini_supcon": (300, 128, 0.04, "islam_strong", 0.07, 16384, {"supcon": 1}),
    "islam_mini_ce_selfsupcon": (
        *(300, 128, 0.04, "islam_strong", 0.07, 16384),
        {"classes": 1, "contrast": 2},
    ),
    "islam_mini_supcon_selfsupcon": (
        *(300, 128, 0.04, "islam_strong", 0.07, 16384),
        {"contrast": 1, "supcon": 1},
    ),
}


for _method, _weights in {
    "ce": {"classes": 1},
    "selfsupcon": {"contrast": 1},
    "supcon": {"supcon": 1},
    "ce_selfsupcon": {"classes": 1, "contrast": 2},
    "supcon_selfsupcon": {"contrast": 1, "supcon": 1},
}.items():
    _policy = "islam_weak" if _method == "ce" else "islam_strong"
    _contrast = (None, None) if _method == "ce" else (0.07, 44928)
    PUBLISHED[f"islam_tiered_{_method}"] = (500, 128, 0.04, _policy, *_contrast, _weights)
    _imagenet = PUBLISHED[f"islam_imagenet_{_method}"]
    PUBLISHED[f"islam_imagenet100_{_method}"] = (400, 768, 0.24, *_imagenet[3:])
NUM_CLASSES = {"imagenet100": 100, "imagenet": 1000, "mini": 64, "tiered": 351}


@pytest.mark.parametrize("name", ["moco_v2", "islam_imagenet_ce"])
def test_what_makes_a_recipe_fast_changes_nothing_else(name, script, folder, tmp_path):
    configs = RECIPES
    plain, fast = (
        script.make_cli(
            [
                *(f"--config={configs / file}.yaml" for file in files),
                f"--data.images={folder}",
                "--model.backbone.init_args.name=test_resnet",
                f"--trainer.default_root_dir={tmp_path}",
                *ONE_CPU,
            ]
        ).config.as_dict()
        for files in ([f"pretrain/{name}"], [f"pretrain/{name}", "gpu"])
    )
    plain["model"]["init_args"] |= {"channels_last": True, "compile": True}
    plain["data"]["dtype"] = "bfloat16"
    plain["trainer"]["precision"] = "bf16-mixed"
    assert fast.pop("config") != plain.pop("config")
    assert fast == plain


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_settings(name, script, folder, tmp_path):
    epochs, batch, rate, policy, temperature, queue_size, weights = PUBLISHED[name]
    path = RECIPES / "pretrain" / f"{name}.yaml"
    row = yaml.safe_load(path.read_text())
    islam = name.startswith("islam")
    trainer, data, settings = row["trainer"], row["data"], row["model"]["init_args"]
    assert trainer["max_epochs"] == epochs
    assert row["global_batch"] == batch
    assert set(trainer) == {"max_epochs", "default_root_dir"}  # the devices that are found
    assert (data["policy"], data["image_size"]) == (policy, 224)
    assert settings["backbone"]["init_args"]["name"] == (
        "resnet18" if "mini" in name or "tiered" in name else "resnet50"
    )

    cli = script.make_cli(
        [
            f"--config={path}",
            f"--data.images={folder}",
            "--model.backbone.init_args.name=test_resnet",
            f"--trainer.default_root_dir={tmp_path}",
            *ONE_CPU,
        ]
    )
    module = cli.model
    assert cli.datamodule.batch_size == batch
    if policy != "islam_weak" or islam:  # a device of theirs held so many
        assert batch / module.batch_norm.groups == (64 if "imagenet" in name else 32)
        assert module.batch_norm.mode == "shuffled"
    assert module.learning_rate * batch / (module.reference_batch or batch) == pytest.approx(rate)
    assert (module.optimizer_name, module.sgd_momentum, module.weight_decay) == ("sgd", 0.9, 1e-4)
    assert module.warmup * epochs == pytest.approx(5 if islam else 0, abs=1e-4)
    assert module.schedule == ("step" if name.endswith("v1") else "cosine")
    assert [share * epochs for share in module.milestones] == [0.6 * epochs, 0.8 * epochs]
    assert {name: term.weight for name, term in module.objectives.items()} == weights
    for objective in module.objectives.values():
        if isinstance(objective, Classification):
            assert objective.classifier.out_features == NUM_CLASSES[name.split("_")[1]]
        else:
            assert isinstance(objective, Contrast)
            assert objective.loss.temperature == temperature
            assert objective.queue.size == queue_size
            assert objective.momentum_projector.momentum == 0.999
            assert len(objective.projector.layers) == (1 if name.endswith("v1") else 3)
            assert objective.enqueue_first == (type(objective.loss) is instdisc.SupConLoss)


# The ablations of Zhao et al. (2021): every row is its recipe but for what the table varies.


ISLAM = sorted((ABLATIONS / "islam").glob("*.yaml"))
CLASSIFIES = {"imagenet": {"num_classes": 1000}, "mini": {"num_classes": 64}}
VARIED = {
    # ablation: the recipe, its class, what is added to the module, what is changed in the data
    "ce_moco_views": ("ce", "SupervisedModule", {}, {"policy": "islam_strong"}),
    "ce_two_views": (
        *("ce", "SupervisedModule", {"both_views": True}),
        {"policy": "islam_strong", "num_views": None},
    ),
    "ce_two_views_selfsupcon": (
        *("ce_selfsupcon", "CrossEntropyMoCoModule", {"both_views": True}, {}),
    ),
    "ce_supcon": ("supcon", "CrossEntropySupConModule", {"supcon_weight": 0.2}, {}),
    "ce_selfsupcon_same_class": (
        *("ce_selfsupcon", "CrossEntropyMoCoModule", {"negatives": "same_class"}, {}),
    ),
}


@pytest.mark.parametrize("path", ISLAM, ids=lambda path: path.stem)
def test_ablation_of_islam_varies_one_thing(path):
    images, _, name = path.stem.partition("_")
    base, kind, settings, data = VARIED[name]
    row = yaml.safe_load(path.read_text())
    recipe = yaml.safe_load((RECIPES / "pretrain" / f"islam_{images}_{base}.yaml").read_text())
    recipe["model"]["class_path"] = f"instdisc.{kind}"
    recipe["model"]["init_args"] |= settings | CLASSIFIES[images]
    recipe["data"] |= data
    recipe["data"] = {key: value for key, value in recipe["data"].items() if value is not None}
    recipe["trainer"]["default_root_dir"] = f"runs/islam_{path.stem}"
    assert row == recipe


def test_ablations_of_islam_are_whole():
    assert {path.stem for path in ISLAM} == {f"{i}_{name}" for i in CLASSIFIES for name in VARIED}


def test_tables_are_whole():
    methods = ("moco_v2", "supervised")
    levels = ("zhao_f", "zhao_fr", "zhao_frc", "zhao_frcg", "zhao_frcgb")
    assert {path.stem for path in AUGMENTATION} == {f"{m}_{n}" for m in methods for n in levels}
    sets = ("imagenet", "imagenet10pct", "imagenet100", "places365", "celeba", "coco", "synthia")
    assert {path.stem for path in DATA_SETS} == {f"{m}_{n}" for m in methods for n in sets}


@pytest.mark.parametrize("path", AUGMENTATION + DATA_SETS, ids=lambda path: path.stem)
def test_row_varies_one_thing(path):
    method = "moco_v2" if path.stem.startswith("moco_v2") else "supervised"
    varied = path.stem.removeprefix(f"{method}_")
    row = yaml.safe_load(path.read_text())
    recipe = yaml.safe_load((RECIPES / "pretrain" / f"{method}.yaml").read_text())
    images = row["data"].pop("images")
    assert images["class_path"] == "instdisc.data.CatalogImages"
    entry = CATALOG[images["init_args"]["name"]]
    assert images["init_args"]["split"] in entry.splits
    if path in AUGMENTATION:
        assert entry.name == "imagenet"
        recipe["data"]["policy"] = varied
    else:
        assert entry.name.startswith(varied)
    if method == "supervised":
        recipe["model"]["init_args"]["num_classes"] = entry.num_classes
    elif varied == "synthia":
        recipe["model"]["init_args"]["queue_size"] = 8192
    recipe["trainer"]["default_root_dir"] = f"runs/{path.stem}"
    assert row == recipe


@pytest.mark.parametrize("path", AUGMENTATION[:1] + AUGMENTATION[-1:], ids=lambda path: path.stem)
def test_augmentation_row_builds(path, script, folder, tmp_path):
    cli = script.make_cli(
        [
            *[f"--config={path}", f"--data.images={folder}", "--global_batch=8"],
            "--model.backbone.init_args.name=test_resnet",
            *[f"--trainer.default_root_dir={tmp_path}", *ONE_CPU],
        ]
    )
    assert len(cli.datamodule.images) == 24


@pytest.mark.parametrize("name", ["moco_v2_coco", "supervised_coco"])
def test_data_set_row_reads_the_official_layout(name, script, tmp_path):
    for key in range(4):
        path = tmp_path / "train2017" / f"{key:012d}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (40, 36)).save(path)
    annotated = {
        "images": [{"id": key, "file_name": f"{key:012d}.jpg"} for key in range(4)],
        "categories": [{"id": 17, "name": "cat"}, {"id": 18, "name": "dog"}],
        "annotations": [
            {"image_id": key, "category_id": 18, "bbox": [0, 0, 9, 9], "iscrowd": 0}
            for key in range(3)
        ],
    }
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_train2017.json").write_text(json.dumps(annotated))
    cli = script.make_cli(
        [
            f"--config={ABLATIONS / 'data' / name}.yaml",
            *[f"--data.images.root={tmp_path}", "--global_batch=2"],
            *(["--model.batch_norm_groups=2"] if "moco" in name else []),
            "--model.backbone.init_args.name=test_resnet",
            *[f"--trainer.default_root_dir={tmp_path}", *ONE_CPU],
        ]
    )
    supervised = name == "supervised_coco"
    assert cli.datamodule.images.labels.tolist() == ([1, 1, 1] if supervised else [-1] * 4)
    assert len(cli.datamodule.train_dataloader()) == (1 if supervised else 2)


@pytest.mark.parametrize("path", BASES[1:], ids=lambda path: path.stem)
def test_small_base_builds(path, script, folder, tmp_path):
    cli = script.make_cli(
        [
            *[f"--config={path}", f"--trainer.default_root_dir={tmp_path}", *ONE_CPU],
            *([f"--data.images={folder}", "--data.batch_size=8"] if path in TINY else []),
        ]
    )
    row = yaml.safe_load(path.read_text())
    assert type(cli.model).__name__ == row["model"]["class_path"].removeprefix("instdisc.")
    assert row["trainer"]["default_root_dir"] == f"runs/{path.stem}"
    if path in ON_SCENES:
        assert (len(cli.datamodule.images), len(cli.datamodule.test_images)) == (4000, 800)
        assert cli.model.backbone.dim == 256


@pytest.mark.parametrize("path", ON_TOP, ids=lambda path: path.stem)
def test_small_row_is_headed_by_its_command(path):
    head = path.read_text().split("\ndata:")[0]
    configs = re.findall(r"--config (\S+)", head)[:2]
    assert recipe_path(configs[1]) == path
    assert recipe_path(configs[0]) in BASES


@pytest.mark.slow
@pytest.mark.parametrize(("base", "path"), PAIRS, ids=lambda path: path.stem)
def test_small_row_goes_on_top_of_its_base(base, path, script, folder, tmp_path):
    row, below = yaml.safe_load(path.read_text())["data"], yaml.safe_load(base.read_text())
    options = []
    if base in TINY:  # their images come by the command line, inside of a subset or alone
        options = [f"--data.images{'.images' * ('images' in row)}={folder}"]
    if path.stem == "tiny_10_classes":
        options += [f"--data.test_images.images={folder}"]
        options += ["--data.images.classes=2", "--data.test_images.classes=2"]
    data = script.make_cli(
        [
            *[f"--config={base}", f"--config={path}", *options],
            *["--model.backbone.init_args={name: test_resnet}", "--model.backbone.dict_kwargs={}"],
            *[f"--trainer.default_root_dir={tmp_path}", *ONE_CPU],
        ]
    ).datamodule
    assert data.batch_size == below["data"]["batch_size"]
    expected = view_policy(row.get("policy", "moco_v2"), data.image_size)
    policy = data.policies[0]
    assert type(policy.frame) is type(expected.frame)
    assert list(map(type, policy.photometric)) == list(map(type, expected.photometric))
    if base in ON_SCENES:
        settings = below["data"]["images"]["init_args"]
        settings.update(row.get("images", {}).get("init_args", {}))
        scenes = instdisc.Scenes(**settings)
        assert len(data.images) == len(scenes)
        assert torch.equal(data.images.read(5), scenes.read(5))
        assert data.test_images.classes == scenes.classes
    else:
        kept = {"tiny_tenth": 3, "tiny_10_classes": 16}.get(path.stem, 24)
        assert len(data.images) == kept


def test_equal_steps_instead_of_equal_epochs(script, scenes):
    cli = script.run(
        [
            *[*scenes, "--trainer.max_epochs=-1", "--trainer.max_steps=3"],
            "--trainer.enable_progress_bar=false",
        ]
    )
    assert cli.trainer.global_step == 3


def test_run_leaves_all_it_promises_and_resumes(script, scenes, tmp_path, capsys):
    run = tmp_path / "run"
    cli = script.run(scenes)
    checkpoints = run / "checkpoints"
    assert (checkpoints / "last.ckpt").is_file()
    assert len(list(run.glob("events.out.tfevents.*"))) == 1
    with Image.open(run / "views.png") as picture:
        assert picture.width > 2 * 32
    first_csv = run / "csv" / "version_0" / "metrics.csv"
    names = set(read_csv(first_csv)[0])
    assert names > {"loss", "knn", "probe", "lr-SGD", "images_per_second", "contrast/spread"}
    exported = checkpoints / "backbone.safetensors"
    assert str(exported) in "".join(capsys.readouterr().out.split())
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(
        instdisc.load_backbone(exported).eval()(images), cli.model.eval().backbone(images)
    )
    described = describe_checkpoint(exported)
    assert described.method == "MoCoModule"
    assert described.recipe["queue_size"] == 64

    # Not by accident into the same folder; on purpose it goes on, and keeps what was there.
    with pytest.raises(SystemExit):
        script.run(scenes)
    assert "Go on with it by --ckpt_path last" in capsys.readouterr().err
    before = first_csv.read_text()
    resumed = script.run([*scenes, "--ckpt_path=last", "--trainer.max_epochs=2"])
    assert resumed.trainer.global_step == 4
    assert first_csv.read_text() == before
    steps = [int(line["step"]) for line in read_csv(run / "csv" / "version_1" / "metrics.csv")]
    assert min(steps) == 2
    assert yaml.safe_load((run / "config.yaml").read_text())["ckpt_path"] == "last"
    assert [path.name for path in checkpoints.glob("epoch*")] == ["epoch=1-step=4.ckpt"]
    torch.testing.assert_close(
        instdisc.load_backbone(exported).eval()(images), resumed.model.eval().backbone(images)
    )

    # The configuration that a run leaves is enough to repeat it.
    again = script.make_cli(
        [f"--config={run / 'config.yaml'}", f"--trainer.default_root_dir={tmp_path / 'again'}"]
    )
    assert len(again.datamodule.images) == 64
    assert again.model.recipe == cli.model.recipe


def test_own_method_by_class_path(script, folder, tmp_path, monkeypatch):
    (tmp_path / "own_method.py").write_text(OWN_METHOD)
    monkeypatch.syspath_prepend(tmp_path)
    script.run(
        [
            "--model=own_method.TwoViewClassifier",
            "--model.backbone=test_resnet",
            "--model.num_classes=3",
            f"--data.images={folder}",
            "--data.image_size=32",
            "--data.batch_size=8",
            "--trainer.max_epochs=1",
            "--trainer.limit_train_batches=1",
            "--trainer.enable_progress_bar=false",
            "--trainer.logger=false",
            f"--trainer.default_root_dir={tmp_path}",
            *ONE_CPU,
        ]
    )
    described = describe_checkpoint(tmp_path / "checkpoints" / "backbone.safetensors")
    assert described.method == "TwoViewClassifier"
    assert described.recipe["num_classes"] == 3


def test_one_seed_for_weights_and_views(script, scenes):
    cli = script.make_cli([*scenes, "--seed_everything=7"])
    assert cli.datamodule.seed == 7
    assert script.make_cli(scenes).datamodule.seed == 0


def test_default_callbacks_suit_the_data(script, scenes, folder):
    watchers = (OnlineKNN, OnlineLinearProbe)
    callbacks = script.make_cli(scenes).trainer.callbacks
    assert sum(isinstance(callback, watchers) for callback in callbacks) == 2
    unwatched = script.make_cli([*scenes, f"--data.images={folder}", "--data.test_images=null"])
    assert not any(isinstance(callback, watchers) for callback in unwatched.trainer.callbacks)


def test_given_callbacks_take_the_place_of_the_default_ones(script, scenes):
    trainer = script.make_cli(
        [
            *scenes,
            "--trainer.callbacks+=ModelCheckpoint",
            "--trainer.callbacks.every_n_epochs=10",
            "--trainer.callbacks+=instdisc.callbacks.OnlineKNN",
            "--trainer.callbacks.k=5",
            "--trainer.callbacks+=TQDMProgressBar",
        ]
    ).trainer
    (keeper,) = [c for c in trainer.callbacks if isinstance(c, ModelCheckpoint)]
    assert keeper._every_n_epochs == 10
    assert sum(isinstance(callback, OnlineKNN) for callback in trainer.callbacks) == 1
    assert not any(isinstance(callback, RichProgressBar) for callback in trainer.callbacks)


def test_quick_trial_leaves_nothing_to_resume(script, scenes, tmp_path):
    script.run([*scenes, "--trainer.fast_dev_run=true", "--trainer.enable_progress_bar=false"])
    assert not (tmp_path / "run" / "checkpoints").exists()


# The images of a step, on the devices that are found


def shared(script, scenes, *options):
    path = Path(scenes[0].removeprefix("--config="))
    path.write_text(SCENES.replace("  batch_size: 8\n", ""))
    settings = ["--global_batch=48", "--model.batch_norm_groups=8"]
    return script.make_cli([*scenes, *settings, *options])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # images at once on a device, parts of a step, groups of batch norm in a part
        ([], (48, 1, 8)),
        (["--data.batch_size=12"], (12, 4, 2)),
        (["--trainer.accumulate_grad_batches=2"], (24, 2, 4)),
        (["--trainer.accumulate_grad_batches=4", "--data.batch_size=12"], (12, 4, 2)),
        (["--trainer.devices=2", "--trainer.strategy=ddp"], (24, 1, 8)),
        (["--trainer.devices=4", "--data.batch_size=6"], (6, 2, 4)),
        (["--trainer.num_nodes=2", "--trainer.devices=4"], (6, 1, 8)),
        (["--global_batch=null", "--data.batch_size=20"], (20, 1, 8)),
        (["--global_batch=null"], (256, 1, 8)),
        (["--model.batch_norm=plain", "--data.batch_size=6"], (6, 8, 8)),
    ],
)
def test_devices_share_a_step(options, expected, script, scenes):
    cli = shared(script, scenes, *options)
    parts, groups = cli.trainer.accumulate_grad_batches, cli.model.batch_norm.groups
    assert (cli.datamodule.batch_size, parts, groups) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--trainer.devices=5"], "`global_batch`=48 cannot be shared equally by 5 device.s. x 1 "),
        (
            ["--trainer.devices=2", "--data.batch_size=7"],
            "`global_batch`=48 is no multiple of 2 device.s. x `data.batch_size`=7",
        ),
        (["--data.batch_size=96"], "`global_batch`=48 is no multiple of 1 device.s. x .*=96"),
        (["--trainer.devices=3"], "`batch_norm_groups`=8 cannot be kept by 3 device.s. x 1 part"),
        (["--data.batch_size=6"], "`batch_norm_groups`=8 in 8 parts leaves one .* groups of 6 im"),
        (
            ["--data.batch_size=24", "--trainer.accumulate_grad_batches=4"],
            "`trainer.accumulate_grad_batches`=4 does not agree .* need 2",
        ),
        (["--global_batch=0"], "`global_batch` must be positive, got 0"),
        (["--data.batch_size=-8"], "`batch_size` must be a whole number of at least 1, got -8"),
    ],
)
def test_a_share_that_cannot_be_kept_is_refused(options, message, script, scenes):
    with pytest.raises(ValueError, match=message):
        shared(script, scenes, *options)


def test_a_step_in_parts_is_one_step(script, scenes, tmp_path, capsys):
    quick = ["--data.batch_size=12", "--trainer.limit_train_batches=4", "--trainer.logger=false"]
    cli = shared(script, scenes, *quick, "--trainer.enable_progress_bar=false")
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    assert cli.trainer.global_step == 1
    assert int(cli.model.objectives["contrast"].queue.pushed) == 48
    line = "A step has 48 images: 1 device(s) x 4 part(s) x 12. Batch norm sees groups of 6."
    assert line in capsys.readouterr().out
    # What it leaves names the global batch and adapts anew.
    saved = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert (saved["global_batch"], saved["trainer"]["accumulate_grad_batches"]) == (48, 1)
    saved["data"]["batch_size"] = None  # as of a run that was not given it
    (tmp_path / "saved.yaml").write_text(yaml.safe_dump(saved))
    root = f"--trainer.default_root_dir={tmp_path / 'again'}"
    again = script.make_cli([f"--config={tmp_path / 'saved.yaml'}", root, "--trainer.devices=2"])
    assert (again.datamodule.batch_size, again.trainer.accumulate_grad_batches) == (24, 1)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("--model.temperature=-1", "^`temperature` must be a finite number above 0, got -1.0"),
        (
            "--model.backbone=resnet5000",
            "^`backbone` must be a Backbone, the file .* got 'resnet5000'",
        ),
        ("--data.policy=moco_v4", "^`policy` must be one of 'zhao_f', .* got 'moco_v4'"),
    ],
)
def test_bad_value_is_named(bad, message, script, scenes):
    with pytest.raises(ValueError, match=message):
        script.make_cli([*scenes, bad])


def test_missing_folder_is_named(script, scenes):
    with pytest.raises(FileNotFoundError, match="must be a folder of images, got '/no/such"):
        script.make_cli([*scenes, "--data.images=/no/such", "--data.test_images=null"])


def test_wrong_layout_is_shown(script, tmp_path):
    row = f"--config={ABLATIONS / 'data' / 'moco_v2_coco.yaml'}"
    with pytest.raises(ValueError, match="does not hold COCO"):
        script.make_cli([row, f"--data.images.root={tmp_path}", *ONE_CPU])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("--model.temprature=1", "'temprature' is not accepted"),
        ("--data.polcy=moco_v2", "data.polcy"),
        ("--model=NoSuchModule", "NoSuchModule"),
        ("--seed_everything=true", "`seed_everything` must be a number"),
    ],
)
def test_bad_option_ends_with_a_message(bad, message, script, scenes, capsys):
    with pytest.raises(SystemExit):
        script.make_cli([*scenes, bad])
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_method_in_the_folder_where_one_is(folder, tmp_path):
    (tmp_path / "own_method.py").write_text(OWN_METHOD)
    options = (
        "--model own_method.TwoViewClassifier --model.backbone test_resnet --model.num_classes 3 "
        "--data.image_size 32 --data.batch_size 8 --trainer.max_epochs 1 "
        "--trainer.enable_progress_bar false"
    )
    command = [sys.executable, "-m", "instdisc.cli", "pretrain", *options.split(), *ONE_CPU]
    subprocess.run(
        [*command, f"--data.images={folder}"], cwd=tmp_path, check=True, env=dict(os.environ)
    )
    assert (tmp_path / "runs" / "pretrain" / "checkpoints" / "backbone.safetensors").is_file()
