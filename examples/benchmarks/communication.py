"""What the processes of a method tell each other in a step under ``ddp``, in bytes.

Legend: B images of a process, W processes, V views, D width, C channels, K prototypes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from instdisc import PretrainModule
from instdisc.methods import (
    BarlowTwins,
    Contrast,
    InBatchContrast,
    NeighbourContrast,
    PredictedContrast,
    Prediction,
    SelfDistillation,
    VICReg,
)
from instdisc.methods.objectives import Objective, is_stored
from instdisc.methods.objectives.memory_bank import MemoryBankObjective

Kind = Literal["all_reduce", "all_gather", "all_to_all", "broadcast"]
_FLOAT, _LONG = 4, 8  # bytes of a number and of a label


class Message(NamedTuple):
    """What every process hands over for one purpose, in a step.

    Attributes:
        what: the purpose: ``"gradients"``, ``"statistics"`` of synchronised batch norm,
            ``"buffers"`` that DDP makes equal before a step, ``"images"`` that are shuffled and
            their ``"features"``, ``"keys"`` or projections, ``"slopes"`` of those that are
            gathered with gradient, ``"labels"``, ``"centre"``, ``"stop"``: whether to.
        kind: of the collective operation.
        num_bytes: that a process hands over; of an all-gather its own part.
    """

    what: str
    kind: Kind
    num_bytes: int

    def sent(self, processes: int) -> float:
        """Bytes that a process sends, if rings carry them and a broadcast is passed on."""
        if self.kind == "all_reduce":
            return 2 * (processes - 1) / processes * self.num_bytes
        if self.kind == "all_to_all":  # but for what stays
            return (processes - 1) / processes * self.num_bytes
        return self.num_bytes * (processes - 1 if self.kind == "all_gather" else 1)


def step_messages(
    module: PretrainModule,
    view_sizes: Sequence[int],
    *,
    images: int,
    processes: int,
    view_bytes: int = 4,
    feature_bytes: int = 4,
    gpu: bool = True,
) -> list[Message]:
    """What the processes of a method tell each other in a step; nothing on one process.

    Args:
        module: not in training; a network on the ``meta`` device will do.
        view_sizes: side of each view in pixels.
        images: B.
        processes: W.
        view_bytes: of a number in the views; 2 in bfloat16.
        feature_bytes: of a number in the backbone's features; 2 with ``bf16-mixed``.
        gpu: synchronised statistics are gathered there, and added up on a CPU.
    """
    if processes == 1:
        return []
    trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
    buffers = (b for name, b in module.named_buffers() if not is_stored(name))
    messages = [
        Message("stop", "broadcast", _LONG),  # of Lightning
        Message("buffers", "broadcast", sum(b.numel() * b.element_size() for b in buffers)),
        Message("gradients", "all_reduce", trained * _FLOAT),
        *_shuffled(module, view_sizes, images, processes, view_bytes, feature_bytes),
    ]
    if module.batch_norm.mode == "sync":
        for net, passes, learns in _passes(module, view_sizes):
            messages += _statistics(net, passes, learns, processes, gpu)
    for term in module.objectives.values():
        assert isinstance(term, Objective)
        messages += _of_objective(term, images, processes)
    return messages


def total(messages: Iterable[Message]) -> dict[tuple[Kind, str], int]:
    """Bytes that a process hands over, by operation and purpose."""
    counted: Counter[tuple[Kind, str]] = Counter()
    for message in messages:
        counted[message.kind, message.what] += message.num_bytes
    return dict(counted)


def _shuffled(
    module: PretrainModule,
    view_sizes: Sequence[int],
    images: int,
    processes: int,
    view_bytes: int,
    feature_bytes: int,
) -> Iterator[Message]:
    """Keys that change places between the groups of batch norm, there and back."""
    policy = module.batch_norm
    if policy.mode != "shuffled" or not _norms(module.backbone):
        return
    if max(policy.groups, processes) == 1:
        return
    for view in _views(module, "keys"):
        pixels = 3 * view_sizes[view] ** 2
        yield Message("images", "all_to_all", images * pixels * view_bytes)
        yield Message("features", "all_to_all", images * module.backbone.dim * feature_bytes)


def _passes(
    module: PretrainModule, view_sizes: Sequence[int]
) -> Iterator[tuple[nn.Module | None, int, bool]]:
    """Networks, how often a step passes through them, and whether backwards, too."""
    joined = module.join_views
    for net, name in ((module.backbone, "queries"), (module.momentum_backbone, "keys")):
        views = _views(module, name)
        sizes = {view_sizes[view] for view in views}
        yield net, len(sizes if joined else views), name == "queries"
    for term in module.objectives.values():
        if isinstance(term, InBatchContrast):
            yield term.projector, 1 if term.join_views else len(term.queries), True
        elif isinstance(term, BarlowTwins | VICReg):
            yield term.projector, 2, True
        elif isinstance(term, Prediction):
            yield term.projector, 2, True
            yield term.predictor, 2, True
            yield term.momentum_projector, 2, False
        elif isinstance(term, Contrast):
            yield term.projector, 1, True
            yield term.momentum_projector, 1, False


def _statistics(
    net: nn.Module | None, passes: int, learns: bool, processes: int, gpu: bool
) -> Iterator[Message]:
    """Mean, variance and number of rows forwards, two sums backwards, of each norm."""
    for norm in _norms(net):
        row = (2 * norm.num_features + 1) * _FLOAT * passes
        if gpu:
            yield Message("statistics", "all_gather", row)
        else:
            yield Message("statistics", "all_reduce", processes * row)
        if learns:
            yield Message("statistics", "all_reduce", 2 * norm.num_features * _FLOAT * passes)


def _of_objective(term: Any, images: int, processes: int) -> Iterator[Message]:
    """What a term of the loss needs of the images of other processes."""
    labels = Message("labels", "all_gather", images * _LONG)

    def rows(count: int, width: int, *, learns: bool) -> Iterator[Message]:
        part = count * images * width * _FLOAT
        yield Message("keys", "all_gather", part)
        if learns:
            yield Message("slopes", "all_reduce", processes * part)

    if isinstance(term, Contrast):  # into the queue
        yield from (*rows(1, term.queue.features.shape[1], learns=False), labels)
    elif isinstance(term, MemoryBankObjective):  # with their positions in the set
        width = term.memory_bank.features.shape[1]
        yield from (*rows(1, width, learns=False), labels, labels._replace(what="positions"))
    elif isinstance(term, InBatchContrast):
        views = len(term.queries)
        yield from rows(views, _width(term.projector), learns=True)
        yield labels._replace(num_bytes=views * labels.num_bytes)
    elif isinstance(term, BarlowTwins | VICReg):
        yield from rows(2, _width(term.projector), learns=True)
    elif isinstance(term, NeighbourContrast):  # predictions both ways, projections to the queue
        width = _width(term.projector)
        yield from (*rows(2, width, learns=True), *rows(1, width, learns=False))
        yield from (labels, labels, labels)
    elif isinstance(term, PredictedContrast):  # targets both ways
        yield from (*rows(2, _width(term.projector), learns=False), labels, labels)
    elif isinstance(term, SelfDistillation):
        yield Message("centre", "all_reduce", len(term.center.mean) * _FLOAT)


def _norms(net: nn.Module | None) -> list[_BatchNorm]:
    return [] if net is None else [part for part in net.modules() if isinstance(part, _BatchNorm)]


def _views(module: PretrainModule, name: Literal["queries", "keys"]) -> list[int]:
    return sorted({view for term in module.objectives.values() for view in getattr(term, name)})


def _width(projector: nn.Module) -> int:
    """D of what a head makes."""
    return [part.out_features for part in projector.modules() if isinstance(part, nn.Linear)][-1]
