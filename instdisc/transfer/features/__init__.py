"""Features of a frozen backbone."""

from .cache import cached_features as cached_features
from .extract import Features as Features
from .extract import extract_features as extract_features
from .extract import extract_stages as extract_stages
