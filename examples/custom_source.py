"""A source of your own: images and labels that lie in a numpy file, read one by one.

python examples/custom_source.py my_images.npz
"""

import sys

import numpy as np
import torch

import instdisc
from instdisc.testing import check_source


class ArchiveImages(instdisc.data.ImageSource):
    """Of an archive with ``images`` (N, H, W, 3), uint8, and ``labels`` (N,)."""

    def __init__(self, file: str) -> None:
        with np.load(file) as archive:
            self.pixels = torch.from_numpy(archive["images"]).permute(0, 3, 1, 2)
            self.labels = torch.from_numpy(archive["labels"]).long()  # -1 where it is unknown
        self.classes = [str(number) for number in range(int(self.labels.max()) + 1)]
        self.name = "archive"

    def read(self, index: int) -> torch.Tensor:
        return self.pixels[index]


if __name__ == "__main__":
    check_source(lambda: ArchiveImages(sys.argv[1]))
    data = instdisc.ViewData(ArchiveImages(sys.argv[1]), image_size=32, batch_size=8)
    print(f"{data.images.name}: {len(data.images)} images, {len(data.train_dataloader())} batches")
