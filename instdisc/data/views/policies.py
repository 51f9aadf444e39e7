"""The view policies of both papers, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from instdisc import checks
from instdisc.types import ImageSize, InputSpec

from .dataset import ViewPolicy
from .frames import CenterCrop, RandomResizedCrop, check_scale
from .photometric import (
    ColorJitter,
    GaussianBlur,
    PhotometricStep,
    RandomGrayscale,
    RandomSolarize,
)
from .sizes import mean_side, scaled, sides

_STORED = 64  # pixels; up to here images lie at the size that they are shown at
Scale = tuple[float, float]  # smallest and largest share of the image's area in a crop


def view_policy(
    name: str,
    image_size: ImageSize = 224,
    *,
    scale: Scale | None = None,
    seen: InputSpec | None = None,
) -> ViewPolicy:
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
    ``moco_v3_first``          crop from 8 % on, jitter, greyscale, blur always, flip
    ``moco_v3_second``         the same with blur p 0.1 and solarisation p 0.2
    ========================== ====================================================================

    Args:
        name: one of these.
        image_size: side of a view in pixels, or its height and width. The blur's sigma is in
            pixels at 224 and shrinks with the view.
        scale: smallest and largest share of the image in a crop, ``None`` for the policy's own.
        seen: whose normalisation to use (`Backbone.input`); ``None`` for ImageNet's.

    Raises:
        ValueError: if there is no policy of that name, `image_size` is not positive, or `scale`
            is given for a policy that does not crop at random.

    Source:
        Zhao et al. (2021), the five cumulative levels; He et al. (2020) and Chen et al. (2020),
        MoCo v1 and v2; Islam et al. (2021); Chen, Xie and He (2021), MoCo v3 for ViTs. Zhao et
        al. leave open: the resize of ``zhao_f`` (ours: 256, centre 224), the crop's scale (ours:
        MoCo's, 20 to 100 % of the area), the chances (ours: MoCo v2's) and the sigma of the blur
        (ours: MoCo v2's 0.1 to 2.0).

    Example:
        >>> [type(step).__name__ for step in view_policy("moco_v1").photometric]
        ['RandomGrayscale', 'ColorJitter']
    """
    checks.arguments(view_policy, locals(), image_size=checks.whole)
    checks.choice("name", name, POLICIES)
    policy, seen = POLICIES[name](image_size), seen or InputSpec()
    if scale is not None and not isinstance(policy.frame, RandomResizedCrop):
        raise ValueError(f"`scale` is of a random crop, and the policy {name!r} has none")
    frame = policy.frame if scale is None else RandomResizedCrop(image_size, scale)
    return ViewPolicy(frame, policy.photometric, flip=policy.flip, mean=seen.mean, std=seen.std)


def multi_crop(
    name: str = "moco_v2",
    image_size: ImageSize = 224,
    *,
    small_size: ImageSize = 96,
    num_small: int = 6,
    scale: Scale = (0.14, 1.0),
    small_scale: Scale = (0.05, 0.14),
) -> list[ViewPolicy]:
    """Two large views and several small ones, by one policy.

    Args:
        name: of the policy, see `view_policy`.
        image_size: side of the two large views in pixels, or their height and width.
        small_size: likewise of the small ones.
        num_small: how many small ones.
        scale: smallest and largest share of the image in a large view.
        small_scale: likewise in a small view.

    Raises:
        ValueError: if `num_small` is negative, and from `view_policy`.

    Source:
        Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster
        Assignments" (2020), whose sizes and scales these are.

    Example:
        >>> [policy.frame.size for policy in multi_crop(num_small=2)]
        [224, 224, 96, 96]
    """
    checks.arguments(
        multi_crop,
        locals(),
        image_size=checks.whole,
        small_size=checks.whole,
        num_small=checks.count,
    )
    check_scale("scale", scale)
    check_scale("small_scale", small_scale)
    large = view_policy(name, image_size, scale=scale)
    small = view_policy(name, small_size, scale=small_scale)
    return [large] * 2 + [small] * num_small


