"""Images in tar shards: order, labels, what is left out, reading."""

import json
import logging
import multiprocessing
import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from instdisc.data import (
    ImageFolder,
    ImageShards,
    ViewDataset,
    ViewLoader,
    view_policy,
    write_shards,
)
from instdisc.data import left_out as saying
from instdisc.data.images import contents
from instdisc.data.images.shards import opened

from .conftest import png, write_tar


def greys(images):
    return [int(images.read(index)[0, 0, 0]) for index in range(len(images))]


# Order and labels


def test_order_and_labels_are_those_of_the_shards(shards):
    images = ImageShards(shards)
    assert images.name == shards.name
    assert images.shards == ["pets-0.tar", "pets-1.tar"]
    assert greys(images) == [0, 10, 20, 30, 40]
    assert images.classes == ["cat", "dog", "emu"]
    assert images.labels.tolist() == [1, 0, 2, 0, 1]
    assert images.labels.dtype == torch.int64
    names = ["pets-0/b/0", "pets-0/a", "pets-0/c", "pets-1/d", "pets-1/e"]
    assert images.image_names() == names
    assert images.encoded(3) == png(30)
    with pytest.raises(IndexError):
        images.read(5)


def test_a_list_of_files_is_sorted_by_name(shards, tmp_path):
    write_tar(tmp_path / "more" / "x.tar", {"z.png": 50, "z.cls": "cat"})
    files = [shards / "pets-1.tar", str(tmp_path / "more" / "x.tar"), shards / "pets-0.tar"]
    images = ImageShards(files, name="pets")
    assert (images.name, images.shards) == ("pets", ["more/x.tar", "pets-0.tar", "pets-1.tar"])
    assert greys(images) == [50, 0, 10, 20, 30, 40]
    assert greys(ImageShards(files[:1])) == greys(ImageShards(str(files[0]))) == [30, 40]
    with pytest.raises(
        ValueError, match="`shards` must be different files, got 'pets-0.tar' twice"
    ):
        ImageShards([shards / "pets-0.tar", files[2], files[0]])


def test_numbers_are_numbers_of_classes(tmp_path):
    write_tar(
        tmp_path / "0.tar", {"a.png": 0, "a.cls": "3", "b.png": 1, "b.cls": " 0\n", "c.png": 2}
    )
    images = ImageShards(tmp_path)
    assert images.labels.tolist() == [3, 0, -1]
    assert images.classes == ["0", "1", "2", "3"]
    assert ImageShards(tmp_path, classes=list("abcde")).classes == list("abcde")
    (tmp_path / "classes.txt").write_text("ant\nbee\ncat\nowl\n")
    assert ImageShards(tmp_path).classes == ["ant", "bee", "cat", "owl"]
    with pytest.raises(
        ValueError, match="must be below 2, the number of `classes`, got 3 in 0.tar"
    ):
        ImageShards(tmp_path, classes=["a", "b"])


def test_classes_order_the_names(shards):
    images = ImageShards(shards, classes=["emu", "dog", "owl", "cat"])
    assert images.labels.tolist() == [1, 3, 0, 3, 1]
    with pytest.raises(ValueError, match="must be among the 2 `classes`, got 'emu'"):
        ImageShards(shards, classes=["cat", "dog"])
    with pytest.raises(ValueError, match="`classes` must be different names"):
        ImageShards(shards, classes=["cat", "dog", "emu", "cat"])


def test_labels_in_json(tmp_path):
    rows = [{"label": 2, "name": "b"}, {"name": "10"}, {"label": 0, "name": "9"}]
    files = {}
    for number, row in enumerate(rows):
        files |= {f"{number}.json": json.dumps(row), f"{number}.png": number}
    write_tar(tmp_path / "0.tar", files)
    assert ImageShards(tmp_path, label="json:label").labels.tolist() == [2, -1, 0]
    names = ImageShards(tmp_path, label="json:name")
    assert (names.classes, names.labels.tolist()) == (["10", "9", "b"], [2, 0, 1])
    assert ImageShards(tmp_path, label=None).labels.tolist() == [-1] * 3
    with pytest.raises(
        ValueError, match="`label` must be one that images in .* have, got 'json:x'"
    ):
        ImageShards(tmp_path, label="json:x")
    for wrong in ("json", "JSON", "json:"):
        with pytest.raises(ValueError, match="`label` must be of the form 'json:FIELD'"):
            ImageShards(tmp_path, label=wrong)


