"""Of what shape the network is that draws an image, and how long it is trained.

Legend: L levels, H x W size of the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from instdisc import checks
from instdisc.checks import checked_call

LEAST_CELLS = 4  # side of the smallest map: 256 px halved six times


@checked_call(
    filled=["channels", "kernels"],
    channels=checks.whole,
    kernels=checks.whole,
    skip_channels=checks.count,
    input_channels=checks.whole,
    input_scale=checks.positive,
)
class PriorRecipe(NamedTuple):
    """The network of a deep image prior, and its training.

    Attributes:
        channels: of each of the L levels, shallow to deep; each level halves the map.
        kernels: side of the convolutions of each level, odd.
        skip_channels: that go past the deeper levels.
        input_channels: of the fixed noise from which an image is drawn.
        input_scale: the noise is uniform from 0 to this.
        sigmoid: whether the network draws pixels from 0 to 1; else it draws the image as the
            backbone is shown it, normalised, without bounds.
        steps: of Adam.
        learning_rate: of Adam.
    """

    channels: tuple[int, ...]
    kernels: tuple[int, ...]
    skip_channels: int = 4
    input_channels: int = 32
    input_scale: float = 0.1
    sigmoid: bool = False
    steps: int = 3000
    learning_rate: float = 1e-3

    def shaped(
        self,
        size: tuple[int, int],
        *,
        channels: Sequence[int] | None = None,
        kernels: Sequence[int] | None = None,
        depth: int | None = None,
    ) -> PriorRecipe:
        """The same with as many levels as an image has room for.

        Args:
            size: H and W.
            channels: of each level instead of the recipe's.
            kernels: of each level instead of the recipe's; of the recipe's the last is repeated.
            depth: L; ``None``: as many as leave a smallest map of 4 cells a side, at most as
                many as there are channels. The published network leaves 4 at 224 px.

        Raises:
            TypeError: if a number is of another kind.
            ValueError: if one is out of range, there are fewer channels or kernels than levels,
                or the image has no room for so many levels.

        Example:
            >>> ZHAO_RECIPE.shaped((64, 64)).channels
            (16, 32, 64, 128)
        """
        widths = list(self.channels if channels is None else channels)
        sides = list(self.kernels if kernels is None else kernels)
        _check_levels("channels", widths)
        _check_levels("kernels", sides)
        even = [side for side in sides if side % 2 == 0]
        if even:
            checks.refuse("kernels", "odd", even[0])
        if kernels is None:
            sides += [sides[-1]] * (len(widths) - len(sides))
        room = max(
            (levels for levels in range(1, len(widths) + 1) if _cells(size, levels) >= LEAST_CELLS),
            default=0,
        )
        if depth is None:
            depth = room
            if not depth:
                checks.refuse("images", "of at least 7 px a side", size)
        checks.whole("depth", depth, at_most=len(widths), remedy="Give more `channels`.")
        if len(sides) < depth:
            checks.refuse("kernels", f"one for each of the {depth} levels", sides)
        if _cells(size, depth) < 2:
            checks.refuse(
                "depth",
                f"at most {room or 1} for images of {size[0]} x {size[1]} px",
                depth,
                "The smallest map has one cell, over which nothing can be normalised.",
            )
        return self._replace(channels=tuple(widths[:depth]), kernels=tuple(sides[:depth]))

    def canvas(self, size: tuple[int, int]) -> tuple[int, int]:
        """The size of what the network draws, of which the image is the upper left corner.

        Args:
            size: H and W.

        Returns:
            The next multiples of ``2 ** L``.

        Example:
            >>> ZHAO_RECIPE.canvas((224, 224))
            (256, 256)
        """
        step = 2 ** len(self.channels)
        height, width = (-(-side // step) * step for side in size)
        return height, width


ZHAO_RECIPE = PriorRecipe((16, 32, 64, 128, 128, 128), (7, 7, 5, 5, 3, 3))
"""Zhao et al. (2021): 2,606,763 parameters for an image, no sigmoid, 3,000 steps."""

DIP_RECIPE = ZHAO_RECIPE._replace(sigmoid=True, steps=3100)
"""Ulyanov et al., "Deep Image Prior" (2018), as their notebook inverts AlexNet: the same network
with a sigmoid, 3,100 steps. Differs from the paper's appendix, which takes 20,000 steps at a rate
of 0.01 and changes noise and weights at each."""

RECIPES = {"zhao": ZHAO_RECIPE, "dip": DIP_RECIPE}


def _cells(size: tuple[int, int], levels: int) -> int:
    """Side of the smallest map."""
    return min(-(-side // 2**levels) for side in size)


def _check_levels(name: str, values: Sequence[int]) -> None:
    if not values:
        checks.refuse(name, "a list of at least one", values)
    for value in values:
        checks.whole(name, value)
