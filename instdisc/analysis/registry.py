"""The analyses by name, and what is drawn of them."""

from __future__ import annotations

from .analysis import Analysis

ANALYSES: dict[str, Analysis] = {}
