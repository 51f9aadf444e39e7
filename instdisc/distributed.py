"""What several processes share: gather, shuffle, unshuffle. One process is a world of size 1.

Legend: B rows on this process, W processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import torch
import torch.distributed
from torch import Tensor
from torch.autograd.function import once_differentiable

from instdisc.checks import INTEGERS, count, dtype, instance, refuse, shape

_Value = TypeVar("_Value")


def world_size() -> int:
    """Number of processes in the default group; 1 if there is no group."""
    return torch.distributed.get_world_size() if _initialized() else 1


def rank() -> int:
    """Rank of this process in the default group; 0 if there is no group."""
    return torch.distributed.get_rank() if _initialized() else 0


@torch.no_grad()
def gather(tensor: Tensor) -> Tensor:
    """Rows of every process, in the order of the ranks, without gradient.

    Args:
        tensor: ``(B, ...)``, the same shape on every process.

    Returns:
        ``(W * B, ...)``; `tensor` itself on one process.
    """
    _check_tensor("tensor", tensor)
    if world_size() == 1:
        return tensor
    tensor = tensor.contiguous()
    parts = [torch.empty_like(tensor) for _ in range(world_size())]
    torch.distributed.all_gather(parts, tensor)
    return torch.cat(parts)


def gather_with_gradient(tensor: Tensor) -> Tensor:
    """Rows of every process, in the order of the ranks, through which gradients flow back.

    The gradient of a process's rows is the sum over all processes. So after the mean of the
    gradients that DDP takes, the parameters have the gradient of the mean over the processes of
    their losses: of the loss itself where every process computes that of the global batch, of the
    mean over all rows where each computes that of its own rows. Every process must call it, and
    run the backward pass if any does.

    Args:
        tensor: ``(B, ...)``, the same shape on every process.

    Returns:
        ``(W * B, ...)``; `tensor` itself on one process.

    Example:
        >>> features = torch.ones(2, 3, requires_grad=True)
        >>> gather_with_gradient(features) is features
        True
    """
    _check_tensor("tensor", tensor)
    if world_size() == 1:
        return tensor
    gathered: Tensor = _Gather.apply(tensor)
    return gathered


@torch.no_grad()
def shuffle(images: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Permutes the global batch, so that each process (or batch-norm group) sees other keys.

    The permutation depends on `seed` and the global batch size alone: every process computes the
    same one without communication, and a resumed run repeats it. On one process it permutes the
    rows of the batch, which is what a split batch norm needs. It is drawn on the CPU, so it is the
    same for every device, and sent without waiting for the device. A process sends each of its rows
    once, to the one that needs it.

    Args:
        images: ``(B, ...)``, the same shape on every process.
        seed: a number that all processes share and that differs from step to step.

    Returns:
        The rows ``(B, ...)`` that this process now holds, and the permutation ``(W * B,)`` for
        `unshuffle`; of several processes on the CPU.

    Source:
        Shuffling BN of He et al., "Momentum Contrast" (2020), section 3.3. Differs from it: the
        permutation is drawn from a seed instead of broadcast, so no process needs all images.

    Example:
        >>> images = torch.arange(4.0)
        >>> mixed, order = shuffle(images, seed=1)
        >>> torch.equal(unshuffle(mixed, order), images)
        True
    """
    _check_rows("images", images)
    count("seed", seed)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(images) * world_size(), generator=generator)
    if world_size() > 1:
        return _exchange(images, order), order
    order = _sent_to(images.device, order)
    return images[order], order


@torch.no_grad()
def unshuffle(features: Tensor, order: Tensor) -> Tensor:
    """Undoes `shuffle` on what was computed from its rows.

    Args:
        features: ``(B, ...)`` computed from the shuffled rows, in their order.
        order: the permutation that `shuffle` returned.

    Returns:
        ``(B, ...)`` in the order of the rows that went into `shuffle`.
    """
    _check_rows("features", features)
    dtype("order", order, INTEGERS)
    shape("order", order, (len(features) * world_size(),))
    order = torch.argsort(order)
    return features[order] if world_size() == 1 else _exchange(features, order.cpu())


