"""Generated images, of which everything is known."""

from .render import Scene as Scene
from .render import Scenes as Scenes
from .shapes import CATEGORIES as CATEGORIES
from .shapes import FLIP_PAIRS as FLIP_PAIRS
from .shapes import KEYPOINTS as KEYPOINTS
