"""One battery for every pretraining method.

Legend: B batch, V views.
"""

from __future__ import annotations

import copy
import re
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from instdisc import checks
from instdisc.methods import Contrast, PretrainModule
from instdisc.methods.views import named_views
from instdisc.models import MomentumEncoder
from instdisc.types import UNKNOWN_LABEL, Bank, Views

from .processes import check_two_processes
from .runs import fit, make_batches


def check_method(
    module: PretrainModule,
    *,
    image_size: int = 32,
    batch_size: int | None = None,
    two_processes: bool = True,
) -> None:
    """Checks that a method trains, resumes, accumulates and refuses as `PretrainModule` promises.

    On the CPU, with random images of 4 classes: two steps give finite losses and gradients where
    they belong; momentum copies move by their rule once per optimiser step, also under gradient
    accumulation, and the optimiser leaves them alone; no key stands among its own negatives; the
    queue holds the keys and labels of the batches; a run that is stopped and resumed equals the
    one that was not, bit for bit; bf16-mixed trains; bad batches are refused; and two processes
    give the weights and queues of one.

    Choose a small backbone and queue: the battery makes a dozen short runs.

    Args:
        module: an untrained method of at least 4 classes; it is copied, not changed.
        image_size: side of the images in pixels.
        batch_size: B; even, and so that each group of a shuffled batch norm gets several images.
            By default the smallest of at least 8.
        two_processes: also compare one process with two (takes some seconds to start them).

    Raises:
        AssertionError: if the method breaks a promise; the message says which.
        TypeError: if `module` is no `PretrainModule`.
        ValueError: if `batch_size` does not suit the groups of its batch norm.
    """
    checks.arguments(check_method, locals(), image_size=checks.whole, batch_size=checks.whole)
    objectives: list[Any] = list(module.objectives.values())
    least = _least_batch(module)
    batch_size = max(8, least) if batch_size is None else batch_size
    if batch_size % least:
        remedy = f"The groups of `batch_norm_groups`={module.batch_norm.groups} are of 2 or more."
        checks.refuse("batch_size", f"a multiple of {least}", batch_size, remedy)
    num_views = max(2, 1 + max(view for views in named_views(objectives) for view in views))
    batches = make_batches(4, batch_size, image_size, num_views=num_views)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _check_two_steps(module, batches)
        _check_accumulation(module, batches)
        _check_resume(module, batches)
        _check_precision(module, batches)
        _check_bad_batches(module, batches)
        if two_processes:
            check_two_processes([module], batches)


def _least_batch(module: PretrainModule) -> int:
    """Two images for each group, or for each of two processes."""
    grouped = module.batch_norm.mode == "shuffled"
    return 2 * max(1, module.batch_norm.groups) if grouped else 2


_MOMENTUM = re.compile(r"(^|\.)momentum_(\w+)\.module\.")  # a copy, as Objective names it


class _Recorder(Callback):
    """Notes what a run does."""

    def __init__(self) -> None:
        self.losses: list[Tensor] = []
        self.encoders: list[dict[str, Tensor]] = []
        self.momenta: list[dict[str, float]] = []
        self.without_gradient: set[str] = set()

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Before the module's own hook, in which an objective may leave out a parameter for a while.
        for name, parameter in pl_module.named_parameters():
            if parameter.requires_grad and parameter.grad is None:
                self.without_gradient.add(name)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        self.losses.append(rest[0]["loss"].detach().clone())
        self.encoders.append(_snapshot(pl_module))
        self.momenta.append(
            {
                name: part.momentum
                for name, part in pl_module.named_modules()
                if isinstance(part, MomentumEncoder)
            }
        )


def _check_two_steps(module: PretrainModule, batches: Sequence[Views]) -> None:
    module = copy.deepcopy(module)
    watched = [_watch_bank(objective) for objective in _contrasts(module)]
    recorder = _Recorder()
    fit(module, batches[:2], recorder)
    _check(all(bool(torch.isfinite(loss)) for loss in recorder.losses), "the loss is not finite")
    _check(
        not recorder.without_gradient,
        f"no gradient reaches {sorted(recorder.without_gradient)[:5]}",
    )
    frozen = [
        name
        for name, parameter in module.named_parameters()
        if "momentum_" in name and parameter.requires_grad
    ]
    _check(not frozen, f"momentum copies are trained: {frozen[:5]}")
    for objective, seen in zip(_contrasts(module), watched, strict=True):
        _check(
            not any(seen),
            "a key stands among its own negatives: it was pushed before the loss was computed",
        )
        _check(
            len(seen) == 2,
            f"the loss of an objective was computed {len(seen)} times in 2 steps",
        )
        count = min(objective.queue.size, 2 * len(batches[0].labels))
        newest = (objective.queue.pushed - 1 - torch.arange(count)) % objective.queue.size
        labels = torch.cat([batch.labels for batch in batches[:2]]).flip(0)[:count]
        _check(
            int(objective.queue.pushed) == 2 * len(batches[0].labels),
            f"{int(objective.queue.pushed)} keys were pushed for "
            f"{2 * len(batches[0].labels)} images",
        )
        _check(
            torch.equal(objective.queue.labels[newest], labels),
            "the queue does not hold the labels of the batches in step with the keys",
        )
        lengths = objective.queue.features[newest].norm(dim=1)
        _check(torch.allclose(lengths, torch.ones(count), atol=1e-3), "keys are not of unit length")


