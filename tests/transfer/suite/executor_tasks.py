"""Tasks of a user, in a module that other processes import."""

import os
import signal
import time
from pathlib import Path

import torch

from instdisc import Record, Scenes
from instdisc.transfer import TASKS, Task, save_predictions


def count_images(train, test, *, about=None, seed=0):
    """On features."""
    return Record("count", about.dataset, "images", len(train.labels) + len(test.labels), seed=seed)


def sum_weights(backbone, test, *, about=None, seed=0):
    """On a backbone and images."""
    total = sum(float(parameter.detach().abs().sum()) for parameter in backbone.parameters())
    return Record("weights", about.dataset, "sum", total, n=len(test), method=about.method)


def compare_features(train, test, *, about=None, arrays=None):
    """On the features of several backbones."""
    first, *others = test.values()
    gap = sum(float((first.features - other.features).abs().sum()) for other in others)
    save_predictions(arrays, {"gap": torch.tensor([gap])})
    return Record("gap", about.dataset, "sum", gap, method=" and ".join(test))


def count_errors(predictions, test, *, about=None, least: int = 0):
    """On the predictions of kNN."""
    wrong = int((predictions["label"] != predictions["prediction"]).sum())
    return Record("errors", about.dataset, "wrong", max(wrong, least), method=about.method)


def die(train, test, *, marks: str = "", times=1, only="", about=None, predictions=None):
    """Kills its process, so often."""
    mark = Path(marks) / f"{about.dataset} {about.method}"
    lives = mark.stat().st_size if mark.exists() else 0
    with mark.open("a") as file:
        file.write("x")
    if lives < times and only in about.method:
        os.kill(os.getpid(), signal.SIGKILL)
    save_predictions(predictions, {"lives": torch.tensor([lives + 1])})
    return Record("die", about.dataset, "tries", lives + 1, method=about.method)


def count_lives(predictions, test, *, about=None):
    """On the predictions of `die`."""
    return Record("late", about.dataset, "tries", int(predictions["lives"][0]), method=about.method)


def wait_for(backbone, test, *, mark: str = "", about=None):
    """Tells that it runs, and waits for a file."""
    Path(f"{mark}.now").write_text(str(os.getpid()))
    Path(f"{mark}.now").rename(f"{mark}.begun")
    deadline = time.monotonic() + 60
    while not Path(mark).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return Record("wait", about.dataset, "done", 1.0, method=about.method)


def find_place(train, test, *, about=None):
    """Tells where it runs."""
    settings = {"threads": torch.get_num_threads(), "process": os.getpid()}
    device = float(os.environ["CUDA_VISIBLE_DEVICES"])
    return Record("place", about.dataset, "device", device, settings=settings)


def fail(train, test, *, about=None):
    """Raises what cannot be pickled."""

    class OfItsOwn(Exception):
        pass

    raise OfItsOwn("no luck")


def open_drawn(path, part):
    """A set in a layout of a user's."""
    return Scenes(20 if part == "train" else 10, image_size=32, num_categories=2)


def lies_so(path):
    """Whether a folder has that layout."""
    return (path / "drawn.txt").is_file()


PAIR = ("train", "test")
ALL = {
    "count": Task(count_images, PAIR, "features"),
    "weights": Task(sum_weights, ("test",), "images"),
    "gap": Task(compare_features, PAIR, "features", together=True),
    "errors": Task(count_errors, ("test",), "images", after="knn"),
    "die": Task(die, PAIR, "features"),
    "late": Task(count_lives, ("test",), "images", after="die"),
    "wait": Task(wait_for, ("test",), "images"),
    "place": Task(find_place, PAIR, "features"),
    "fail": Task(fail, PAIR, "features"),
}


def add_all(monkeypatch):
    """Puts them into the table, where workers do not have them."""
    for name, task in ALL.items():
        monkeypatch.setitem(TASKS, name, task)