def test_without_labels_there_are_no_classes(tmp_path):
    write_tar(tmp_path / "0.tar", {"a.png": 0, "b.png": 1})
    images = ImageShards(tmp_path)
    assert (images.labels.tolist(), images.classes) == ([-1, -1], [])


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.png": 0, "a.cls": "-2"}, "a.cls of .*0.tar must be the number of a class .*got -2"),
        ({"a.png": 0, "a.cls": ""}, "a.cls of .*0.tar must be a whole number or a name: got ''"),
        ({"a.png": 0, "a.cls": b"\xff"}, "must be a whole number or a name: 'utf-8'"),
        ({"a.png": 0, "a.cls": "1", "b.cls": "cat"}, "number in a.cls and a name in b.cls"),
        (
            {"a.png": 0, "a.cls": "5000000"},
            "below 1,000,000 where `classes` .*got 5000000 in 0.tar",
        ),
    ],
)
def test_labels_that_are_none(tmp_path, files, message):
    write_tar(tmp_path / "0.tar", files)
    with pytest.raises(ValueError, match=message):
        ImageShards(tmp_path)


@pytest.mark.parametrize("content", ["[1]", "{", '{"label": 1.5}', '{"label": true}'])
def test_json_that_is_no_label(tmp_path, content):
    write_tar(tmp_path / "0.tar", {"a.png": 0, "a.json": content})
    with pytest.raises(ValueError, match="'label' in a.json of .*0.tar must be a whole number or"):
        ImageShards(tmp_path, label="json:label")


def test_numbers_in_one_shard_and_names_in_another(tmp_path):
    write_tar(tmp_path / "0.tar", {"a.png": 0, "a.cls": "1"})
    write_tar(tmp_path / "1.tar", {"a.png": 0, "a.cls": "cat"})
    with pytest.raises(ValueError, match="numbers in 0.tar and names in 1.tar"):
        ImageShards(tmp_path)


# What is found, and what is left out


def test_what_is_left_out_is_counted_and_said_once(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(saying, "_said", set())
    files = {"a.png": 0, "a.cls": "1", "b.png": 1, "c.cls": "0", "d.png": 2, "d.jpg": 3}
    write_tar(
        tmp_path / "0.tar", {**files, "e.txt": "x", "a.txt": "y", "._a.png": 9, ".b/a.png": 9}
    )
    write_tar(tmp_path / "1.tar", {"__MACOSX/a.png": 9, "f.cls": "0", "a.json": "{}"})
    images = ImageShards(tmp_path)
    assert (greys(images), images.labels.tolist()) == ([0, 1], [1, -1])
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        f"3 files in the shards of {tmp_path} are neither images nor labels and are left out, "
        "first: e.txt in 0.tar",
        f"2 samples in the shards of {tmp_path} have no image and are left out, first: c in 0.tar",
        f"1 samples in the shards of {tmp_path} have several images and are left out (image= says "
        "which counts), first: d in 0.tar",
        f"1 images in the shards of {tmp_path} have no label, first: b in 0.tar",
    ]
    ImageShards(tmp_path)  # from the index
    assert len(caplog.records) == 4
    monkeypatch.setattr(saying, "_said", set())
    ImageShards(tmp_path)
    assert [record.getMessage() for record in caplog.records[4:]] == said


def test_image_chooses_the_ending(tmp_path):
    write_tar(tmp_path / "0.tar", {"a.png": 0, "a.seg.png": 1, "b.seg.png": 2, "b.png": 3})
    assert greys(ImageShards(tmp_path, image="png")) == [0, 3]
    assert greys(ImageShards(tmp_path, image="SEG.png")) == [1, 2]
    assert greys(ImageShards(tmp_path, image="jpg;seg.png")) == [1, 2]


@pytest.mark.parametrize("name", ["0.tar.gz", "0.TGZ", "0.tar.zst"])
def test_compressed_shards_are_refused(shards, name):
    (shards / name).touch()
    with pytest.raises(ValueError, match=f"`shards` must be plain .tar files, got '{name}'"):
        ImageShards(shards)


def test_nothing_to_read(tmp_path):
    with pytest.raises(ValueError, match="`shards` must be a folder with .tar files"):
        ImageShards(tmp_path)
    with pytest.raises(FileNotFoundError, match="`shards` must be .tar files or a folder, got"):
        ImageShards(tmp_path / "no")
    with pytest.raises(ValueError, match="at least one .tar file, got none"):
        ImageShards([])
    write_tar(tmp_path / "0.tar", {"a.cls": "1"})
    with pytest.raises(
        ValueError, match="at least one image, got .* with 1 .tar files without any"
    ):
        ImageShards(tmp_path)


# Reading


def test_unreadable_images_are_named_or_skipped(tmp_path, caplog):
    broken = png(1)[:-30]
    write_tar(tmp_path / "0.tar", {"a.png": 0, "b.png": broken, "c.png": b"", "d.png": 3})
    images = ImageShards(tmp_path)
    assert images.encoded(1) == broken
    with pytest.raises(ValueError, match=r"the image 0/b of .* \(it ends too early\).*on_unread"):
        images.read(1)
    with pytest.raises(ValueError, match="the image 0/c of"):
        images.fetch(2)
    images = ImageShards(tmp_path, on_unreadable="skip")
    with caplog.at_level(logging.WARNING):
        position, image = images.fetch(1)
    assert (position, int(image[0, 0, 0])) == (3, 3)
    assert "skipped: cannot read the image 0/b of" in caplog.text


