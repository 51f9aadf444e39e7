"""Every command of a recipe's head, of README and of docs/published.md runs: one step, one device.

The recipes are taken as they are, on replicas of their sets. Only what makes them large is
overridden: the network, the sides of the images, the batch, the number of steps.
"""

import importlib
import importlib.util
import json
import os
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from instdisc.checkpoint import export_backbone
from instdisc.cli.main import COMMANDS
from instdisc.cli.recipes import recipe_names, recipe_path
from instdisc.cli.recipes.files import FOLDER
from instdisc.models import Backbone
from instdisc.records import append_records
from instdisc.types import Record

# pytorch-lightning 2.6's command line calls a method that newer jsonargparse renamed; not ours.
pytestmark = [
    pytest.mark.filterwarnings(
        "ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning",
    ),
    pytest.mark.filterwarnings("ignore:`Trainer` was configured with"),
]

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = [recipe_path(name) for name in recipe_names()]
CHECKPOINTS = (
    *("backbone.safetensors", "BACKBONE.safetensors", "CHECKPOINT_OR_TIMM_NAME"),
    "runs/moco/backbone.safetensors",
    *(
        f"runs/{name}/checkpoints/backbone.safetensors"
        for name in (
            *("moco_v2", "moco_v2_faces", "islam_imagenet_supcon", "bscd_fsl"),
            "few_shot_exemplar_v2",
        )
    ),
)
NAMES = {*COMMANDS, "a"}
# These start from nothing: they make an environment. CI runs the second, test_examples the first.
OTHERWISE_RUN = "python3 -m venv "


ELSEWHERE = ("recipes", "study")  # tests/study runs the latter


def commands(text: str) -> list[list[str]]:
    """The commands of instdisc in `text`, as words; lines that end in \\ go on."""
    joined = re.sub(r"\s*\\\n\s*", " ", re.sub(r"^# ?", "", text, flags=re.MULTILINE))
    lines = re.findall(r"^\s*(?:\.venv/bin/)?instdisc (.*)$", joined, re.MULTILINE)
    words = [shlex.split(line, comments=True) for line in lines if line.split()[0] in NAMES]
    return [command for command in words if command[0] not in ELSEWHERE]


def head(path: Path) -> str:
    """The comment that a recipe begins with."""
    return path.read_text(encoding="utf-8").split("\n\n", 1)[0]


PUBLISHED = (ROOT / "docs" / "published.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
RUN = [
    *((name, command) for name in recipe_names() for command in commands(head(recipe_path(name)))),
    *(("README", command) for command in commands(README)),
    *(("docs/published.md", command) for command in commands(PUBLISHED)),
]
# Ablations differ in little from the rows that they vary; together their runs take minutes. The
# analyses look at 2,600 scenes.
SLOW = [
    [pytest.mark.slow] if where.startswith("ablations/") or command[0] == "analyse" else []
    for where, command in RUN
]


def options(command: list[str]) -> dict[str, list[str]]:
    """The values of each option, in their order."""
    found: dict[str, list[str]] = {}
    name = ""
    for word in command:
        if word.startswith("--"):
            name = word
            found.setdefault(name, [])
        elif name:
            found[name].append(word)
    return found


# Replicas


def catalog_makers():
    path = ROOT / "tests" / "data" / "catalog" / "conftest.py"
    spec = importlib.util.spec_from_file_location("catalog_replicas", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def save_noise(path: Path, width: int = 40, height: int = 36) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.RandomState(len(path.name)).randint(0, 256, (height, width, 3))
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def save_classes(folder: Path, classes: int, images: int) -> None:
    for label in range(classes):
        for number in range(images):
            save_noise(folder / f"class{label:03d}" / f"{number}.png", 64, 64)


def save_boxes(folder: Path, names: list[str], splits: dict[str, list[str]]) -> None:
    """VOC's layout: one object of each class in each image."""
    things = "".join(
        f"<object><name>{name}</name><difficult>0</difficult><bndbox><xmin>2</xmin><ymin>2</ymin>"
        f"<xmax>{20 + i}</xmax><ymax>25</ymax></bndbox></object>"
        for i, name in enumerate(names)
    )
    (folder / "Annotations").mkdir(parents=True)
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    for split, images in splits.items():
        (folder / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(images) + "\n")
        for image in images:
            save_noise(folder / "JPEGImages" / f"{image}.jpg")
            (folder / "Annotations" / f"{image}.xml").write_text(
                "<annotation><size><width>40</width><height>36</height><depth>3</depth></size>"
                f"{things}</annotation>"
            )


def save_outlines(folder: Path, splits: dict[str, int]) -> None:
    """COCO's layout."""
    (folder / "annotations").mkdir(parents=True)
    for split, count in splits.items():
        for i in range(count):
            save_noise(folder / split / f"{i}.jpg")
        outline = [5.0, 5.0, 25.0, 5.0, 5.0, 20.0]
        thing = {"category_id": 1, "bbox": [5, 5, 20, 15], "iscrowd": 0, "area": 150.0}
        content = {
            "images": [
                {"id": i, "file_name": f"{i}.jpg", "width": 40, "height": 36} for i in range(count)
            ],
            "categories": [{"id": 1, "name": "person"}],
            "annotations": [
                {"id": i + 1, "image_id": i, "segmentation": [outline], **thing}
                for i in range(count)
            ],
        }
        (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))


def save_masks(folder: Path, pairs: list[tuple[str, str]], classes: list[int]) -> None:
    for image, mask in pairs:
        save_noise(folder / image, 64, 48)
        pixels = np.resize(np.repeat(classes, 64), (48, 64)).astype(np.uint8)
        (folder / mask).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / mask)


