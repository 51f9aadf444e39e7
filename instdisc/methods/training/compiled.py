"""The passes of a training step through networks and objectives, by graphs compiled for them.

Legend: B batch on this process, H x W image size.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn

from ..objectives import Objective

# Up to so many values in a batch of images a GPU ends sooner than its host starts the next kernel.
_FEW_VALUES = 2**23


class CompiledPasses:
    """Runs networks in training by `torch.compile`: one graph each, of fixed shape, and no break.

    A network is compiled for the first batch of each image size and precision in a run.
    It stays itself: names, weights and hooks do not change, and a copy or a pickle of this object
    holds no graph. What has no need of a graph does without: a network in eval mode, so that a
    validation costs no compiling, and a batch of another size than the first, such as the last,
    smaller one of an epoch. A network that does not fit into one graph, as one of your own may, is
    compiled in parts, with a warning that names what breaks it. If it must be compiled again and
    again, for it computes by numbers of its own that change, it goes on without, with a warning.

    Where a GPU would wait for its host to start the kernels (batches of up to 2^23 values, as 256
    images of 3 x 64 x 64), the graphs are replayed as CUDA graphs, and so are those of objectives,
    which elsewhere are not compiled: beside a large network they take no time, and compiling does.
    An objective that does not fit into one graph runs without. What comes out of a replay is
    cloned, for the next one overwrites it.

    Args:
        compile: whether to; else all runs as it is.

    Example:
        >>> net = nn.Linear(2, 2)
        >>> passes = CompiledPasses()
        >>> images = torch.ones(1, 2)
        >>> torch.equal(passes.encode(net.eval(), images), net(images))
        True
    """

    def __init__(self, *, compile: bool = True) -> None:
        self._compile = compile
        self._graphs: dict[tuple[_Form, bool], tuple[int, _Graph]] = {}  # with their batch size
        self._batch_sizes: dict[_Form, int] = {}
        self._may_replay = False
        self._replays = False  # in this step

    def begin_run(self) -> None:
        """Forgets how large the batches were; graphs for batches of that size are used again."""
        self._batch_sizes.clear()

    def begin_step(self, *, replays: bool) -> None:
        """Says that the results of the step before are no longer needed.

        Args:
            replays: whether CUDA graphs may be used in this step; not where gradients outlive it,
                or are sent to other processes, for the next replay overwrites them.
        """
        self._may_replay, self._replays = replays, False
        if any(replay for _, replay in self._graphs):
            torch.compiler.cudagraph_mark_step_begin()

    def encode(self, net: nn.Module, images: Tensor) -> Tensor:
        """What `net` makes of the images.

        Args:
            net: any network of images; its graphs are kept as long as this object.
            images: ``(B, 3, H, W)``.
        """
        if not (self._compile and net.training and self._fits(net, images)):
            result: Tensor = net(images)
            return result
        few = images.device.type == "cuda" and images.numel() <= _FEW_VALUES
        replay = self._replays = few and self._may_replay
        return self._run(net, replay, images)

    def compute(self, objective: nn.Module, *inputs: Any) -> Tensor:
        """The term of an objective, given its features of this step.

        Args:
            objective: any; its graph is kept as long as this object.
            inputs: of its `forward`; the last is ``(B,)``, the labels.
        """
        if not (self._replays and self._fits(objective, inputs[-1])):
            result: Tensor = objective(*inputs)
            return result
        return self._run(objective, True, *inputs)

    def _fits(self, module: nn.Module, batch: Tensor) -> bool:
        """Whether the batch is as large as the first of its form."""
        return self._batch_sizes.setdefault(_form(module, batch), len(batch)) == len(batch)

    def _run(self, module: nn.Module, replay: bool, *inputs: Any) -> Tensor:
        form, size = _form(module, inputs[-1]), len(inputs[-1])
        made_for, graph = self._graphs.get((form, replay), (None, None))
        if graph is None or made_for != size:
            graph = _Graph(module, replay)
            self._graphs[form, replay] = size, graph
        result = graph(*inputs)
        return result.clone() if replay else result

    def __getstate__(self) -> dict[str, Any]:
        return vars(CompiledPasses(compile=self._compile))


_Form = tuple[nn.Module, torch.Size, torch.dtype, bool]


def _form(module: nn.Module, batch: Tensor) -> _Form:
    """What a graph is made for, but for the size of the batch."""
    autocast = torch.is_autocast_enabled(batch.device.type)
    return module, batch.shape[1:], batch.dtype, autocast


class _Graph:
    """A module behind `torch.compile`, whole if it can be."""

    def __init__(self, module: nn.Module, replay: bool) -> None:
        self._module = module
        self._function = _function_of(module)
        self._options: dict[str, Any] | None = {"triton.cudagraphs": True} if replay else None
        self._compiled = self._compile(fullgraph=True)

    def __call__(self, *inputs: Any) -> Tensor:
        try:
            return self._compiled(*inputs)
        except torch._dynamo.exc.Unsupported as error:
            reason = str(error).strip().split("\n")[0]
        except torch._dynamo.exc.FailOnRecompileLimitHit:
            self._compiled = self._module
            warnings.warn(
                f"`compile`: {type(self._module).__name__} runs uncompiled from now on, for it was "
                "compiled anew too often: numbers or flags that it computes by change between steps"
                ". Keep those in buffers",
                stacklevel=2,
            )
            return self._compiled(*inputs)
        if isinstance(self._module, Objective):
            self._compiled = self._module
            return self._compiled(*inputs)
        self._compiled = self._compile(fullgraph=False)
        result = self._compiled(*inputs)  # raises what the network itself may have raised
        warnings.warn(
            f"`compile`: {type(self._module).__name__} does not fit into one graph and is compiled "
            f"in parts, which is slower ({reason})",
            stacklevel=2,
        )
        return result

    def _compile(self, *, fullgraph: bool) -> Callable[..., Tensor]:
        return torch.compile(
            self._function, fullgraph=fullgraph, dynamic=False, options=self._options
        )


def _function_of(module: nn.Module) -> Callable[..., Tensor]:
    """The module as a function with code of its own.

    torch keeps compiled graphs by the code they come from and allows 8 of each. Networks of one
    class share its code, and the third in a process would pass the limit.
    """

    def run(*inputs: Any) -> Tensor:
        result: Tensor = module(*inputs)
        return result

    return FunctionType(
        run.__code__.replace(), run.__globals__, run.__name__, None, run.__closure__
    )
