"""ResNet-12, the backbone of few-shot learning on small images.

Legend: B batch, C channels, H x W image size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from timm.layers import create_classifier
from timm.models._features import feature_take_indices
from torch import Tensor, nn
from torch.nn import functional as F

from instdisc.checks import arguments, choice, count, refuse, share, whole

_DROPPED_SIDE = 5


class ResNet12(nn.Module):
    """Four residual blocks of three 3 x 3 convolutions, each halved by a max-pool; no stem.

    In each block ``y = pool(lrelu(bn(conv(.)) three times + bn(conv1x1(x))))`` with a leaky ReLU
    of slope 0.1 and a max-pool of 2 x 2; the last map is averaged. Without bias. Ours is the wide
    variant of MetaOptNet, 64-160-320-640 channels (12.4 million parameters); the narrow one of
    other papers is ``channels=(64, 128, 256, 512)`` (8.0 million). The parameters have the names
    of MetaOptNet's code.

    Args:
        num_classes: of the classifier ``fc``; 0 for none.
        in_chans: channels of the images.
        global_pool: how the last map is pooled; see timm.
        channels: of the four stages.
        drop_rate: dropout before the classifier.
        drop_block_rate: DropBlock after the last two stages, of blocks of 5 x 5. Off by default:
            a choice, since methods here differ in how they regularise.

    Raises:
        ValueError: if `channels` are not four positive numbers, or a rate is not a share.

    Source:
        Lee et al., "Meta-Learning with Differentiable Convex Optimization" (2019), released code;
        the block is that of Oreshkin et al., "TADAM" (2018).

    Differs from it:
        They train with dropout after the first two stages and with DropBlock after the last two,
        at a rate that rises to 0.1 in 40,000 steps; here there is no dropout within, and the rate
        is constant. They normalise images by statistics of mini-ImageNet; here by those of
        ImageNet, as the views are.

    Example:
        >>> import torch
        >>> net = ResNet12(num_classes=0)
        >>> net(torch.zeros(2, 3, 84, 84)).shape, net.forward_features(
        ...     torch.zeros(1, 3, 84, 84)).shape
        (torch.Size([2, 640]), torch.Size([1, 640, 5, 5]))
    """

    global_pool: Any
    fc: nn.Module

    def __init__(
        self,
        num_classes: int = 1000,
        in_chans: int = 3,
        *,
        global_pool: str = "avg",
        channels: Sequence[int] = (64, 160, 320, 640),
        drop_rate: float = 0.0,
        drop_block_rate: float = 0.0,
    ) -> None:
        super().__init__()
        arguments(
            ResNet12.__init__,
            locals(),
            num_classes=count,
            in_chans=whole,
            channels=whole,
            drop_rate=share,
            drop_block_rate=share,
        )
        choice("global_pool", global_pool, ["avg", "max", "avgmax", "catavgmax", ""])
        if len(channels) != 4:
            refuse("channels", "a width for each of 4 stages", tuple(channels))
        self.drop_rate = drop_rate
        self.feature_info: list[dict[str, Any]] = []
        before = in_chans
        for number, width in enumerate(channels):
            drop = _DropBlock(drop_block_rate if number > 1 else 0.0)
            # A sequence of one, for the names of the published files.
            self.add_module(f"layer{number + 1}", nn.Sequential(_Block(before, width, drop)))
            self.feature_info.append(
                {"num_chs": width, "reduction": 2 ** (number + 1), "module": f"layer{number + 1}"}
            )
            before = width
        self.num_features = before
        self.reset_classifier(num_classes, global_pool)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="leaky_relu")

    def forward(self, images: Tensor) -> Tensor:
        """Logits, or without a classifier the pooled features.

        Args:
            images: ``(B, in_chans, H, W)``, H and W at least 16.

        Returns:
            ``(B, num_classes)`` or ``(B, channels[-1])``.
        """
        return self.forward_head(self.forward_features(images))

    def forward_features(self, images: Tensor) -> Tensor:
        """The last map, ``(B, channels[-1], H / 16, W / 16)``."""
        maps = images
        for stage in self._stages():
            maps = stage(maps)
        return maps

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | Sequence[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """The maps of some stages, as timm's models give them.

        Args:
            x: images ``(B, in_chans, H, W)``.
            indices: of the stages; the last so many of them; or ``None`` for all.
            norm: not used: no norm follows the last stage.
            stop_early: leave out the stages after the last that is wanted.
            output_fmt: ``"NCHW"``.
            intermediates_only: leave out the last map.

        Raises:
            ValueError: if `output_fmt` is another.
        """
        if output_fmt != "NCHW":
            raise ValueError(f"`output_fmt` must be 'NCHW', got {output_fmt!r}")
        stages = self._stages()
        wanted, highest = feature_take_indices(
            len(stages), list(indices) if isinstance(indices, Sequence) else indices
        )
        maps = []
        for number, stage in enumerate(stages[: highest + 1] if stop_early else stages):
            x = stage(x)
            if number in wanted:
                maps.append(x)
        return maps if intermediates_only else (x, maps)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Pools the last map and classifies it."""
        pooled: Tensor = F.dropout(self.global_pool(x), self.drop_rate, self.training)
        if pre_logits:
            return pooled
        logits: Tensor = self.fc(pooled)
        return logits

    def get_classifier(self) -> nn.Module:
        """The classifier; the identity without classes."""
        return self.fc

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """A new classifier; the pooling stays unless it is named."""
        self.num_classes = num_classes
        pool = self.global_pool.pool_type if global_pool is None else global_pool
        self.global_pool, self.fc = create_classifier(
            self.num_features, num_classes, pool_type=pool
        )
        self.head_hidden_size = self.num_features * self.global_pool.feat_mult()

    def _stages(self) -> list[nn.Module]:
        return [getattr(self, info["module"]) for info in self.feature_info]


