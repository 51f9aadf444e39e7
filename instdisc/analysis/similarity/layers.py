"""What the layers of a backbone put out, one batch at a time.

Legend: n images of a batch, C channels, D width, T tokens, H x W size of a map, L layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, Generic, TypeVar

from torch import Tensor, nn

from instdisc import checks
from instdisc.models import Backbone

_Kept = TypeVar("_Kept")


class LayerReader(Generic[_Kept]):
    """Runs a backbone and keeps of each layer what a function makes of its output.

    The function is called as soon as the output is there: before a ReLU that works in place
    overwrites it, and so that the outputs of all layers never lie in memory together.

    Args:
        backbone: in eval mode; it is not changed.
        layers: names of parts of ``backbone.net``, e.g. ``"layer1.0"``; ``None``: its stages.
        keep: from an output ``(n, ...)`` to what is kept.

    Attributes:
        names: of the layers, in the order given.

    Raises:
        TypeError: if a name is no text.
        ValueError: if there is no such layer; names those near it.

    Example:
        >>> import torch
        >>> reader = LayerReader(Backbone("test_resnet"), ["conv1", "layer4"], lambda x: x.shape[1])
        >>> reader(torch.zeros(2, 3, 32, 32))
        [32, 96]
    """

    def __init__(
        self,
        backbone: Backbone,
        layers: Sequence[str] | None,
        keep: Callable[[Tensor], _Kept],
    ) -> None:
        self.names = list(backbone.stages) if layers is None else check_layers(backbone, layers)
        self._backbone = backbone
        self._hooked = layers is not None
        self._keep = keep

    def __call__(self, images: Tensor) -> list[_Kept]:
        """Of each layer what is kept, in the order of the names.

        Args:
            images: ``(n, 3, H, W)`` float.

        Raises:
            ValueError: if a layer did not run, or ran twice.
            TypeError: if its output is no tensor.
        """
        if not self._hooked:
            return [self._keep(stage) for stage in self._backbone.maps(images)]
        outputs: dict[str, list[_Kept]] = {name: [] for name in self.names}
        modules = dict(self._backbone.net.named_modules())
        handles = []

        def hook(name: str) -> Callable[[nn.Module, Any, Any], None]:
            def keep(module: nn.Module, inputs: Any, output: Any) -> None:
                rule = f"layers whose output is a tensor, as that of {name!r} is not"
                checks.instance("layers", output, Tensor, rule)
                outputs[name].append(self._keep(output))

            return keep

        try:
            for name in self.names:
                handles.append(modules[name].register_forward_hook(hook(name)))
            self._backbone(images)
        finally:
            for handle in handles:
                handle.remove()
        for name, kept in outputs.items():
            if len(kept) != 1:
                rule = "layers that run once in a forward pass"
                checks.refuse("layers", rule, name, f"It runs {len(kept)} times.")
        return [kept for (kept,) in outputs.values()]


def check_layers(backbone: Backbone, layers: Sequence[str]) -> list[str]:
    """The names, if the backbone has such layers.

    Raises:
        TypeError: if they are no list of texts.
        ValueError: if there is none, one stands there twice, or there is no such layer.

    Example:
        >>> check_layers(Backbone("test_resnet"), ["layer1.0", "layr2"])
        Traceback (most recent call last):
        ValueError: `layers` must be parts of 'test_resnet', got 'layr2'. Near it: 'layer2',
        'layer2.0', 'layer4'.
    """
    checks.instance("layers", layers, (list, tuple), "a list of names, or None")
    there = [name for name, _ in backbone.net.named_modules() if name]
    for name in layers:
        checks.instance("layers", name, str, "a list of names, or None")
        if name not in there:
            near = get_close_matches(name, there, n=3) or there[:3]
            remedy = f"Near it: {', '.join(map(repr, near))}."
            checks.refuse("layers", f"parts of {backbone.name!r}", name, remedy)
    if not layers or len(set(layers)) < len(layers):
        checks.refuse("layers", "at least one name, each once", list(layers))
    return list(layers)


def pool(output: Tensor, *, channels_last: bool = False) -> Tensor:
    """One vector for each image: the mean over places or tokens.

    Args:
        output: ``(n, C, H, W)``, ``(n, T, D)`` or ``(n, D)``.
        channels_last: whether maps are ``(n, H, W, C)``, as in some transformers of timm.

    Returns:
        ``(n, C)`` or ``(n, D)`` float32.

    Raises:
        ValueError: if the output has another number of dimensions.

    Example:
        >>> import torch
        >>> pool(torch.zeros(2, 5, 4, 4)).shape, pool(torch.zeros(2, 16, 7)).shape
        (torch.Size([2, 5]), torch.Size([2, 7]))
    """
    if output.ndim == 4:
        return output.float().mean((1, 2) if channels_last else (2, 3))
    if output.ndim == 3:
        return output.float().mean(1)
    if output.ndim != 2:
        checks.refuse("layers", "layers that give maps, tokens or vectors", output)
    return output.float()


def has_channels_last(backbone: Backbone) -> bool:
    """Whether the maps inside are ``(n, H, W, C)``, as timm tells of the network."""
    return str(getattr(backbone.net, "output_fmt", "NCHW")) == "NHWC"
