"""Hugging Face's data sets as sources: labels, what is refused, and the same images as a folder."""

import io
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from instdisc.data import HuggingFaceImages, ImageFolder
from instdisc.data.images import contents
from instdisc.data.images.formats import encoded, packages

datasets = pytest.importorskip("datasets")
datasets.disable_progress_bars()


def picture(number):
    file = io.BytesIO()
    pixels = np.random.RandomState(number).randint(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def make(labels=(0, 1, 1), label=None):
    """A data set of three images."""
    label = datasets.ClassLabel(names=["cat", "dog"]) if label is None else label
    rows = {"image": [{"bytes": picture(n), "path": None} for n in range(3)], "label": [*labels]}
    features = {"image": datasets.Image(), "label": label}
    return datasets.Dataset.from_dict(rows, datasets.Features(features))


def folder(root):
    for number, name in enumerate(("cat/0.png", "dog/1.png", "dog/2.png")):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(picture(number))
    return ImageFolder(root, index=False)


def test_images_labels_and_fingerprint_are_those_of_a_folder(tmp_path):
    images, same = HuggingFaceImages(make()), folder(tmp_path)
    assert (images.classes, images.labels.tolist()) == (["cat", "dog"], [0, 1, 1])
    assert all(torch.equal(images.read(row), same.read(row)) for row in range(3))
    assert images.encoded(2) == picture(2)
    assert images.fingerprint() == same.fingerprint()


def test_selected_and_shuffled_rows_and_other_formats():
    dataset = make().select([2, 0]).with_format("torch")
    images = HuggingFaceImages(dataset, name="two")
    assert (len(images), images.name, images.labels.tolist()) == (2, "two", [1, 0])
    assert images.encoded(0) == picture(2)
    assert (
        images.image_keys().keys.tolist()
        == images.subset(torch.tensor([0, 1])).image_keys()[0].tolist()
    )


def test_a_folder_of_save_to_disk(tmp_path):
    make().save_to_disk(tmp_path / "pets")
    assert HuggingFaceImages(tmp_path / "pets").name == "pets"
    datasets.DatasetDict({"train": make()}).save_to_disk(tmp_path / "parts")
    with pytest.raises(
        ValueError, match=r"`dataset` must be one split .*\['train'\]. Give '.*/tra"
    ):
        HuggingFaceImages(tmp_path / "parts")
    with pytest.raises(ValueError, match="`dataset` must be a folder that save_to_disk made"):
        HuggingFaceImages(tmp_path)
    with pytest.raises(FileNotFoundError, match="`dataset` must be a folder of save_to_disk"):
        HuggingFaceImages(tmp_path / "none")


@pytest.mark.parametrize(
    ("labels", "kind", "options", "numbers", "classes"),
    [
        (["b", "a", "b"], "string", {}, [1, 0, 1], ["a", "b"]),
        (["10", None, "9"], "string", {}, [1, -1, 0], ["9", "10"]),
        (["b", "a", "b"], "string", {"classes": ["b", "a", "c"]}, [0, 1, 0], ["b", "a", "c"]),
        ([2, 0, None], "int32", {}, [2, 0, -1], ["0", "1", "2"]),
        ([2, 0, -1], "int64", {"classes": ["a", "b", "c"]}, [2, 0, -1], ["a", "b", "c"]),
        ([2, 0, 1], "int64", {"label": None}, [-1, -1, -1], []),
        ([None, None, None], "string", {}, [-1, -1, -1], []),
    ],
)
def test_labels(labels, kind, options, numbers, classes):
    images = HuggingFaceImages(make(labels, datasets.Value(kind)), **options)
    assert (images.labels.tolist(), images.classes) == (numbers, classes)
    assert images.labels.dtype == torch.int64
    images.labels[0] = 0  # of its own memory, not of the file's


@pytest.mark.parametrize(
    ("dataset", "options", "error", "message"),
    [
        (lambda: {"train": 1}, {}, TypeError, "`dataset` must be a datasets.Dataset or the folder"),
        (
            lambda: datasets.DatasetDict({"train": make()}),
            {},
            TypeError,
            r"`dataset` must be one split of a data set, got \['train'\]. Take 'train' of it",
        ),
        (lambda: make().to_iterable_dataset(), {}, TypeError, "A stream has no order of its own"),
        (lambda: make().select([]), {}, ValueError, "`dataset` must be of at least one row, got 0"),
        (make, {"image": "img"}, ValueError, "`image` must be one of 'image', 'label', got 'img'"),
        (
            make,
            {"label": "fine"},
            ValueError,
            "`label` must be .*'fine'. For no labels: label=None",
        ),
        (
            make,
            {"image": "label"},
            ValueError,
            "`image` must be a column of datasets.Image, got .label of",
        ),
        (
            make,
            {"classes": ["a"]},
            ValueError,
            r"'label' must hold one of the 1 `classes` \(a\).* 1",
        ),
        (make, {"classes": ["a", "a"]}, ValueError, "`classes` must be different names"),
        (
            lambda: make([0.5, 1, 1], datasets.Value("float32")),
            {},
            ValueError,
            "`label` must be a column of whole numbers or texts, got 'label' of float",
        ),
        (
            lambda: make(["a", "b", "c"], datasets.Value("string")),
            {"classes": ["a", "b"]},
            ValueError,
            "'label' must hold one of the 2 `classes` .*got 'c'",
        ),
        (
            lambda: make([0, 1, -2], datasets.Value("int64")),
            {},
            ValueError,
            "'label' must hold one of the 2 `classes` .*got -2",
        ),
    ],
)
def test_what_is_refused(dataset, options, error, message):
    with pytest.raises(error, match=message):
        HuggingFaceImages(dataset(), **options)


def test_images_by_their_paths_and_missing_ones(tmp_path):
    (tmp_path / "0.png").write_bytes(picture(0))
    rows = {"image": [str(tmp_path / "0.png"), str(tmp_path / "1.png"), None]}
    dataset = datasets.Dataset.from_dict(rows, datasets.Features({"image": datasets.Image()}))
    images = HuggingFaceImages(dataset, label=None, on_unreadable="skip", name="paths")
    assert images.encoded(0) == picture(0)
    assert (images.encoded(1), images.encoded(2)) == (None, None)
    with pytest.raises(ValueError, match=r"cannot read the image 2 of 'paths' \(there is none\)"):
        images.read(2)
    assert images.fetch(1)[0] == 0


def test_a_large_set_goes_by_its_rows(tmp_path, monkeypatch):
    make().save_to_disk(tmp_path)
    images = HuggingFaceImages(tmp_path)
    monkeypatch.setattr(encoded, "LARGE", images.volume() - 1)
    keys, by_content = images.image_keys()
    assert not by_content
    assert len({key.tobytes() for key in keys}) == 3
    assert HuggingFaceImages(tmp_path).fingerprint() == images.fingerprint()
    assert contents.LARGE > images.volume() > 3 * len(picture(0))


def test_the_package_is_asked_for_by_the_name_of_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match=r'needs the package datasets: pip install "instdisc\[so'):
        HuggingFaceImages(make)


def test_a_package_that_misses_another_says_so(tmp_path, monkeypatch):
    (tmp_path / "half_there.py").write_text("import not_there_at_all")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="not_there_at_all"):
        packages.import_package("half_there", "Images")
