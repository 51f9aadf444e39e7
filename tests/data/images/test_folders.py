"""Folders of images of every kind, whole and broken."""

import concurrent.futures
import logging
import os
import pickle
import shutil
import time

import numpy as np
import pytest
import torch
from PIL import Image

from instdisc.data import (
    ImageFolder,
    ImageSource,
    ImageSubset,
    ViewDataset,
    ViewLoader,
    view_policy,
)
from instdisc.data.images import decoding, remembered
from instdisc.data.images import index as folder_index
from instdisc.data.images.packed import PackedPaths

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def save(path, pixels=PIXELS):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    """Two cats, one of them deeper, and three dogs; each image of one grey."""
    places = ["cat/b.png", "cat/deep/er/a.jpg", "dog/1.png", "dog/2.PNG", "dog/3.bmp"]
    for grey, place in enumerate(places):
        save(tmp_path / place, np.full((6, 8, 3), 10 * grey, dtype=np.uint8))
    return tmp_path


# What is found


def test_class_folders_give_the_labels(folder):
    images = ImageFolder(folder)
    assert images.name == folder.name
    assert images.classes == ["cat", "dog"]
    assert images.labels.tolist() == [0, 0, 1, 1, 1]
    assert images.labels.dtype == torch.int64
    assert len(images) == 5
    found = [str(images.path(index).relative_to(folder)) for index in range(5)]
    assert found == ["cat/b.png", "cat/deep/er/a.jpg", "dog/1.png", "dog/2.PNG", "dog/3.bmp"]
    for index in range(5):
        position, image = images.fetch(index)
        assert position == index
        assert image.float().mean() == pytest.approx(10 * index, abs=1)


def test_hidden_and_other_files_are_passed_over(folder):
    for place in (".git/x.png", "cat/.b.png", "cat/.thumbs/c.png", ".d.png"):
        save(folder / place)
    (folder / "README.txt").write_text("cats and dogs")
    (folder / "dog" / "labels.csv").write_text("")
    (folder / "dog" / "folder.png").mkdir()
    assert len(ImageFolder(folder)) == 5


def test_linked_folders_are_followed(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    save(elsewhere / "x.png")
    (folder / "emu").symlink_to(elsewhere)
    (folder / "cat" / "more").symlink_to(elsewhere)
    images = ImageFolder(folder)
    assert images.classes == ["cat", "dog", "emu"]
    assert images.labels.tolist() == [0, 0, 0, 1, 1, 1, 2]


def test_a_flat_folder_has_no_labels(tmp_path):
    for name in ("b.jpg", "a.png"):
        save(tmp_path / name)
    (tmp_path / ".cache").mkdir()
    images = ImageFolder(str(tmp_path))
    assert images.classes == []
    assert images.labels.tolist() == [-1, -1]
    assert images.path(0).name == "a.png"


def test_order_does_not_depend_on_the_file_system(tmp_path):
    for name in np.random.default_rng(1).permutation(30):
        save(tmp_path / f"{name % 3}" / f"{name:02}.png", PIXELS[:2, :2])
    images = ImageFolder(tmp_path)
    paths = [str(images.path(index)) for index in range(30)]
    assert paths == sorted(paths)


@pytest.mark.parametrize("name", ["cifar10_mini", "tiny_imagenet100"])
def test_real_folders(real_data, name):
    classes, count, size = {
        "cifar10_mini": (10, 2500, 32),
        "tiny_imagenet100": (100, 200, 64),
    }[name]
    images = ImageFolder(real_data(name) / "train")
    assert len(images.classes) == classes
    assert torch.bincount(images.labels).tolist() == [count] * classes
    for index in range(0, len(images), len(images) // 40):
        assert images.read(index).shape == (3, size, size)
        assert images.path(index).parts[-2] == images.classes[images.labels[index]] or (
            images.classes[images.labels[index]] in images.path(index).parts
        )


# What is decoded


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("RGB", "png"),
        ("RGB", "bmp"),
        ("RGB", "ppm"),
        ("RGB", "tif"),
        ("RGBA", "png"),
        ("RGBA", "tif"),
        ("L", "png"),
        ("L", "pgm"),
        ("LA", "png"),
        ("1", "png"),
        ("P", "png"),
        ("P", "bmp"),
        ("CMYK", "tif"),
    ],
)
def test_every_mode_becomes_rgb(tmp_path, mode, suffix):
    original = Image.fromarray(PIXELS).convert(mode)
    original.save(tmp_path / f"x.{suffix}")
    image = ImageFolder(tmp_path).read(0)
    expected = torch.from_numpy(np.array(original.convert("RGB"))).permute(2, 0, 1)
    assert image.dtype == torch.uint8
    assert torch.equal(image, expected)


