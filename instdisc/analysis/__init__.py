"""What a backbone knows, what it throws away, and where what is built on it errs."""

from .analyse import analyse as analyse
from .analyse import draw_figures as draw_figures
from .analysis import Analysis as Analysis
from .registry import ANALYSES as ANALYSES
