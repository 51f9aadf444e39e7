"""The transfer sets: what may be missing or wrong."""

import pickle

import numpy as np
import pytest
import torch
from scipy.io import savemat

from instdisc.data import CATALOG, CatalogImages, ImageArray


def replace_text(path, text):
    path.unlink(missing_ok=True)  # a link to the replica
    path.write_text(text)


@pytest.mark.parametrize(
    ("name", "file", "text", "message"),
    [
        ("deepweeds", "labels/labels.csv", "Filename,Label\n1.jpg,9\n", "line 2 .* label '9'"),
        ("deepweeds", "labels/labels.csv", "Filename,Label\n1.jpg\n", "line 2 .* 1 columns"),
        ("deepweeds", "labels/labels.csv", "Filename,Label\n1.jpg,1\n", "names are not in images/"),
        ("deepweeds", "labels/labels.csv", "Filename,Label\n", "lists no image"),
        ("deepweeds", "labels/labels.csv", "Name,Label\n", "labels.csv has no column 'Filename'"),
        ("isic", None, "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\na,1.0,1.0,0,0,0,0,0\n", "names 2"),
        ("chestx", "Data_Entry_2017.csv", "Image Index,Finding Labels\na,Cow\n", "lists no image"),
        (
            "chestx",
            "Data_Entry_2017.csv",
            "Image Index,Finding Labels\na,Mass\n",
            "a of .* is in no",
        ),
        ("kaokore", "labels.csv", "image,gender,status,set\na,2,0,train\n", "it has '2' and '0'"),
        ("kaokore", "labels.csv", "image,gender,status,set\na,1,0,dev\n", "no image for the split"),
        ("dtd", "dtd/labels/train1.txt", "cow/cow_1.jpg\n", "labels/train1.txt .* cow/cow_1.jpg"),
        ("dtd", "dtd/labels/train1.txt", "", "train1.txt lists no image"),
        ("mini_imagenet", "train.csv", "filename,label\n", "train.csv lists no image"),
        (
            "mini_imagenet",
            "train.csv",
            "filename,label\nn0000000000000005.jpg,n1\n",
            "has 1 classes",
        ),
        ("cifar10", "cifar-10-batches-py/data_batch_3", "no pickle", "is not a pickle of arrays"),
        ("flowers102", "flowers-102/setid.mat", "no matlab", "setid.mat is not a MATLAB file"),
    ],
)
def test_wrong_list(name, file, text, message, spoiled):
    root = spoiled(name)
    replace_text(root / (file or CATALOG[name].layout.splitlines()[1]), text)
    with pytest.raises(ValueError, match=message):
        CatalogImages(name, root)


@pytest.mark.parametrize(
    ("name", "place", "message"),
    [
        (
            "cropdisease",
            "dataset/train/Plant00___rot",
            "train/ holds 37 class folders instead of 38",
        ),
        ("eurosat", "eurosat/2750/Crop3", "2750/ holds 9 class folders instead of 10"),
        ("resisc45", "NWPU-RESISC45/scene_44", "45/ holds 44 class folders instead of 45"),
        ("omniglot", "omniglot-py/images_evaluation/Alphabet00/character01", "658 characters"),
        ("tiered_imagenet", "train/n01530575", "train/ holds 350 class folders instead of 351"),
    ],
)
def test_missing_class(name, place, message, spoiled):
    root = spoiled(name)
    for file in (root / place).iterdir():
        file.unlink()
    (root / place).rmdir()
    with pytest.raises(ValueError, match=message):
        CatalogImages(name, root)


def test_class_too_small_to_split(spoiled):
    root = spoiled("eurosat")
    for number in range(2, 11):
        (root / "eurosat" / "2750" / "Crop3" / f"Crop3_{number}.jpg").unlink()
    with pytest.raises(ValueError, match="the class 'Crop3' of '2750' has 1 images, too few"):
        CatalogImages("eurosat", root)
    assert len(CatalogImages("eurosat", root, split="all")) == 91


def test_arrays_out_of_shape(spoiled, tmp_path):
    root = spoiled("svhn")
    file = root / "train_32x32.mat"
    pixels = np.zeros((32, 32, 3, 2), np.uint8)
    for content, message in (
        ({"X": pixels, "y": [[1], [11]]}, "must have labels in 1 to 10"),
        ({"X": pixels, "y": [[1]]}, "is .32, 32, 3, 2. for 1 labels"),
        ({"X": pixels}, "has no variable 'y'"),
    ):
        file.unlink()
        savemat(file, content)
        with pytest.raises(ValueError, match=message):
            CatalogImages("svhn", root)
    (root / "extra_32x32.mat").unlink()
    with pytest.raises(ValueError, match="there is no file extra_32x32.mat"):
        CatalogImages("svhn", root, split="extra")


def test_flowers_out_of_range(spoiled):
    root = spoiled("flowers102")
    file = root / "flowers-102" / "imagelabels.mat"
    file.unlink()
    savemat(file, {"labels": np.full((1, 408), 103)})
    with pytest.raises(ValueError, match="has the labels 103 to 103, not 1 to 102"):
        CatalogImages("flowers102", root)
    savemat(file, {"labels": np.ones((1, 99))})
    with pytest.raises(ValueError, match="setid.mat must name images 1 to 99"):
        CatalogImages("flowers102", root)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"data": np.zeros((2, 3072), np.uint8), "labels": [0, 10]}, "must have labels in 0 to 9"),
        ({"data": np.zeros((2, 3000), np.uint8), "labels": [0, 1]}, r"data of .* is \(2, 3000\)"),
        ({"labels": [0, 1]}, "test_batch has no entry 'data'"),
        ([1, 2], "test_batch holds a list, not a dict"),
        (None, "it wants to load os.system"),
    ],
)
def test_cifar_pickles(content, message, spoiled):
    file = spoiled("cifar10") / "cifar-10-batches-py" / "test_batch"
    file.unlink()
    harm = b"cos\nsystem\n(S'echo harm'\ntR."  # what is no array is not loaded, let alone run
    file.write_bytes(harm if content is None else pickle.dumps(content, 2))
    with pytest.raises(ValueError, match=message):
        CatalogImages("cifar10", file.parents[1], split="test")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"pixels": torch.zeros(2, 8, 8, 3, dtype=torch.uint8)},
            r"`pixels` must be \(N, 3, H, W\)",
        ),
        ({"pixels": torch.zeros(2, 3, 8, 8)}, "torch.uint8, got .* torch.float32"),
        ({"pixels": torch.zeros(0, 3, 8, 8, dtype=torch.uint8)}, "at least one image, got none"),
        ({"labels": torch.zeros(3, dtype=torch.int64)}, r"`labels` must be \(2,\) torch.int64"),
        ({"labels": torch.zeros(2)}, "torch.int64, got .* torch.float32"),
        ({"labels": torch.tensor([0, 2])}, "must lie in -1 to 1 .* got 2 for image 1 of 'pets'"),
        ({"names": ["a"]}, "`names` must be 2, one for each image, got 1"),
    ],
)
def test_bad_array(change, message):
    good = {"pixels": torch.zeros(2, 3, 8, 8, dtype=torch.uint8), "labels": torch.tensor([0, 1])}
    with pytest.raises(ValueError, match=message):
        ImageArray(**{**good, "classes": ["cat", "dog"], "name": "pets", **change})
