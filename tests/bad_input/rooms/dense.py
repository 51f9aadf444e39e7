"""Objects, segments and landmarks: readers, data sets, policies and data modules."""

import torch

from instdisc import Scenes
from instdisc.data import (
    FACE_5,
    LandmarkLayout,
    ObjectDataset,
    ObjectPolicy,
    SceneLandmarks,
    SceneObjects,
    SceneSegments,
    SquareFrame,
    ViewPolicy,
)

from ..calls import Call
from ..sorts import (
    CHOICE,
    OBJECT,
    PATH,
    POSITIVE,
    SHARE,
    TEXT,
    number,
    optional,
    sequence,
    tensor,
    whole,
)
from ..trees import write_all

ROOT = write_all()
SCENES = Scenes(4, image_size=32)
OBJECTS, SEGMENTS, LANDMARKS = SceneObjects(SCENES), SceneSegments(SCENES), SceneLandmarks(SCENES)
POSITIONS = tensor(torch.int64).also(beyond=lambda good: good + 100, negative=lambda good: good - 9)
MISSING = {"missing": "/no/such/place"}
FOLDER = PATH.also(**MISSING)
CLASSES = sequence(TEXT).also(twice=["a", "a"])
SOURCE = PATH.also(tensor=lambda good: torch.zeros(2))
SIDES = sequence(whole(1)).without("number").also(three=(1, 2, 3), zero=0, fraction=32.5)
FACTORS = sequence(POSITIVE).also(falling=(2.0, 0.5), one=(1.0,))
IDS = OBJECT.without("mapping").also(texts={"a": 0}, to_text={0: "a"}, beyond={0: 99})
ABSENT = {"root": FileNotFoundError}
SMALL = ObjectPolicy((32,), 64)
SQUARE = ViewPolicy(SquareFrame(32))
EYES = LandmarkLayout(("left eye", "right eye"), ((0, 1),), ((0,), (1,)))
HALF = optional(whole(1, 3))
TABLE = {
    "layout": optional(OBJECT),
    "offset": optional(number()),
    "missing": optional(TEXT.without("list")),
    "ignore": optional(sequence(TEXT, empty=True)),
}

