"""Features: their order, what is restored, and broken weights."""

import pytest
import torch

from instdisc.data import ImageSource, Scenes, evaluation_policy
from instdisc.models import Backbone
from instdisc.transfer import extract_features, extract_stages
from instdisc.transfer.features import rows as rows_module
from instdisc.transfer.features.frozen import frozen
from instdisc.transfer.features.rows import Rows


@pytest.fixture(scope="module")
def backbone():
    return Backbone("test_resnet")


def by_hand(backbone, images, size):
    policy, rows = evaluation_policy(size), []
    with torch.no_grad():
        for index in range(len(images)):
            view = policy.cut(images.read(index), [], False)[None]
            rows.append(backbone.eval()(policy.finish(view, torch.zeros(1, 0))))
    return torch.cat(rows)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_features_are_those_of_the_centres_in_order(backbone, num_workers):
    images = Scenes(11, image_size=48)
    found = extract_features(backbone, images, image_size=32, batch_size=4, num_workers=num_workers)
    assert found.features.shape == (11, backbone.dim)
    assert found.features.dtype == torch.float32
    assert torch.equal(found.labels, images.labels)
    torch.testing.assert_close(found.features, by_hand(backbone, images, 32), atol=1e-5, rtol=1e-4)


def test_batch_size_does_not_matter(backbone):
    images = Scenes(5, image_size=32)
    found = [
        extract_features(backbone, images, image_size=32, batch_size=size).features
        for size in (1, 3, 100)
    ]
    torch.testing.assert_close(found[1], found[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found[2], found[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["test_vit", "test_efficientnet"])
def test_other_backbones(name):
    options = {"img_size": 32} if "vit" in name else {}
    backbone = Backbone(name, **options)
    found = extract_features(backbone, Scenes(3, image_size=32), image_size=32)
    assert found.features.shape == (3, backbone.dim)


def test_mode_and_state_are_restored():
    backbone = Backbone("test_resnet").train()
    frozen = next(m for m in backbone.modules() if isinstance(m, torch.nn.BatchNorm2d))
    frozen.eval()
    modes = [module.training for module in backbone.modules()]
    state = {key: value.clone() for key, value in backbone.state_dict().items()}
    extract_features(backbone, Scenes(4, image_size=32), image_size=32)
    assert [module.training for module in backbone.modules()] == modes
    assert not frozen.training
    assert all(torch.equal(value, state[key]) for key, value in backbone.state_dict().items())


def test_mode_is_restored_after_a_failure():
    class Broken(ImageSource):
        name, classes, labels = "broken", ("a",), torch.zeros(3, dtype=torch.int64)

        def read(self, index):
            raise ValueError("cannot read the image")

    backbone = Backbone("test_resnet").train()
    with pytest.raises(ValueError, match="cannot read the image"):
        extract_features(backbone, Broken(), image_size=32)
    assert backbone.training


def test_broken_weights_are_refused():
    backbone = Backbone("test_resnet")
    with torch.no_grad():
        next(backbone.parameters()).fill_(float("nan"))
    with pytest.raises(ValueError, match="features of image 0 of 'scenes' are not finite: the ba"):
        extract_features(backbone, Scenes(4, image_size=32), image_size=32)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 0}, "`image_size` must be a whole number of at least 1, got 0"),
        (
            {"image_size": 32, "batch_size": 0},
            "`batch_size` must be a whole number of at least 1, got 0",
        ),
        (
            {"precision": "16-mixed"},
            "`precision` must be one of '32-true', 'bf16-mixed', got",
        ),
    ],
)
def test_bad_arguments(backbone, options, message):
    with pytest.raises(ValueError, match=message):
        extract_features(backbone, Scenes(4, image_size=32), **options)


def test_bfloat16_is_near_and_says_so(backbone):
    images = Scenes(6, image_size=32)
    plain, half = (
        extract_features(backbone, images, image_size=32, batch_size=4, precision=precision)
        for precision in ("32-true", "bf16-mixed")
    )
    assert half.features.dtype == torch.float32
    assert not torch.equal(half.features, plain.features)
    scale = plain.features.abs().max().item()
    torch.testing.assert_close(half.features, plain.features, rtol=0, atol=0.03 * scale)
    assert half.about.view == {**plain.about.view, "precision": "bf16-mixed"}
    assert "precision" not in plain.about.view
    stages = extract_stages(backbone, images, image_size=32, precision="bf16-mixed")
    full = extract_stages(backbone, images, image_size=32)
    for found, expected in zip(stages, full, strict=True):
        scale = expected.features.abs().max().item()
        torch.testing.assert_close(found.features, expected.features, rtol=0, atol=0.03 * scale)
        assert found.about == half.about


@pytest.mark.parametrize("inside", [torch.contiguous_format, torch.channels_last])
def test_frozen_gives_each_weight_its_strides_back(inside):
    # A 1 x 1 convolution is contiguous in either format, and yet its strides choose the kernels.
    backbone = Backbone("test_resnet").to(memory_format=inside)
    kept = {name: (p, p.stride(), p.clone()) for name, p in backbone.named_parameters()}
    images = torch.randn(2, 3, 32, 32)
    with frozen(backbone, channels_last=True):
        found = backbone(images)
        stem = next(p for p in backbone.parameters() if p.ndim == 4)
        assert stem.is_contiguous(memory_format=torch.channels_last)
    with frozen(backbone):
        torch.testing.assert_close(found, backbone(images))
    for name, parameter in backbone.named_parameters():
        before, stride, value = kept[name]
        assert parameter is before
        assert parameter.stride() == stride
        assert torch.equal(parameter, value)


class FakeGPU:
    """What `Rows` asks of CUDA: copies that arrive when their event is waited for."""

    def __init__(self, monkeypatch):
        self.waited = 0
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device: self)
        monkeypatch.setattr(rows_module, "_on_gpu", lambda rows: True)
        monkeypatch.setattr(rows_module, "_pinned", torch.empty_like)

    def record_event(self):
        return self

    def synchronize(self):
        self.waited += 1


def test_rows_wait_for_the_batch_before_the_last(monkeypatch):
    gpu, rows, parts = FakeGPU(monkeypatch), Rows(), [torch.randn(2, 3) for _ in range(4)]
    for number, part in enumerate(parts):
        rows.add(part)
        assert gpu.waited == number  # never for the one that has just been asked for
    assert torch.equal(rows.join(), torch.cat(parts))
    assert gpu.waited == len(parts)
