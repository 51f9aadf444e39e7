"""A training step asks its device for nothing, so the host runs ahead of it.

On the meta device, which has no numbers to ask for, with every hook of the step; where a GPU is at
hand, under the Trainer.
"""

import contextlib
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import instdisc
from instdisc.methods.training import finite
from instdisc.methods.training.finite import FiniteWatch
from instdisc.testing.runs import fit, make_batches
from instdisc.types import Views

SMALL = {"queue_size": 40, "batch_norm_groups": 2}
METHODS = {
    "moco": lambda: instdisc.MoCoModule("test_resnet", **SMALL),
    "supervised": lambda: instdisc.SupervisedModule(
        "test_resnet", num_classes=4, both_views=True, batch_norm="shuffled", batch_norm_groups=2
    ),
    "exemplar": lambda: instdisc.ExemplarModule("test_resnet", **SMALL),
    "supcon": lambda: instdisc.SupConModule("test_resnet", reference_batch=None, **SMALL),
    "instdisc": lambda: instdisc.InstDiscModule("test_resnet", num_images=40, num_negatives=None),
    "instdisc_sampled": lambda: instdisc.InstDiscModule(
        "test_resnet", num_images=40, num_negatives=20, estimator="nce"
    ),
    "ce_moco": lambda: instdisc.CrossEntropyMoCoModule(
        "test_resnet", num_classes=4, negatives="same_class", reference_batch=None, **SMALL
    ),
    "ce_supcon": lambda: instdisc.CrossEntropySupConModule(
        "test_resnet", num_classes=4, reference_batch=None, **SMALL
    ),
    "supcon_moco": lambda: instdisc.SupConMoCoModule("test_resnet", reference_batch=None, **SMALL),
}
ASKS = ("_local_scalar_dense", "is_nonzero", "nonzero", "equal", "masked_select", "bincount")


class Started(TorchDispatchMode):
    """Notes what starts a kernel and what waits; a view or an allocation does neither."""

    def __init__(self):
        super().__init__()
        self.kernels, self.waits = [], []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        name = func.name().removeprefix("aten::").split(".")[0]
        if name in ASKS or "unique" in name:
            self.waits.append(name)
        elif name in ("_to_copy", "copy_"):
            here = args[1] if name == "copy_" else args[0]
            crosses = here.device != result.device
            blocking = args[2] if len(args) > 2 else (kwargs or {}).get("non_blocking", False)
            if crosses and not blocking:
                self.waits.append(f"{name} from {here.device}")
        if not func.is_view and "empty" not in name and name not in ("detach", "_unsafe_view"):
            self.kernels.append(name)
        return result


def step_on_meta(module):
    """One step with all hooks of the module, away from logging steps; what it started."""
    module.trainer = SimpleNamespace(
        global_step=3,
        precision="32-true",
        current_epoch=0,
        log_every_n_steps=0,
        accumulate_grad_batches=1,
        gradient_clip_val=None,
        checkpoint_callback=None,
        callbacks=[],
        callback_metrics={},
        fit_loop=SimpleNamespace(epoch_loop=SimpleNamespace(_batches_that_stepped=3)),
        strategy=SimpleNamespace(root_device=torch.device("meta")),
    )
    module.to("meta")
    module.setup("fit")
    optimizer = module.configure_optimizers()["optimizer"]
    batch = Views(
        [torch.randn(8, 3, 32, 32, device="meta") for _ in range(2)],
        torch.zeros(8, dtype=torch.int64, device="meta"),
        torch.arange(8, device="meta"),
    )

    def closure():
        loss = module.training_step(batch, 3)["loss"]
        optimizer.zero_grad()
        loss.backward()
        module.on_after_backward()
        return loss

    with Started() as started:
        module.on_train_batch_start(batch, 3)
        module.optimizer_step(0, 3, optimizer, closure)
        module.on_train_batch_end(None, batch, 3)
    return started


@pytest.fixture
def no_autocast(monkeypatch):
    """There is none of the meta device."""
    monkeypatch.setattr(torch, "autocast", lambda *args, **options: contextlib.nullcontext())


@pytest.mark.usefixtures("no_autocast")
@pytest.mark.parametrize("name", METHODS)
def test_no_step_waits(name):
    started = step_on_meta(METHODS[name]())
    assert len(started.kernels) > 50
    assert started.waits == []


