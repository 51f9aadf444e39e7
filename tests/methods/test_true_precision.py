"""Half and double precision without autocast: averages move, keys keep their type, all trains."""

import inspect

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

import instdisc
from instdisc import methods
from instdisc.models import Backbone, FeatureQueue, MomentumEncoder
from instdisc.types import Views

# Lightning's remarks on a data module without test images.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Total length of `list` across ranks is zero"),
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no"),
]

CLASSES = [
    kind
    for kind in vars(methods).values()
    if inspect.isclass(kind)
    and issubclass(kind, methods.PretrainModule)
    and kind is not methods.PretrainModule
]
TRUE = {"bf16-true": torch.bfloat16, "16-true": torch.float16, "64-true": torch.float64}


def data(images=16, **options):
    return instdisc.ViewData(
        instdisc.Scenes(images, image_size=32), image_size=32, batch_size=8, **options
    )


def train(module, precision, *callbacks, images=16, epochs=1, path=None):
    trainer = pl.Trainer(
        precision=precision,
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
        callbacks=list(callbacks),
    )
    trainer.fit(module, datamodule=data(images))
    return trainer


class Within(pl.Callback):
    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.loss = outputs["loss"].item()
        self.query = {p.dtype for p in module.backbone.parameters()}
        slow = module.momentum_backbone
        self.key = set() if slow is None else {p.dtype for p in slow.parameters()}
        self.queues = {b.dtype for n, b in module.named_buffers() if n.endswith("queue.features")}
        self.images = batch.images[0].dtype

    def on_train_epoch_end(self, trainer, module):
        self.state = {name: value.dtype for name, value in module.state_dict().items()}


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("precision", TRUE)
def test_every_method_trains(kind, precision):
    small = {"queue_size": 16, "batch_norm_groups": 2, "num_classes": 10, "reference_batch": None}
    small |= {"hidden_dim": 16, "projection_dim": 8, "num_images": 16, "num_views": 2}
    small |= {"predictor_dim": 16, "bottleneck_dim": 8, "num_prototypes": 16, "num_negatives": 4}
    small = {n: v for n, v in small.items() if n in inspect.signature(kind.__init__).parameters}
    module, within = kind("test_resnet", **small), Within()
    before = {name: value.dtype for name, value in module.state_dict().items()}
    train(module, precision, within)
    assert within.loss == pytest.approx(within.loss)  # not NaN
    assert within.query == {within.images} == {TRUE[precision]}
    wide = torch.promote_types(TRUE[precision], torch.float32)
    assert within.key <= {wide}
    assert within.queues <= {torch.float32}
    assert {name: value.dtype for name, value in module.state_dict().items()} == before
    for name, dtype in within.state.items():  # what a checkpoint stores
        if name.startswith("momentum_backbone.") and dtype.is_floating_point:
            assert dtype == wide, name


def test_the_queue_keeps_the_type_that_was_asked_for():
    within = Within()
    module = instdisc.MoCoModule(
        "test_resnet", queue_size=16, queue_dtype="bfloat16", batch_norm_groups=2
    )
    train(module, "64-true", within)
    assert within.queues == {torch.bfloat16}
    queue = FeatureQueue(3, 2)
    kept = queue.features.clone()
    assert torch.equal(queue.half().features, kept)
    assert queue.to(torch.float64).pushed.dtype == torch.int64


def test_averages_go_their_way_in_half_precision():
    query = nn.Linear(16, 16, bias=False)
    shares = {}
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        torch.manual_seed(0)
        query = nn.Linear(16, 16, bias=False).to(dtype)
        slow = MomentumEncoder(query, 0.999)
        start = slow.module.weight.clone()
        with torch.no_grad():
            query.weight.mul_(1.5)
        for _ in range(5000):
            slow.update(query)
        way = (slow.module.weight - start).norm() / (query.weight.float() - start).norm()
        shares[dtype] = way.item()
    assert shares == {dtype: pytest.approx(1 - 0.999**5000, abs=1e-3) for dtype in shares}


@pytest.mark.slow
def test_averages_move_as_in_float32():
    def moved(precision):
        torch.manual_seed(0)
        module = instdisc.MoCoModule("test_resnet", queue_size=64, batch_norm_groups=2)
        slow = module.momentum_backbone
        start = [p.clone() for p in slow.parameters()]
        train(module, precision, images=64, epochs=3)

        def way(ends):
            return torch.stack([(e - s).norm() for e, s in zip(ends, start, strict=True)]).norm()

        return (way(slow.parameters()) / way(module.backbone.parameters())).item()

    assert moved("bf16-true") == pytest.approx(moved("32-true"), rel=0.1)


def test_conversions_do_not_round_the_averages():
    slow = MomentumEncoder(Backbone("test_resnet"))
    before = {name: value.clone() for name, value in slow.state_dict().items()}
    slow.bfloat16().half().to(memory_format=torch.channels_last).to("cpu", torch.bfloat16)
    for name, value in slow.state_dict().items():
        assert torch.equal(value, before[name])
        assert value.dtype == before[name].dtype
    assert slow.module.net.layer1[0].conv1.weight.is_contiguous(memory_format=torch.channels_last)
    assert slow.double().module.net.conv1[0].weight.dtype == torch.float64


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_images_pass_through_an_encoder_in_float32(dtype):
    backbone = Backbone("test_resnet").eval()
    slow = MomentumEncoder(backbone)
    images = torch.randn(2, 3, 32, 32)
    out = slow(images.to(dtype))
    assert torch.allclose(out.float(), backbone(images), atol=0.05)
    with torch.autocast("cpu", torch.bfloat16):  # of mixed precision, which stays as it is
        assert torch.equal(slow(images), backbone(images))


def test_an_encoder_that_holds_two_types():
    query = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4).bfloat16())
    slow = MomentumEncoder(query, 0.5)
    with torch.no_grad():
        for weight in query.parameters():
            weight.fill_(1)
        for weight in slow.parameters():
            weight.fill_(0)
    slow.update(query)
    assert all(torch.equal(weight, torch.full_like(weight, 0.5)) for weight in slow.parameters())


@pytest.mark.parametrize("precision", TRUE)
def test_views_are_those_of_float32(precision):
    seen = {}

    class Keep(pl.Callback):
        def on_train_batch_start(self, trainer, module, batch, batch_idx):
            assert isinstance(batch, Views)
            seen.setdefault(str(trainer.precision), batch.images[0].clone())

    for run in ("32-true", precision):
        torch.manual_seed(0)
        module = instdisc.MoCoModule("test_resnet", queue_size=16, batch_norm_groups=2)
        train(module, run, Keep())
    assert torch.equal(seen[precision], seen["32-true"].to(TRUE[precision]))