def _check_accumulation(module: PretrainModule, batches: Sequence[Views]) -> None:
    module = copy.deepcopy(module)
    with torch.no_grad():  # away from the encoder, so that every update shows
        for name, parameter in module.named_parameters():
            if "momentum_" in name:
                parameter.add_(0.01 * torch.randn_like(parameter))
    recorder = _Recorder()
    start = _snapshot(module)
    fit(module, batches[:4], recorder, accumulate_grad_batches=2)
    if module.momentum_backbone is None:
        return
    after = recorder.encoders
    for copy_name, before, middle, end in (
        (name, start[name], after[0][name], after[1][name])
        for name in start
        if _MOMENTUM.search(name)
    ):
        original = after[1][_original(copy_name)]
        _check(
            torch.equal(before, middle),
            f"{copy_name} moved after a micro-batch: momentum is updated once per optimiser step",
        )
        momentum = recorder.momenta[1][copy_name.split(".module.")[0]]
        expected = torch.lerp(before, original, 1 - momentum)
        _check(
            torch.allclose(end, expected, rtol=1e-6, atol=1e-8),  # m = 0.999 moves by 1e-5
            f"{copy_name} does not follow k <- m k + (1 - m) q after an optimiser step",
        )


def _check_resume(module: PretrainModule, batches: Sequence[Views]) -> None:
    unstopped = copy.deepcopy(module)
    fit(unstopped, batches[:4])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "half.ckpt"
        first = copy.deepcopy(module)
        with suppress(_Stopped):
            fit(first, batches[:4], _StopAfter(2, path))
        second = copy.deepcopy(module)
        with torch.no_grad():  # a fresh module has other random weights and another random queue
            for tensor in second.state_dict().values():
                if tensor.is_floating_point():
                    tensor.add_(1.0)
        fit(second, batches[:4], ckpt_path=path)
    expected, got = unstopped.state_dict(), second.state_dict()
    different = [name for name in expected if not torch.equal(expected[name], got[name])]
    _check(
        not different,
        f"a resumed run differs from one that was not stopped, in {different[:5]}: what must "
        "survive has to be a parameter or a persistent buffer",
    )
    for objective, same in zip(_contrasts(unstopped), _contrasts(second), strict=True):
        for (name, buffer), (_, other) in zip(
            objective.named_buffers(), same.named_buffers(), strict=True
        ):
            _check(torch.equal(buffer, other), f"{name} is lost on resume")


def _check_precision(module: PretrainModule, batches: Sequence[Views]) -> None:
    recorder = _Recorder()
    fit(copy.deepcopy(module), batches[:1], recorder, precision="bf16-mixed")
    _check(
        all(bool(torch.isfinite(loss)) for loss in recorder.losses)
        and recorder.losses[0].dtype == torch.float32,
        "under bf16-mixed the loss is not a finite float32 number",
    )


def _check_bad_batches(module: PretrainModule, batches: Sequence[Views]) -> None:
    images, labels, indices = batches[0]
    _refused(module, (images[0], labels), TypeError, "a tensor in place of the views")
    objectives: list[Any] = list(module.objectives.values())
    if max(view for views in named_views(objectives) for view in views) > 0:
        _refused(module, Views(images[:1], labels, indices), ValueError, "a single view")
    unknown = torch.full_like(labels, UNKNOWN_LABEL)
    if any(objective.needs_labels for objective in objectives):
        _refused(module, Views(images, unknown, indices), ValueError, "unknown labels")
    else:
        losses = []
        for batch_labels in (labels, unknown):
            recorder = _Recorder()
            torch.manual_seed(0)
            fit(copy.deepcopy(module), [Views(images, batch_labels, indices)], recorder)
            losses.append(recorder.losses[0])
        by_label = any(
            contrast.loss.negatives(labels, labels) is not None
            or contrast.loss.positives(labels, labels) is not None
            for contrast in _contrasts(module)
        )
        _check(
            by_label or torch.equal(losses[0], losses[1]),
            "labels change the loss of a method that does not need them",
        )
    broken = Views([image * float("nan") for image in images], labels, indices)
    _refused(module, broken, FloatingPointError, "a loss that is not finite")


def _refused(module: PretrainModule, batch: Any, error: type[Exception], what: str) -> None:
    try:
        fit(copy.deepcopy(module), [batch])
    except error:
        return
    except Exception as other:
        raise AssertionError(
            f"{what} is met with {type(other).__name__} instead of {error.__name__}: {other}"
        ) from other
    raise AssertionError(f"{what} is not refused with {error.__name__}")


class _Stopped(Exception):
    """The run dies here."""


class _StopAfter(Callback):
    """Writes a checkpoint after some batches, then dies."""

    def __init__(self, batches: int, path: Path) -> None:
        self.batches = batches
        self.path = path

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *rest: Any) -> None:
        if rest[-1] + 1 == self.batches:
            trainer.save_checkpoint(self.path)
            raise _Stopped


def _watch_bank(objective: Contrast) -> list[bool]:
    """Notes at each call of the loss whether a given key is in the bank already."""
    seen: list[bool] = []

    def look(loss: Any, arguments: tuple[Tensor, Tensor | None, Bank, Tensor]) -> None:
        _, key, bank, _ = arguments
        inside = key is not None and bool(
            torch.isclose(key @ bank.features.T, torch.tensor(1.0), atol=1e-5).any()
        )
        seen.append(inside)

    objective.loss.register_forward_pre_hook(look)
    return seen


def _contrasts(module: PretrainModule) -> list[Contrast]:
    return [term for term in module.objectives.values() if isinstance(term, Contrast)]


def _snapshot(module: LightningModule) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in module.named_parameters()}


def _original(name: str) -> str:
    return _MOMENTUM.sub(r"\1\2.", name)


def _check(condition: bool, fault: str) -> None:
    if not condition:
        raise AssertionError(fault)