@pytest.mark.parametrize(
    ("mode", "suffix"), [("RGB", "jpg"), ("L", "JPEG"), ("CMYK", "jpg"), ("RGB", "webp")]
)
def test_lossy_files_become_rgb(tmp_path, mode, suffix):
    Image.fromarray(PIXELS).convert(mode).save(tmp_path / f"x.{suffix}", quality=95)
    image = ImageFolder(tmp_path).read(0)
    expected = np.array(Image.open(tmp_path / f"x.{suffix}").convert("RGB")).transpose(2, 0, 1)
    assert image.dtype == torch.uint8
    assert image.shape == (3, 20, 30)
    assert np.abs(image.numpy().astype(int) - expected).max() <= 2


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_sixteen_bits_become_eight(tmp_path, suffix):
    pixels = np.random.default_rng(0).integers(0, 2**16, (20, 30)).astype(np.uint16)
    pixels[0, :2] = 0, 65535
    save(tmp_path / f"x.{suffix}", pixels)
    image = ImageFolder(tmp_path).read(0)
    assert image.dtype == torch.uint8
    assert image.shape == (3, 20, 30)
    assert np.array_equal(image.numpy(), np.stack([pixels >> 8] * 3))


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_pil_decodes_the_same_where_torchvision_does_not(tmp_path, suffix, monkeypatch):
    save(tmp_path / f"x.{suffix}")
    images = ImageFolder(tmp_path)
    expected = images.read(0)
    monkeypatch.setattr(decoding, "decode_jpeg", None)
    assert (images.read(0).int() - expected.int()).abs().max() <= (2 if suffix == "jpg" else 0)


def test_the_content_counts_and_not_the_suffix(tmp_path):
    save(tmp_path / "x.bmp").rename(tmp_path / "x.jpg")
    frames = [Image.fromarray(PIXELS[:, :, 0]), Image.fromarray(PIXELS[:, :, 1])]
    frames[0].save(tmp_path / "y.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "y.gif").rename(tmp_path / "y.png")
    images = ImageFolder(tmp_path)
    assert np.array_equal(images.read(0).numpy(), PIXELS.transpose(2, 0, 1))
    assert images.read(1).shape == (3, 20, 30)


# What is refused


def test_not_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`root` must be a folder .* got '.*nowhere'"):
        ImageFolder(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="`root` must be a folder"):
        ImageFolder(save(tmp_path / "x.png"))


def test_no_image(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ValueError, match=r"holds no image \(.bmp, .jpeg"):
        ImageFolder(tmp_path)
    (tmp_path / "cat").mkdir()
    with pytest.raises(ValueError, match="holds no image"):
        ImageFolder(tmp_path)


def test_a_class_without_images(folder):
    (folder / "ant").mkdir()
    (folder / "bee" / "empty").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"2 class folders of .* hold no image: ant, bee. Fill"):
        ImageFolder(folder)


def test_classes_mixed_with_loose_images(folder):
    save(folder / "stray.png")
    with pytest.raises(ValueError, match=r"also 1 images of no class, 'stray.png' first. Move"):
        ImageFolder(folder)


def test_unknown_choice(folder):
    with pytest.raises(
        ValueError, match="`on_unreadable` must be one of 'raise', 'skip', got 'warn'"
    ):
        ImageFolder(folder, on_unreadable="warn")


