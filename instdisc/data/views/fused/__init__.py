"""Finishing and cutting views by Triton kernels."""
