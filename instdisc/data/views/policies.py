"""How one view is made, by the name of a published policy; and how a test shows an image."""

from __future__ import annotations

from typing import Any

from instdisc import checks
from instdisc.types import ImageSize, InputSpec

from .dataset import ViewPolicy
from .frames import CenterCrop, RandomResizedCrop
from .published_policies import POLICIES, VIEW_SETS, Scale
from .sizes import scaled, sides

_STORED = 64  # pixels; up to here images lie at the size that they are shown at


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
    ``moco_v3_first``          the same as ``byol_first``; for ViTs
    ``moco_v3_second``         the same as ``byol_second``; for ViTs
    ``moco_v3_resnet_first``   ``moco_v3_first`` with crops from 20 % on
    ``moco_v3_resnet_second``  ``moco_v3_second`` with crops from 20 % on
    ``islam_weak``             crop and flip: the same as ``zhao_fr``
    ``islam_strong``           the same as ``moco_v2``
    ``instdisc``               the same as ``moco_v1``
    ``instdisc_cifar``         crop, jitter on every view, greyscale; no flip
    ``simclr``                 crop from 8 % on, strong jitter, greyscale, blur, flip
    ``simclr_cifar``           the same with half the jitter and without blur
    ``nnclr``                  the same as ``simclr``
    ``simsiam``                the same as ``moco_v2``
    ``supcon_cifar``           crop, jitter, greyscale, flip: the same as ``zhao_frcg``
    ``byol_first``             crop from 8 % on, jitter, greyscale, blur always, flip
    ``byol_second``            the same with blur p 0.1 and solarisation p 0.2
    ``dino_first``             ``byol_first`` with crops from 40 % on; for ViTs
    ``dino_second``            ``byol_second`` with crops from 40 % on; for ViTs
    ``dino_small``             of 5 to 40 % of the image: crop, jitter, greyscale, blur p 0.5, flip
    ``dino_resnet_first``      ``dino_first`` with crops from 14 % on
    ``dino_resnet_second``     ``dino_second`` with crops from 14 % on
    ``dino_resnet_small``      ``dino_small`` of 5 to 14 % of the image
    ========================== ====================================================================

    `view_policies` has the sets of views that belong together, such as ``byol``.

    Args:
        name: one of these.
        image_size: side of a view in pixels, or its height and width. The blur's sigma is in
            pixels at 224 (at 96 for DINO's small views) and shrinks with the view.
        scale: smallest and largest share of the image in a crop, ``None`` for the policy's own.
        seen: whose normalisation to use (`Backbone.input`); ``None`` for ImageNet's.

    Raises:
        ValueError: if there is no policy of that name, `image_size` is not positive, or `scale`
            is given for a policy that does not crop at random.

    Source:
        Zhao et al. (2021), the five cumulative levels; He et al. (2020), Chen et al. (2020) and
        Chen, Xie and He (2021), MoCo v1 to v3; Islam et al. (2021); and in their code Wu et al.
        (2018), InstDisc; Chen et al. (2020), SimCLR; Chen and He (2021), SimSiam; Khosla et al.
        (2020), SupCon; Grill et al. (2020), BYOL; Caron et al. (2021), DINO. Dwibedi et al.
        (2021), NNCLR, published no code; its views are SimCLR's here.

    Differs from it:
        Zhao et al. leave open: the resize of ``zhao_f`` (ours: 256, centre 224), the crop's scale
        (ours: MoCo's, 20 to 100 % of the area), the chances (ours: MoCo v2's) and the sigma of
        the blur (ours: MoCo v2's 0.1 to 2.0). Crops are resized bilinearly, where SimCLR, BYOL
        and DINO do it bicubically. SimCLR does not normalise its images (`seen` with mean 0 and
        std 1 does not either), and draws one sigma for all images of a batch. SimCLR's first
        version and BYOL add to the brightness, where torchvision and this multiply it.

    Example:
        >>> [type(step).__name__ for step in view_policy("moco_v1").photometric]
        ['RandomGrayscale', 'ColorJitter']
    """
    checks.arguments(view_policy, locals(), image_size=checks.whole)
    if name in VIEW_SETS:
        checks.refuse("name", "a policy of one view", name, "It is a set: use view_policies.")
    checks.choice("name", name, POLICIES)
    policy, seen = POLICIES[name](image_size), seen or InputSpec()
    if scale is not None and not isinstance(policy.frame, RandomResizedCrop):
        raise ValueError(f"`scale` is of a random crop, and the policy {name!r} has none")
    frame = policy.frame if scale is None else RandomResizedCrop(image_size, scale)
    return ViewPolicy(frame, policy.photometric, flip=policy.flip, mean=seen.mean, std=seen.std)


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
