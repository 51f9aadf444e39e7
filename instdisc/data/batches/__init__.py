"""Batches that several workers make together, on their way to a device."""