def save_faces(folder: Path) -> None:
    for part in ("train", "val", "test"):
        header = ["image", *(f"{axis}{i}" for i in range(68) for axis in "xy")]
        rows = [header]
        for number in range(34):
            save_noise(folder / part / f"{number}.png")
            points = np.random.RandomState(number).uniform(2, 34, 136).round(1)
            rows.append([f"{number}.png", *map(str, points)])
        text = "".join(",".join(row) + "\n" for row in rows)
        (folder / f"{part}_keypoints.csv").write_text(text)


def save_celeba(folder: Path) -> None:
    """As CelebA's archives and MAFL's lists lie, for 70 faces: MAFL trains on 34, tests on 2."""
    names = [f"{number:06d}.jpg" for number in range(1, 71)]
    save_noise(folder / "img_align_celeba" / names[0], 178, 218)
    for name in names[1:]:
        shutil.copy(folder / "img_align_celeba" / names[0], folder / "img_align_celeba" / name)
    rows = [
        f"{name} {60 + i % 9} 110 110 112 88 140 66 160 105 161" for i, name in enumerate(names)
    ]
    lists = {
        "list_eval_partition.txt": [f"{name} {int(i > 66)}" for i, name in enumerate(names)],
        "identity_CelebA.txt": [f"{name} {1 + i % 5}" for i, name in enumerate(names)],
        "list_landmarks_align_celeba.txt": ["70", "lefteye_x lefteye_y ...", *rows],
        "MAFL/training.txt": names[:34],
        "MAFL/testing.txt": names[34:36],
    }
    (folder / "MAFL").mkdir()
    for file, lines in lists.items():
        (folder / file).write_text("\n".join(lines) + "\n")


