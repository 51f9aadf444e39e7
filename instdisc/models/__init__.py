"""Images to features: the backbone, and what contrast with a momentum encoder needs around it."""

from . import few_shot as few_shot  # registers its models with timm
from .backbone import Backbone as Backbone
from .backbone import as_backbone as as_backbone
from .grouped_norm import split_batch_norm as split_batch_norm
from .momentum import MomentumEncoder as MomentumEncoder
from .projector import Projector as Projector
from .queue import FeatureQueue as FeatureQueue
from .resnet12 import ResNet12 as ResNet12
