"""The sweep keeps nothing of the bank's size, and shows the rules one slice at a time.

Legend: B queries, K bank keys, C keys of one slice.
"""

import weakref

import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from instdisc.heap import keep_freed_blocks
from instdisc.losses import (
    ContrastiveLoss,
    ExemplarLoss,
    HardNegativeLoss,
    InstanceDiscriminationLoss,
    SupConLoss,
    sweep,
)
from instdisc.types import Bank

C = 16  # where a test asks for `short`
FAR = 10**12  # label with which the range of the bank's is too wide for a table


@pytest.fixture
def short(monkeypatch):
    """Slices of C keys, so that a small bank takes several."""
    monkeypatch.setattr(sweep, "slice_length", lambda *sizes: C)


def inputs(batch=5, size=50, classes=4):
    query, key, features = (
        F.normalize(torch.randn(rows, 12), dim=1) for rows in (batch, batch, size)
    )
    bank = Bank(features, torch.randint(-1, classes, (size,)))
    return query, key, bank, torch.randint(-1, classes, (batch,))


class Memory(TorchDispatchMode):
    """The largest tensor made, and the most bytes of all that live at once."""

    def __init__(self):
        super().__init__()
        keep_freed_blocks()  # makes a large one, the first time in a process
        self.largest = self.now = self.peak = 0
        self.live = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = {t.untyped_storage()._cdata for t in tree_leaves((args, kwargs)) if is_tensor(t)}
        made = func(*args, **(kwargs or {}))
        for tensor in filter(is_tensor, tree_leaves(made)):
            storage = tensor.untyped_storage()
            if storage._cdata not in given | self.live:
                size = storage.nbytes()
                self.live.add(storage._cdata)
                self.largest = max(self.largest, size)
                self.now += size
                self.peak = max(self.peak, self.now)
                weakref.finalize(storage, self.free, storage._cdata, size)
        return made

    def free(self, storage, size):
        self.live.discard(storage)
        self.now -= size


def is_tensor(leaf):
    return isinstance(leaf, torch.Tensor)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("loss_class", [InstanceDiscriminationLoss, ExemplarLoss, SupConLoss])
def test_memory_does_not_grow_with_the_bank(loss_class, dtype):
    peaks = []
    for size in (80_000, 160_000):
        query, key, bank, labels = inputs(64, size, classes=100)
        bank = Bank(bank.features.to(dtype), bank.labels)
        with Memory() as memory:
            loss_class(0.2)(query.requires_grad_(), key, bank, labels).backward()
        assert memory.largest <= 4 * 2**20
        peaks.append(memory.peak)
    assert peaks[1] < 1.01 * peaks[0]  # the whole (B, K) would take 40 MiB
    assert peaks[1] < 14 * 2**20


def test_memory_of_weights_does_not_grow_with_the_bank():
    peaks = []
    for size in (80_000, 160_000):
        query, key, bank, labels = inputs(64, size)
        with Memory() as memory:
            HardNegativeLoss(0.2, tau=0.1)(query.requires_grad_(), key, bank, labels).backward()
        assert memory.largest <= 4 * 2**20
        peaks.append(memory.peak)
    assert peaks[1] < 1.01 * peaks[0]
    assert peaks[1] < 32 * 2**20


def test_a_bank_summed_at_once_is_not_kept(monkeypatch):
    monkeypatch.setattr(sweep, "_fits_once", lambda query, bank: True)
    query, key, bank, labels = inputs(64, 10_000)
    for loss in (ExemplarLoss(0.2), HardNegativeLoss(0.2, tau=0.1)):
        with Memory() as memory:
            value = loss(query.requires_grad_(), key, bank, labels)
        assert memory.largest == 64 * 10_000 * 4
        assert memory.now < 2**16
        value.backward()


def test_rules_see_one_slice_at_a_time(short):
    seen = []

    class Watched(SupConLoss):
        def positives(self, labels, bank_labels):
            seen.append((len(labels), bank_labels))
            return super().positives(labels, bank_labels)

    query, key, bank, labels = inputs()
    bank.labels[0] = FAR
    Watched(0.1)(query, key, bank, labels)
    assert [len(part) for _, part in seen] == [C, C, C, 2]
    assert {count for count, _ in seen} == {5}
    assert torch.equal(torch.cat([part for _, part in seen]), bank.labels)


def test_rules_see_each_class_of_the_bank_once(short):
    seen = []

    class Watched(SupConLoss):
        def positives(self, labels, bank_labels):
            seen.append(bank_labels)
            return super().positives(labels, bank_labels)

    query, key, bank, labels = inputs()
    bank.labels[bank.labels == 2] = 9  # nothing is asked about classes that aren't there
    Watched(0.1)(query, key, bank, labels)
    (classes,) = seen
    assert classes.tolist() == [-1, 0, 1, 3, 9]


@pytest.mark.parametrize(
    ("mask", "got"),
    [(torch.ones(5, 50), "torch.float32"), (torch.ones(5, 50) > 0, r"torch.bool \(5, 50\)")],
)
@pytest.mark.parametrize(("far", "length"), [(True, C), (False, 5)])  # by slice, by class
def test_bad_mask(short, mask, got, far, length):
    class Wrong(ContrastiveLoss):
        def negatives(self, labels, bank_labels):
            return mask

    query, key, bank, labels = inputs()
    bank.labels[0] = FAR if far else -1
    match = rf"`negatives` must return .* \(5, {length}\).* got {got}"
    with pytest.raises(ValueError, match=match):
        Wrong(0.1)(query, key, bank, labels)


def test_slice_length():
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert sweep.slice_length(256, 128, cpu) * 256 * 4 == 4 * 2**20
    assert sweep.slice_length(1, 128, cpu) == sweep.slice_length(128, 128, cpu)
    assert sweep.slice_length(100_000, 128, cpu) == 256
    assert sweep.slice_length(100, 100, cpu) % 8 == 0
    assert sweep.slice_length(256, 128, gpu) == 65536