def test_a_shard_that_changed_is_not_read(shards):
    images = ImageShards(shards)
    write_tar(shards / "pets-0.tar", {"x.png": 1})
    with pytest.raises(RuntimeError, match="pets-0.tar has changed since its index was read"):
        images.read(0)
    with pytest.raises(RuntimeError, match="pets-0.tar has changed"):
        images.image_names()
    assert int(images.read(3)[0, 0, 0]) == 30
    (shards / "pets-1.tar").unlink()
    with pytest.raises(FileNotFoundError):
        ImageShards(shards / "pets-1.tar")


def test_files_are_opened_when_needed_and_few_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(opened, "_most_open", lambda: 3)
    for number in range(20):
        write_tar(tmp_path / f"{number:02}.tar", {"a.png": number})
    images = ImageShards(tmp_path)

    def count():
        return sum(
            os.path.realpath(f"/proc/self/fd/{fd}").startswith(str(tmp_path))
            for fd in os.listdir("/proc/self/fd")
        )

    assert count() == 0
    order = np.random.default_rng(0).integers(0, 20, 200).tolist()
    assert [int(images.read(index)[0, 0, 0]) for index in order] == order
    assert count() == 3
    with ThreadPoolExecutor(8) as threads:  # each may close what another reads
        found = list(threads.map(lambda index: int(images.read(index)[0, 0, 0]), order * 5))
    assert found == order * 5
    images = None
    assert count() == 0


@pytest.mark.parametrize("index", [True, False])
def test_pickling(shards, index):
    images = ImageShards(shards, index=index)
    images.read(0)
    content = pickle.dumps(images)
    again = pickle.loads(content)
    assert greys(again) == greys(images)
    assert torch.equal(again.labels, images.labels)
    assert (again.classes, again.name) == (images.classes, images.name)
    if index:
        images._index.file.unlink()  # as on another machine
        assert greys(pickle.loads(content)) == greys(images)
        images._index.file.unlink()
        write_tar(shards / "pets-0.tar", {"x.png": 1, "x.cls": "cat"})
        with pytest.raises(RuntimeError, match="have changed since they were opened"):
            pickle.loads(content)


def _read_in_child(images, queue):
    queue.put(greys(images))


@pytest.mark.parametrize(
    "way",
    ["fork", pytest.param("spawn", marks=pytest.mark.slow)],  # which imports torch
)
def test_another_process_reads_the_same(shards, way):
    images = ImageShards(shards)
    expected = greys(images)  # with files open
    context = multiprocessing.get_context(way)
    queue = context.Queue()
    child = context.Process(target=_read_in_child, args=(images, queue))
    child.start()
    assert queue.get(timeout=60) == expected
    child.join()
    assert greys(images) == expected


# Keys and views


def test_keys_are_those_of_the_same_files_in_a_folder(shards, tmp_path_factory):
    images = ImageShards(shards)
    folder = tmp_path_factory.mktemp("folder")
    for index in range(5):
        (folder / f"{index}.png").write_bytes(images.encoded(index))
    keys, by_content = images.image_keys()
    assert by_content
    assert (keys == ImageFolder(folder).image_keys().keys).all()
    some = torch.tensor([4, 1])
    assert (images.image_keys(some).keys == keys[[4, 1]]).all()


def test_keys_of_large_sets_are_of_places(shards, monkeypatch):
    monkeypatch.setattr("instdisc.data.images.shards.source.LARGE", 100)
    assert contents.LARGE > 100
    images = ImageShards(shards)
    keys, by_content = images.image_keys()
    assert not by_content
    assert len({key.tobytes() for key in keys}) == 5
    write_tar(shards / "pets-1.tar", {"d.png": 31, "d.cls": "cat", "e.png": 40, "e.cls": "dog"})
    assert (ImageShards(shards).image_keys().keys == keys).all()  # the price
    write_tar(
        shards / "pets-1.tar", {"d.png": b"x" * 80, "d.cls": "cat", "e.png": 40, "e.cls": "dog"}
    )
    assert (ImageShards(shards).image_keys().keys == keys).all(1).tolist() == [True] * 3 + [
        False,
        True,
    ]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_views_are_those_of_the_folder(real_data, tmp_path, num_workers):
    folder = ImageFolder(real_data("tiny_imagenet100") / "train")
    few = folder.subset(torch.arange(0, len(folder), len(folder) // 40))
    images = write_shards(few, tmp_path / "shards", images_per_shard=15)
    policies = [view_policy("moco_v2", 32)] * 2
    loaders = [
        ViewLoader(ViewDataset(each, policies, seed=3), 8, num_workers=num_workers)
        for each in (few, images)
    ]
    for ours, theirs in zip(*loaders, strict=True):
        assert all(map(torch.equal, ours.images, theirs.images))
        assert torch.equal(ours.labels, theirs.labels)
        assert torch.equal(ours.indices, theirs.indices)