def from_first(compute: Callable[[], _Value]) -> _Value:
    """What the first process computes, on every process; all of them must call it.

    Args:
        compute: called on rank 0 alone; its result can be pickled. An error of it is raised on
            every process.

    Example:
        >>> from_first(lambda: 3)
        3
    """
    if world_size() == 1:
        return compute()
    outcome: list[Any] = [None, None]
    if rank() == 0:
        try:
            outcome[0] = compute()
        except Exception as error:
            outcome[1] = error
    torch.distributed.broadcast_object_list(outcome, src=0)
    if outcome[1] is not None:
        raise outcome[1]
    result: _Value = outcome[0]
    return result


@torch.no_grad()
def broadcast(tensors: Iterable[Tensor]) -> None:
    """Overwrites `tensors` on every process with those of rank 0, in place."""
    for tensor in _check_tensors(tensors):
        if world_size() > 1:
            torch.distributed.broadcast(tensor, src=0)


@torch.no_grad()
def average(tensors: Iterable[Tensor]) -> None:
    """Overwrites `tensors` on every process with their mean over the processes, in place."""
    for tensor in _check_tensors(tensors):
        if world_size() > 1:
            torch.distributed.all_reduce(tensor)
            tensor /= world_size()


@torch.no_grad()
def gather_uneven(tensor: Tensor) -> Tensor:
    """Like `gather`, for processes that hold different numbers of rows.

    Costs one more exchange; for evaluation.
    """
    _check_rows("tensor", tensor)
    if world_size() == 1:
        return tensor
    counts = gather(torch.tensor([len(tensor)], device=tensor.device)).tolist()
    padded = tensor.new_zeros((max(counts), *tensor.shape[1:]))
    padded[: len(tensor)] = tensor
    parts = gather(padded).split(max(counts))
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


def _exchange(rows: Tensor, order: Tensor) -> Tensor:
    """``gather(rows)[order]``, of that the part of this process; `order` is on the CPU."""
    count = len(rows)
    places = order.view(world_size(), count)  # row [r] names the rows that process r is to have
    leaving = places // count == rank()
    chosen = _sent_to(rows.device, places[leaving] - rank() * count)
    sources = places[rank()] // count  # (B,)
    received = torch.empty_like(rows, memory_format=torch.contiguous_format)
    torch.distributed.all_to_all_single(
        received,
        rows[chosen].contiguous(),
        torch.bincount(sources, minlength=world_size()).tolist(),
        leaving.sum(1).tolist(),
    )
    # They come by their sources; of one source in the order in which they are wanted.
    by_source = torch.argsort(sources, stable=True)
    return received[_sent_to(rows.device, torch.argsort(by_source))]


def _sent_to(device: torch.device, indices: Tensor) -> Tensor:
    """Numbers from the CPU, without waiting for the device."""
    if device.type == "cuda":
        indices = indices.pin_memory()  # from other memory the host waits until the copy is made
    return indices.to(device, non_blocking=True)


class _Gather(torch.autograd.Function):
    # torch.distributed.nn has one, which warns from torch 2.14 on.
    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return gather(tensor)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradients: Tensor) -> Tensor:
        gradients = gradients.clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(gradients)
        return gradients[_rank_rows(len(gradients) // world_size())]


def _check_tensor(name: str, value: Tensor) -> None:
    instance(name, value, Tensor, "a tensor")


def _check_rows(name: str, value: Tensor) -> None:
    _check_tensor(name, value)
    if value.ndim == 0:
        refuse(name, "a tensor of rows", value)


def _check_tensors(tensors: object) -> list[Tensor]:
    """Each tensor, once it is known that all are some."""
    if not isinstance(tensors, Iterable) or isinstance(tensors, str | Mapping):
        refuse("tensors", "several tensors", tensors, kind=TypeError)
    tensors = list(tensors)
    for number, tensor in enumerate(tensors):
        _check_tensor(f"tensors[{number}]", tensor)
    return tensors


def _rank_rows(count: int) -> slice:
    return slice(rank() * count, (rank() + 1) * count)


def _initialized() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()
