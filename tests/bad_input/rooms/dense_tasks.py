"""Detection, segmentation and landmarks: modules, tasks, and what they write."""

import tempfile
from pathlib import Path

import torch

from instdisc import Backbone
from instdisc.data import SceneObjects, Scenes
from instdisc.metrics import DetectionStore, ImageResults
from instdisc.transfer import Detector, export_detector

from .. import sorts
from ..calls import Call
from ..documented import documented, written
from ..sorts import OBJECT, number, optional, sequence, tensor, whole
from .metrics import guess, true

HERE = "instdisc.transfer"
POSITIVE, SHARE = sorts.POSITIVE, sorts.SHARE
MEAN = optional(sequence(number()))
STD = optional(sequence(POSITIVE))
RISING = sequence(whole(1), empty=True).also(falling=[8, 6])
SHARES = sequence(number(above=0, below=1), empty=True).also(falling=[0.9, 0.7])
DEVICES = whole(1).without("text", "list").also(none=[], text="two")
# A size, or one for height and one for width.
SIZE = whole(1).without("list", "mapping").also(none=[])
RECIPE = OBJECT.without("list")
PRECISION = {"precision": sorts.choice(), "accelerator": sorts.choice(), "devices": DEVICES}


def folder() -> Path:
    return Path(tempfile.mkdtemp())


def scenes() -> SceneObjects:
    return SceneObjects(Scenes(2, image_size=64))


def results() -> list[ImageResults]:
    store = DetectionStore(3)
    store.update([guess()], [true()], torch.tensor([0]))
    return list(store.compute())


def detector_file() -> str:
    detector = Detector(Backbone("test_resnet"), 2)
    path = folder() / "detector.pt"
    return str(export_detector(detector, path, classes=["a", "b"], category_ids=[1, 2]))


CALLS: list[Call] = [
    *documented(
        HERE,
        *("DetectionModule", "Detector"),
        mean=MEAN,
        std=STD,
        milestones=RISING,
        precise_batches=whole(0),
        anchor_sizes=optional(sequence(POSITIVE)),
        counts=optional(OBJECT),
        warmup=whole(0),
    ),
    *documented(
        HERE,
        "detect",
        recipe=RECIPE,
        precise_batches=whole(0),
        anchor_sizes=optional(sequence(POSITIVE)),
        **PRECISION,
    ),
    written(
        f"{HERE}.DetectionRecipe",
        lambda: {
            **{"iterations": 9, "batch_size": 2, "learning_rate": 0.1},
            **{"milestones": (6, 8), "warmup": 0},
        },
        warmup=whole(0),
        milestones=sequence(whole(1), empty=True),
    ),
    written(
        f"{HERE}.ProposalCounts",
        lambda: dict.fromkeys(["train_before", "train_after", "test_before", "test_after"], 4),
    ),
    *documented(
        HERE,
        "detection_picture",
        image=tensor(torch.uint8),
        classes=sequence(sorts.TEXT),
    ),
    *documented(HERE, "detection_records", classes=sequence(sorts.TEXT)),
    *documented(HERE, "export_detector", mean=MEAN, std=STD, category_ids=sequence(whole(0))),
    written(f"{HERE}.load_detector", lambda: {"path": detector_file()}, path=sorts.PATH),
    *documented(
        HERE,
        "paste_masks",
        # Of a network, on its device: a look at all of them would make a GPU wait.
        masks=tensor(empty=True),
        boxes=tensor(empty=True).also(other_length=lambda good: good[:0]),
        size=sequence(whole(1)),
    ),
    written(
        f"{HERE}.save_detection_pictures",
        lambda: {"images": results(), "source": scenes(), "folder": folder()},
        images=sequence(OBJECT, empty=True),
        num_images=whole(0),
    ),
    written(
        f"{HERE}.write_results",
        lambda: {"images": results(), "source": scenes(), "path": folder() / "found.json"},
        images=sequence(OBJECT, empty=True),
    ),
    written(
        f"{HERE}.Evaluator",
        lambda: {"source": scenes()},
    ),
    *documented(
        HERE,
        "Segmenter",
        milestones=SHARES,
        least_rate=SHARE,
        window=optional(SIZE),
        window_step=optional(SIZE),
        test_short_side=optional(whole(1)),
    ),
    *documented(HERE, "SegmentationNet"),
    *documented(HERE, "dilate", output_stride=sorts.choice().without("number")),
    *documented(
        HERE,
        "segment",
        scale=sequence(POSITIVE),
        window=optional(SIZE),
        window_step=optional(SIZE),
        crop_size=SIZE,
        batch_size=whole(2),
        **PRECISION,
    ),
    *documented(
        HERE,
        "segmentation_rate",
        step=sorts.NOT_NEGATIVE,
        least=SHARE,
        milestones=SHARES,
    ),
    *documented(HERE, "segmentation_records", classes=sequence(sorts.TEXT)),
    *documented(HERE, "sliding_logits", images=tensor()),
    written(f"{HERE}.SegmentationPictures", lambda: {"num_images": 4}),
    *documented(HERE, "LandmarkModule", "HeatmapHead", "RegressionHead"),
    *documented(HERE, "fit_landmarks", margin=number(above=-0.5), **PRECISION),
    *documented(HERE, "landmark_records", errors=tensor()),
    written(
        f"{HERE}.curve_figure",
        lambda: {"errors": {"a": torch.rand(4, 5)}, "path": folder() / "curve.png"},
        path=sorts.PATH.also(suffix="curve.xyz"),
        errors=OBJECT,
    ),
]
EXEMPT = {
    **dict.fromkeys(
        [f"{HERE}.{name}" for name in ("Evaluation", "LandmarkResult", "SavedDetector")],
        "a result that the tasks give back",
    ),
    **dict.fromkeys(
        [f"{HERE}.{name}" for name in ("precise_batch_norm", "save_detection_run", "read_results")],
        "takes what a training or `write_results` made",
    ),
    **dict.fromkeys(
        [f"{HERE}.{name}" for name in ("landmark_figure", "segments_figure")],
        "draws what a module shows during training",
    ),
}
