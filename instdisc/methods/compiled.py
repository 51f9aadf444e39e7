"""The passes of a training step through networks, by graphs compiled for them.

Legend: B batch on this process, H x W image size.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn

# Up to so many values in a batch of images a GPU ends sooner than its host starts the next kernel.
_FEW_VALUES = 2**23


class CompiledPasses:
    """Runs networks in training by `torch.compile`: one graph each, of fixed shape, and no break.

    A network is compiled for the first batch of each image size and precision that it trains on.
    It stays itself: names, weights and hooks do not change, and a copy or a pickle of this object
    holds no graph. What has no need of a graph does without: a network in eval mode, so that a
    validation costs no compiling, and a batch of another size than the first, such as the last,
    smaller one of an epoch.

    Where a GPU would wait for its host to start the kernels (batches of up to 2^23 values, as 256
    images of 3 x 64 x 64), the graphs are replayed as CUDA graphs. Their results are cloned, for
    the next step overwrites them.

    A network that does not fit into one graph, as one of your own may, is compiled in parts, with a
    warning that names what breaks it.

    Example:
        >>> net = nn.Linear(2, 2)
        >>> passes = CompiledPasses()
        >>> images = torch.ones(1, 2)
        >>> torch.equal(passes(net.eval(), images), net(images))
        True
    """

    def __init__(self) -> None:
        self._graphs: dict[tuple[nn.Module, bool], _Graph] = {}
        self._batch_sizes: dict[tuple[Any, ...], int] = {}
        self._replays = False

    def begin_step(self, *, replays: bool) -> None:
        """Says that the results of the step before are no longer needed.

        Args:
            replays: whether CUDA graphs may be used in this step; not where gradients outlive it,
                or are sent to other processes, for the next replay overwrites them.
        """
        self._replays = replays
        if any(replay for _, replay in self._graphs):
            torch.compiler.cudagraph_mark_step_begin()

    def __call__(self, net: nn.Module, images: Tensor) -> Tensor:
        """What `net` makes of the images.

        Args:
            net: any network of images; its graphs are kept as long as this object.
            images: ``(B, 3, H, W)``.
        """
        if not net.training:
            result: Tensor = net(images)
            return result
        form = (net, images.shape[1:], images.dtype, torch.is_autocast_enabled(images.device.type))
        if self._batch_sizes.setdefault(form, len(images)) != len(images):
            result = net(images)
            return result
        few = images.device.type == "cuda" and images.numel() <= _FEW_VALUES
        replay = few and self._replays
        graph = self._graphs.get((net, replay))
        if graph is None:
            graph = self._graphs[net, replay] = _Graph(net, replay)
        result = graph(images)
        return result.clone() if replay else result

    def __getstate__(self) -> dict[str, Any]:
        return {"_graphs": {}, "_batch_sizes": {}, "_replays": False}


class _Graph:
    """A network behind `torch.compile`, whole if it can be."""

    def __init__(self, net: nn.Module, replay: bool) -> None:
        self._name = type(net).__name__
        self._function = _function_of(net)
        self._options: dict[str, Any] | None = {"triton.cudagraphs": True} if replay else None
        self._compiled = self._compile(whole=True)

    def __call__(self, images: Tensor) -> Tensor:
        try:
            return self._compiled(images)
        except torch._dynamo.exc.Unsupported as error:
            reason = str(error).strip().split("\n")[0]
        self._compiled = self._compile(whole=False)
        result = self._compiled(images)  # raises what the network itself may have raised
        warnings.warn(
            f"`compile`: {self._name} does not fit into one graph and is compiled in parts, which "
            f"is slower ({reason})",
            stacklevel=2,
        )
        return result

    def _compile(self, *, whole: bool) -> Callable[[Tensor], Tensor]:
        return torch.compile(self._function, fullgraph=whole, dynamic=False, options=self._options)


def _function_of(net: nn.Module) -> Callable[[Tensor], Tensor]:
    """The network as a function with code of its own.

    torch keeps compiled graphs by the code they come from and allows 8 of each. Networks of one
    class share its code, and the third in a process would pass the limit.
    """

    def run(images: Tensor) -> Tensor:
        result: Tensor = net(images)
        return result

    return FunctionType(
        run.__code__.replace(), run.__globals__, run.__name__, None, run.__closure__
    )
