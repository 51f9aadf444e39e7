"""The transfer sets: labels, splits, torchvision's reading of the same files."""

import pickle

import numpy as np
import pytest
import torch
import torchvision.datasets as tv
from PIL import Image

from instdisc.data import CATALOG, TRANSFER_SETS, CatalogImages, image_names
from instdisc.data.catalog.few_shot import tiered_classes


def opened(name, replica, split) -> CatalogImages:
    return CatalogImages(name, replica(name), split=split)


def test_twelve():
    assert len(set(TRANSFER_SETS)) == 12
    assert all(set(CATALOG[name].transfer) == {"train", "test", "all"} for name in TRANSFER_SETS)


@pytest.mark.parametrize("name", [*TRANSFER_SETS, "omniglot_background", "cifar10", "cifar100"])
def test_parts_are_disjoint_and_complete(name, replica):
    transfer = CATALOG[name].transfer
    train, test, every = (
        opened(name, replica, transfer[part]) for part in ("train", "test", "all")
    )
    parts = [set(image_names(images)) for images in (train, test, every)]
    assert not parts[0] & parts[1]
    assert parts[0] | parts[1] == parts[2]
    assert [len(part) for part in parts] == [len(images) for images in (train, test, every)]
    assert train.classes == test.classes == every.classes
    label = dict(zip(image_names(every), every.labels.tolist(), strict=True))
    for images in (train, test):
        assert [label[one] for one in image_names(images)] == images.labels.tolist()


SEVENTY = ["deepweeds", "eurosat", "resisc45", "isic", "chestx", "omniglot", "imagenet_sketch"]


@pytest.mark.parametrize("name", SEVENTY)
def test_seventy_thirty(name, replica):
    every = opened(name, replica, "all").labels.bincount()
    train = opened(name, replica, "train").labels.bincount()
    assert train.tolist() == [int(0.7 * count) for count in every.tolist()]


@pytest.mark.parametrize("name", TRANSFER_SETS)
def test_official_sizes_add_up(name):
    sizes, transfer = CATALOG[name].sizes, CATALOG[name].transfer
    if len(sizes) > 1:
        assert sizes[transfer["train"]] + sizes[transfer["test"]] == sizes[transfer["all"]]


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("deepweeds", [1125, 1064, 1031, 1022, 1062, 1009, 1074, 1016, 9106]),
        ("eurosat", [3000, 3000, 3000, 2500, 2500, 2000, 2500, 3000, 2500, 3000]),
        ("resisc45", [700] * 45),
        ("isic", [1113, 6705, 514, 327, 1099, 115, 142]),
        ("omniglot", [20] * 659),
    ],
)
def test_official_sizes_follow_from_the_classes(name, counts):
    """The number of images of each class is public; int(0.7 n) of each gives the papers' split."""
    assert CATALOG[name].sizes["all"] == sum(counts)
    assert CATALOG[name].sizes["train"] == sum(int(0.7 * count) for count in counts)


# The same files read by torchvision, whose checksums a replica cannot have.

REFERENCES = [
    ("flowers102", "train", lambda root: tv.Flowers102(root, "train"), 1),
    ("flowers102", "val", lambda root: tv.Flowers102(root, "val"), 1),
    ("flowers102", "test", lambda root: tv.Flowers102(root, "test"), 1),
    ("eurosat", "all", tv.EuroSAT, 1),
    ("dtd", "train", lambda root: tv.DTD(root.parent / "dtd_root", "train"), 1),
    ("dtd", "test", lambda root: tv.DTD(root.parent / "dtd_root", "test"), 1),
    ("svhn", "train", lambda root: tv.SVHN(root, "train"), 0),
    ("svhn", "test", lambda root: tv.SVHN(root, "test"), 0),
    ("svhn", "extra", lambda root: tv.SVHN(root, "extra"), 0),
    ("cifar10", "train", lambda root: tv.CIFAR10(root, train=True), 0),
    ("cifar10", "test", lambda root: tv.CIFAR10(root, train=False), 0),
    ("cifar100", "train", lambda root: tv.CIFAR100(root, train=True), 0),
    ("cifar100", "test", lambda root: tv.CIFAR100(root, train=False), 0),
]


