"""`trainer.validate` of every task on two processes gives what one gives, each image once."""

import logging
import multiprocessing
import os
import socket
import warnings

import pytest
import torch
import torch.distributed
from pytorch_lightning import Trainer

from instdisc.callbacks import OnlineKNN, OnlineLinearProbe
from instdisc.data import (
    SCENE_5,
    LandmarkData,
    ObjectData,
    ObjectPolicy,
    SceneLandmarks,
    SceneObjects,
    Scenes,
    SceneSegments,
    SegmentData,
    ViewData,
    ViewDataset,
    ViewLoader,
    evaluation_policy,
)
from instdisc.data.objects.loader import StepSampler
from instdisc.data.sampling import EpochSampler
from instdisc.methods import MoCoModule
from instdisc.models import Backbone
from instdisc.transfer import DetectionModule, LandmarkModule, Segmenter
from instdisc.transfer.finetuning.module import FineTuner
from instdisc.types import Detections

SIZE = 32


def scenes(**options):
    return Scenes(5, image_size=SIZE, **{"num_categories": 2, **options})


def trainer(world, *callbacks):
    return Trainer(
        accelerator="cpu", devices=world, strategy="ddp" if world > 1 else "auto", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        callbacks=list(callbacks),
    )  # fmt: skip


def detection(world):
    source = SceneObjects(scenes())
    data = ObjectData(
        source, source, policy=ObjectPolicy([SIZE], flip=0.0), batch_size=1, iterations=1
    )
    module = DetectionModule(
        "test_resnet", len(source.classes), precise_batches=0, norm="plain",
        protocols=("coco", "voc07", "voc10"),
    )  # fmt: skip
    seen = {}  # the images as the detector gets them, so that a stand-in can tell them apart
    for index in range(5):
        (image,) = module_images(module, source, index)
        seen[image.numpy().tobytes()] = index

    def found(images, sizes):
        index = seen[images[0].numpy().tobytes()]
        true, generator = source.objects(index), torch.Generator().manual_seed(index)
        moved = true.boxes + 3 * torch.rand(true.boxes.shape, generator=generator)
        scores = torch.rand(len(moved), generator=generator)
        return [Detections(moved, true.labels, scores, None)]

    module.detector.forward = found
    trainer(world).validate(module, datamodule=data, verbose=False)
    evaluation = module.result
    images = [(one.image, one.detections.scores) for one in evaluation.images]
    intervals = evaluation.intervals(num_resamples=20)
    return {"numbers": evaluation.numbers, "images": images, "intervals": intervals}


def module_images(module, source, index):
    image = source.read(index)[None]
    return module.prepare(image, torch.tensor([image.shape[-2:]]))


def segmentation(world):
    source = SceneSegments(scenes())
    data = SegmentData(source, source, crop_size=SIZE, batch_size=1)
    net = Segmenter(Backbone("test_resnet"), len(source.classes), width=8)
    trainer(world).validate(net, datamodule=data, verbose=False)
    return net.result._asdict()


def landmarks(world):
    source = SceneLandmarks(Scenes(5, image_size=SIZE))
    data = LandmarkData(source, source, image_size=SIZE, batch_size=2)
    net = LandmarkModule("test_resnet", SCENE_5, image_size=SIZE)
    trainer(world).validate(net, datamodule=data, verbose=False)
    return {"errors": net.result.errors}


def finetuning(world):
    net = FineTuner(
        Backbone("test_resnet"), 2, learning_rate=0.1, weight_decay=0.0, epochs=1,
        last_stages=None, on_epoch=lambda: None,
    )  # fmt: skip
    views = ViewDataset(scenes(), [evaluation_policy(SIZE)])
    loader = ViewLoader(views, 1, shuffle=False, drop_last=False, raw=True)
    trainer(world).validate(net, loader, verbose=False)
    ((logits, labels, _),) = net.outputs.values()
    return {"logits": logits, "labels": labels}


def online(world):
    class Probe(OnlineLinearProbe):
        def on_validation_start(self, trainer, pl_module):
            self.on_fit_start(trainer, pl_module)
            generator = torch.Generator().manual_seed(1)
            self._head.weight.data.normal_(generator=generator)

    test = scenes(split="test", seed=7)
    data = ViewData(scenes(), test, image_size=SIZE, policy="zhao_fr", batch_size=1)
    module = MoCoModule(Backbone("test_resnet"), queue_size=4, batch_norm_groups=1)
    runner = trainer(world, OnlineKNN(k=3), Probe(2))
    runner.validate(module, datamodule=data, verbose=False)
    return {name: float(runner.callback_metrics[name]) for name in ("knn", "probe")}


TASKS = (detection, segmentation, landmarks, finetuning, online)


def results(world):
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    for task in TASKS:
        torch.manual_seed(0)
        yield task.__name__, task(world)


def work(rank, port, repeated, folder):
    os.environ.update(
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), WORLD_SIZE="2", NODE_RANK="0",
        LOCAL_RANK=str(rank),
    )  # fmt: skip
    warnings.simplefilter("ignore")
    if repeated:  # as samplers do that give every process as many images
        for sampler in (EpochSampler, StepSampler):
            sampler.__iter__ = repeating(sampler.__iter__)
            sampler.__len__ = lambda self: 4
    torch.save(dict(results(2)), folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def repeating(iterate):
    def keys(self):
        shares = list(iterate(self))
        first = (*shares[0][:1], 0, *shares[0][2:])
        return iter([*shares, first, shares[-1]][:4])

    return keys


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.allclose(a, b, rtol=1e-5, atol=1e-6, equal_nan=True)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == pytest.approx(b, nan_ok=True)


@pytest.fixture(scope="module")
def alone():
    return dict(results(1))


@pytest.mark.parametrize("repeated", [False, True], ids=["shares", "repeated images"])
def test_two_processes_validate_as_one(repeated, alone, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    fork = multiprocessing.get_context("fork")
    ranks = [fork.Process(target=work, args=(rank, port, repeated, tmp_path)) for rank in (0, 1)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(120)
        assert process.exitcode == 0
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=False)
        for task, expected in alone.items():
            assert same(found[task], expected), (task, found[task], expected)


def test_what_is_compared_says_something(alone):
    numbers, intervals = (alone["detection"][name] for name in ("numbers", "intervals"))
    titles = ("box", "VOC07", "VOC10")
    assert list(intervals) == [f"{title} {n}" for title in titles for n in ("AP", "AP50", "AP75")]
    for name, (low, high) in intervals.items():
        assert low <= numbers[name] <= high, name
    assert all(5 < numbers[name] < 95 for name in ("box AP", "VOC07 AP", "VOC10 AP"))
    assert 0 < float(alone["segmentation"]["mean_iou"]) < 1
    assert alone["landmarks"]["errors"].shape[0] == len(alone["finetuning"]["labels"]) == 5
