"""Checkpoints: the only bridge from pretraining to everything after it."""

from .export import export_backbone as export_backbone
from .load import CheckpointInfo as CheckpointInfo
from .load import describe_checkpoint as describe_checkpoint
from .load import load_backbone as load_backbone
from .opening import open_backbone as open_backbone
