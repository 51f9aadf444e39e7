"""`check_source` must catch what breaks the contract, by the check that is there for it."""

import io
import itertools
import os
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import get_worker_info

from instdisc.data import ImageSource, ImageSubset
from instdisc.data.images.source import Fingerprint
from instdisc.distributed import rank
from instdisc.testing import check_source, source_copies
from instdisc.testing.source_processes import faults_of_processes

MADE = itertools.count()


class Noise(ImageSource):
    """Without a fault."""

    def __init__(self, count=12):
        self.name, self.classes = "noise", ["a", "b"]
        self.labels = torch.arange(count) % 2
        self.number = next(MADE)

    def read(self, index):
        return self.noise(index)

    def noise(self, seed):
        generator = torch.Generator().manual_seed(seed)
        return torch.randint(256, (3, 8, 9), generator=generator, dtype=torch.uint8)


class HasNoName(Noise):
    name = property(lambda self: "", lambda self, name: None)


class ShortLabels(Noise):
    def __init__(self):
        super().__init__()
        self.labels = self.labels.int()


class LabelBeyondTheClasses(Noise):
    def __init__(self):
        super().__init__()
        self.labels[3] = 2


class OtherLength(Noise):
    def __len__(self):
        return 11


class OneNameForTwoClasses(Noise):
    def __init__(self):
        super().__init__()
        self.classes = ["a", "a"]


class FloatImages(Noise):
    def read(self, index):
        return super().read(index).float()


class GreyImages(Noise):
    def read(self, index):
        return super().read(index)[:1]


class CannotReadTheThird(Noise):
    def read(self, index):
        if index == 3:
            raise ValueError("cannot read image 3")
        return super().read(index)


class ChangesWithEachReading(Noise):
    readings = 0

    def read(self, index):
        self.readings += 1
        return self.noise(100 * self.readings + index)


class ReadsTheNext(Noise):
    """Whatever is asked for, as a stream would."""

    place = -1

    def read(self, index):
        self.place = (self.place + 1) % len(self)
        return self.noise(self.place)


class DependsOnTheObject(Noise):
    def read(self, index):
        return self.noise(1000 * self.number + index)


class SeedsTheProcess(Noise):
    def read(self, index):
        torch.manual_seed(index)
        return torch.randint(256, (3, 8, 9), dtype=torch.uint8)


class DrawsFromNumpy(Noise):
    def read(self, index):
        np.random.rand()
        return super().read(index)


class BytesOfAnother(Noise):
    def encoded(self, index):
        file = io.BytesIO()
        pixels = self.noise((index + 1) % len(self)).permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(file, "PNG")
        return file.getvalue()


class BytesOfNoImage(Noise):
    def encoded(self, index):
        return b"image"


class ArrayForBytes(Noise):
    def encoded(self, index):
        return np.zeros(3, dtype=np.uint8)


class TooFewNames(Noise):
    def image_names(self):
        return super().image_names()[1:]


class NumbersForNames(Noise):
    def image_names(self):
        return list(range(len(self)))


class NamesOfTheObject(Noise):
    def image_names(self):
        return [f"{self.number}/{name}" for name in super().image_names()]


class OneKey(Noise):
    def image_keys(self, positions=None):
        keys = super().image_keys(positions)
        return keys._replace(keys=keys.keys * 0)


class ShortKeys(Noise):
    def image_keys(self, positions=None):
        keys = super().image_keys(positions)
        return keys._replace(keys=keys.keys[:, :8])


class SortedKeys(Noise):
    def image_keys(self, positions=None):
        return super().image_keys(None if positions is None else positions.sort().values)


class OtherKeysForAll(Noise):
    def image_keys(self, positions=None):
        keys = super().image_keys(positions)
        return keys._replace(keys=keys.keys + 1) if positions is None else keys


class FingerprintOfTheObject(Noise):
    def context(self):
        return {**super().context(), "number": self.number}


class FingerprintWithoutLabels(Noise):
    def fingerprint(self):
        return Fingerprint(str(hash(self.image_keys().keys.tobytes())), True)


class InAnyOrder(ImageSubset):
    def fingerprint(self):
        rows = sorted(zip(self.image_keys().keys.tolist(), self.labels.tolist(), strict=True))
        return Fingerprint(str(rows), True)


