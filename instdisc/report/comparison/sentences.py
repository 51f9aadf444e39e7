"""A comparison in words."""

from __future__ import annotations

from .tables import Comparison


def verdict_sentences(comparison: Comparison) -> list[str]:
    return []
