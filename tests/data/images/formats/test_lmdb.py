"""An LMDB as a source: paths and classes, one environment in a process, what is refused."""

import io
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from instdisc.data import ImageFolder, LMDBImages
from instdisc.data.images.formats import encoded
from instdisc.data.images.formats import lmdb as lmdb_file

database = pytest.importorskip("lmdb")


def picture(number):
    file = io.BytesIO()
    pixels = np.random.RandomState(number).randint(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write(place, paths, subdir=True):
    with (
        database.open(str(place), subdir=subdir) as environment,
        environment.begin(write=True) as writing,
    ):
        for number, path in enumerate(paths):
            writing.put(path.encode(), picture(number))
    return place


def test_images_labels_names_and_fingerprint_are_those_of_a_folder(tmp_path):
    # The keys of "a-b" come before those of "a".
    paths = ["a/10.png", "a/9.png", "a-b/1.png", "c/d/1.png"]
    for number, path in enumerate(paths):
        (tmp_path / "files" / path).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / "files" / path).write_bytes(picture(number))
    images = LMDBImages(write(tmp_path / "pets.lmdb", paths))
    same = ImageFolder(tmp_path / "files", index=False)
    assert (images.name, images.classes) == ("pets", same.classes)
    assert torch.equal(images.labels, same.labels)
    assert images.image_names() == same.image_names()
    assert all(torch.equal(images.read(row), same.read(row)) for row in range(4))
    assert images.fingerprint() == same.fingerprint()


def test_images_of_no_class_in_a_file(tmp_path):
    images = LMDBImages(write(tmp_path / "flat.lmdb", ["1", "2"], subdir=False), name="flat")
    assert (images.labels.tolist(), images.classes, images.name) == ([-1, -1], [], "flat")
    assert images.encoded(1) == picture(1)
    assert lmdb_file.is_lmdb(images.path)


def test_sources_of_one_process_share_what_is_open(tmp_path):
    write(tmp_path, ["a/1"])
    first, second = LMDBImages(tmp_path), LMDBImages(tmp_path)
    copy = pickle.loads(pickle.dumps(first))
    assert first._open() is second._open() is copy._open()
    assert len(pickle.dumps(first)) < 3000


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["__len__", "1"], "`path` must be an LMDB of paths and files.* It has the key '__len__'"),
        ([], "`path` must be an LMDB of paths and files"),
        (["a/1", "2"], "`path` must be an LMDB with each image in a class, .*'2' is in none"),
    ],
)
def test_other_layouts_are_refused(paths, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        LMDBImages(write(tmp_path, paths))


def test_what_is_no_lmdb(tmp_path):
    with pytest.raises(FileNotFoundError, match="`path` must be the folder of an LMDB"):
        LMDBImages(tmp_path / "none")
    with pytest.raises(ValueError, match="`path` must be an LMDB, got"):
        LMDBImages(tmp_path)
    assert not lmdb_file.is_lmdb(tmp_path)


def test_a_large_set_goes_by_path_and_size(tmp_path, monkeypatch):
    images = LMDBImages(write(tmp_path, ["a/1", "a/2"]))
    monkeypatch.setattr(encoded, "LARGE", 1)
    keys, by_content = images.image_keys()
    assert not by_content
    assert keys[0].tobytes() != keys[1].tobytes()
