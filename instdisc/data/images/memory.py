"""Sets of images that are read once and kept.

Legend: N images, H x W size of an image.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from instdisc import checks

from .source import ImageSource

_PROBES = 64  # images read to estimate the size of all


class ImagesInMemory(ImageSource):
    """Every image of a source read once and kept: for small sets that are read many times.

    Views of images of one size up to 32 px are cut by matrix products, many at once; a value of
    them may differ by 1 of 255 from that cut one by one, where torch rounds its weights.

    Args:
        images: the source; unreadable images are treated as it says.

    Attributes:
        stack: ``(N, H, 3, W)`` uint8 if all images have one size, rows first, as `resample` wants
            them; else ``None``.

    Raises:
        MemoryError: if the images need more memory than is free; says how much.

    Example:
        >>> from instdisc.data import Scenes
        >>> scenes = Scenes(4, image_size=32)
        >>> kept = ImagesInMemory(scenes)
        >>> torch.equal(kept.read(3), scenes.read(3)), kept.stack.shape
        (True, torch.Size([4, 32, 3, 32]))
    """

    def __init__(self, images: ImageSource) -> None:
        checks.arguments(ImagesInMemory.__init__, locals())
        probes = range(0, len(images), max(1, len(images) // _PROBES))
        sizes = [images.fetch(index)[1].numel() for index in probes]
        check_memory(sum(sizes) * len(images) // max(1, len(sizes)), _free_memory(), images.name)
        self.name = images.name
        self.classes = images.classes
        positions = torch.empty(len(images), dtype=torch.int64)
        _, first = images.fetch(0)
        stack = torch.empty(len(images), first.shape[1], 3, first.shape[2], dtype=torch.uint8)
        others: dict[int, Tensor] = {}  # images of another size than the first

        def keep(index: int) -> None:
            positions[index], image = images.fetch(index)
            if image.shape == first.shape:
                stack[index] = image.transpose(0, 1)
            else:
                others[index] = image

        with ThreadPoolExecutor() as threads:  # decoders work in parallel
            list(threads.map(keep, range(len(images))))
        self.labels = images.labels[positions]
        names = images.image_names()
        self._names = [names[position] for position in positions.tolist()]
        self.stack = None if others else stack
        # Not a tensor for each image: a copy by pickle would hold all of them for each.
        self._stack, self._others = stack, others

    def read(self, index: int) -> Tensor:
        index = range(len(self))[index]
        other = self._others.get(index)
        return self._stack[index].transpose(0, 1) if other is None else other

    def image_names(self) -> list[str]:
        return list(self._names)


def check_memory(needed: int, free: int, name: str) -> None:
    """Refuses to keep what does not fit.

    Args:
        needed: bytes.
        free: bytes.
        name: of the set, for the message.

    Raises:
        MemoryError: if more is needed than is free.
    """
    if needed > free:
        raise MemoryError(
            f"to keep the images of {name!r} takes {needed / 2**30:.1f} GiB and "
            f"{free / 2**30:.1f} GiB are free. Read them from disk (keep='nothing'), or make a "
            "smaller copy (instdisc.data.resize_copy)."
        )


def _free_memory() -> int:
    """Bytes that this process may still take, as far as the system says."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemAvailable"):
            free = min(free, int(line.split()[1]) * 1024)
    for limit in _lines("/sys/fs/cgroup/memory.max"):  # of a container
        for used in _lines("/sys/fs/cgroup/memory.current"):
            if limit != "max":
                free = min(free, int(limit) - int(used))
    return free


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="ascii").splitlines()
    except OSError:
        return []
