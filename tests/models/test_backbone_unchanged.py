"""Whoever is handed a backbone to use leaves it as it is: modes, form, hooks, weights."""

import pytest
import torch

import instdisc
from instdisc import analysis, transfer
from instdisc.checkpoint import export_backbone, open_backbone
from instdisc.data import SceneLandmarks, SceneSegments
from instdisc.models import Backbone, split_batch_norm
from instdisc.transfer import Recipe

TRAIN = instdisc.Scenes(20, image_size=64, num_categories=2)
TEST = instdisc.Scenes(12, image_size=64, num_categories=2, split="test")


def fingerprint(backbone):
    """All of a backbone that somebody could change, by name."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "modules": {
            name: (
                type(module),
                module.training,
                sorted(vars(module)),
                getattr(module, "groups", 0),
            )
            for name, module in backbone.named_modules()
        },
        "hooks": [len(getattr(m, kind)) for m in backbone.modules() for kind in hooks],
        "weights": [
            (n, id(p), p.requires_grad, p.grad, p.dtype, p.stride(), p.device)
            for n, p in backbone.named_parameters()
        ],
        "statistics": [(n, b.dtype, b.stride(), b.device) for n, b in backbone.named_buffers()],
        "counters": [int(b) for n, b in backbone.named_buffers() if n.endswith("tracked")],
        "hash": backbone.about().weights,
        "input": backbone.input,
        "origin": backbone.origin,
    }


def used():
    """A backbone with everything set as no function would set it by itself."""
    torch.manual_seed(0)
    backbone = Backbone("test_resnet")
    # As within a run; no batch here divides by it, so that copies must train without.
    split_batch_norm(backbone.net.layer1, 7)
    backbone.net.layer2.eval()
    backbone.net.layer3.requires_grad_(False)
    backbone.net.layer4.to(memory_format=torch.channels_last)
    backbone.net.layer1.register_forward_hook(lambda *_: None)
    backbone.input = backbone.input._replace(size=64)
    return backbone


def dense(module, source, **options):
    return lambda b, folder: getattr(transfer, module)(
        b, source(TRAIN), source(TEST), accelerator="cpu", **options
    )


USES = {
    "extract_features": lambda b, f: transfer.extract_features(b, TEST, image_size=32),
    "extract_stages": lambda b, f: transfer.extract_stages(b, TEST, image_size=32),
    "cached_features": lambda b, f: transfer.cached_features(b, TEST, folder=f, image_size=32),
    "evaluate_stages": lambda b, f: transfer.evaluate_stages(b, TRAIN, TEST, image_size=32),
    "evaluate_linear_grid": lambda b, f: transfer.evaluate_linear_grid(
        b, TRAIN, TEST, image_size=32, epochs=1, grid=[Recipe(0.1, 10, 0.0)]
    ),
    "finetune": lambda b, f: transfer.finetune(
        b, TRAIN, TEST, image_size=32, epochs=1, grid=[Recipe(0.01, 10, 0.0)]
    ),
    "finetune_few_shot": lambda b, f: transfer.finetune_few_shot(
        b, TEST, episodes=2, shots=(2,), ways=2, queries=1, image_size=32
    ),
    "segment": dense("segment", SceneSegments, width=8, steps=1, crop_size=(32, 32), batch_size=2),
    "fit_landmarks": dense("fit_landmarks", SceneLandmarks, epochs=1, grid=2, batch_size=2),
    "DetectionModule": lambda b, f: transfer.DetectionModule(b, 2, norm="plain"),
    "Detector": lambda b, f: transfer.Detector(b, 2),
    "Segmenter": lambda b, f: transfer.Segmenter(b, 2, width=8, channels_last=True),
    "LandmarkModule": lambda b, f: transfer.LandmarkModule(
        b, SceneLandmarks(TEST).layout, image_size=64, grid=2
    ),
    "evaluate_geometry": lambda b, f: analysis.evaluate_geometry(b, TEST, image_size=32),
    "evaluate_transferability": lambda b, f: analysis.evaluate_transferability(
        b, TEST, image_size=32
    ),
    "stage_maps": lambda b, f: analysis.stage_maps(b, TEST),
    "invert": lambda b, f: analysis.invert(b, torch.rand(1, 3, 32, 32), steps=1),
    "compare_layers": lambda b, f: analysis.compare_layers({"a": b, "b": b}, TEST, image_size=32),
    "export_backbone": lambda b, f: export_backbone(b, f / "it.safetensors"),
    "open_backbone": lambda b, f: open_backbone(b),
    "MoCoModule": lambda b, f: instdisc.MoCoModule(b, queue_size=8, channels_last=True),
    "MomentumEncoder": lambda b, f: instdisc.MomentumEncoder(b),
}


@pytest.mark.parametrize("name", USES)
def test_unchanged(name, tmp_path):
    backbone = used()
    before = fingerprint(backbone)
    USES[name](backbone, tmp_path)
    after = fingerprint(backbone)
    for part, value in before.items():
        assert after[part] == value, part


def test_a_change_is_noticed():
    for change in (
        lambda b: b.eval(),
        lambda b: split_batch_norm(b, 1),
        lambda b: b.requires_grad_(True),
        lambda b: b.to(memory_format=torch.channels_last),
        lambda b: b.net.layer4.register_forward_hook(lambda *_: None),
        lambda b: b(torch.zeros(7, 3, 32, 32)),
        lambda b: next(b.parameters()).data.add_(1),
        lambda b: b.half(),
    ):
        backbone = used()
        before = fingerprint(backbone)
        change(backbone)
        assert fingerprint(backbone) != before
