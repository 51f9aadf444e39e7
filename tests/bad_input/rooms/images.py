"""Sources of images, their subsets and splits, episodes, scenes, opening by name."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from instdisc import ImageFolder, Scenes
from instdisc.data import ImageArray, split_per_class, write_shards, write_split
from instdisc.data.opening import LAYOUTS

from ..calls import Call
from ..sorts import (
    CHOICE,
    LABELS,
    OBJECT,
    PATH,
    TEXT,
    number,
    optional,
    sequence,
    tensor,
    whole,
)

ROOT = Path(tempfile.mkdtemp(prefix="bad_input_"))
MISSING = {"missing": "/no/such/place"}
SCENES = Scenes(16, image_size=32, num_categories=2)
POSITIONS = tensor(torch.int64).also(beyond=lambda good: good + 100, negative=lambda good: good - 9)
CLASSES = sequence(TEXT).also(twice=["a", "a"])
PART = CHOICE


def write_image(path: Path, size: tuple[int, int] = (16, 12)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.RandomState(0).randint(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


for part in ("first", "second"):
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        write_image(ROOT / part / name)
for i in range(10):
    write_image(ROOT / "eurosat" / "2750" / f"class{i}" / "1.png")
(ROOT / "table.csv").write_text("image,label\nfirst/a/1.png,a\nfirst/b/1.png,b\n")


def folder() -> ImageFolder:
    return ImageFolder(ROOT / "first", index=False)


def array() -> ImageArray:
    return ImageArray(
        torch.zeros(8, 3, 4, 4, dtype=torch.uint8),
        torch.arange(8) % 2,
        classes=("a", "b"),
        name="x",
    )


write_split(split_per_class(array()), ROOT / "split.json")
SHARDS = ROOT / "shards"
write_shards(array(), SHARDS, index=False)

CALLS = [
    Call(
        "instdisc.ImageFolder",
        lambda: {"root": ROOT / "first", "index": False},
        {"root": PATH.also(**MISSING), "index": TEXT.without("flag")},
        raises={"root": FileNotFoundError},
    ),
    Call(
        "instdisc.data.ImageFiles",
        lambda: {
            "root": ROOT / "first",
            "paths": ["a/1.png", "b/1.png"],
            "labels": torch.arange(2),
            "classes": ["a", "b"],
        },
        {
            "paths": sequence(TEXT),
            "labels": LABELS.also(high=lambda good: good + 9, other_length=lambda good: good[1:]),
            "classes": sequence(TEXT).without("empty"),
        },
    ),
    Call(
        "instdisc.data.ImageTable",
        lambda: {"root": ROOT, "table": ROOT / "table.csv"},
        {
            "root": optional(PATH).also(**MISSING),
            "table": PATH.also(**MISSING),
            "image": TEXT.also(no_column="picture"),
            "label": TEXT.also(no_column="class"),
            "classes": optional(CLASSES),
            "only": optional(sequence(TEXT)).also(three=("a", "b", "c"), no_column=("part", "a")),
        },
        raises={"root": FileNotFoundError, "table": FileNotFoundError},
    ),
    Call(
        "instdisc.data.ImageArray",
        lambda: {
            "pixels": torch.zeros(2, 3, 4, 4, dtype=torch.uint8),
            "labels": torch.arange(2),
            "classes": ("a", "b"),
            "name": "x",
        },
        {
            "pixels": tensor(torch.uint8).also(channels=lambda good: good[:, :1]),
            "labels": LABELS.also(high=lambda good: good + 9, other_length=lambda good: good[1:]),
            "classes": sequence(TEXT).without("empty"),
            "names": optional(sequence(TEXT)).also(one=["a"]),
        },
    ),
    Call(
        "instdisc.data.JoinedImages",
        lambda: {"sources": {"train": array(), "test": array()}},
        {"sources": OBJECT.also(none={}, text={"train": "a"}, classes={"a": array(), "b": SCENES})},
    ),
    Call(
        "instdisc.data.open_path",
        lambda: {"path": ROOT / "first"},
        {"path": PATH.also(**MISSING)},
        raises={"path": FileNotFoundError},
    ),
    Call("instdisc.data.ImagesInMemory", lambda: {"images": array()}),
    Call(
        "instdisc.data.ImageSubset",
        lambda: {"images": array(), "positions": torch.arange(2)},
        {"positions": POSITIONS},
        raises={"positions": IndexError},
    ),
    Call("instdisc.data.image_names", lambda: {"images": array()}),
    Call(
        "instdisc.data.join_folders",
        lambda: {"root": ROOT, "names": ["first", "second"]},
        {
            "root": PATH.also(**MISSING),
            "names": sequence(TEXT).also(missing=["first", "third"]),
        },
        raises={"root": FileNotFoundError, "names": FileNotFoundError},
    ),
    Call(
        "instdisc.data.split_per_class",
        lambda: {"images": array()},
        {"share": number(above=0, below=1)},
    ),
    Call(
        "instdisc.data.write_split",
        lambda: {"split": split_per_class(array()), "file": ROOT / "written.json"},
    ),
    Call(
        "instdisc.data.read_split",
        lambda: {"file": ROOT / "split.json", "images": array()},
        {"file": PATH.also(**MISSING)},
        raises={"file": FileNotFoundError},
    ),
    Call(
        "instdisc.data.resize_copy",
        lambda: {"images": folder(), "target": tempfile.mkdtemp(dir=ROOT), "num_threads": 1},
        {"quality": whole(1, 100)},
    ),
    Call(
        "instdisc.data.ImageShards",
        lambda: {"shards": SHARDS, "index": False},
        {
            "shards": PATH.also(**MISSING),
            "label": optional(TEXT).also(no_field="json"),
            "image": optional(TEXT),
            "classes": optional(sequence(TEXT)).also(few=["a"]),
            "index": TEXT.without("flag"),
        },
        raises={"shards": FileNotFoundError},
    ),
    Call(
        "instdisc.data.StreamedShards",
        lambda: {
            "shards": f"file://{SHARDS}",
            "index": False,
            "copies": ROOT / "copies",
            "tries": 1,
        },
        {
            "shards": PATH.also(missing="file:///no/such/place", here=SHARDS),
            "label": optional(TEXT).also(no_field="json"),
            "image": optional(TEXT),
            "classes": optional(sequence(TEXT)).also(few=["a"]),
            "index": TEXT.without("flag"),
            "room": TEXT.also(none="0 GB", little="1 kB", few=9, negative=-1.0),
            "storage_options": optional(OBJECT).without("mapping"),
            "window": whole(1),
            "lanes": whole(1),
            "ahead": whole(0),
            "tries": whole(1),
            "pause": number(at_least=0),
        },
        raises={"shards": FileNotFoundError},
    ),
    Call(
        "instdisc.data.write_shards",
        lambda: {
            "images": array(),
            "folder": tempfile.mkdtemp(dir=ROOT),
            "num_threads": 1,
            "index": False,
        },
        {"images_per_shard": whole(1), "index": TEXT.without("flag")},
    ),
    Call(
        "instdisc.data.CatalogImages",
        lambda: {"name": "eurosat", "root": ROOT / "eurosat", "split": "all"},
        {"name": CHOICE, "split": CHOICE, "root": PATH.also(**MISSING)},
        raises={"root": FileNotFoundError},
    ),
    Call(
        "instdisc.data.ClassSubset",
        lambda: {"images": array(), "classes": ["a"]},
        {
            "images": PATH.also(**MISSING),
            "classes": sequence(TEXT).also(
                unknown=["z"], twice=["a", "a"], zero=0, many=9, fraction=1.5, text="a"
            ),
        },
        raises={"images": FileNotFoundError},
    ),
    Call(
        "instdisc.data.RandomSubset",
        lambda: {"images": array(), "count": 2},
        {"images": PATH.also(**MISSING), "count": whole(1, 8)},
        raises={"images": FileNotFoundError},
    ),
    Call(
        "instdisc.data.HeldOut",
        lambda: {"images": array(), "part": "train", "share": 0.5},
        {
            "images": PATH.also(**MISSING),
            "part": CHOICE,
            "share": number(above=0, below=1),
        },
        raises={"images": FileNotFoundError},
    ),
    Call(
        "instdisc.data.StratifiedSubset",
        lambda: {"images": array(), "share": 0.5},
        {
            "images": PATH.also(**MISSING),
            "share": number(above=0, at_most=1),
            "per_class": None,  # see the next
        },
        raises={"images": FileNotFoundError},
    ),
    Call(
        "instdisc.data.StratifiedSubset",
        lambda: {"images": array(), "per_class": 2},
        {
            "images": None,  # see above
            "share": None,  # see above
            "seed": None,  # see above
            "per_class": whole(1, 4),
        },
    ),
    Call(
        "instdisc.data.draw_episodes",
        lambda: {
            "labels": torch.arange(40) % 2,
            "ways": 2,
            "shots": 1,
            "queries": 1,
            "episodes": 2,
        },
        {
            "labels": LABELS,
            "classes": sequence(TEXT, empty=True).also(one=["a"]),
            "ways": whole(2).also(more_than_classes=3),
        },
    ),
    Call(
        "instdisc.Scenes",
        lambda: {"num_images": 4},
        {
            "image_size": whole(32),
            "num_categories": whole(2, 20),
            "first_category": whole(0, 10),
            "max_others": whole(0, 8),
            "split": CHOICE,
        },
    ),
    Call(
        "instdisc.data.open_images",
        lambda: {"name": "scenes", "part": "train"},
        {"name": PATH.also(**MISSING), "part": PART},
        raises={"name": FileNotFoundError},
    ),
    Call(
        "instdisc.data.open_set",
        lambda: {"kind": "images", "name": "scenes", "part": "train"},
        {"kind": CHOICE, "name": PATH.also(**MISSING), "part": PART},
        raises={"name": FileNotFoundError},
    ),
    Call("instdisc.data.split_set", lambda: {"images": array()}),
    *(
        Call(
            f"instdisc.data.{function}",
            lambda more=more: {"name": "scenes", "root": None, "layouts": LAYOUTS, **more},
            {
                "name": PATH.also(**more and MISSING),
                "root": optional(PATH),
                "layouts": sequence(OBJECT, empty=True),
                **({"part": PART} if more else {}),
            },
            raises={"name": FileNotFoundError},
        )
        for function, more in (
            ("kinds_of", {}),
            ("locate", {}),
            ("open_by_layout", {"part": "train"}),
        )
    ),
]

EXEMPT = {
    "instdisc.data.CatalogEntry": "a record of what is in the package; users read it",
    "instdisc.data.EpisodeProtocol": "a plain tuple of published numbers",
    "instdisc.data.EncodedImages": "an abstract class without arguments",
    "instdisc.data.Episodes": "a plain tuple that draw_episodes makes",
    "instdisc.data.EpochOrder": "a plain tuple that sources hand out",
    "instdisc.data.Format": "a row of a table in the package",
    "instdisc.data.ImageSource": "an abstract class without arguments",
    "instdisc.data.ImageSplit": "a plain tuple that splits are handed out in",
    "instdisc.data.Layout": "a row of a table in the package",
    "instdisc.data.ReadAhead": "made by sources for loaders, of what they know themselves",
    "instdisc.data.Scene": "a plain tuple that Scenes makes",
}
