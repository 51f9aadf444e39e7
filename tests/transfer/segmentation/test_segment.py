"""The task as one function: what it learns, reports and refuses."""

import subprocess
import sys

import pytest
import torch
from torchvision.io import write_png

from instdisc.data import (
    Scenes,
    SceneSegments,
    SegmentData,
    SegmentFiles,
    SegmentSource,
    SegmentSubset,
)
from instdisc.data.images.source import no_labels
from instdisc.models import Backbone
from instdisc.transfer import read_predictions, segment

CPU = {"accelerator": "cpu"}
SMALL = {"crop_size": 32, "batch_size": 4, "width": 16, **CPU}


class Halves(SegmentSource):
    """Red beside blue, and the class says which: learnt in a few steps."""

    name, classes = "halves", ("red", "blue", "green")

    def __init__(self, count=8):
        self.labels = no_labels(count)

    def pair(self, index):
        generator = torch.Generator().manual_seed(index)
        image = torch.randint(0, 120, (3, 32, 48), dtype=torch.uint8, generator=generator)
        mask = torch.zeros(32, 48, dtype=torch.uint8)
        mask[:, 12 + 3 * index % 24 :] = 1
        image[0] += 120 * (mask == 0)
        image[2] += 120 * (mask == 1)
        mask[:2] = 255
        if index == 7:  # in the sets to train on alone
            mask[8:12, :4] = 2
        return image, mask

    def read(self, index):
        return self.pair(index)[0]

    def mask(self, index):
        return self.pair(index)[1]


def test_learns_reports_and_leaves_the_backbone_as_it_was(tmp_path):
    net = Backbone("test_resnet").eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    told = []
    records = segment(
        net, Halves(), Halves(5), steps=16, learning_rate=0.05, auxiliary=0.4, distort=True,
        scale=(0.7, 1.4), pictures=tmp_path / "seen",
        progress=lambda done, total: told.append((done, total)), **SMALL,
    )  # fmt: skip
    assert [r.metric for r in records][:4] == ["mIoU", "pixel accuracy", "IoU, red", "IoU, blue"]
    assert records[1].value > 80
    assert records[0].low < records[0].value < records[0].high
    assert (records[0].n, records[1].interval) == (5, "bootstrap over 5 images, 1000 resamples")
    assert (records[2].low, records[2].interval) == (None, "")
    assert told == [(step, 16) for step in range(1, 17)]
    assert all(torch.equal(t, before[name]) for name, t in net.state_dict().items())
    assert not net.training
    assert (tmp_path / "seen" / "segments.png").stat().st_size > 1000
    settings = records[0].settings
    assert {r.task for r in records} == {"segmentation"}
    assert (settings["steps"], settings["train"], settings["batch_size"]) == (16, 8, 4)
    assert (settings["precision"], settings["crop_size"]) == ("32-true", [32, 32])
    assert (records[0].architecture, records[0].dataset) == ("test_resnet", "halves")
    assert records[0].weights == net.about().weights
    assert records[0].to_json()


def test_the_same_seed_gives_the_same_result_and_draws_nothing_from_outside():
    net = Backbone("test_resnet")
    torch.manual_seed(1)
    first = segment(net, Halves(), Halves(2), steps=2, seed=3, **SMALL)
    after = torch.rand(1)
    torch.manual_seed(2)
    again = segment(net, Halves(), Halves(2), steps=2, seed=3, **SMALL)
    assert [r.value for r in first] == [r.value for r in again]
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(1))


def test_fcn_with_windows():
    records = segment(
        Backbone("test_resnet"), Halves(), Halves(2), steps=2, head="fcn", schedule="step",
        window=[32, 32], window_step=16, test_short_side=40, test_batch_size=2,
        precision="bf16-mixed", **SMALL,
    )  # fmt: skip
    assert 0 <= records[0].value <= 100
    assert (records[0].view["window"], records[0].view["short_side"]) == ([32, 32], 40)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "`steps` must be a whole number of at least 1, got 0"),
        ({"batch_size": 1}, "`batch_size` must be a whole number of at least 2, got 1"),
        ({"crop_size": 0}, "`crop_size` must be a whole number of at least 1"),
        ({"output_stride": 5}, "`output_stride` must be one of the strides of 'test_resnet'"),
        (
            {"learning_rate": 1e20, "steps": 3},
            "the weights .* are not finite: the training diverged. Lower",
        ),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        segment(Backbone("test_resnet"), Halves(), Halves(2), **{**SMALL, "steps": 1, **options})


class Ignored(Halves):
    def mask(self, index):
        return torch.full((32, 48), 255, dtype=torch.uint8)


