"""Images to features: the backbone, and what contrast with a momentum encoder needs around it."""

import warnings

from . import few_shot as few_shot  # registers its models with timm
from .backbone import Backbone as Backbone
from .center import Center as Center
from .grouped_norm import split_batch_norm as split_batch_norm
from .memory_bank import MemoryBank as MemoryBank
from .mlp import MLP as MLP
from .momentum import MomentumEncoder as MomentumEncoder
from .patch_projection import freeze_patch_projection as freeze_patch_projection
from .projector import Projector as Projector
from .prototypes import PrototypeHead as PrototypeHead
from .queue import FeatureQueue as FeatureQueue
from .resnet12 import ResNet12 as ResNet12
from .synced_norm import sync_batch_norm as sync_batch_norm


def __getattr__(name: str) -> object:
    """The name of release 0.1.0, for one more release."""
    if name != "as_backbone":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(
        "instdisc.models.as_backbone is gone: instdisc.checkpoint.open_backbone takes names and "
        "backbones as it did, and files",
        DeprecationWarning,
        stacklevel=2,
    )
    return _as_backbone


def _as_backbone(backbone: str | Backbone) -> Backbone:
    """A name becomes a freshly initialised `Backbone`; a `Backbone` stays itself."""
    return Backbone(backbone) if isinstance(backbone, str) else backbone
