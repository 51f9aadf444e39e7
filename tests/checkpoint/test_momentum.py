"""The backbone of the momentum encoder, exported in place of the other."""

import pytest
import torch

import instdisc
from instdisc.checkpoint import describe_checkpoint, export_backbone, load_backbone
from instdisc.testing.runs import fit, make_batches
from instdisc.types import InputSpec


@pytest.fixture
def module():
    module = instdisc.MoCoModule("test_resnet", queue_size=8, batch_norm="plain")
    module.backbone.input = InputSpec(32)
    with torch.no_grad():
        for tensor in module.momentum_backbone.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.1)
    return module


def checkpoint(module, path):
    """Of a short run."""
    fit(module, make_batches(1, 8, 32)).save_checkpoint(path)
    return path


def test_of_a_module_and_of_its_checkpoint(module, tmp_path):
    last = checkpoint(module, tmp_path / "last.ckpt")
    files = [
        export_backbone(source, tmp_path / f"{number}.safetensors", momentum=True)
        for number, source in enumerate([module, last])
    ]
    images = torch.randn(2, 3, 32, 32)
    expected = module.momentum_backbone.eval()(images)
    for file in files:
        assert torch.equal(load_backbone(file).eval()(images), expected)
        assert load_backbone(file).input == InputSpec(32)
        assert describe_checkpoint(file).method == "MoCoModule, momentum encoder"
    assert files[0].read_bytes() == files[1].read_bytes()
    plain = export_backbone(module, tmp_path / "plain.safetensors")
    assert not torch.equal(load_backbone(plain).eval()(images), expected)
    assert module.momentum_backbone.module.input != InputSpec(32)  # left as it was


def test_other_formats(tmp_path):
    module = instdisc.MoCoModule("resnet18", queue_size=8)
    with torch.no_grad():
        module.momentum_backbone.module.net.conv1.weight.add_(1.0)
    file = export_backbone(module, tmp_path / "slow.pth", format="torchvision", momentum=True)
    expected = module.momentum_backbone.module.net.conv1.weight
    assert torch.equal(torch.load(file)["conv1.weight"], expected)


def test_a_source_without_any(module, tmp_path):
    file = tmp_path / "backbone.safetensors"
    supervised = instdisc.SupervisedModule("test_resnet", num_classes=4)
    sources = [
        module.backbone,
        export_backbone(module, tmp_path / "plain.safetensors"),
        supervised,
        checkpoint(supervised, tmp_path / "supervised.ckpt"),
    ]
    for source in sources:
        with pytest.raises(ValueError, match="`source` must be a pretraining module with a mom"):
            export_backbone(source, file, momentum=True)
    assert not file.exists()
