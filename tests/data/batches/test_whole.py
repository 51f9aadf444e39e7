"""Batches of whole images, whose views the device cuts; here the CPU in its place."""

from types import SimpleNamespace

import pytest
import torch

from instdisc.data import ImagesInMemory, Scenes, ViewDataset, ViewLoader, view_policy
from instdisc.data import loader as loader_file
from instdisc.data.batches.whole import WholeForm, find_room
from instdisc.types import Views

CPU = torch.device("cpu")
POLICIES = [view_policy("moco_v2", 24), view_policy("zhao_fr", 20)]
VIEWS = 3 * (24**2 + 20**2)  # bytes of them


class Sizes(Scenes):
    """Scenes of several sizes."""

    def read(self, index):
        image = super().read(index)
        return image[:, : 20 + index, : 30 - index % 3] if index % 4 else image


def dataset(policies=POLICIES, kind=Sizes):
    return ViewDataset(kind(16, image_size=60), policies, seed=3)


def test_room_is_for_most_images():
    assert find_room(dataset()) == max(VIEWS, 3 * 35 * 30)
    assert find_room(dataset([view_policy("moco_v2", 60)])) == 3 * 60 * 60


def test_workers_cut_what_they_should():
    assert find_room(dataset([view_policy("moco_v2", 12)])) == 0  # the images are large
    kept = ViewDataset(ImagesInMemory(Scenes(4, image_size=32)), POLICIES)
    assert find_room(kept) == 0
    bicubic = view_policy("moco_v2", 24)
    bicubic.frame.interpolation = "bicubic"
    assert find_room(dataset([bicubic])) == 0


def test_an_image_that_cannot_be_read_is_passed_over():
    class Broken(Sizes):
        def read(self, index):
            if index == 3:
                raise ValueError("broken")
            return super().read(index)

    assert find_room(dataset(kind=Broken)) == find_room(dataset())


@pytest.mark.parametrize("count", [16, 9])
def test_views_are_those_that_workers_cut(count):
    data = dataset()
    keys = [(2, (index * 5) % 16) for index in range(count)]
    form = WholeForm(data, 17, find_room(data))
    block = torch.randint(0, 256, (form.num_bytes,), dtype=torch.uint8)
    form.make(block, 6, keys[6:])
    form.make(block, 0, keys[:6])
    ours, expected = form.bring(block, count, CPU), data.batch(keys)
    assert torch.equal(ours.indices, expected.indices)
    assert torch.equal(ours.labels, expected.labels)
    for numbers, other in zip(ours.numbers, expected.numbers, strict=True):
        assert torch.equal(numbers, other)
    for view, other in zip(ours.views, expected.views, strict=True):
        difference = (view.int() - other.int()).abs()
        assert int(difference.max()) <= 1  # torch rounds the weights of its resize
        assert float((difference > 0).float().mean()) < 0.3


def test_a_loader_hands_them_out(monkeypatch):
    def finish(raw):
        return Views([view.float() for view in raw.views], raw.labels, raw.indices)

    def batches():
        loader = ViewLoader(dataset(), 5, num_workers=2, drop_last=False, finish=finish)
        return list(loader)

    expected = batches()
    kernels = SimpleNamespace(available=lambda device: True)
    monkeypatch.setattr(loader_file, "gpu", kernels)  # the loader's alone
    forms = []
    form = ViewLoader._form
    monkeypatch.setattr(ViewLoader, "_form", lambda *args: forms.append(form(*args)) or forms[-1])
    for ours, other in zip(batches(), expected, strict=True):
        assert torch.equal(ours.indices, other.indices)
        for view, theirs in zip(ours.images, other.images, strict=True):
            torch.testing.assert_close(view, theirs, rtol=0, atol=1)
    assert [type(each) for each in forms] == [WholeForm]