class FingerprintInAnyOrder(Noise):
    fingerprint = InAnyOrder.fingerprint

    def subset(self, positions):
        return InAnyOrder(self, positions)


class SortedSubset(Noise):
    def subset(self, positions):
        return super().subset(positions.sort().values)


class SmallerSubset(Noise):
    def subset(self, positions):
        return super().subset(positions[1:])


class Changed(Noise):
    """A subset of which something is changed."""

    def subset(self, positions):
        subset = super().subset(positions)
        self.change(subset)
        return subset


class SubsetWithLabelsOfOthers(Changed):
    def change(self, subset):
        subset.labels = subset.labels.flip(0)


class SubsetWithNamesOfOthers(Changed):
    def change(self, subset):
        subset.image_names = lambda: [str(row) for row in range(len(subset))]


class SubsetWithBytesOfOthers(Changed):
    def change(self, subset):
        subset.encoded = lambda index: b"others"


class SubsetForgetsItsName(Changed):
    def change(self, subset):
        subset.name = "subset"


class SubsetForgetsWhatToSkip(Changed):
    on_unreadable = "skip"

    def change(self, subset):
        subset.on_unreadable = "raise"


class SubsetForgetsItsClasses(Changed):
    def change(self, subset):
        subset.classes = ["c", "d"]


class NeverSkips(Noise):
    def fetch(self, index):
        return index, self.read(index)


class AlwaysSkips(Noise):
    def fetch(self, index):
        skipping = Noise.__new__(Noise)
        skipping.__dict__ = {**self.__dict__, "on_unreadable": "skip"}
        return skipping.fetch(index)


class SkipsToTheFirst(Noise):
    def fetch(self, index):
        position, image = super().fetch(index)
        return (index, image) if position == index else (2, self.read(2))


class SkipsInSilence(Noise):
    def fetch(self, index):
        if self.on_unreadable == "raise":
            return index, self.read(index)
        for position in itertools.count(index):
            try:
                return position % len(self), self.read(position % len(self))
            except ValueError:
                continue


class SharesABuffer(Noise):
    """Between threads."""

    buffer = None

    def read(self, index):
        self.buffer = super().read(index)
        time.sleep(0.0005)
        return self.buffer


class KeepsAFileOpen(Noise):
    file = None

    def read(self, index):
        self.file = self.file or tempfile.TemporaryFile()  # noqa: SIM115
        return super().read(index)


class ForgetsByPickle(Noise):
    seed = 0

    def __init__(self):
        super().__init__()
        self.seed = 7

    def read(self, index):
        return self.noise(self.seed + index)

    def __getstate__(self):
        return {name: value for name, value in self.__dict__.items() if name != "seed"}


class ForgetsLabelsByPickle(Noise):
    def __setstate__(self, state):
        self.__dict__.update(state)
        self.labels = self.labels * 0


class ForgetsWhatToSkipByPickle(Noise):
    def __init__(self):
        super().__init__()
        self.on_unreadable = "skip"

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.on_unreadable = "raise"


class SharesAFile(Noise):
    """With the processes that are forked from this one; threads wait for each other."""

    def __init__(self):
        super().__init__()
        handle, self.path = tempfile.mkstemp()
        self.size = self.noise(0).numel()
        for index in range(len(self)):
            os.write(handle, self.noise(index).numpy().tobytes())
        os.close(handle)
        self.open()

    def open(self):
        self.file, self.lock = os.open(self.path, os.O_RDONLY), threading.Lock()

    def read(self, index):
        with self.lock:
            os.lseek(self.file, index * self.size, os.SEEK_SET)
            time.sleep(0.0005)
            content = os.read(self.file, self.size)
        return torch.frombuffer(bytearray(content), dtype=torch.uint8).view(3, 8, 9)

    def __getstate__(self):
        return {k: v for k, v in self.__dict__.items() if k not in ("file", "lock")}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.open()


class WaitsForAThread(Noise):
    """Which a forked process does not have."""

    def __init__(self):
        super().__init__()
        self.threads = ThreadPoolExecutor(1)

    def read(self, index):
        return self.threads.submit(super().read, index).result()

    def __reduce__(self):
        return WaitsForAThread, ()


