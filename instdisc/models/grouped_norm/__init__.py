"""Batch norm in groups on one device, as contrast with a momentum encoder needs it.

A query and its key that are normalised by the statistics of the same images give each other away.
On several devices the keys are shuffled between them; on one device each batch is normalised in
groups, with the keys shuffled between the groups.
"""

from .layers import split_batch_norm as split_batch_norm
