"""Records to one HTML page."""

from .write import write_report as write_report