def broken(path):
    """Cuts a file short."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp", "tif"])
def test_a_truncated_file_is_named(tmp_path, suffix):
    broken(save(tmp_path / f"half.{suffix}"))
    images = ImageFolder(tmp_path)
    with pytest.raises(ValueError, match=rf"cannot read the image .*half.{suffix} \(.*\). Repair"):
        images.fetch(0)


@pytest.mark.parametrize("content", [b"", b"not an image"])
def test_what_is_no_image_is_named(tmp_path, content):
    (tmp_path / "x.jpg").write_bytes(content)
    with pytest.raises(ValueError, match=r"x.jpg \(it is no image of a format"):
        ImageFolder(tmp_path).read(0)


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_pixels_without_known_range_are_refused(tmp_path, kind):
    save(tmp_path / "x.tif", PIXELS[:, :, 0].astype(kind))
    with pytest.raises(ValueError, match=r"x.tif \(its pixels of mode '[FI]' have no known range"):
        ImageFolder(tmp_path).read(0)


# What is skipped


def test_skip_logs_and_takes_the_next_readable_image(folder, caplog):
    broken(folder / "cat/deep/er/a.jpg")
    broken(folder / "dog/3.bmp")
    images = ImageFolder(folder, on_unreadable="skip")
    with caplog.at_level(logging.WARNING):
        position, image = images.fetch(1)
    assert position == 2
    assert torch.equal(image, images.read(2))
    assert "skipped: cannot read the image" in caplog.text
    assert "a.jpg" in caplog.text
    assert images.fetch(4)[0] == 0  # from the end to the beginning
    assert images.fetch(3)[0] == 3


def test_skip_keeps_the_size_of_batches(folder, caplog):
    broken(folder / "cat/deep/er/a.jpg")
    images = ImageFolder(folder, on_unreadable="skip")
    views = ViewDataset(images, [view_policy("zhao_f", 8)])
    (batch,) = ViewLoader(views, 5, shuffle=False)
    assert batch.indices.tolist() == [0, 2, 2, 3, 4]
    assert batch.labels.tolist() == [0, 1, 1, 1, 1]  # the label is that of the image shown
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_skip_gives_up_when_nothing_is_readable(tmp_path):
    for name in ("a.png", "b.png"):
        broken(save(tmp_path / name))
    images = ImageFolder(tmp_path, on_unreadable="skip")
    with pytest.raises(ValueError, match="not one of the 2 images of .* can be used"):
        images.fetch(0)


# Subsets, and sources of one's own


def test_subset_keeps_order_labels_and_classes(folder):
    images = ImageFolder(folder)
    some = ImageSubset(images, torch.tensor([3, 0]))
    assert len(some) == 2
    assert some.labels.tolist() == [1, 0]
    assert (some.name, some.classes) == (images.name, images.classes)
    assert torch.equal(some.read(0), images.read(3))
    position, image = some.fetch(1)
    assert position == 1
    assert torch.equal(image, images.read(0))


def test_subset_skips_like_its_source_and_within_itself(folder, caplog):
    broken(folder / "dog/2.PNG")
    few = torch.tensor([3, 0])
    with pytest.raises(ValueError, match="cannot read"):
        ImageSubset(ImageFolder(folder), few).fetch(0)
    some = ImageSubset(ImageFolder(folder, on_unreadable="skip"), few)
    position, image = some.fetch(0)
    assert position == 1
    assert torch.equal(image, some.read(1))
    assert "2.PNG" in caplog.text


@pytest.mark.parametrize("position", [-1, 5])
def test_subset_refuses_positions_outside(folder, position):
    with pytest.raises(IndexError, match=rf"`positions` must lie in 0 to 4, got {position}"):
        ImageSubset(ImageFolder(folder), torch.tensor([0, position]))


def test_a_source_of_ones_own_needs_only_read():
    class Ramp(ImageSource):
        name, classes, labels = "ramp", ("a",), torch.zeros(3, dtype=torch.int64)

        def read(self, index):
            return torch.full((3, 4, 4), index, dtype=torch.uint8)

    assert len(Ramp()) == 3
    assert Ramp().fetch(2)[1].max() == 2


# The index of large folders


@pytest.fixture
def small_index(monkeypatch):
    """Every folder is large, and settled at once."""
    monkeypatch.setattr(folder_index, "LEAST", 1)
    monkeypatch.setattr(folder_index, "_SETTLED", -(10**18))


def found(images):
    return [str(images.path(i).relative_to(images.root)) for i in range(len(images))]


def scanned(monkeypatch, folder, place):
    """The branches that a new `ImageFolder` has to look into, and what it then holds."""
    seen = []
    scan = folder_index._scan_branch
    with monkeypatch.context() as patched:
        patched.setattr(
            folder_index,
            "_scan_branch",
            lambda root, name: (seen.append(name), scan(root, name))[1],
        )
        images = ImageFolder(folder, index=place)
    without = ImageFolder(folder, index=False)
    assert found(images) == found(without)
    assert images.classes == without.classes
    assert torch.equal(images.labels, without.labels)
    return seen


@pytest.mark.usefixtures("small_index")
def test_index_spares_the_scan(folder, tmp_path_factory, monkeypatch):
    place = tmp_path_factory.mktemp("cache") / "not" / "yet"
    assert scanned(monkeypatch, folder, place) == ["", "cat", "dog"]
    assert scanned(monkeypatch, folder, str(place)) == []
    (file,) = place.iterdir()
    assert file.name.startswith(folder.name)
    assert scanned(monkeypatch, folder / "cat" / "..", place) == []  # the same folder
    assert scanned(monkeypatch, folder / "dog", place) == [""]
    assert len(list(place.iterdir())) == 2


@pytest.mark.usefixtures("small_index")
def test_index_of_a_flat_folder(tmp_path, tmp_path_factory, monkeypatch):
    place = tmp_path_factory.mktemp("cache")
    for name in ("b.jpg", "ä \udcff.png"):  # as bytes that are no UTF-8 come out
        save(tmp_path / name)
    assert scanned(monkeypatch, tmp_path, place) == [""]
    assert scanned(monkeypatch, tmp_path, place) == []
    assert ImageFolder(tmp_path, index=place).read(1).shape == (3, 20, 30)


@pytest.mark.usefixtures("small_index")
@pytest.mark.parametrize(
    ("change", "again"),
    [
        (lambda root: save(root / "cat/new.png"), ["cat"]),
        (lambda root: save(root / "cat/deep/er/new.png"), ["cat"]),
        (lambda root: save(root / "cat/deep/other/new.png"), ["cat"]),
        (lambda root: (root / "dog/2.PNG").unlink(), ["dog"]),
        (lambda root: (root / "dog/2.PNG").rename(root / "dog/0.png"), ["dog"]),
        (lambda root: (root / "dog/2.PNG").rename(root / "cat/2.PNG"), ["cat", "dog"]),
        (lambda root: (root / "cat/deep").rename(root / "dog/deep"), ["cat", "dog"]),
        (lambda root: save(root / "emu/new.png"), ["", "emu"]),
        (lambda root: (root / "dog").rename(root / "bee"), ["", "bee"]),
        (lambda root: shutil.rmtree(root / "cat"), [""]),
        (lambda root: save(root / ".hidden/new.png"), [""]),
        (lambda root: (root / "dog/3.bmp").write_bytes(b"other pixels, same name"), []),
    ],
)
def test_index_sees_what_changed_and_scans_only_that(
    folder, tmp_path_factory, monkeypatch, change, again
):
    place = tmp_path_factory.mktemp("cache")
    assert len(scanned(monkeypatch, folder, place)) == 3
    time.sleep(0.02)  # a tick of the file system's clock
    change(folder)
    assert scanned(monkeypatch, folder, place) == again
    assert scanned(monkeypatch, folder, place) == []


@pytest.mark.usefixtures("small_index")
def test_index_sees_a_link_that_moved_between_folders_of_one_age(
    folder, tmp_path_factory, monkeypatch
):
    place, elsewhere = tmp_path_factory.mktemp("cache"), tmp_path_factory.mktemp("elsewhere")
    for name in ("old", "new"):
        save(elsewhere / name / f"{name}.png")
        os.utime(elsewhere / name, ns=(10**18, 10**18))
    (folder / "emu").symlink_to(elsewhere / "old")
    scanned(monkeypatch, folder, place)
    time.sleep(0.02)
    (folder / "emu").unlink()
    (folder / "emu").symlink_to(elsewhere / "new")
    assert scanned(monkeypatch, folder, place) == ["", "emu"]


def test_index_does_not_trust_a_folder_that_changed_just_now(folder, tmp_path_factory, monkeypatch):
    monkeypatch.setattr(folder_index, "LEAST", 1)
    place = tmp_path_factory.mktemp("cache")
    for some in (folder, folder / "dog", *folder.glob("cat/**")):
        os.utime(some, ns=(10**18, 10**18))
    os.utime(folder / "cat" / "deep")
    assert len(scanned(monkeypatch, folder, place)) == 3
    assert scanned(monkeypatch, folder, place) == ["cat"]
    os.utime(folder / "cat" / "deep", ns=(10**18, 10**18))
    assert scanned(monkeypatch, folder, place) == ["cat"]
    assert scanned(monkeypatch, folder, place) == []


@pytest.mark.usefixtures("small_index")
@pytest.mark.parametrize("content", [b"", b"not an index", "half", "flipped", "foreign"])
def test_broken_or_foreign_index_is_ignored_and_rewritten(
    folder, tmp_path_factory, monkeypatch, caplog, content
):
    place = tmp_path_factory.mktemp("cache")
    ImageFolder(folder, index=place)
    (file,) = place.iterdir()
    whole = file.read_bytes()
    if content == "half":
        content = whole[: len(whole) // 2]
    elif content == "flipped":
        content = whole.replace(b"cat/b.png", b"cat/c.png")
        assert content != whole
    elif content == "foreign":
        other = tmp_path_factory.mktemp("other")
        save(other / "x.png")
        ImageFolder(other, index=place)
        content = next(path for path in place.iterdir() if path != file).read_bytes()
    file.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert scanned(monkeypatch, folder, place) == ["", "cat", "dog"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "is of no use" in caplog.text
    assert file.read_bytes() == whole
    assert scanned(monkeypatch, folder, place) == []


@pytest.mark.usefixtures("small_index")
def test_index_that_cannot_be_written_is_said(folder, tmp_path_factory, monkeypatch, caplog):
    (tmp_path_factory.getbasetemp() / "taken").write_text("a file")
    assert len(scanned(monkeypatch, folder, tmp_path_factory.getbasetemp() / "taken")) == 3
    assert "cannot keep the index of" in caplog.text
    assert "index=False" in caplog.text

    def full(opened, **arrays):
        raise OSError("No space left on device")

    place = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(folder_index.np, "savez", full)
    assert len(ImageFolder(folder, index=place)) == 5
    assert list(place.iterdir()) == []


@pytest.mark.usefixtures("small_index")
def test_index_by_many_at_once(folder, tmp_path_factory):
    place = tmp_path_factory.mktemp("cache")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for images in pool.map(lambda _: ImageFolder(folder, index=place), range(40)):
            assert len(images) == 5
    assert len(list(place.iterdir())) == 1


def test_index_lies_in_the_users_cache_folder(folder, tmp_path_factory, monkeypatch):
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    ImageFolder(folder)
    assert list(cache.iterdir()) == []  # small folders have none
    monkeypatch.setattr(folder_index, "LEAST", 5)
    ImageFolder(folder, index=False)
    assert list(cache.iterdir()) == []
    ImageFolder(folder)
    assert len(list((cache / "instdisc").iterdir())) == 1


@pytest.mark.parametrize(
    ("platform", "expected"),
    [("linux", ".cache"), ("darwin", "Library/Caches"), ("win32", "AppData/Local")],
)
def test_cache_folders_of_the_platforms(tmp_path, monkeypatch, platform, expected):
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(remembered.sys, "platform", platform)
    monkeypatch.setattr(remembered.Path, "home", lambda: tmp_path)
    assert remembered.cache_folder() == tmp_path / expected / "instdisc"


def test_without_a_home_there_is_no_index(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(remembered.Path, "home", homeless)
    assert remembered.cache_folder() is None


# Many paths in little memory


def test_packed_paths_are_the_paths():
    names = ["", "cat/1.jpg", "ä/ö.png", "x\udcff", "猫/1.jpg"]
    paths = PackedPaths.pack(names)
    assert len(paths) == 5
    assert list(paths) == [paths[i] for i in range(5)] == names
    assert paths[-1] == names[-1]
    assert list(paths.part(1, 4)) == names[1:4]
    assert list(PackedPaths.join([paths.part(0, 2), paths.part(2, 2), paths.part(2, 5)])) == names
    assert list(PackedPaths.join([])) == []
    with pytest.raises(IndexError):
        paths[5]


def test_packed_paths_are_small_and_travel(folder):
    names = [f"n{i // 1300:08d}/n{i // 1300:08d}_{i}.JPEG" for i in range(10_000)]
    paths = PackedPaths.pack(names)
    sent = pickle.dumps(paths)
    assert list(pickle.loads(sent)) == names
    assert len(sent) < 40 * len(names)
    assert list(PackedPaths.pack(np.array(names))) == names