def test_bad_sets():
    net = Backbone("test_resnet")
    with pytest.raises(ValueError, match="`train` must be of at least 2 images, got 1"):
        segment(net, Halves(1), Halves(2), steps=1, **SMALL)
    with pytest.raises(ValueError, match="`test` has the classes .* they must be the same"):
        segment(net, Halves(), SceneSegments(Scenes(2, image_size=32)), steps=1, **SMALL)
    with pytest.raises(ValueError, match="`train` must be a set whose masks .* {'green': 0}"):
        segment(net, Halves(7), Halves(2), steps=10**9, **SMALL)
    with pytest.raises(ValueError, match="`test` must be a set whose masks hold pixels that count"):
        segment(net, Halves(), Ignored(2), steps=10**9, **SMALL)
    with pytest.raises(ValueError, match="must be a timm ResNet, got 'test_vit'"):
        segment(Backbone("test_vit"), Halves(), Halves(2), steps=1, **SMALL)


TWO = """
import sys, torch
from pytorch_lightning import Trainer
from instdisc.data import SceneSegments, Scenes, SegmentData
from instdisc.models import Backbone
from instdisc.transfer import Segmenter

def score(devices, folder):
    torch.manual_seed(0)
    scenes = SceneSegments(Scenes(5, image_size=32))
    data = SegmentData(scenes, scenes, crop_size=32, batch_size=2)
    net = Segmenter(Backbone("test_resnet"), 11, width=8)
    trainer = Trainer(accelerator="cpu", devices=devices, logger=False,
                      enable_progress_bar=False, enable_checkpointing=False)
    trainer.validate(net, datamodule=data, verbose=False)
    torch.save(net.result, f"{folder}/{devices}-{trainer.global_rank}.pt")

if __name__ == "__main__":
    score(2, sys.argv[1])
"""


@pytest.mark.slow
def test_two_processes_score_as_one(tmp_path):
    (tmp_path / "two.py").write_text(TWO)
    names: dict = {}
    exec(TWO, names)
    names["score"](1, tmp_path)
    subprocess.run([sys.executable, tmp_path / "two.py", tmp_path], check=True)
    alone, *others = (
        torch.load(tmp_path / f"{name}.pt", weights_only=False) for name in ("1-0", "2-0", "2-1")
    )
    assert int(alone.matrix.sum()) == 5 * 32 * 32  # five images on two processes: none twice
    for other in others:
        assert torch.equal(other.matrix, alone.matrix)
        assert len(other.matrices) == 5
        assert torch.equal(other.class_iou.nan_to_num(), alone.class_iou.nan_to_num())


@pytest.mark.slow
def test_overfits_two_images():
    scenes = SceneSegments(Scenes(2, image_size=64, num_categories=2))
    records = segment(
        Backbone("test_resnet"), scenes, scenes, steps=150, batch_size=2, crop_size=64,
        scale=(1.0, 1.0), flip=0.0, output_stride=4, width=32, dropout=0.0, learning_rate=0.05,
        weight_decay=0.0, **CPU,
    )  # fmt: skip
    assert records[0].value > 90, records[0].value


def test_a_crop_alone_in_its_batch_is_refused():
    from pytorch_lightning import Trainer

    from instdisc.transfer import Segmenter

    scenes = SegmentSubset(
        SceneSegments(Scenes(4, image_size=32, num_categories=2)), torch.arange(2)
    )
    data = SegmentData(scenes, scenes, crop_size=32, batch_size=1)
    trainer = Trainer(
        accelerator="cpu", max_steps=1, logger=False, enable_progress_bar=False,
        enable_checkpointing=False, enable_model_summary=False, num_sanity_val_steps=0,
    )  # fmt: skip
    with pytest.raises(ValueError, match="`batch_size` must be at least 2 on each device"):
        trainer.fit(Segmenter(Backbone("test_resnet"), 3, width=8), datamodule=data)


def test_predictions_name_the_files(tmp_path):
    (tmp_path / "images" / "a").mkdir(parents=True)
    (tmp_path / "masks").mkdir()
    halves = Halves(3)
    for index in range(3):
        image, mask = halves.pair(index)
        write_png(image, str(tmp_path / "images" / "a" / f"{index}.png"))
        write_png(mask[None], str(tmp_path / "masks" / f"{index}.png"))
    images, masks = ([f"{f}/{i}.png" for i in range(3)] for f in ("images/a", "masks"))
    files = SegmentFiles(tmp_path, images, masks, classes=["red", "blue"])
    few = SegmentSubset(files, torch.tensor([2, 0]))
    segment(Backbone("test_resnet"), files, few, steps=1, predictions=tmp_path / "it.npz", **SMALL)
    kept = read_predictions(tmp_path / "it.npz")
    assert kept["image"].tolist() == ["images/a/2.png", "images/a/0.png"]
    assert kept["truth"].sum(1).tolist() == [30 * 48] * 2  # two rows of each are ignored
