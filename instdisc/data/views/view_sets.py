"""All views of an image by one name."""

from __future__ import annotations

from instdisc import checks
from instdisc.types import ImageSize, InputSpec

from .dataset import ViewPolicy
from .frames import check_scale
from .policies import view_policy
from .published_policies import POLICIES, VIEW_SETS, Scale
from .sizes import scaled

_PATCH = 16  # pixels; the largest patch of the usual ViTs


def view_policies(
    name: str,
    image_size: ImageSize = 224,
    *,
    num_views: int | None = None,
    small_size: ImageSize | None = None,
    seen: InputSpec | None = None,
) -> list[ViewPolicy]:
    """The policies of all views of an image, as a method was published with them.

    A name of `view_policy` gives views that are made alike. These sets have others:

    ========================== ====================================================================
    ``byol``                   ``byol_first``, ``byol_second``
    ``barlow_twins``           as ``byol``
    ``vicreg``                 as ``byol``
    ``moco_v3``                ``moco_v3_first``, ``moco_v3_second``; for ViTs
    ``moco_v3_resnet``         ``moco_v3_resnet_first``, ``moco_v3_resnet_second``
    ``dino``                   ``dino_first``, ``dino_second``, 8 x ``dino_small``; for ViTs
    ``dino_resnet``            ``dino_resnet_first``, ``dino_resnet_second``,
                               8 x ``dino_resnet_small``
    ========================== ====================================================================

    Args:
        name: one of these, or of `view_policy`.
        image_size: side of a view in pixels, or its height and width; of the large views, where a
            set has small ones too.
        num_views: number of views; ``None`` for two, or for as many as the set has. A set with
            small views gets more or fewer of them; 2 leaves the large ones alone.
        small_size: side of a small view in pixels, or its height and width; ``None`` for 3/7 of
            `image_size` (96 for 224) to the nearest multiple of 16, so that ViTs' patches fit.
        seen: whose normalisation to use (`Backbone.input`); ``None`` for ImageNet's.

    Returns:
        A policy for each view. Views that are made alike share one.

    Raises:
        ValueError: if there is no policy or set of that name, a set has not `num_views` views, a
            size is not positive, or `small_size` is of a set without small views.

    Source:
        Grill et al., BYOL (2020); Zbontar et al., Barlow Twins (2021), and Bardes et al., VICReg
        (2022), in their code; Chen, Xie and He, MoCo v3 (2021); Caron et al., DINO (2021).

    Differs from it:
        See `view_policy`. VICReg's paper blurs and solarises both views alike, with p 0.5 and
        0.1 [recalled]; its code does as BYOL, and so does this. Without small views DINO's
        authors advise crops from 14 % on, which are those of ``dino_resnet``.

    Example:
        >>> [policy.frame.size for policy in view_policies("dino", num_views=4)]
        [224, 224, 96, 96]
        >>> [len(policy.photometric) for policy in view_policies("byol")]
        [3, 4]
    """
    checks.arguments(
        view_policies,
        locals(),
        image_size=checks.whole,
        num_views=checks.whole,
        small_size=checks.whole,
    )
    checks.choice("name", name, [*POLICIES, *VIEW_SETS])
    views = VIEW_SETS.get(name)
    if small_size is not None and not (views and views.small):
        raise ValueError(f"`small_size` is of small views, and {name!r} has none")
    if views is None:
        return [view_policy(name, image_size, seen=seen)] * (2 if num_views is None else num_views)
    large = [view_policy(policy, image_size, seen=seen) for policy in views.large]
    num_small = views.num_small if num_views is None else num_views - len(large)
    if num_small < 0 or (num_small and not views.small):
        least = "at least " if views.small else ""
        checks.refuse("num_views", f"{least}{len(large)} for the views of {name!r}", num_views)
    if not num_small:
        return large
    if small_size is None:
        small_size = scaled(image_size, 3 / 7, _to_patches)
    return large + [view_policy(views.small, small_size, seen=seen)] * num_small


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


def _to_patches(side: float) -> int:
    return _PATCH * max(1, round(side / _PATCH))