@pytest.mark.usefixtures("no_autocast")
def test_waiting_is_noticed():
    with Started() as started:
        torch.zeros(3).to("meta")
        torch.zeros(3).to("meta", non_blocking=True)
        torch.zeros(3, device="meta").copy_(torch.zeros(3))
        torch.zeros(3).nonzero()
        torch.zeros(3).sum().item()
    expected = ["_to_copy from cpu", "copy_ from cpu", "nonzero", "_local_scalar_dense"]
    assert started.waits == expected


@pytest.mark.usefixtures("no_autocast")
def test_few_kernels_besides_the_networks():
    """Projectors, loss, queue, order of the keys and both updates of a network of one layer."""
    backbone = instdisc.Backbone("test_resnet")
    pool = nn.AdaptiveAvgPool2d(1)
    backbone.net = nn.Sequential(pool, nn.Flatten(), nn.Linear(3, 96), nn.BatchNorm1d(96))
    module = instdisc.MoCoModule(backbone, queue_size=40, batch_norm_groups=2)
    assert len(step_on_meta(module).kernels) < 150


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", METHODS)
def test_no_step_waits_under_the_trainer(name):
    class Forbid(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            # Step 3 is logged; nobody waits for what was logged after it.
            torch.cuda.set_sync_debug_mode("error" if batch_idx > 2 else "default")

        def on_train_end(self, trainer, pl_module):
            torch.cuda.set_sync_debug_mode("default")

    batches = [Views(*(_on_gpu(part) for part in batch)) for batch in make_batches(5, 8, 32)]
    try:
        fit(METHODS[name](), batches, Forbid(), accelerator="gpu", log_every_n_steps=3)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def _on_gpu(part):
    return [view.cuda() for view in part] if isinstance(part, list) else part.cuda()


def test_what_was_logged_is_not_asked_for_again():
    """Lightning asks for a value in the bar after every batch, as long as it is in its results."""

    class Results(pl.Callback):
        def __init__(self):
            self.logged = []

        def on_train_batch_end(self, trainer, *rest):
            self.logged.append(dict(trainer.fit_loop._results))

    results = Results()
    fit(METHODS["ce_moco"](), make_batches(6, 8, 32), results, log_every_n_steps=2)
    assert results.logged == [{}] * 6


@pytest.mark.parametrize("bad", [0, 63, 64, 100, 130])
def test_first_loss_that_is_not_finite_is_named(bad):
    watch = FiniteWatch()
    for step in range(131):
        watch.note(torch.tensor(float("inf") if step in (bad, 130) else 1.0), step * 2)
    with pytest.raises(FloatingPointError, match=f"not finite at step {bad * 2}. A word"):
        watch.check(lambda: "A word")


def test_finite_losses_are_forgotten():
    watch = FiniteWatch()
    for step in range(70):
        watch.note(torch.tensor(1.0), step)
    watch.check(str)
    watch.check(str)
    watch.note(torch.tensor(torch.nan), 70)
    with pytest.raises(FloatingPointError, match=r"at step 70\. "):
        watch.check(str)


class Ahead(instdisc.MoCoModule):
    """Looks at its losses where a GPU would: never within a step."""

    within = False
    most = 0

    def training_step(self, *arguments):
        self.within = True
        outputs = super().training_step(*arguments)
        self.within = False
        self.most = max(self.most, len(self._losses._watches["loss"]._steps))
        return outputs

    def on_fit_start(self):
        super().on_fit_start()
        check = self._losses.check
        self._losses.check = lambda trainer: None if self.within else check(trainer)


def test_a_run_that_logs_and_keeps_nothing_ends_with_the_step_that_was_not_finite():
    batches = make_batches(4, 8, 32)
    batches[1] = batches[1]._replace(images=[view * torch.nan for view in batches[1].images])
    module = Ahead("test_resnet", **SMALL)
    with pytest.raises(FloatingPointError, match=r"not finite at step 1\."):
        fit(module, batches, log_every_n_steps=0)
    assert module.trainer.global_step == 4


def test_what_is_kept_of_a_run_that_logs_nothing_does_not_grow(monkeypatch):
    monkeypatch.setattr(finite, "_MOST", 2)
    module = Ahead("test_resnet", **SMALL)
    fit(module, make_batches(5, 8, 32), log_every_n_steps=0)
    assert module.most == 2
    assert module._losses._watches["loss"]._steps == []


@pytest.mark.parametrize("shape", [(), (1,)])
def test_losses_of_one_value(shape):
    watch = FiniteWatch()
    for step in range(65):
        watch.note(torch.full(shape, torch.nan if step == 64 else 1.0), step)
    with pytest.raises(FloatingPointError, match="at step 64"):
        watch.check(str)
