"""One face on any timm model.

Legend: B batch, C channels, H x W image size, s stride of a stage.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast

import timm
from timm.models.resnet import ResNet
from torch import Tensor, nn

from instdisc.checks import FLOATS, arguments, dtype, refuse, shape
from instdisc.types import About, InputSpec

from .identity import fixed_size, hash_weights, published_input

Stem = Literal["imagenet", "no_pool", "cifar"]


class Backbone(nn.Module):
    """An image encoder: pooled features, and the maps of every stage.

    Args:
        name: a timm model name; see ``timm.list_models()``. ``"resnet50"`` is the plain-stem v1.5
            ResNet of both papers.
        pretrained: load timm's published weights (downloads them).
        stem: how a ResNet begins. ``"imagenet"`` as timm builds it; ``"no_pool"`` without the
            max-pool (half the stride, for images of about 64 px); ``"cifar"`` a 3 x 3 convolution
            of stride 1 without max-pool (a quarter of the stride, for 32 px; Chen et al., "SimCLR"
            (2020), appendix B.9).
        timm_options: passed to `timm.create_model`, e.g. ``img_size=32`` for a ViT or
            ``zero_init_last=False`` for torchvision's initialisation of a ResNet. timm's default
            starts each residual branch at zero.

    Attributes:
        name: the timm name.
        dim: width of the output of `forward`.
        strides: pixels of the image per cell of each map of `maps`.
        widths: channels of each map of `maps`.
        stages: the part of ``net`` that ends each stage, by its name there, e.g. ``"layer1"``.
        input: how it was trained to see images; every task shows them so. Of published weights it
            is timm's, else ImageNet's mean and standard deviation at 224 px, or at the only size
            that the network takes. Replace it if you train with others.
        origin: what the file said that it was loaded from; ``None`` if it was not. See `about`.

    Raises:
        ValueError: if timm has no model `name`, or it cannot take `stem`.

    Example:
        >>> import torch
        >>> backbone = Backbone("resnet18", stem="no_pool")
        >>> backbone(torch.zeros(2, 3, 64, 64)).shape, backbone.dim
        (torch.Size([2, 512]), 512)
        >>> [tuple(stage.shape) for stage in backbone.maps(torch.zeros(1, 3, 64, 64))]
        [(1, 64, 32, 32), (1, 128, 16, 16), (1, 256, 8, 8), (1, 512, 4, 4)]
        >>> backbone.strides
        [2, 4, 8, 16]
    """

    strides: list[int]
    widths: list[int]
    stages: list[str]
    input: InputSpec
    origin: About | None

    def __init__(
        self,
        name: str = "resnet50",
        *,
        pretrained: bool = False,
        stem: Stem = "imagenet",
        **timm_options: Any,
    ) -> None:
        super().__init__()
        arguments(Backbone.__init__, locals())
        _check_model("name", name)
        self.name = name
        self.stem = stem
        self.timm_options = timm_options
        # A copy: jsonargparse would take the options of create_model for this class's own.
        options = dict(timm_options)
        net: Any = timm.create_model(name, pretrained=pretrained, num_classes=0, **options)
        shrink = _change_stem(net, name, stem)
        self.net = net
        self.dim = int(getattr(net, "head_hidden_size", None) or net.num_features)
        stages = [
            (position, info)
            for position, info in enumerate(_feature_info(net))
            if not _is_stem(str(info["module"]))
        ]
        self._stage_positions = [position for position, _ in stages]
        self.strides = [int(info["reduction"]) // shrink for _, info in stages]
        self.widths = [int(info["num_chs"]) for _, info in stages]
        self.stages = [str(info["module"]) for _, info in stages]
        config = dict(getattr(net, "pretrained_cfg", None) or {})
        self.input = published_input(config) if pretrained else InputSpec()
        size = fixed_size(net, config)
        if size is not None:
            self.input = self.input._replace(size=size)
        self.origin = About(method=f"timm:{name}", pretraining="timm") if pretrained else None

    def forward(self, images: Tensor) -> Tensor:
        """Pooled features without classifier.

        Args:
            images: ``(B, 3, H, W)`` float.

        Returns:
            ``(B, dim)``.
        """
        self._check(images)
        features: Tensor = self.net(images)
        return features

    def maps(self, images: Tensor) -> list[Tensor]:
        """The output of every stage, shallow to deep (of a ViT: of every block).

        Args:
            images: ``(B, 3, H, W)`` float.

        Returns:
            Tensors ``(B, widths[i], H / strides[i], W / strides[i])``.
        """
        self._check(images)
        net: Any = self.net
        maps: list[Tensor] = net.forward_intermediates(
            images, indices=self._stage_positions, intermediates_only=True
        )
        return maps

    def stage_map(self, images: Tensor, stage: int) -> Tensor:
        """The output of one stage; what lies deeper is not computed.

        Args:
            images: ``(B, 3, H, W)`` float.
            stage: its position in `maps`.

        Returns:
            ``(B, widths[stage], H / strides[stage], W / strides[stage])``.
        """
        if type(self).maps is not Backbone.maps:  # a user's own
            return self.maps(images)[stage]
        net: Any = self.net
        (output,) = net.forward_intermediates(
            images,
            indices=[self._stage_positions[stage]],
            intermediates_only=True,
            stop_early=True,
        )
        return cast(Tensor, output)

    def about(self) -> About:
        """What a record says of this backbone, as it is now.

        A backbone whose weights are no longer those of its file is not called by the file: the
        file's name is gone, and ", changed" is added to the method's.

        Example:
            >>> Backbone("test_resnet").about().architecture
            'test_resnet'
        """
        about = About(
            architecture=self.name,
            parameters=sum(weight.numel() for weight in self.parameters()),
            weights=self._hash(),
        )
        origin = self.origin
        if origin is None:
            return about
        if origin.weights and origin.weights != about.weights:
            return about._replace(
                method=f"{origin.method}, changed", pretraining=f"{origin.pretraining}, changed"
            )
        return origin.update(about)

    def _check(self, images: Tensor) -> None:
        # Types and shapes alone: nothing waits for the device.
        if not isinstance(images, Tensor) or images.dtype not in FLOATS:
            remedy = "Divide pixels by 255 and normalise them, as the views of ViewData are."
            dtype("images", images, FLOATS, remedy=remedy)
        channels = self.timm_options.get("in_chans", 3)
        if images.ndim != 4 or images.shape[1] != channels or 0 in images.shape:
            shape("images", images, ("B", channels, "H", "W"))
            refuse("images", "at least one image", images)

    def _hash(self) -> str:
        kind = type(self)
        if kind is Backbone:
            return hash_weights(self.net, self.spec)
        # One of a user's own may compute other features from the same network.
        return hash_weights(self, {**self.spec, "class": f"{kind.__module__}.{kind.__qualname__}"})

    @property
    def spec(self) -> dict[str, Any]:
        """The arguments that build this architecture again, without its weights."""
        return {"name": self.name, "stem": self.stem, **self.timm_options}


def _check_model(argument: str, name: str) -> None:
    """Refuses a name that timm does not have, under the name of the user's argument."""
    if not timm.is_model(name):
        near = timm.list_models(f"*{name[:6]}*")[:5]
        remedy = f"Near it: {', '.join(near)}." if near else "See timm.list_models()."
        refuse(argument, "a timm model", name, remedy)