CALLS = [
    Call(
        "instdisc.data.COCOObjects",
        lambda: {
            "annotations": ROOT / "coco" / "instances.json",
            "images": ROOT / "coco" / "images",
        },
        {"annotations": FOLDER, "images": optional(FOLDER)},
        raises={"annotations": FileNotFoundError, "images": FileNotFoundError},
    ),
    Call(
        "instdisc.data.VOCObjects",
        lambda: {"root": ROOT / "voc", "classes": ["dog"]},
        {"root": FOLDER, "split": optional(CHOICE), "classes": optional(CLASSES)},
        raises={**ABSENT, "split": FileNotFoundError},
    ),
    Call(
        "instdisc.data.PennFudan",
        lambda: {"root": ROOT / "people"},
        {"root": FOLDER},
        raises=ABSENT,
    ),
    Call(
        "instdisc.data.CamVid",
        lambda: {"root": ROOT / "camvid"},
        {"root": FOLDER, "split": CHOICE},
        raises=ABSENT,
    ),
    Call(
        "instdisc.data.Cityscapes",
        lambda: {"root": ROOT / "streets"},
        {"root": FOLDER, "split": CHOICE},
        raises=ABSENT,
    ),
    Call(
        "instdisc.data.VOCSegmentation",
        lambda: {"root": ROOT / "voc"},
        {"root": FOLDER, "split": CHOICE, "year": whole(1)},
        raises=ABSENT,
    ),
    Call(
        "instdisc.data.CelebALandmarks",
        lambda: {"root": ROOT / "faces"},
        {"root": FOLDER, "split": CHOICE},
        raises=ABSENT,
    ),
    Call(
        "instdisc.data.SegmentFolder",
        lambda: {
            "images": ROOT / "segments" / "images",
            "masks": ROOT / "segments" / "masks",
            "classes": ["a", "b"],
        },
        {"images": FOLDER, "masks": FOLDER, "classes": CLASSES, "ids": optional(IDS)},
        raises={"images": FileNotFoundError, "masks": FileNotFoundError},
    ),
    Call(
        "instdisc.data.SegmentFiles",
        lambda: {
            "root": ROOT / "segments",
            "images": ["images/1.png"],
            "masks": ["masks/1.png"],
            "classes": ["a", "b"],
        },
        {
            "images": sequence(TEXT).also(more=["a.png", "b.png"]),
            "masks": sequence(TEXT).also(more=["a.png", "b.png"]),
            "classes": CLASSES,
            "ids": optional(IDS),
            "colors": optional(sequence(OBJECT.without("list"))).also(one=[(0, 0, 0)]),
        },
    ),
    Call(
        "instdisc.data.LandmarkTable",
        lambda: {"root": ROOT, "table": ROOT / "points.csv", "layout": EYES},
        {
            "root": optional(FOLDER),
            "table": FOLDER,
            "image": TEXT.also(no_column="picture"),
            **TABLE,
            "ignore": sequence(TEXT, empty=True),
            "only": optional(sequence(TEXT)).also(three=("a", "b", "c"), no_column=("part", "a")),
        },
        raises={**ABSENT, "table": FileNotFoundError},
    ),
    Call(
        "instdisc.data.LandmarkFiles",
        lambda: {
            "root": ROOT / "segments",
            "paths": ["images/1.png"],
            "points": torch.arange(10.0).view(1, 5, 2),
            "layout": FACE_5,
        },
        {
            "paths": sequence(TEXT),
            "points": tensor().without("uint8", "int64"),
            "boxes": optional(tensor().also(three=lambda good: torch.zeros(1, 3))).without(
                "more_dimensions", "scalar", "empty", "uint8", "int64"
            ),
        },
    ),
    *(
        Call(f"instdisc.data.{kind}", lambda: {"scenes": SCENES})
        for kind in ("SceneObjects", "SceneSegments", "SceneLandmarks")
    ),
    Call(
        "instdisc.data.ObjectSubset",
        lambda: {"source": OBJECTS, "positions": torch.arange(2)},
        {"positions": POSITIONS},
        raises={"positions": IndexError},
    ),
    Call(
        "instdisc.data.SegmentSubset",
        lambda: {"segments": SEGMENTS, "positions": torch.arange(2)},
        {"positions": POSITIONS},
        raises={"positions": IndexError},
    ),
    Call(
        "instdisc.data.LandmarkSubset",
        lambda: {"images": LANDMARKS, "positions": torch.arange(2)},
        {"positions": POSITIONS},
        raises={"positions": IndexError},
    ),
    Call("instdisc.data.JoinedObjects", lambda: {"sources": [OBJECTS]}),
    Call(
        "instdisc.data.split_objects",
        lambda: {"source": OBJECTS},
        {"num_test": HALF},
    ),
    Call(
        "instdisc.data.split_landmarks",
        lambda: {"images": LANDMARKS},
        {"num_test": HALF},
    ),
    Call(
        "instdisc.data.ObjectPolicy",
        dict,
        {"short_sides": sequence(whole(1)), "longest_side": whole(800)},
    ),
    Call(
        "instdisc.data.ObjectDataset",
        lambda: {"source": OBJECTS, "policy": SMALL},
    ),
    Call(
        "instdisc.data.ObjectLoader",
        lambda: {"dataset": ObjectDataset(OBJECTS, SMALL), "batch_size": 2},
    ),
    Call(
        "instdisc.data.ObjectData",
        lambda: {"train": OBJECTS, "test": OBJECTS},
        {"train": SOURCE, "test": optional(SOURCE), "root": optional(PATH)},
    ),
    Call(
        "instdisc.data.PhotometricDistortion",
        dict,
        {
            **dict.fromkeys(["brightness", "contrast", "saturation"], SHARE),
            "hue": number(at_least=0, at_most=0.5),
        },
    ),
    Call(
        "instdisc.data.SegmentPolicy",
        lambda: {"crop_size": 32},
        {
            "crop_size": SIDES,
            "scale": FACTORS,
            "max_share": number(above=0, at_most=1),
            "photometric": sequence(OBJECT, empty=True),
        },
    ),
    Call("instdisc.data.SegmentDataset", lambda: {"segments": SEGMENTS}),
    Call(
        "instdisc.data.SegmentData",
        lambda: {"train": SEGMENTS, "test": SEGMENTS},
        {
            "train": SOURCE,
            "test": optional(SOURCE),
            "crop_size": SIDES,
            "scale": FACTORS,
            "max_share": number(above=0, at_most=1),
        },
    ),
    Call("instdisc.data.class_colors", lambda: {"num_classes": 3}),
    Call(
        "instdisc.data.SquareFrame",
        lambda: {"size": 32},
        {
            "margin": number(above=-0.5),
            "scale": number(at_least=0, below=1),
            "shift": number(at_least=0, below=1),
            "mean": sequence(number()).also(two=(0.5, 0.5)),
        },
    ),
    Call("instdisc.data.LandmarkDataset", lambda: {"images": LANDMARKS, "policy": SQUARE}),
    Call("instdisc.data.LandmarkFinisher", lambda: {"policy": SQUARE}),
    Call(
        "instdisc.data.LandmarkData",
        lambda: {"train": LANDMARKS, "test": LANDMARKS},
        {
            "train": SOURCE,
            "test": optional(SOURCE),
            **TABLE,
            "margin": number(above=-0.5),
            "batch_size": whole(2),
        },
    ),
    *(
        Call(
            f"instdisc.data.open_{kind}",
            lambda: {"name": "scenes", "part": "train"},
            {"name": FOLDER, "part": CHOICE, **(TABLE if kind == "landmarks" else {})},
            raises={"name": FileNotFoundError},
        )
        for kind in ("objects", "segments", "landmarks")
    ),
]

EXEMPT = {
    "instdisc.data.LandmarkLayout": "a plain tuple of names and numbers; its users check it",
    "instdisc.data.LandmarkSource": "an abstract class without arguments",
    "instdisc.data.LandmarkSplit": "a plain tuple that a split is handed out in",
    "instdisc.data.ObjectSource": "an abstract class without arguments",
    "instdisc.data.SegmentSource": "an abstract class without arguments",
}