class EndsTheProcess(Noise):
    def __init__(self):
        super().__init__()
        self.process = os.getpid()

    def read(self, index):
        if os.getpid() != self.process:
            os._exit(1)
        return super().read(index)


class DarkensFromFetchToFetch(Noise):
    count = 0

    def fetch(self, index):
        position, image = super().fetch(index)
        self.count += 1
        return position, image ^ ((self.count - 1) // 4)


class SharesImagesAmongWorkers(Noise):
    """As a stream must."""

    def read(self, index):
        worker = get_worker_info()
        return super().read(index if worker is None else index * worker.num_workers + worker.id + 1)


class SharesImagesAmongRanks(Noise):
    def read(self, index):
        return super().read(index + 100 * rank())


class NamesOfTheProcess(Noise):
    def image_names(self):
        return [f"{os.getpid()}/{name}" for name in super().image_names()]


class KnownHereAlone(Noise):
    known: dict = {}  # noqa: RUF012

    def __init__(self):
        super().__init__()
        self.known["seed"] = 3

    def read(self, index):
        return self.noise(self.known["seed"] + index)


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        (HasNoName, "`name` must be a text of at least one character, got ''"),
        (ShortLabels, r"`labels` must be a tensor \(N,\) of torch.int64, got .* of torch.int32"),
        (LabelBeyondTheClasses, "`labels` must lie in -1 to 1 for 2 `classes`, got 0 to 2"),
        (OtherLength, "the length must be that of `labels` and at least 1, got 11 for 12"),
        (OneNameForTwoClasses, "`classes` must be a list of different names"),
        (FloatImages, r"`read\(0\)` must return a tensor .* got \(3, 8, 9\) of torch.float32"),
        (GreyImages, r"`read\(0\)` must return a tensor .* got \(1, 8, 9\) of torch.uint8"),
        (CannotReadTheThird, r"`read\(3\)` raises ValueError: cannot read image 3.*`broken`"),
        (ChangesWithEachReading, r"`read\(0\)` gives another image the second time"),
        (ReadsTheNext, "gives another image when the images are read in another order"),
        (DependsOnTheObject, r"`read\(11\)` gives another image of the same set made again"),
        (SeedsTheProcess, "`read` draws from the random numbers of the whole process"),
        (DrawsFromNumpy, "`read` draws from the random numbers of the whole process"),
        (BytesOfAnother, r"`encoded\(0\)` must return None, or .* got those of another image"),
        (BytesOfNoImage, r"`encoded\(0\)` must return None, or .* got bytes that are no image"),
        (ArrayForBytes, r"`encoded\(0\)` must return None, or .* got ndarray"),
        (TooFewNames, r"`image_names\(\)` must be 12, one for each image, got 11"),
        (NumbersForNames, r"`image_names\(\)` must be a list of texts"),
        (NamesOfTheObject, r"`image_names\(\)` are others in the same set made again"),
        (OneKey, "`image_keys` gives the images 0 and 1 one key, and they are different"),
        (ShortKeys, r"`image_keys\(positions\)` must hold an array \(12, 16\) of uint8"),
        (SortedKeys, r"`image_keys\(positions\)` must follow the order of `positions`"),
        (OtherKeysForAll, r"`image_keys\(\)` of all images and of some must agree"),
        (FingerprintOfTheObject, r"`fingerprint\(\)` is another one for the same set made again"),
        (FingerprintWithoutLabels, r"`fingerprint\(\)` is the same for another label of an image"),
        (FingerprintInAnyOrder, r"`fingerprint\(\)` is the same for another order of the images"),
        (SortedSubset, "what `subset` returns .* gives another image: it must keep the order"),
        (SmallerSubset, "`subset` of 12 positions has 11 images"),
        (SubsetWithLabelsOfOthers, "`subset` gives images the labels of others"),
        (SubsetWithNamesOfOthers, "`subset` gives images the names of others"),
        (SubsetWithBytesOfOthers, "`subset` gives images the bytes of others in `encoded`"),
        (SubsetForgetsItsName, "`subset` loses `name`: 'subset' instead of 'noise'"),
        (SubsetForgetsWhatToSkip, "`subset` loses `on_unreadable`: 'raise' instead of 'skip'"),
        (SubsetForgetsItsClasses, "`subset` loses `classes`"),
        (NeverSkips, r"`fetch\(11\)` must take the next image for on_unreadable='skip', and it"),
        (AlwaysSkips, r"`fetch\(11\)` must raise the ValueError of `read` for on_unreadable='rais"),
        (SkipsToTheFirst, r"`fetch\(11\)` must take image 0, .* got position 2"),
        (SkipsInSilence, r"`fetch\(11\)` must log a warning with the error of `read`"),
        (SharesABuffer, "gives another image while other threads read"),
        (KeepsAFileOpen, "the source cannot be pickled once it was read"),
        (ForgetsByPickle, r"`read\(0\)` gives another image in a pickled copy"),
        (ForgetsLabelsByPickle, "a pickled copy has other `labels` or `classes`"),
        (ForgetsWhatToSkipByPickle, "a pickled copy has another `name` or `on_unreadable`"),
        (SharesAFile, "in processes that were forked after images had been read"),
        (WaitsForAThread, "`read` does not return within 1 s in processes that were forked"),
        (EndsTheProcess, "`read` ends the process in processes that were forked"),
        (DarkensFromFetchToFetch, "the views of batch 1 are others when a loader goes on within"),
        (SharesImagesAmongWorkers, "the views of batch 0 are others from 1 workers"),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of files that faulty sources keep open
def test_a_fault_is_caught_by_its_check(source, fault, monkeypatch):
    monkeypatch.setattr(source_copies, "_PATIENCE", 1)
    with pytest.raises(AssertionError, match=f"(?s){fault}"):
        check_source(source, two_processes=False)


def test_a_source_without_a_fault_passes():
    check_source(Noise, two_processes=False)


@pytest.mark.slow
def test_faults_in_processes_that_are_started_afresh():
    sources = [KnownHereAlone(), NamesOfTheProcess(), SharesImagesAmongRanks(), Noise()]
    assert faults_of_processes([(source, range(12)) for source in sources]) == [
        "the source fails in a process that is started afresh: KeyError: 'seed'",
        "`image_names()` are others in a process that is started afresh",
        "the views of batch 0 are others in two processes, each of which has its half of every "
        "batch",
        "",
    ]


class Broken(Noise):
    """Three images that cannot be read, in three ways."""

    def read(self, index):
        if index == 2:
            raise ValueError("cannot read the image 2 of noise")
        if index == 3:
            raise ValueError("cannot read an image")
        if index == 4:
            raise OSError("the image 4 is gone")
        return super().read(index)


@pytest.mark.parametrize(
    ("source", "broken", "fault"),
    [
        (Noise, [2], r"`read\(2\)` must raise a ValueError: `broken` names the position"),
        (Broken, [2, 4, 3], r"`read\(4\)` must raise a ValueError .* got OSError: the image 4"),
        (Broken, [3, 4], r"`read\(2\)` raises ValueError: cannot read the image 2 of noise. If"),
        (Broken, [3, 2, 4], r"the error of `read\(3\)` must name the image '3', got 'cannot read"),
    ],
)
def test_unreadable_images_of_the_set(source, broken, fault):
    with pytest.raises(AssertionError, match=fault):
        check_source(source, broken=broken, two_processes=False)


class TwoBroken(Noise):
    def read(self, index):
        if index in (2, 3):
            raise ValueError(f"cannot read the image {index} of noise")
        return super().read(index)


def test_unreadable_images_next_to_each_other_pass():
    check_source(TwoBroken, broken=[2, 3], two_processes=False)


@pytest.mark.parametrize(
    ("make", "broken", "error", "message"),
    [
        (Noise(), (), TypeError, "`make` must be a function that makes the source, .* `lambda"),
        (lambda: "noise", (), TypeError, r"`make\(\)` must be an ImageSource, got 'noise'"),
        (Noise, (12,), ValueError, "`broken` must be .* at most 11, got 12"),
        (lambda: Noise(3), (), ValueError, r"`make\(\)` must be a source of 4 or more .* got 3"),
    ],
)
def test_what_is_no_source_is_refused(make, broken, error, message):
    with pytest.raises(error, match=message):
        check_source(make, broken=broken)
