"""Smaller copies: what they look like, that they match the originals, that stopped runs go on."""

import json
import logging
import multiprocessing
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as TF

from instdisc.data import ImageFiles, ImageFolder, Scenes, resize_copy
from instdisc.data.images import copy_ledger, resized

PLACES = ["cat/a.png", "cat/b.jpg", "cat/deep/er/c.JPEG", "dog/1.bmp", "dog/2.jpg", "dog/3.PNG"]
COPIES = [
    *("cat/a.png.jpg", "cat/b.jpg", "cat/deep/er/c.JPEG"),
    *("dog/1.bmp.jpg", "dog/2.jpg", "dog/3.PNG.jpg"),
]


def smooth(seed, height=120, width=160):
    """Pixels that JPEG keeps well."""
    coarse = torch.from_numpy(np.random.default_rng(seed).random((3, 6, 8)))
    image = TF.resize(coarse, [height, width], antialias=True)
    return (image * 255).round().to(torch.uint8)


def save(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(path, **options)
    return path


@pytest.fixture
def source(tmp_path):
    for seed, place in enumerate(PLACES):
        options = {"quality": 95} if place.lower().endswith(("jpg", "jpeg")) else {}
        save(tmp_path / "full" / place, smooth(seed), **options)
    return tmp_path / "full"


@pytest.fixture
def target(tmp_path):
    return tmp_path / "small"


def contents(folder):
    """Everything in it but the ledger."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "copies.jsonl"
    }


def made_again(monkeypatch, *arguments, **options):
    """The originals that a call makes copies of."""
    seen = []
    whole = resized._Copier._make
    monkeypatch.setattr(
        resized._Copier,
        "_make",
        lambda self, source, *rest: (seen.append(source.name), whole(self, source, *rest))[1],
    )
    resize_copy(*arguments, **options)
    monkeypatch.undo()
    return sorted(seen)


# What the copies are


def test_copies_are_the_resized_originals(source, target):
    images = ImageFolder(source)
    copies = resize_copy(images, target, short_side=48, quality=95)
    for index in range(len(images)):
        expected = TF.resize(images.read(index), [48], antialias=True)
        copy = copies.read(index)
        assert copy.shape == expected.shape == (3, 48, 64)
        error = (copy.double() - expected.double()).square().mean()
        assert 10 * torch.log10(255**2 / error) > 36
        with Image.open(copies.path(index)) as opened:
            assert opened.format == "JPEG"


def test_order_labels_and_paths_stay(source, target):
    images = ImageFolder(source)
    copies = resize_copy(images, str(target), short_side=48)
    for other in (copies, ImageFolder(target)):
        assert other.classes == images.classes
        assert torch.equal(other.labels, images.labels)
        found = [other.path(i).relative_to(target).as_posix() for i in range(len(other))]
        assert found == COPIES
    assert copies.name == images.name
    assert copies.on_unreadable == "raise"


def test_a_flat_folder_stays_without_labels(tmp_path, target):
    for seed in range(3):
        save(tmp_path / "flat" / f"{seed}.png", smooth(seed))
    copies = resize_copy(ImageFolder(tmp_path / "flat"), target, short_side=48)
    assert copies.labels.tolist() == ImageFolder(target).labels.tolist() == [-1] * 3


def test_listed_files_keep_their_own_order_and_labels(source, target):
    listed = ImageFiles(
        source,
        ["dog/2.jpg", "cat/a.png", "dog/2.jpg"],
        torch.tensor([1, -1, 1]),
        classes=["x", "y"],
        name="listed",
        on_unreadable="skip",
    )
    copies = resize_copy(listed, target, short_side=48)
    assert copies.labels.tolist() == [1, -1, 1]
    assert [copies.path(i).name for i in range(3)] == ["2.jpg", "a.png.jpg", "2.jpg"]
    assert (copies.name, copies.classes, copies.on_unreadable) == ("listed", ["x", "y"], "skip")
    # More of the same originals may follow into the same folder.
    assert len(resize_copy(ImageFolder(source), target, short_side=48)) == 6


def test_small_images_are_not_enlarged(tmp_path, target):
    save(tmp_path / "full/a.jpg", smooth(0, 30, 40), quality=70)
    save(tmp_path / "full/b.png", smooth(1, 30, 40))
    save(tmp_path / "full/c.jpg", smooth(2, 48, 70))
    (tmp_path / "full/b.png").rename(tmp_path / "full/b.jpg")  # the content counts
    images = ImageFolder(tmp_path / "full")
    copies = resize_copy(images, target, short_side=48)
    for index in (0, 2):
        assert copies.path(index).read_bytes() == images.path(index).read_bytes()
    assert copies.read(1).shape == (3, 30, 40)
    with Image.open(copies.path(1)) as opened:
        assert opened.format == "JPEG"


def test_quality_decides_the_size(tmp_path):
    scenes = Scenes(2, image_size=96)
    for index in range(2):
        save(tmp_path / "full" / f"{index}.png", scenes.read(index))
    sizes = []
    for quality in (50, 90, 95):
        copies = resize_copy(
            ImageFolder(tmp_path / "full"), tmp_path / str(quality), short_side=64, quality=quality
        )
        sizes.append(sum(copies.path(i).stat().st_size for i in range(2)))
    assert sizes[0] < sizes[1] < sizes[2]


@pytest.mark.parametrize("num_threads", [1, 4, None])
def test_threads_change_nothing(source, target, tmp_path, num_threads):
    resize_copy(ImageFolder(source), target, short_side=48, num_threads=num_threads)
    resize_copy(ImageFolder(source), tmp_path / "other", short_side=48, num_threads=2)
    assert contents(target) == contents(tmp_path / "other")


def test_progress_counts_every_image(source, target):
    seen = []
    for _ in range(2):
        resize_copy(
            ImageFolder(source), target, short_side=48, progress=lambda *now: seen.append(now)
        )
    assert seen == 2 * [(done, 6) for done in range(1, 7)]


# What is made again


def test_nothing_is_made_twice(source, target, monkeypatch):
    images = ImageFolder(source)
    assert len(made_again(monkeypatch, images, target, short_side=48)) == 6
    assert made_again(monkeypatch, images, target, short_side=48) == []


def test_what_is_missing_cut_or_out_of_date_is_made_again(source, target, monkeypatch):
    images = ImageFolder(source)
    copies = resize_copy(images, target, short_side=48)
    whole = contents(target)
    copies.path(0).unlink()
    copies.path(1).write_bytes(copies.path(1).read_bytes()[:-100])
    copies.path(3).write_bytes(b"")
    assert made_again(monkeypatch, images, target, short_side=48) == ["1.bmp", "a.png", "b.jpg"]
    assert contents(target) == whole
    save(source / "dog/2.jpg", smooth(99))
    assert made_again(monkeypatch, images, target, short_side=48) == ["2.jpg"]
    expected = TF.resize(images.read(4), [48], antialias=True)
    assert (copies.read(4).double() - expected.double()).abs().mean() < 3


def test_recheck_finds_broken_copies_of_the_right_length(source, target, monkeypatch):
    images = ImageFolder(source)
    copies = resize_copy(images, target, short_side=48)
    whole = contents(target)
    copies.path(2).write_bytes(bytes(copies.path(2).stat().st_size))
    assert made_again(monkeypatch, images, target, short_side=48) == []
    assert made_again(monkeypatch, images, target, short_side=48, recheck=True) == ["c.JPEG"]
    assert contents(target) == whole


def test_a_line_cut_short_is_of_a_copy_to_make_again(source, target, monkeypatch):
    images = ImageFolder(source)
    resize_copy(images, target, short_side=48, num_threads=1)
    ledger = target / ".resized" / "copies.jsonl"
    ledger.write_text(ledger.read_text()[:-9])
    assert made_again(monkeypatch, images, target, short_side=48) == ["3.PNG"]
    assert made_again(monkeypatch, images, target, short_side=48) == []


def test_a_killed_run_goes_on(tmp_path, target, monkeypatch):
    count = 300
    for index in range(count):
        save(tmp_path / "full" / f"{index % 3}" / f"{index:03}.jpg", smooth(index))
    images = ImageFolder(tmp_path / "full")
    fork = multiprocessing.get_context("fork")
    reached = fork.Event()

    def stop_at_30(done, _):
        if done == 30:
            reached.set()
            time.sleep(60)  # its threads finish the 256 that they were given

    process = fork.Process(
        target=resize_copy,
        args=(images, target),
        kwargs={"short_side": 48, "num_threads": 2, "progress": stop_at_30},
    )
    process.start()
    assert reached.wait(30)
    process.kill()
    process.join()
    there = len(contents(target))
    assert 30 <= there < count
    (target / ".resized" / "0123.jpg").write_bytes(b"half")
    again = made_again(monkeypatch, images, target, short_side=48)
    assert count - there <= len(again) <= count - 30
    resize_copy(images, tmp_path / "other", short_side=48)
    assert contents(target) == contents(tmp_path / "other")


def test_a_full_disk_leaves_no_half_copies(source, target, monkeypatch):
    monkeypatch.setattr(
        Image.Image, "save", lambda self, path, *_, **__: path.write_bytes(b"\xff\xd8\xff half")
    )
    with pytest.raises(OSError, match=r"the copy of .*a.png came out broken; is the disk full"):
        resize_copy(ImageFolder(source), target, short_side=48, num_threads=1)
    assert contents(target) == {}
    monkeypatch.undo()
    assert len(resize_copy(ImageFolder(source), target, short_side=48)) == 6


# Originals that cannot be read


def test_an_unreadable_original_stops_it_and_is_named(source, target):
    (source / "cat/b.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"cannot read the image .*b.jpg .*on_unreadable='skip'"):
        resize_copy(ImageFolder(source), target, short_side=48)


def test_skip_leaves_out_counts_and_names(source, target, caplog):
    images = ImageFolder(source, on_unreadable="skip")
    resize_copy(images, target, short_side=48)
    time.sleep(0.01)
    for place in ("cat/b.jpg", "dog/3.PNG"):  # broken since
        (source / place).write_bytes(b"no image")
    with caplog.at_level(logging.WARNING):
        copies = resize_copy(images, target, short_side=48)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("left out 2 of 6 images of")
    assert "cat/b.jpg, dog/3.PNG" in line
    for other in (copies, ImageFolder(target)):
        assert other.labels.tolist() == [0, 0, 1, 1]
        assert [other.path(i).name for i in (1, 3)] == ["c.JPEG", "2.jpg"]


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"short_side": 0}, "`short_side` must be a whole number of at least 1, got 0"),
        ({"quality": 0}, "`quality` must be a whole number of at least 1 and at most 100, got 0"),
        (
            {"quality": 101},
            "`quality` must be a whole number of at least 1 and at most 100, got 101",
        ),
        ({"num_threads": 0}, "`num_threads` must be a whole number of at least 1, got 0"),
    ],
)
def test_numbers_outside_their_range(source, target, options, message):
    with pytest.raises(ValueError, match=message):
        resize_copy(ImageFolder(source), target, **options)
    assert not target.exists()


def test_images_that_lie_in_no_files(target):
    with pytest.raises(TypeError, match=r"`images` must be an ImageFiles, got .*Scenes"):
        resize_copy(Scenes(2), target)


@pytest.mark.parametrize("options", [{"short_side": 40}, {"short_side": 48, "quality": 80}])
def test_other_settings_in_the_same_folder(source, target, options):
    resize_copy(ImageFolder(source), target, short_side=48)
    with pytest.raises(
        ValueError,
        match=r'holds copies made with .*"short_side": 48, "quality": 90.*Choose another',
    ):
        resize_copy(ImageFolder(source), target, **options)


def test_a_target_among_the_originals(source, tmp_path):
    (tmp_path / "link").symlink_to(source)
    for place in (source, source / "small", tmp_path / "link"):
        with pytest.raises(ValueError, match="`target` must lie outside"):
            resize_copy(ImageFolder(source), place)


def test_a_target_with_other_files(source, target):
    save(target / "cat" / "b.jpg", smooth(0))
    with pytest.raises(ValueError, match="must be a new folder or one of earlier copies"):
        resize_copy(ImageFolder(source), target)
    for path in (target / "cat" / "b.jpg", target / "cat"):
        path.unlink() if path.is_file() else path.rmdir()
    assert len(resize_copy(ImageFolder(source), target)) == 6


def test_a_target_with_copies_of_other_images(source, target):
    resize_copy(ImageFolder(source), target, short_side=48)
    (source / "dog" / "2.jpg").unlink()
    with pytest.raises(ValueError, match=r"holds 1 images that are no copies .*'dog/2.jpg' first"):
        resize_copy(ImageFolder(source), target, short_side=48)


def test_names_that_would_clash(tmp_path, target):
    for name in ("a.jpg", "a.png"):  # these do not
        save(tmp_path / "full" / name, smooth(0))
    assert len(resize_copy(ImageFolder(tmp_path / "full"), target)) == 2
    save(tmp_path / "full" / "a.png.jpg", smooth(1))
    with pytest.raises(ValueError, match=r"a.png and a.png.jpg of .* both be copied to a.png.jpg"):
        resize_copy(ImageFolder(tmp_path / "full"), tmp_path / "other")


def test_names_that_would_change_the_order(tmp_path, target):
    for name in ("a.png", "a.png-1.jpg"):
        save(tmp_path / "full" / "cat" / name, smooth(0))
    with pytest.raises(ValueError, match=r"a.png.jpg and cat/a.png-1.jpg would change places"):
        resize_copy(ImageFolder(tmp_path / "full"), target)


@pytest.mark.parametrize("path", ["../a.png", "/a.png"])
def test_paths_outside_the_folder(source, target, path):
    save(source.parent / "a.png", smooth(0))
    path = path if path.startswith(".") else str(source.parent / "a.png")
    with pytest.raises(ValueError, match=r"a.png' does not lie below"):
        resize_copy(ImageFiles(source, [path], torch.tensor([-1])), target)


def test_ledger_lines_are_readable(source, target):
    resize_copy(ImageFolder(source), target, short_side=48, num_threads=1)
    head, *lines = (target / ".resized" / "copies.jsonl").read_text().splitlines()
    assert json.loads(head) == {"short_side": 48, "quality": 90}
    path, *numbers = json.loads(lines[0])
    status = (source / "cat/a.png").stat()
    made = copy_ledger.Made(*numbers)
    assert path == "cat/a.png"
    assert made == (Path(target / COPIES[0]).stat().st_size, status.st_size, status.st_mtime_ns)
