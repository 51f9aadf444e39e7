"""The view policies of both papers, by name."""

from __future__ import annotations

from collections.abc import Callable

from .frames import CenterCrop, RandomResizedCrop
from .photometric import ColorJitter, GaussianBlur, PhotometricStep, RandomGrayscale
from .views import ViewPolicy

SCALE = (0.2, 1.0)


def view_policy(name: str, image_size: int = 224) -> ViewPolicy:
    """A published policy at any image size.

    ========================== ====================================================================
    ``zhao_f``                 flip (of the centre)
    ``zhao_fr``                + random resized crop
    ``zhao_frc``               + colour jitter
    ``zhao_frcg``              + greyscale
    ``zhao_frcgb``             + blur: the same as ``moco_v2``
    ``moco_v1``                crop, greyscale, then jitter on every view, flip
    ``moco_v2``                crop, jitter, greyscale, blur, flip
    ``islam_weak``             crop and flip: the same as ``zhao_fr``
    ``islam_strong``           the same as ``moco_v2``
    ========================== ====================================================================

    Args:
        name: one of these.
        image_size: side of a view in pixels. The blur's sigma is in pixels at 224 and shrinks
            with the view.

    Raises:
        ValueError: if there is no policy of that name, or `image_size` is not positive.

    Source:
        Zhao et al. (2021), the five cumulative levels; He et al. (2020) and Chen et al. (2020),
        MoCo v1 and v2; Islam et al. (2021). Zhao et al. leave open: the resize of ``zhao_f``
        (ours: 256, centre 224), the crop's scale (ours: MoCo's, 20 to 100 % of the area), the
        chances (ours: MoCo v2's) and the sigma of the blur (ours: MoCo v2's 0.1 to 2.0).

    Example:
        >>> [type(step).__name__ for step in view_policy("moco_v1").photometric]
        ['RandomGrayscale', 'ColorJitter']
    """
    if name not in POLICIES:
        raise ValueError(f"`name` must be one of {', '.join(POLICIES)}, got {name!r}")
    _check_image_size(image_size)
    return POLICIES[name](image_size)


def evaluation_policy(image_size: int = 224, *, resize: int | None = None) -> ViewPolicy:
    """The centre of each image, without chance: for features, probes and tests.

    Args:
        image_size: side of the view in pixels.
        resize: short side before the crop; ``None`` for 8/7 of `image_size` (256 for 224) above
            64 px and `image_size` itself up to there, where images are stored at that size.

    Raises:
        ValueError: if `image_size` is not positive, or `resize` is below it.

    Example:
        >>> evaluation_policy().frame.resize, evaluation_policy(32).frame.resize
        (256, 32)
    """
    _check_image_size(image_size)
    if resize is None:
        resize = round(image_size * 8 / 7) if image_size > 64 else image_size
    return ViewPolicy(CenterCrop(image_size, resize=resize), flip=0.0)


def _check_image_size(image_size: int) -> None:
    if image_size < 1:
        raise ValueError(f"`image_size` must be a positive number of pixels, got {image_size}")


def _cropped(size: int, *steps: PhotometricStep) -> ViewPolicy:
    return ViewPolicy(RandomResizedCrop(size, SCALE), steps)


def _jitter() -> ColorJitter:
    return ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8)


def _blur(size: int) -> GaussianBlur:
    return GaussianBlur(0.1 * size / 224, 2.0 * size / 224, p=0.5)


def _moco_v1(size: int) -> ViewPolicy:
    return _cropped(size, RandomGrayscale(0.2), ColorJitter(0.4, 0.4, 0.4, 0.4, p=1.0))


def _moco_v2(size: int) -> ViewPolicy:
    return _cropped(size, _jitter(), RandomGrayscale(0.2), _blur(size))


POLICIES: dict[str, Callable[[int], ViewPolicy]] = {
    "zhao_f": lambda size: ViewPolicy(CenterCrop(size, resize=round(size * 8 / 7))),
    "zhao_fr": _cropped,
    "zhao_frc": lambda size: _cropped(size, _jitter()),
    "zhao_frcg": lambda size: _cropped(size, _jitter(), RandomGrayscale(0.2)),
    "zhao_frcgb": _moco_v2,
    "moco_v1": _moco_v1,
    "moco_v2": _moco_v2,
    "islam_weak": _cropped,
    "islam_strong": _moco_v2,
}
