"""What the published policies and sets of views are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from instdisc.types import ImageSize

from .dataset import ViewPolicy
from .frames import CenterCrop, RandomResizedCrop
from .photometric import (
    ColorJitter,
    GaussianBlur,
    PhotometricStep,
    RandomGrayscale,
    RandomSolarize,
)
from .sizes import mean_side, scaled

Scale = tuple[float, float]  # smallest and largest share of the image's area in a crop

_MOCO: Scale = (0.2, 1.0)
_SIMCLR: Scale = (0.08, 1.0)  # BYOL's too
_DINO: Scale = (0.4, 1.0)
_DINO_SMALL: Scale = (0.05, 0.4)
_DINO_RESNET: Scale = (0.14, 1.0)
_DINO_RESNET_SMALL: Scale = (0.05, 0.14)


class ViewSet(NamedTuple):
    """The views of an image that do not share one policy.

    Attributes:
        large: names of policies, one for each large view.
        small: name of the policy of the small views, or ``""``.
        num_small: how many small views were published.
    """

    large: tuple[str, ...]
    small: str = ""
    num_small: int = 0


POLICIES: dict[str, Callable[[ImageSize], ViewPolicy]] = {
    "zhao_f": lambda size: ViewPolicy(CenterCrop(size, resize=scaled(size, 8 / 7))),
    "zhao_fr": lambda size: _cropped(size),
    "zhao_frc": lambda size: _cropped(size, _jitter()),
    "zhao_frcg": lambda size: _cropped(size, _jitter(), RandomGrayscale(0.2)),
    "zhao_frcgb": lambda size: _moco_v2(size),
    "moco_v1": lambda size: _moco_v1(size),
    "moco_v2": lambda size: _moco_v2(size),
    "moco_v3_first": lambda size: _byol_first(size, _SIMCLR),
    "moco_v3_second": lambda size: _byol_second(size, _SIMCLR),
    "moco_v3_resnet_first": lambda size: _byol_first(size, _MOCO),
    "moco_v3_resnet_second": lambda size: _byol_second(size, _MOCO),
    "islam_weak": lambda size: _cropped(size),
    "islam_strong": lambda size: _moco_v2(size),
    "instdisc": lambda size: _moco_v1(size),
    "instdisc_cifar": lambda size: _instdisc_cifar(size),
    "simclr": lambda size: _simclr(size, 1.0, _blur(size, 0.5)),
    "simclr_cifar": lambda size: _simclr(size, 0.5),
    "nnclr": lambda size: _simclr(size, 1.0, _blur(size, 0.5)),
    "simsiam": lambda size: _moco_v2(size),
    "supcon_cifar": lambda size: _cropped(size, _jitter(), RandomGrayscale(0.2)),
    "byol_first": lambda size: _byol_first(size, _SIMCLR),
    "byol_second": lambda size: _byol_second(size, _SIMCLR),
    "dino_first": lambda size: _byol_first(size, _DINO),
    "dino_second": lambda size: _byol_second(size, _DINO),
    "dino_small": lambda size: _dino_small(size, _DINO_SMALL),
    "dino_resnet_first": lambda size: _byol_first(size, _DINO_RESNET),
    "dino_resnet_second": lambda size: _byol_second(size, _DINO_RESNET),
    "dino_resnet_small": lambda size: _dino_small(size, _DINO_RESNET_SMALL),
}

VIEW_SETS: dict[str, ViewSet] = {
    "byol": ViewSet(("byol_first", "byol_second")),
    "barlow_twins": ViewSet(("byol_first", "byol_second")),
    "vicreg": ViewSet(("byol_first", "byol_second")),
    "moco_v3": ViewSet(("moco_v3_first", "moco_v3_second")),
    "moco_v3_resnet": ViewSet(("moco_v3_resnet_first", "moco_v3_resnet_second")),
    "dino": ViewSet(("dino_first", "dino_second"), "dino_small", num_small=8),
    "dino_resnet": ViewSet(
        ("dino_resnet_first", "dino_resnet_second"), "dino_resnet_small", num_small=8
    ),
}


def _cropped(size: ImageSize, *steps: PhotometricStep) -> ViewPolicy:
    return ViewPolicy(RandomResizedCrop(size, _MOCO), steps)


def _moco_v1(size: ImageSize) -> ViewPolicy:
    return _cropped(size, RandomGrayscale(0.2), ColorJitter(0.4, 0.4, 0.4, 0.4, p=1.0))


def _moco_v2(size: ImageSize) -> ViewPolicy:
    return _cropped(size, _jitter(), RandomGrayscale(0.2), _blur(size, 0.5))


def _instdisc_cifar(size: ImageSize) -> ViewPolicy:
    colours = [ColorJitter(0.4, 0.4, 0.4, 0.4, p=1.0), RandomGrayscale(0.2)]
    return ViewPolicy(RandomResizedCrop(size, _MOCO), colours, flip=0.0)


def _simclr(size: ImageSize, strength: float, *blur: PhotometricStep) -> ViewPolicy:
    jitter = ColorJitter(*(strength * share for share in (0.8, 0.8, 0.8, 0.2)), p=0.8)
    return ViewPolicy(RandomResizedCrop(size, _SIMCLR), [jitter, RandomGrayscale(0.2), *blur])


def _byol_first(size: ImageSize, scale: Scale) -> ViewPolicy:
    return ViewPolicy(RandomResizedCrop(size, scale), [*_byol_colours(), _blur(size, 1.0)])


def _byol_second(size: ImageSize, scale: Scale) -> ViewPolicy:
    steps = [*_byol_colours(), _blur(size, 0.1), RandomSolarize(0.2)]
    return ViewPolicy(RandomResizedCrop(size, scale), steps)


def _dino_small(size: ImageSize, scale: Scale) -> ViewPolicy:
    steps = [*_byol_colours(), _blur(size, 0.5, published=96)]
    return ViewPolicy(RandomResizedCrop(size, scale), steps)


def _byol_colours() -> tuple[ColorJitter, RandomGrayscale]:
    return ColorJitter(0.4, 0.4, 0.2, 0.1, p=0.8), RandomGrayscale(0.2)


def _jitter() -> ColorJitter:
    return ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8)


def _blur(size: ImageSize, p: float, *, published: int = 224) -> GaussianBlur:
    # Of the same width in relation to the view as at the side that was published.
    side = mean_side(size)
    return GaussianBlur(0.1 * side / published, 2.0 * side / published, p=p)