@pytest.mark.parametrize(("name", "split", "reference", "tolerance"), REFERENCES)
def test_torchvision_reads_the_same(name, split, reference, tolerance, replica, monkeypatch):
    for module in ("flowers102", "svhn", "cifar"):
        monkeypatch.setattr(f"torchvision.datasets.{module}.check_integrity", lambda *_: True)
    root = replica(name)
    link = root.parent / "dtd_root"
    if name == "dtd" and not link.exists():
        link.mkdir()
        (link / "dtd").symlink_to(root)
    images, theirs = CatalogImages(name, root, split=split), reference(root)
    assert len(images) == len(theirs)
    order = {"cifar10": "classes", "cifar100": "classes", "dtd": "classes"}
    if name in order:
        assert list(images.classes) == list(theirs.classes)
    for index in range(0, len(images), max(1, len(images) // 50)):
        picture, label = theirs[index]
        assert label == int(images.labels[index])
        theirs_pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).int()
        assert (images.read(index).int() - theirs_pixels).abs().max() <= tolerance


def test_omniglot_classes_are_torchvisions(replica, monkeypatch):
    monkeypatch.setattr(tv.Omniglot, "_check_integrity", lambda self: True)
    theirs = tv.Omniglot(replica("omniglot"), background=False)
    images = opened("omniglot", replica, "all")
    assert len(images) == len(theirs)
    assert sorted(images.classes) == sorted(theirs._characters)
    assert images.classes[0] == "Alphabet00/character01"
    background = opened("omniglot_background", replica, "all")
    assert len(background.classes) == 12


# Labels


def test_flowers_trainval(replica):
    images = opened("flowers102", replica, "trainval")
    assert images.labels.tolist() == [*range(102)] * 2
    assert images.classes[0] == "1"
    assert image_names(images)[:2] == ["image_00001.jpg", "image_00002.jpg"]


def test_isic_and_deepweeds_labels(replica):
    images = opened("isic", replica, "all")
    assert images.labels.tolist() == [*range(7)] * 3
    assert images.classes[:2] == ["MEL", "NV"]
    weeds = opened("deepweeds", replica, "all")
    assert weeds.labels.tolist() == [8, *range(9)] * 10
    assert weeds.classes[8] == "Negative"


def test_chestx_keeps_single_findings(replica):
    images = opened("chestx", replica, "all")
    assert images.classes == sorted(images.classes)
    assert len(images.classes) == 7
    assert images.labels.bincount().tolist() == [6] * 7
    assert images.labels[:7].tolist() == [6, 5, 4, 3, 2, 1, 0]
    assert image_names(images)[1] == "images_002/images/00000001_000.png"
    assert float(images.read(1).float().mean()) == 4


def test_chestx_in_one_folder(spoiled):
    root = spoiled("chestx")
    (root / "images").mkdir()
    for folder in ("images_001", "images_002"):
        for file in (root / folder / "images").iterdir():
            file.rename(root / "images" / file.name)
    (root / "Data_Entry_2017.csv").rename(root / "Data_Entry_2017_v2020.csv")
    assert image_names(CatalogImages("chestx", root, split="all"))[1] == "images/00000001_000.png"


def test_kaokore_parts(replica):
    assert opened("kaokore", replica, "train").labels.tolist() == [*range(8)]
    assert len(opened("kaokore", replica, "dev")) == 2
    assert len(opened("kaokore", replica, "all")) == 14
    assert opened("kaokore", replica, "test").classes[6] == "female incarnation"


def test_few_shot_classes_are_apart(replica):
    for name, counts in (("mini_imagenet", (64, 16, 20)), ("tiered_imagenet", (351, 97, 160))):
        classes = [opened(name, replica, split).classes for split in ("train", "val", "test")]
        assert tuple(map(len, classes)) == counts
        assert len(set().union(*classes)) == sum(counts)
        assert all(one == sorted(one) for one in classes)


def test_mini_imagenet_labels_are_the_folders(replica):
    images = opened("mini_imagenet", replica, "val")
    for name, label in zip(image_names(images), images.labels.tolist(), strict=True):
        assert name.startswith(images.classes[label])


def test_images_of_base_classes_are_split(replica, caplog):
    train, kept = (opened("mini_imagenet", replica, f"base_{part}") for part in ("train", "val"))
    assert train.classes == kept.classes == opened("mini_imagenet", replica, "train").classes
    assert (train.labels.bincount() == 1).all()  # 5/6 of the 2 of a class here, 500 of 600 there
    assert (kept.labels.bincount() == 1).all()
    assert not set(image_names(train)) & set(image_names(kept))
    assert "officially there are 32000" in caplog.text


@pytest.mark.parametrize("protocol", [2, 4])
def test_mini_imagenet_pickled(protocol, tmp_path):
    pixels = np.random.RandomState(0).randint(0, 256, (40, 84, 84, 3)).astype(np.uint8)
    members = {f"n{i:08d}": [39 - i, i] for i in range(20)}
    content = {"image_data": pixels, "class_dict": members}
    file = tmp_path / "mini-imagenet-cache-test.pkl"
    file.write_bytes(pickle.dumps(content, protocol))
    images = CatalogImages("mini_imagenet", tmp_path, split="test")
    assert images.labels.tolist() == [*range(20), *reversed(range(20))]
    assert torch.equal(images.read(7), torch.from_numpy(pixels[7]).permute(2, 0, 1))
    file.write_bytes(pickle.dumps({**content, "class_dict": {"n1": [0]}}, protocol))
    with pytest.raises(ValueError, match="or has images of no class"):
        CatalogImages("mini_imagenet", tmp_path, split="test")
    file.write_bytes(pickle.dumps({"image_data": pixels}, protocol))
    with pytest.raises(ValueError, match="has no entry 'class_dict'"):
        CatalogImages("mini_imagenet", tmp_path, split="test")


def test_tiered_imagenet_from_imagenet(tmp_path):
    wnids = [wnid for part in tiered_classes().values() for wnid in part]
    for wnid in [*wnids, *(f"n9{index:07d}" for index in range(1000 - len(wnids)))]:
        (tmp_path / "train" / wnid).mkdir(parents=True)
        Image.new("RGB", (8, 6)).save(tmp_path / "train" / wnid / "1.png")
    for split, classes in tiered_classes().items():
        assert CatalogImages("tiered_imagenet", tmp_path, split=split).classes == classes


def test_eurosat_of_the_later_archive(replica, tmp_path):
    (tmp_path / "EuroSAT_RGB").symlink_to(replica("eurosat") / "eurosat" / "2750")
    images = CatalogImages("eurosat", tmp_path)
    assert torch.equal(images.labels, opened("eurosat", replica, "train").labels)


def test_cifar_as_python_2_pickled_it(spoiled):
    """As the official files are: bytes for text and for the array's memory, 0 and 1 for bool."""
    pixels = np.random.RandomState(0).randint(0, 256, (1, 3072)).astype(np.uint8)
    memory = pixels.tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntU\x01btR"  # an empty one
        b"(I1\n(I1\nI3072\ntcnumpy\ndtype\n(U\x02u1I0\nI1\ntR"  # version, shape, type
        b"(I3\nU\x01|NNNI-1\nI-1\nI0\ntb"  # the type's state
        b"I00\nT" + len(memory).to_bytes(4, "little") + memory + b"tb"
    )
    file = spoiled("cifar10") / "cifar-10-batches-py" / "test_batch"
    file.unlink()
    file.write_bytes(b"\x80\x02}(U\x04data" + array + b"U\x06labels(I7\nlu.")
    images = CatalogImages("cifar10", file.parents[1], split="test")
    assert images.labels.tolist() == [7]
    assert torch.equal(images.read(0).flatten(), torch.from_numpy(pixels[0]))