def save_mini_imagenet(folder: Path) -> None:
    """Six images of each of the 64 base classes, twenty of each of the 20 novel ones."""
    first = folder / "images" / "first.jpg"
    save_noise(first, 84, 84)
    for split, start, classes, count in (
        ("train", 0, 64, 6),
        ("val", 64, 16, 1),
        ("test", 80, 20, 20),
    ):
        rows = ["filename,label"]
        for label in range(start, start + classes):
            for number in range(count):
                name = f"n{label:08d}000000{number:02d}.jpg"
                os.link(first, folder / "images" / name)
                rows.append(f"{name},n{label:08d}")
        (folder / f"{split}.csv").write_text("\n".join(rows) + "\n")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder in which the commands are run as they stand."""
    place = tmp_path_factory.mktemp("workplace")
    makers = catalog_makers()
    for name in ("imagenet", "tiered_imagenet", "coco", "synthia", "places365"):
        getattr(makers, f"make_{name}")(place / name.upper())
    for path in (place / "IMAGENET" / "train").rglob("*.JPEG"):
        if not path.stem.endswith(("_0", "_3")):
            path.unlink()
    save_mini_imagenet(place / "MINI_IMAGENET")
    save_celeba(place / "CELEBA" / "celeba")
    makers.make_cifar10(place / "CIFAR10")
    torch.manual_seed(0)
    for name in CHECKPOINTS:
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        made = export_backbone(Backbone("test_resnet"), path.with_suffix(".safetensors"))
        made.rename(path)
    save_classes(place / "path" / "to" / "images", 3, 20)
    record = Record("knn", "flowers17", "top-1", 50.0, n=60, method="moco")
    append_records([record], place / "runs" / "transfer" / "results.jsonl")
    for part, folders in (("train", 40), ("val", 2)):
        save_classes(place / "tiny_imagenet100" / part, 12, folders)
    for part in ("train", "test"):
        save_classes(place / "cifar10_mini" / part, 10, 6)
    data = place / "DATA"
    voc = ["aeroplane", "bicycle"]
    save_boxes(data / "VOCdevkit" / "VOC2007", voc, {"trainval": ["1", "2"], "test": ["3"]})
    save_boxes(data / "VOCdevkit" / "VOC2012", voc, {"trainval": ["4", "5"]})
    cells = ["Platelets", "RBC", "WBC"]
    save_boxes(data / "bccd", cells, {"train": list("abcd"), "val": ["e"], "test": ["f"]})
    save_outlines(data / "coco", {"train2017": 4, "val2017": 2})
    save_outlines(data / "coco128", {"train2017": 8})
    for i in range(54):
        save_noise(data / "pennfudan" / "PNGImages" / f"{i:02d}.png")
    for i in range(54):
        people = np.zeros((36, 40), np.uint8)
        people[5:25, 5:20], people[8:30, 25:35] = 1, 2
        mask = data / "pennfudan" / "PedMasks" / f"{i:02d}_mask.png"
        mask.parent.mkdir(exist_ok=True)
        Image.fromarray(people).save(mask)
    camvid = [
        (f"{part}/{i}.png", f"{part}annot/{i}.png")
        for part in ("train", "val", "test")
        for i in range(8)
    ]
    save_masks(data / "camvid", camvid, list(range(11)))
    streets = [
        (
            f"leftImg8bit/{part}/ulm/ulm_{i}_leftImg8bit.png",
            f"gtFine/{part}/ulm/ulm_{i}_gtFine_labelIds.png",
        )
        for part in ("train", "val")
        for i in range(16)
    ]
    save_masks(
        data / "cityscapes", streets, [7, 8, 11, 12, 13, 17, 19, 20, *range(21, 29), 31, 32, 33]
    )
    save_faces(data / "faces68")
    (data / "celeba").symlink_to(place / "CELEBA" / "celeba")
    (place / "data").symlink_to(data)
    for name in ("cropdisease", "eurosat", "isic", "chestx"):
        getattr(makers, f"make_{name}")(data / name if name != "eurosat" else data)
    for part in ("train", "test"):
        save_classes(data / "my_images" / part, 5, 20)
    return place


# What is overridden

ONE_DEVICE = [
    *("--trainer.accelerator=cpu", "--trainer.devices=1", "--trainer.logger=false"),
    *("--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"),
    *("--trainer.num_sanity_val_steps=0", "--data.num_workers=0"),
]
FEW = {"CELEBA": 2, "COCO": 2, "SYNTHIA": 2, "CIFAR10": 16}  # batches of small replicas


def pretrain(given: dict[str, list[str]]) -> list[str]:
    if "--config" not in given:  # a folder alone
        few = ["--trainer.max_steps=1", "--trainer.limit_train_batches=1"]
        return [*ONE_DEVICE, *few, "--model.backbone=test_resnet"]
    recipes = "".join(recipe_path(name).read_text() for name in given["--config"])
    changes = [*ONE_DEVICE, "--trainer.max_steps=1", "--trainer.limit_train_batches=1"]
    if "instdisc.Scenes" in recipes:
        return [
            *(*changes, "--data.batch_size=8", "--data.keep=nothing"),
            *(
                "--data.images.init_args.num_images=64",
                "--data.test_images.init_args.num_images=64",
            ),
        ]
    if "compile: true" in recipes:
        changes.append("--model.compile=false")
    batch = FEW.get(given.get("--data.images.root", [""])[0], 48)
    size = "global_batch" if "global_batch" in recipes else "data.batch_size"
    changes += ["--data.image_size=32", f"--{size}={batch}"]
    if batch == 2 and "queue_size" in recipes:
        changes += ["--model.batch_norm_groups=1"]
    wide = ("hidden_dim", "projection_dim", "num_prototypes")
    changes += [f"--model.{name}=32" for name in wide if f" {name}: " in recipes]
    options = "{dynamic_img_size: true, num_heads: 2}" if "name: vit" in recipes else "{}"
    tiny = "{name: test_vit}" if "name: vit" in recipes else "{name: test_resnet}"
    if "stem: cifar" in recipes:  # which test_resnet has not
        tiny = "{name: test_resnet, stem: no_pool}"
    return [*changes, f"--model.backbone={tiny}", f"--model.backbone.dict_kwargs={options}"]


def detect(given: dict[str, list[str]]) -> list[str]:
    recipe = recipe_path(given["--config"][0]).read_text()
    size = "global_batch" if "global_batch" in recipe else "data.batch_size"
    return [
        *(*ONE_DEVICE, f"--{size}=2", "--data.iterations=1", "--model.milestones=[1]"),
        *("--data.policy.init_args.short_sides=[64]", "--data.policy.init_args.longest_side=80"),
        *("--model.regions_per_image=8", "--model.counts=[50, 20, 50, 20]"),
        *("--model.precise_batches=1", "--model.warmup=0", "--trainer.limit_val_batches=1"),
    ]


def segment(given: dict[str, list[str]]) -> list[str]:
    recipe = recipe_path(given["--config"][0]).read_text()
    size = "global_batch" if "global_batch" in recipe else "data.batch_size"
    return [
        *(*ONE_DEVICE, f"--{size}=2", "--trainer.max_steps=1", "--trainer.val_check_interval=1"),
        *("--data.crop_size=32", "--model.width=8", "--trainer.limit_val_batches=1"),
    ]


def landmarks(given: dict[str, list[str]]) -> list[str]:
    changes = [*ONE_DEVICE, "--trainer.max_epochs=1", "--trainer.limit_train_batches=1"]
    changes += ["--data.image_size=32"]
    if "scenes" not in given["--config"][0]:
        return [*changes, "--data.batch_size=17"]
    few = "{class_path: instdisc.Scenes, init_args: {num_images: 40, image_size: 64}}"
    few = f"{{class_path: instdisc.data.SceneLandmarks, init_args: {{scenes: {few}}}}}"
    return [*changes, f"--data.train={few}", f"--data.test={few}"]


def transfer(given: dict[str, list[str]]) -> list[str]:
    small = {
        "finetune": ["finetune.epochs=1", "finetune.grid=[[0.01, 64, 0]]"],
        "few_shot": ["few_shot.episodes=2", "few_shot.shots=[1]", "few_shot.queries=1"],
        "few_shot_finetune": [
            *("few_shot_finetune.episodes=1", "few_shot_finetune.shots=[1]"),
            *("few_shot_finetune.queries=1", 'few_shot_finetune.recipe={"epochs": 1}'),
        ],
        "base_and_novel": ["base_and_novel.episodes=2"],
        "moco_linear": ["moco_linear.epochs=1"],
        "linear_grid": ["linear_grid.epochs=1"],
    }
    changes = [change for task in given["--tasks"] for change in small.get(task, [])]
    return ["--image-size", "32", "--device", "cpu", "--set", *given.get("--set", []), *changes]


def analyse(given: dict[str, list[str]]) -> list[str]:
    assert given["--data"] == ["scenes"]
    few = ["invariance.num_images=8", 'invariance.transforms=["grey"]', "geometry.stages=[4]"]
    return ["--image-size", "32", "--device", "cpu", "--set", *given.get("--set", []), *few]


def report(given: dict[str, list[str]]) -> list[str]:
    return []


OVERRIDES = {
    name: make for name, make in list(globals().items()) if name in COMMANDS and callable(make)
}


@pytest.mark.parametrize(
    ("where", "command"),
    [pytest.param(*row, marks=marks, id=row[0]) for row, marks in zip(RUN, SLOW, strict=True)],
)
def test_command_runs(where, command, workplace, tmp_path, monkeypatch):
    name = command[0]
    run = tmp_path / "run"
    monkeypatch.chdir(workplace)
    suite = name in ("transfer", "analyse")
    folder = ["--out", str(run)] if suite else [f"--trainer.default_root_dir={run}"]
    if name == "report":
        folder = ["--out", str(run / "report.html")]
    changes = OVERRIDES[name](options(command))
    status = importlib.import_module(f"instdisc.cli.{name}").main([*command[1:], *changes, *folder])
    assert not status  # nothing is missing
    results = {
        "pretrain": "checkpoints/backbone.safetensors",
        "report": "report.html",
    }.get(name, "results.jsonl")
    assert (run / results).stat().st_size > 0


def test_python_of_the_published_rows_runs(workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    names: dict[str, object] = {"__name__": "docs"}
    for block in re.findall(r"^```python\n(.*?)^```$", PUBLISHED, re.MULTILINE | re.DOTALL):
        exec(compile(block, "docs/published.md", "exec"), names)
    assert len(names["three_thousand"]) == 400


def test_every_recipe_is_headed_by_its_command():
    for path in CONFIGS:
        shown = [word for command in commands(head(path)) for word in command]
        assert path.relative_to(FOLDER).with_suffix("").as_posix() in shown, path


def test_commands_are_found():
    text = "# Do:\n#\n#   instdisc a \\\n#       --x 1   # or 2\n#\n# .venv/bin/python b.py"
    assert commands(text) == [["a", "--x", "1"]]
    given = options(["a", "--x", "1", "--x", "2", "--y", "3", "4"])
    assert given == {"--x": ["1", "2"], "--y": ["3", "4"]}
    named = len(
        re.findall(r"^(?:\.venv/bin/)?instdisc (?!study)[a-z]+ (?!implements)[-pr]", README, re.M)
    )
    assert named == len(commands(README)) > 0
