"""Images that are kept: the same images, and no more than fits."""

import pickle

import pytest
import torch

from instdisc.data import ImagesInMemory, ImageSource, Scenes
from instdisc.data.images import memory as memory_file


class Mixed(ImageSource):
    """Noise images; some of another size, some unreadable."""

    def __init__(self, count=12, odd=(), broken=()):
        self.name = "mixed"
        self.classes = ["even", "odd"]
        self.labels = torch.arange(count) % 2
        self.odd, self.broken = odd, broken
        self.on_unreadable = "skip" if broken else "raise"

    def read(self, index):
        if index in self.broken:
            raise ValueError(f"cannot read image {index}")
        generator = torch.Generator().manual_seed(index)
        shape = (3, 7, 11 + (index in self.odd))
        return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("odd", [(), (5,), (0,), (0, 11)])
def test_the_same_images(odd):
    source = Mixed(odd=odd)
    kept = ImagesInMemory(source)
    assert (kept.stack is None) == bool(odd)
    assert (kept.name, kept.classes, len(kept)) == ("mixed", ["even", "odd"], 12)
    assert torch.equal(kept.labels, source.labels)
    for index in range(12):
        assert torch.equal(kept.read(index), source.read(index))


def test_a_skipped_image_is_replaced_with_its_label(caplog):
    kept = ImagesInMemory(Mixed(broken=(3, 4)))
    assert kept.labels.tolist() == [0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1]
    assert torch.equal(kept.read(3), Mixed().read(5))
    assert "skipped: cannot read image 3" in caplog.text


def test_an_unreadable_image_is_an_error():
    source = Mixed(broken=(3,))
    source.on_unreadable = "raise"
    with pytest.raises(ValueError, match="cannot read image 3"):
        ImagesInMemory(source)


def test_what_does_not_fit_is_refused(monkeypatch):
    scenes = Scenes(100, image_size=32)  # 100 x 3 x 32 x 32 bytes
    monkeypatch.setattr(memory_file, "_free_memory", lambda: 300_000)
    monkeypatch.setattr(memory_file, "ThreadPoolExecutor", None)  # before anything is kept
    with pytest.raises(MemoryError, match=r"'scenes' takes 0.0 GiB and 0.0 GiB are free. Read"):
        ImagesInMemory(scenes)


def test_the_size_needed_is_in_the_message():
    with pytest.raises(MemoryError, match=r"'photos' takes 3.0 GiB and 2.5 GiB are free"):
        memory_file.check_memory(3 * 2**30, 5 * 2**29, "photos")


def test_free_memory_is_plausible():
    assert 2**27 < memory_file._free_memory() < 2**46


def test_a_pickled_copy_holds_the_images_once():
    kept = ImagesInMemory(Mixed(odd=(5,)))
    copied = pickle.dumps(kept)
    assert len(copied) < 2 * 12 * 3 * 7 * 11 + 4096
    assert all(torch.equal(pickle.loads(copied).read(row), kept.read(row)) for row in range(12))
    with pytest.raises(IndexError):
        kept.read(12)
