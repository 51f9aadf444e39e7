"""How long a step takes on many GPUs, on paper: what is computed, and what is told meanwhile.

A ring carries each message over the slowest of its links: with n bytes handed over, W processes, a
rate r and a delay d of a link,

    all-reduce  2 (W - 1) (n / (W r) + d)
    all-gather    (W - 1) (n / r + d)
    broadcast              n / r + (W - 1) d, as parts that are passed on follow each other

but for an all-to-all, of which each GPU of a node sends its share to other nodes, all of them over
the link that they share, at the same time as the rest inside the node.

Gradients are sent while the backward pass goes on, in buckets of 25 MiB as DDP makes them, as far
as it lasts; the last bucket has nothing to hide behind, and neither has any other message.

Legend: W processes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from .communication import Message

BUCKET = 25 * 2**20  # bytes: DDP's


class Link(NamedTuple):
    """What carries messages from one process to the next.

    Attributes:
        rate: bytes a second, of all processes of a node together where it leaves the node.
        delay: seconds that a message takes at least.
    """

    rate: float
    delay: float


class Cluster(NamedTuple):
    """Where processes run.

    Attributes:
        inside: the link between the GPUs of a node.
        between: that between nodes.
        node: GPUs of a node.
    """

    inside: Link
    between: Link
    node: int = 8

    def seconds(self, message: Message, processes: int) -> float:
        """How long a message takes with nothing beside it."""
        if processes == 1:
            return 0.0
        hops = processes - 1
        nodes = math.ceil(processes / self.node)
        rate = self.inside.rate if nodes == 1 else min(self.inside.rate, self.between.rate)
        crossing = nodes - 1  # of the hops
        delay = (hops - crossing) * self.inside.delay + crossing * self.between.delay
        if message.kind == "all_to_all":
            leaving = self.node * message.num_bytes * crossing / nodes
            staying = message.num_bytes / nodes * (1 - nodes / processes)
            return max(leaving / self.between.rate, staying / self.inside.rate) + delay
        if message.kind == "broadcast":
            return message.num_bytes / rate + delay
        sent = message.sent(processes) / rate
        return sent + delay * (2 if message.kind == "all_reduce" else 1)


class Step(NamedTuple):
    """Seconds of a step.

    Attributes:
        computed: without a message.
        hidden: of messages, behind the backward pass.
        waited: of messages, with nothing beside them.
    """

    computed: float
    hidden: float
    waited: float

    @property
    def total(self) -> float:
        """From one step to the next."""
        return self.computed + self.waited

    @property
    def efficiency(self) -> float:
        """Share of the step in which something is computed."""
        return self.computed / self.total


def model_step(
    messages: Iterable[Message],
    cluster: Cluster,
    processes: int,
    *,
    computed: float,
    backward: float = 0.5,
) -> Step:
    """The step of one process among so many.

    Args:
        messages: of the step, see `step_messages`.
        cluster: where they run.
        processes: W.
        computed: seconds without a message.
        backward: share of these that the backward pass takes, behind which gradients are sent; 0
            where sending them takes what would compute, as on a CPU.
    """
    hidden = waited = 0.0
    for message in messages:
        seconds = cluster.seconds(message, processes)
        if message.what != "gradients" or not backward:
            waited += seconds
            continue
        last = message._replace(num_bytes=min(message.num_bytes, BUCKET))
        exposed = cluster.seconds(last, processes)
        behind = min(max(seconds - exposed, 0.0), backward * computed)
        hidden, waited = hidden + behind, waited + seconds - behind
    return Step(computed, hidden, waited)