def evaluation_policy(
    image_size: ImageSize | None = None,
    *,
    resize: ImageSize | None = None,
    keep_aspect: bool = True,
    seen: InputSpec | None = None,
) -> ViewPolicy:
    """The centre of each image, without chance: for features, probes and tests.

    Args:
        image_size: side of the view in pixels, or its height and width; ``None`` for that of
            `seen`.
        resize: short side before the crop, or the least height and width of the image (see
            `CenterCrop`); ``None``: what `seen` says (256 for 224) above 64 px
            and `image_size` itself up to there, where images are stored at that size.
        keep_aspect: whether the long side follows in proportion; else both become `resize`.
        seen: how the backbone was trained to see images (`Backbone.input`): size, normalisation
            and interpolation; ``None`` for 224 px, bilinear, ImageNet's mean.

    Raises:
        ValueError: if `image_size` is not positive, or `resize` is below it.

    Example:
        >>> evaluation_policy().frame.resize, evaluation_policy(32).frame.resize
        (256, 32)
    """
    checks.arguments(evaluation_policy, locals(), image_size=checks.whole, resize=checks.whole)
    seen = InputSpec() if seen is None else seen
    size = seen.size if image_size is None else image_size
    if resize is None:
        stored = max(sides(size)) <= _STORED
        resize = size if stored else scaled(size, 1 / seen.crop)
    frame = CenterCrop(
        size, resize=resize, keep_aspect=keep_aspect, interpolation=seen.interpolation
    )
    return ViewPolicy(frame, flip=0.0, mean=seen.mean, std=seen.std)


def describe_view(policy: ViewPolicy) -> dict[str, Any]:
    """A policy without chance as a record says it: JSON values.

    Args:
        policy: of a test.

    Example:
        >>> describe_view(evaluation_policy(32))["frame"]
        'CenterCrop'
    """
    checks.arguments(describe_view, locals())
    frame = {name: value for name, value in vars(policy.frame).items() if name[0] != "_"}
    normal = {"mean": list(policy.mean), "std": list(policy.std)}
    return {"frame": type(policy.frame).__name__, **frame, **normal}


def _cropped(size: ImageSize, *steps: PhotometricStep) -> ViewPolicy:
    return ViewPolicy(RandomResizedCrop(size, (0.2, 1.0)), steps)


def _jitter() -> ColorJitter:
    return ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8)


def _blur(size: ImageSize, p: float = 0.5) -> GaussianBlur:
    side = mean_side(size)
    return GaussianBlur(0.1 * side / 224, 2.0 * side / 224, p=p)


def _moco_v1(size: ImageSize) -> ViewPolicy:
    return _cropped(size, RandomGrayscale(0.2), ColorJitter(0.4, 0.4, 0.4, 0.4, p=1.0))


def _moco_v2(size: ImageSize) -> ViewPolicy:
    return _cropped(size, _jitter(), RandomGrayscale(0.2), _blur(size))


def _moco_v3(size: ImageSize, blur: float, solarize: float) -> ViewPolicy:
    colours = [ColorJitter(0.4, 0.4, 0.2, 0.1, p=0.8), RandomGrayscale(0.2), _blur(size, blur)]
    steps = [*colours, RandomSolarize(solarize)] if solarize else colours
    return ViewPolicy(RandomResizedCrop(size, (0.08, 1.0)), steps)


POLICIES: dict[str, Callable[[ImageSize], ViewPolicy]] = {
    "zhao_f": lambda size: ViewPolicy(CenterCrop(size, resize=scaled(size, 8 / 7))),
    "zhao_fr": _cropped,
    "zhao_frc": lambda size: _cropped(size, _jitter()),
    "zhao_frcg": lambda size: _cropped(size, _jitter(), RandomGrayscale(0.2)),
    "zhao_frcgb": _moco_v2,
    "moco_v1": _moco_v1,
    "moco_v2": _moco_v2,
    "islam_weak": _cropped,
    "islam_strong": _moco_v2,
    "moco_v3_first": lambda size: _moco_v3(size, 1.0, 0.0),
    "moco_v3_second": lambda size: _moco_v3(size, 0.1, 0.2),
}
