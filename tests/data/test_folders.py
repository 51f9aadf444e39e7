"""Folders of images of every kind, whole and broken."""

import logging

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
    files,
    view_policy,
)

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
    monkeypatch.setattr(files, "_TORCHVISION_SUFFIXES", set())
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
    with pytest.raises(ValueError, match="`on_unreadable` must be 'raise' or 'skip', got 'warn'"):
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
    with pytest.raises(ValueError, match=r"x.jpg \(cannot identify image file"):
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
    with pytest.raises(ValueError, match="not one of the 2 images of .* can be read"):
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
