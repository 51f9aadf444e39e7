"""One battery for every source of images.

Legend: N images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from instdisc import checks
from instdisc.data import ImageSource

from .source_batches import check_order, check_resumed_loader, check_workers
from .source_contents import check_encoded, check_labels, check_names, check_reading
from .source_copies import check_forks, check_pickles, check_threads
from .source_keys import check_fingerprint, check_keys
from .source_processes import faults_of_processes
from .source_subsets import check_subset
from .source_unreadable import check_broken, check_unreadable

_LEAST, _MOST = 4, 12  # images that are read


def check_source(
    make: Callable[[], ImageSource], *, broken: Sequence[int] = (), two_processes: bool = True
) -> None:
    """Checks that a source of images keeps what `ImageSource` promises to loaders and records.

    - As many labels as images, int64, -1 to the number of classes less one; classes by names.
    - `read` gives uint8 ``(3, H, W)``, the same each time, in any order, in a set that is made
      again, from several threads, and without a draw from the generators that training uses.
    - `encoded` gives ``None``, or bytes that decode to what `read` gives.
    - As many names as images; the same in a set that is made again, and in another process.
    - Keys tell different images apart; the fingerprint is the same for a set that is made again,
      and another for another label or order. `subset` keeps all that is known of its images.
    - ``on_unreadable="raise"`` lets the error through, which names the image; ``"skip"`` takes the
      next image with that one's label, and logs it.
    - `epoch_order`, if it is not ``None``, has each image once, and is a function of the seed.
    - A pickled copy, and a copy in a forked process that reads at the same time, read the same.
    - 0, 1 and 2 workers give the same views, bit for bit; a loader that goes on within an epoch
      gives the rest of it; two processes (gloo) have together what one has, in its order.

    Choose a small set: up to 12 images are read, a dozen times, and up to 1,000 are hashed.

    Args:
        make: makes the source, without arguments: a function or a class. It is called twice.
        broken: positions of images that cannot be read, if the set has such on purpose.
        two_processes: also look at processes that are started afresh (takes some seconds, and a
            script that calls this needs the usual ``if __name__ == "__main__":``).

    Raises:
        AssertionError: if the source breaks a promise; the message says which.
        TypeError: if `make` is no function, or makes something else.
        ValueError: if a position in `broken` lies outside the set, or fewer than 4 images are left.

    Example:
        >>> from instdisc.data import Scenes
        >>> check_source(lambda: Scenes(8, image_size=32), two_processes=False)
    """
    maker: object = make
    if isinstance(maker, ImageSource):
        remedy = "Write `lambda: ...` around the line that makes it."
        checks.refuse("make", "a function that makes the source", make, remedy, kind=TypeError)
    checks.arguments(check_source, locals(), broken=checks.count)
    source, again = make(), make()
    for each in (source, again):
        checks.instance("make()", each, ImageSource, "an ImageSource")
    check_labels(source)
    positions = _readable(len(source), broken)
    with torch.random.fork_rng(devices=[]):
        images = check_reading(source, again, positions)
        check_encoded(source, images)
        check_names(source, again)
        check_broken(source, broken)
        check_subset(source, images)
        check_keys(source, images)
        check_fingerprint(source, again)
        check_unreadable(source, images, broken)
        check_threads(again, images)
        check_pickles(source, images)
        check_forks(source, images)
        check_order(source, positions)
        check_resumed_loader(source, again, positions)
        check_workers(source, positions)
        if two_processes:
            (fault,) = faults_of_processes([(source, positions)])
            if fault:
                raise AssertionError(fault)


def _readable(count: int, broken: Sequence[int]) -> list[int]:
    """Some positions, spread over the set."""
    for position in broken:
        checks.whole("broken", position, at_least=0, at_most=count - 1)
    left = [position for position in range(count) if position not in set(broken)]
    if len(left) < _LEAST:
        checks.refuse("make()", f"a source of {_LEAST} or more images to be read", len(left))
    step = max(1, len(left) // _MOST)
    return left[::step][:_MOST]
