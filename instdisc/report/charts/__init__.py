"""Records and comparisons to figures."""

from .chart import Chart as Chart