class _Block(nn.Module):
    """See `ResNet12`; ``(B, before, H, W)`` to ``(B, width, H / 2, W / 2)``."""

    def __init__(self, before: int, width: int, drop: nn.Module) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.downsample = nn.Sequential(
            nn.Conv2d(before, width, 1, bias=False), nn.BatchNorm2d(width)
        )
        self.act = nn.LeakyReLU(0.1)
        self.pool = nn.MaxPool2d(2)
        self.drop = drop

    def forward(self, x: Tensor) -> Tensor:
        branch = self.act(self.bn1(self.conv1(x)))
        branch = self.act(self.bn2(self.conv2(branch)))
        branch = self.bn3(self.conv3(branch))
        maps: Tensor = self.drop(self.pool(self.act(branch + self.downsample(x))))
        return maps


class _DropBlock(nn.Module):
    """Sets squares of 5 x 5 cells to zero, other ones in each channel, and scales the rest up.

    Not timm's, which draws centres from the whole map: on the last map of 5 x 5 cells, which one
    block covers, its rate of 0.1 leaves but a quarter.

    Source:
        Ghiasi et al., "DropBlock" (2018), algorithm 1: blocks lie within the map.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, maps: Tensor) -> Tensor:
        if not self.training or not self.rate:
            return maps
        images, channels, height, width = maps.shape
        side = min(_DROPPED_SIDE, height, width)
        rows, columns = height - side + 1, width - side + 1  # where a block can begin
        gamma = self.rate * height * width / (side**2 * rows * columns)
        corners = torch.rand(images, channels, rows, columns, device=maps.device) < gamma
        reach = F.pad(corners.to(maps.dtype), [side - 1] * 4)
        kept = 1 - F.max_pool2d(reach, side, stride=1)  # (B, C, H, W)
        scale = kept.numel() / kept.sum(dtype=torch.float32).clamp(min=1)
        return maps * kept * scale.to(maps.dtype)