def _change_stem(net: Any, name: str, stem: Stem) -> int:
    """Changes the first layers of `net` in place; returns by how much every stride shrinks."""
    if stem not in ("imagenet", "no_pool", "cifar"):
        raise ValueError(f"`stem` must be 'imagenet', 'no_pool' or 'cifar', got {stem!r}")
    if stem == "imagenet":
        return 1
    is_resnet: bool = isinstance(net, ResNet)  # a plain bool: mypy keeps `net` Any
    if not is_resnet or not isinstance(net.maxpool, nn.MaxPool2d):
        raise ValueError(
            f"`stem`={stem!r} needs a timm ResNet with a max-pool, got {name!r}. "
            "Use stem='imagenet', or for a ViT a smaller patch_size."
        )
    net.maxpool = nn.Identity()
    if stem == "no_pool":
        return 2
    if not isinstance(net.conv1, nn.Conv2d):
        raise ValueError(
            f"`stem`='cifar' needs a ResNet whose stem is one convolution, got {name!r} "
            "(a deep stem). Use stem='no_pool'."
        )
    width = net.conv1.out_channels
    net.conv1 = nn.Conv2d(net.conv1.in_channels, width, 3, stride=1, padding=1, bias=False)
    nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
    return 4


def _feature_info(net: Any) -> Sequence[dict[str, Any]]:
    info: Any = net.feature_info
    entries: Sequence[dict[str, Any]] = info.info if hasattr(info, "info") else info
    return entries


def _is_stem(module: str) -> bool:
    return module.split(".")[0].startswith(("stem", "act", "bn", "conv", "relu", "norm"))
