"""An image drawn anew from what a backbone's stage keeps of it.

Legend: B images, H x W their size, T steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from instdisc import checks
from instdisc.analysis.inputs import stage_positions
from instdisc.checks import checked_call
from instdisc.models import Backbone
from instdisc.transfer.features.frozen import frozen

from .network import SkipNetwork
from .objective import FeatureDistance
from .recipe import RECIPES
from .state import load_state, run_key, save_state

PRECISIONS = ("32-true", "bf16-mixed")


@checked_call()
class Inversion(NamedTuple):
    """What became of some images.

    Attributes:
        reconstructions: ``(B, 3, H, W)`` float32 from 0 to 1, on the CPU.
        losses: ``(T, B)`` float32, of each image before each step.
        errors: ``(B,)`` float32: how far the features of the drawn image are from those sought,
            ``|f(x') - f(x)|^2 / |f(x)|^2``; 0 = alike, 1 = as far as no features at all.
        stage: which was inverted, from 1.
    """

    reconstructions: Tensor
    losses: Tensor
    errors: Tensor
    stage: int


@checked_call()
def invert(
    backbone: Backbone,
    images: Tensor,
    *,
    stage: int | None = None,
    steps: int | None = None,
    learning_rate: float | None = None,
    recipe: str = "zhao",
    channels: Sequence[int] | None = None,
    kernels: Sequence[int] | None = None,
    depth: int | None = None,
    total_variation: float = 0.0,
    seed: int | Sequence[int] = 0,
    precision: str = "32-true",
    channels_last: bool = True,
    compile: bool = False,
    device: str | torch.device = "cpu",
    checkpoint: str | Path | None = None,
    save_every: float = 60.0,
    progress: bool | Callable[[int, int], object] = False,
) -> Inversion:
    """Draws images whose features at a stage are those of given images.

    For each image x a network g of its own, begun anew, draws an image from fixed noise z and is
    trained by Adam to

        min over g of  mean (f(g(z)) - f(x))^2  +  total_variation * TV(g(z))

    with the frozen backbone's stage f. What the features do not hold the network fills in by
    itself, smoothly; so what is recognisable in the result is what the stage keeps. All images are
    drawn at once, each as it would be alone.

    Args:
        backbone: used in eval mode on `device`; its mode and device are restored.
        images: ``(B, 3, H, W)``: uint8, or float from 0 to 1. They are normalised as
            ``backbone.input`` says.
        stage: which, from 1; ``None`` for the last, as published.
        steps: T; ``None``: the recipe's.
        learning_rate: of Adam; ``None``: the recipe's.
        recipe: ``"zhao"`` or ``"dip"``, see `ZHAO_RECIPE` and `DIP_RECIPE`.
        channels: of each level of the networks, see `PriorRecipe.shaped`.
        kernels: side of each level's convolutions.
        depth: number of levels; ``None``: six at 224 px, four at 64.
        total_variation: weight of the mean absolute difference of neighbouring pixels, which run
            from 0 to 1; published: 0.
        seed: of noise and first weights: image b takes ``seed + b``, or ``seed[b]``.
        precision: ``"32-true"``, or ``"bf16-mixed"`` for networks and backbone in bfloat16.
        channels_last: memory format of the networks.
        compile: by `torch.compile`; pays on a GPU and in long runs.
        device: where to compute.
        checkpoint: a file from which a killed run goes on; made, and left with the last state.
            More `steps` continue a run that ended.
        save_every: seconds between two of its states.
        progress: ``True`` for a bar with the time left, or what is called with steps done and T.

    Raises:
        TypeError: if an argument is of another kind.
        ValueError: if there is no such stage or recipe, `images` are of another shape or range or
            too small, numbers are out of range, the loss is not finite, or `checkpoint` is of
            another run.
        RuntimeError: if the backbone changed.

    Source:
        Zhao et al. (2021), section on inversion, by the recipe that they released; Ulyanov et al.,
        "Deep Image Prior" (2018). Differs from them: images at once; networks with fewer levels
        where an image has no room for six; TV in pixels is a choice of ours, as the released
        recipe has none.

    Example:
        >>> images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        >>> result = invert(Backbone("test_resnet"), images, stage=1, steps=2, channels=[8, 8])
        >>> result.reconstructions.shape, result.losses.shape
        (torch.Size([2, 3, 32, 32]), torch.Size([2, 2]))
    """
    pixels = _pixels(images)
    position = stage_positions([len(backbone.stages) if stage is None else stage], backbone)[0]
    plan = RECIPES[checks.choice("recipe", recipe, RECIPES)]
    size = (pixels.shape[2], pixels.shape[3])
    plan = plan.shaped(size, channels=channels, kernels=kernels, depth=depth)
    steps = plan.steps if steps is None else checks.whole("steps", steps)
    rate = plan.learning_rate if learning_rate is None else learning_rate
    checks.positive("learning_rate", rate)
    checks.finite("total_variation", total_variation, at_least=0)
    checks.finite("save_every", save_every, at_least=0)
    checks.choice("precision", precision, PRECISIONS)
    seeds = _seeds(seed, len(pixels))
    device = checks.device("device", device)
    network = SkipNetwork(plan, plan.canvas(size), seeds=seeds, channels_last=channels_last)
    network.to(device)
    with _in_use(backbone, device):
        distance = FeatureDistance(
            backbone,
            pixels.to(device),
            position,
            sigmoid=plan.sigmoid,
            total_variation=total_variation,
            bf16=precision == "bf16-mixed",
        )
        key = run_key(
            [pixels],
            {
                "weights": backbone.about().weights,
                "input": tuple(backbone.input),
                "stage": position,
                "plan": tuple(plan._replace(steps=0)),
                "learning_rate": rate,
                "total_variation": total_variation,
                "seeds": seeds,
                "form": (precision, channels_last, compile, device.type),
            },
        )
        with _shown(progress, steps) as show:
            losses = _train(
                network,
                distance,
                steps=steps,
                learning_rate=rate,
                key=key,
                path=None if checkpoint is None else Path(checkpoint),
                save_every=save_every,
                compiled=compile,
                show=show,
            )
        with torch.no_grad():
            drawn = distance.draw(network)
            errors = distance.errors(drawn)
            final = distance.pixels(drawn).clamp(0, 1)
    return Inversion(final.float().cpu().contiguous(), losses, errors.cpu(), position + 1)


def _train(
    network: SkipNetwork,
    distance: FeatureDistance,
    *,
    steps: int,
    learning_rate: float,
    key: str,
    path: Path | None,
    save_every: float,
    compiled: bool,
    show: Callable[[int, int], object],
) -> Tensor:
    """Trains the networks in place; returns the loss of each image before each step."""
    # Each weight is moved by its own gradient alone, so that images do not touch each other.
    optimizer = torch.optim.Adam(network.parameters(), learning_rate, foreach=True)
    step, stored = 0, torch.empty(0, 0)
    if path is not None:
        step, stored = load_state(path, key, steps, network, optimizer)
    losses = torch.empty(steps, network.groups, device=network.noise.device)
    losses[:step] = stored.to(losses.device).view(step, network.groups)
    objective: Any = torch.compile(distance) if compiled else distance
    saved = time.monotonic()
    while step < steps:
        optimizer.zero_grad()
        loss = objective(network)  # (B,)
        loss.sum().backward()
        optimizer.step()
        losses[step] = loss.detach()  # kept there: to look at it would wait for the device
        step += 1
        if path is not None and (step == steps or time.monotonic() - saved >= save_every):
            _check(losses[:step])
            save_state(path, key, step, losses[:step], network, optimizer)
            saved = time.monotonic()
        show(step, steps)
    _check(losses)
    return losses.cpu()


def _check(losses: Tensor) -> None:
    bad = (~losses.isfinite()).nonzero()
    if len(bad):
        step, image = bad[0].tolist()
        raise ValueError(
            f"the loss of image {image} is {float(losses[step, image])} at step {step}. Lower "
            "`learning_rate`, or load another checkpoint if it is so from the first step."
        )


def _pixels(images: Tensor) -> Tensor:
    """``(B, 3, H, W)`` float32 from 0 to 1 on the CPU."""
    checks.shape("images", images, ("B", 3, "H", "W"))
    checks.dtype("images", images, (torch.uint8, *checks.FLOATS))
    if not len(images):
        checks.refuse("images", "of at least one image", images)
    if images.dtype == torch.uint8:
        return images.cpu().float() / 255
    checks.all_finite("images", images, row="image")
    for end in (float(images.min()), float(images.max())):
        checks.share("images", end, remedy="Take the normalisation back.")
    return images.detach().cpu().float()


def _seeds(seed: int | Sequence[int], count: int) -> list[int]:
    if not isinstance(seed, list | tuple):
        start = int(checks.whole("seed", seed, at_least=0))  # type: ignore[arg-type]
        return [start + image for image in range(count)]
    if len(seed) != count:
        checks.refuse("seed", f"a whole number, or one for each of the {count} images", seed)
    return [int(checks.whole("seed", value, at_least=0)) for value in seed]


@contextmanager
def _in_use(backbone: nn.Module, device: torch.device) -> Iterator[None]:
    """The backbone frozen, with gradients of what it is shown and none of its weights."""
    trained = [weight for weight in backbone.parameters() if weight.requires_grad]
    with frozen(backbone, device), torch.enable_grad():
        for weight in trained:
            weight.requires_grad_(False)
        try:
            yield
        finally:
            for weight in trained:
                weight.requires_grad_(True)


@contextmanager
def _shown(
    progress: bool | Callable[[int, int], object], steps: int
) -> Iterator[Callable[[int, int], object]]:
    if not isinstance(progress, bool):
        yield progress
        return
    columns = (
        *(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()),
        TimeRemainingColumn(),
    )
    with Progress(*columns, disable=not progress) as bar:
        task = bar.add_task("inversion", total=steps)
        yield lambda step, _: bar.update(task, completed=step)
