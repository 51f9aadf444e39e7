"""Batches that several workers make together, on their way to a device.

An `Order` asks a worker for a piece of a batch; the worker makes it in a slot, a block of memory
that all processes share; a form says how a batch lies in a block; whole batches are brought to the
device and finished there by a `Delivery`, one ahead of the one in use.
"""
