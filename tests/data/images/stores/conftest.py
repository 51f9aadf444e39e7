"""Sets of shards in a store that counts what is asked of it, and fails when it is told to."""

import os
import time
from pathlib import Path

import fsspec
import pytest
import torch
from fsspec.implementations.local import LocalFileSystem

from instdisc.data import ImageArray, StreamedShards, write_shards

COUNT, PER_SHARD = 60, 5  # images, of a set and of a shard


class CountingStore(LocalFileSystem):
    """Files of this machine; what is copied is written into a file, by all processes.

    Args:
        log: the file.
        failures: so many copies fail before one works.
        slow: seconds that each takes.
    """

    protocol = "counting"

    def __init__(self, log=None, failures=0, slow=0.0, **options):
        super().__init__(**options)
        self.log, self.failures, self.slow = log, failures, slow

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(str(path).removeprefix("counting://"))

    def get_file(self, path, target, **options):
        with open(self.log, "a") as file:
            file.write(f"{os.path.basename(path)} {os.getpid()}\n")
        if len(Path(self.log).read_text().splitlines()) <= self.failures:
            raise OSError(f"no answer from https://me:secret@host/{path}?token=secret")
        time.sleep(self.slow)
        super().get_file(path, target, **options)


class StoredSet:
    """A set in a counting store."""

    def __init__(self, folder):
        self.folder = folder
        self.shards = folder / "shards"
        self.log = folder / "log.txt"
        pixels = torch.arange(COUNT, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 8, 9)
        images = ImageArray(pixels, torch.arange(COUNT) % 3, classes=["a", "b", "c"], name="array")
        self.local = write_shards(images, self.shards, images_per_shard=PER_SHARD, index=False)
        for file in self.shards.iterdir():
            os.utime(file, (time.time() - 100,) * 2)
        self.size = (self.shards / "000000.tar").stat().st_size
        self.log.touch()
        fsspec.register_implementation("counting", CountingStore, clobber=True)

    def open(self, *, room=None, options=None, what="", **others):
        """The set; `room` is in shards."""
        others = {"index": False, "copies": self.folder / "copies", "pause": 0.001} | others
        return StreamedShards(
            f"counting://{self.shards}{what}",
            room="1 GB" if room is None else room * self.size,
            storage_options={"log": str(self.log), **(options or {})},
            **others,
        )

    def copied(self):
        """Names of the shards that were copied, one by one; and forgets them."""
        names = [line.split()[0] for line in self.log.read_text().splitlines()]
        self.log.write_text("")
        return names


@pytest.fixture
def stored(tmp_path):
    return StoredSet(tmp_path)
