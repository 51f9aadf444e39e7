"""One battery for every pretraining method.

Legend: B batch, V views.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch

from instdisc import checks
from instdisc.methods import PretrainModule
from instdisc.methods.training.views import named_views
from instdisc.types import Views

from .momentum import check_momentum
from .processes import check_two_processes
from .refusals import check_bad_batches
from .resumes import check_resume
from .runs import fit, make_batches
from .steps import check_two_steps
from .watching import Recorder, check


def check_method(
    module: PretrainModule,
    *,
    image_size: int = 32,
    batch_size: int | None = None,
    two_processes: bool = True,
) -> None:
    """Checks that a method trains, resumes, accumulates and refuses as `PretrainModule` promises.

    On the CPU, with random images of 4 classes:

    - two steps give finite losses and gradients where they belong; each objective gets the views
      that it names and is told the positions of the images and how much of the run is done;
      `statistics` are finite numbers;
    - momentum copies are called ``momentum_X`` beside ``X``, move by their rule once per optimiser
      step, also under gradient accumulation, and follow `final_momentum`; the optimiser leaves
      them alone;
    - no key stands among its own negatives, and a queue holds the keys and labels of the batches;
    - a run that is stopped and resumed equals the one that was not, bit for bit;
    - bf16-mixed trains, and bad batches are refused;
    - two processes give the loss, gradients, weights, queues and other buffers of one.

    A method that needs more than two views gets the others at half the size, if the backbone takes
    such images. Choose a small backbone and queue: the battery makes a dozen short runs.

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
    least = _least_batch(module)
    batch_size = max(8, least) if batch_size is None else batch_size
    if batch_size % least:
        remedy = f"The groups of `batch_norm_groups`={module.batch_norm.groups} are of 2 or more."
        checks.refuse("batch_size", f"a multiple of {least}", batch_size, remedy)
    objectives: list[Any] = list(module.objectives.values())
    num_views = max(2, 1 + max(view for views in named_views(objectives) for view in views))
    num_small = num_views - 2 if _takes(module, image_size // 2) else 0
    batches = make_batches(
        4, batch_size, image_size, num_views=num_views, num_small_views=num_small
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        check_two_steps(module, batches[:2])
        check_momentum(module, batches)
        check_resume(module, batches)
        _check_precision(module, batches[:1])
        check_bad_batches(module, batches[0])
        if two_processes:
            check_two_processes([module], batches)


def _least_batch(module: PretrainModule) -> int:
    """Two images for each group, or for each of two processes."""
    grouped = module.batch_norm.mode == "shuffled"
    return 2 * max(1, module.batch_norm.groups) if grouped else 2


def _takes(module: PretrainModule, image_size: int) -> bool:
    """Whether the backbone takes images of this size; that of a transformer may be fixed."""
    backbone = copy.deepcopy(module.backbone).eval()
    channels = backbone.spec.get("in_chans", 3)
    try:
        with torch.no_grad():
            backbone(torch.zeros(1, channels, image_size, image_size))
    except (AssertionError, RuntimeError, ValueError):
        return False
    return True


def _check_precision(module: PretrainModule, batches: Sequence[Views]) -> None:
    recorder = Recorder()
    fit(copy.deepcopy(module), batches, recorder, precision="bf16-mixed")
    check(
        all(bool(torch.isfinite(loss)) for loss in recorder.losses)
        and recorder.losses[0].dtype == torch.float32,
        "under bf16-mixed the loss is not a finite float32 number",
    )
