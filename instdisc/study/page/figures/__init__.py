"""The figures of the page."""

from .draw import FIGURES as FIGURES
from .draw import draw_figures as draw_figures
from .drawing import Drawing as Drawing
