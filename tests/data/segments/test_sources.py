"""Where images and masks come from, and what is refused."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import Cityscapes as TorchvisionCityscapes

from instdisc.data import (
    CamVid,
    Cityscapes,
    Scenes,
    SceneSegments,
    SegmentData,
    SegmentFiles,
    SegmentFolder,
    SegmentSubset,
    VOCSegmentation,
    class_colors,
    open_segments,
)


def write(path, ids, size=(6, 4)):
    """A mask whose first pixels have the ids, the rest the first of them."""
    pixels = np.full(size[0] * size[1], ids[0], dtype=np.uint8)
    pixels[: len(ids)] = ids
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.reshape(size[1], size[0])).save(path)


def write_image(path, size=(6, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (10, 20, 30)).save(path)


@pytest.fixture
def pairs(tmp_path):
    for split in ("train", "test"):
        for name in ("a/1", "2"):
            write_image(tmp_path / "images" / split / f"{name}.jpg")
            write(tmp_path / "masks" / split / f"{name}.png", [0, 1, 255])
    (tmp_path / "classes.txt").write_text("sky\nsea\n\n")
    return tmp_path


def folder(root, **options):
    return SegmentFolder(
        root / "images" / "train",
        root / "masks" / "train",
        **{"classes": ["sky", "sea"], **options},
    )


def test_cityscapes_ids_become_torchvisions_train_ids(tmp_path):
    for city in ("ulm", "bonn"):
        name = f"train/{city}/{city}_000000_000019"
        write_image(tmp_path / "leftImg8bit" / f"{name}_leftImg8bit.png", (40, 1))
        write(tmp_path / "gtFine" / f"{name}_gtFine_labelIds.png", list(range(34)), (40, 1))
    source = Cityscapes(tmp_path)
    assert [path.split("/")[2] for path in source.paths] == ["bonn", "ulm"]
    known = {one.id: one for one in TorchvisionCityscapes.classes}
    expected = [known[one].train_id for one in range(34)]
    expected = [one if 0 <= one < 19 else 255 for one in expected]
    assert source.mask(1)[0, :34].tolist() == expected
    named = [one for one in TorchvisionCityscapes.classes if 0 <= one.train_id < 19]
    assert source.classes == [one.name for one in named]
    assert source.colors.tolist() == [list(one.color) for one in named]
    with pytest.raises(
        FileNotFoundError, match="must hold leftImg8bit/val/, got .* which holds gt"
    ):
        Cityscapes(tmp_path, split="val")
    with pytest.raises(ValueError, match="`split` must be one of 'train', 'val', got 'test'"):
        Cityscapes(tmp_path, split="test")
    write_image(tmp_path / "leftImg8bit/train/ulm/ulm_000000_000020_leftImg8bit.png")
    with pytest.raises(ValueError, match="1 of the 3 masks of .* not there, .*20_gtFine_labelIds"):
        Cityscapes(tmp_path)


def test_voc(tmp_path):
    root = tmp_path / "VOCdevkit" / "VOC2012"
    for name in ("1", "2"):
        write_image(root / "JPEGImages" / f"{name}.jpg")
        for masks in ("SegmentationClass", "SegmentationClassAug"):
            write(root / masks / f"{name}.png", [0, 20, 255])
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("2\n")
    (lists / "trainaug.txt").write_text("1\n2\n")
    source = VOCSegmentation(tmp_path)
    assert source.paths == ["JPEGImages/2.jpg"]
    assert source.mask(0).unique().tolist() == [0, 20, 255]
    assert (len(source.classes), source.classes[20]) == (21, "tvmonitor")
    assert len(VOCSegmentation(root, split="trainaug")) == 2
    with pytest.raises(FileNotFoundError, match=r"must hold ImageSets/Segmentation/val\.txt"):
        VOCSegmentation(tmp_path, split="val")
    (lists / "val.txt").write_text("3\n")
    with pytest.raises(ValueError, match=r"1 of the 1 images .* are not there, .*3\.jpg first"):
        VOCSegmentation(tmp_path, split="val")


def test_palette_and_sixteen_bits(tmp_path):
    write_image(tmp_path / "1.png")
    mask = Image.new("P", (6, 4), 1)
    mask.putpalette([0, 0, 0, 200, 0, 0])
    mask.save(tmp_path / "p.png")
    Image.fromarray(np.full((4, 6), 1000, dtype=np.uint16)).save(tmp_path / "w.png")
    files = SegmentFiles(
        tmp_path, ["1.png"] * 2, ["p.png", "w.png"], classes=["a", "b"], ids={1: 0, 1000: 1}
    )
    assert [int(files.mask(i).unique()) for i in (0, 1)] == [0, 1]


def test_camvid_void_is_ignored(tmp_path):
    for split in ("train", "test"):
        write_image(tmp_path / "camvid" / split / "1.jpg")
        write(tmp_path / "camvid" / f"{split}annot" / "1.png", [0, 10, 11])
    source = open_segments("camvid", tmp_path, part="test")
    assert source.mask(0).unique().tolist() == [0, 10, 255]
    assert source.name == "camvid"
    assert len(source.classes) == 11
    assert open_segments(f"camvid={tmp_path / 'camvid'}", part="train").classes == source.classes


def test_real_camvid(real_data):
    root = real_data("camvid")
    counts = [len(CamVid(root, split=split)) for split in ("train", "val", "test")]
    assert counts == [367, 101, 233]
    image, mask = CamVid(root).pair(0)
    assert image.shape == (3, 360, 480)
    assert {*range(11), 255} >= set(mask.unique().tolist())


def test_folder(pairs):
    source = folder(pairs)
    assert [path.rsplit("/", 1)[1] for path in source.paths] == ["2.jpg", "1.jpg"]
    assert source.mask(1).unique().tolist() == [0, 1, 255]
    assert source.labels.tolist() == [-1, -1]
    opened = open_segments(pairs.name, pairs.parent, part="test")
    assert opened.classes == ["sky", "sea"]
    assert opened.name == pairs.name
    (pairs / "images").rename(pairs / "scans")
    assert open_segments(pairs, part="test").paths == ["scans/test/2.jpg", "scans/test/a/1.jpg"]


def test_bad_folders(pairs, tmp_path):
    with pytest.raises(FileNotFoundError, match="`images` must be a folder"):
        SegmentFolder(pairs / "none", pairs / "masks", classes=["a", "b"])
    with pytest.raises(FileNotFoundError, match="`classes` must be names, or a text file"):
        folder(pairs, classes="none.txt")
    (pairs / "empty").mkdir()
    with pytest.raises(ValueError, match="empty holds no image"):
        SegmentFolder(pairs / "empty", pairs / "masks", classes=["a", "b"])
    write_image(pairs / "images/train/3.jpg")
    with pytest.raises(ValueError, match="1 images have no mask, '3' first"):
        folder(pairs)
    write_image(pairs / "masks/train/3.jpg")
    with pytest.raises(ValueError, match=r"without loss, such as PNG, got '3.jpg'"):
        folder(pairs)
    write(pairs / "masks/train/4.png", [0])
    with pytest.raises(ValueError, match="1 masks have no image, '4' first"):
        folder(pairs)
    write(pairs / "masks/train/3.png", [0])
    with pytest.raises(ValueError, match=r"3.jpg and .*3.png have the same name but for"):
        folder(pairs)


def test_bad_masks(pairs):
    path = pairs / "masks/train/2.png"
    write(path, [0, 7, 9])
    with pytest.raises(ValueError, match=r"2.png holds the id 7 and 1 others, which is unknown; "
                       "known are 0-1, 255. Say in `ids`"):  # fmt: skip
        folder(pairs).pair(0)
    write(path, [0], size=(6, 5))
    with pytest.raises(ValueError, match=r"2.jpg: the image is 6 x 4 pixels and its mask 6 x 5"):
        folder(pairs).pair(0)
    write_image(path)
    with pytest.raises(ValueError, match="must hold one id per pixel .* got mode 'RGB'"):
        folder(pairs).pair(0)
    path.write_bytes(b"broken")
    with pytest.raises(ValueError, match="cannot read the mask .*2.png"):
        folder(pairs).pair(0)


def test_bad_pairs_can_be_skipped(pairs, caplog):
    write(pairs / "masks/train/2.png", [9])
    source = folder(pairs, on_unreadable="skip")
    position, _, mask = source.fetch_pair(0)
    assert position == 1
    assert torch.equal(mask, source.mask(1))
    assert "2.png holds the id 9" in caplog.text
    write(pairs / "masks/train/a/1.png", [7])
    with pytest.raises(ValueError, match="not one of the 2 images of 'train'|can be used"):
        source.fetch_pair(0)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"classes": ["a"]}, ValueError, "`classes` must name 2 to 254 classes, got 1"),
        ({"classes": ["a", "a"]}, ValueError, "`classes` must differ, got 'a' 2 times"),
        ({"classes": "ab"}, TypeError, "`classes` must be a sequence of texts, got 'ab'"),
        ({"ids": {3: 2}}, ValueError, "`ids` must lead to a class, 0 to 1, or to 255"),
        ({"ids": {-1: 0}}, ValueError, "`ids` must be a whole number .* at most 65535, got -1"),
        ({"on_unreadable": "hope"}, ValueError, "`on_unreadable` must be one of 'raise', 'skip'"),
        ({"masks": []}, ValueError, "same number of files .* got 1 and 0"),
    ],
)
def test_bad_arguments(options, error, message):
    known = {"root": ".", "images": ["1.png"], "masks": ["1.png"], "classes": ["a", "b"]}
    with pytest.raises(error, match=message):
        SegmentFiles(**{**known, **options})


def test_scenes():
    source = SceneSegments(Scenes(6, image_size=32, num_categories=3))
    image, mask = source.pair(4)
    scene = source.scenes[4]
    assert torch.equal(image, source.read(4))
    assert torch.equal(mask, source.mask(4))
    assert torch.equal(mask.long(), scene.semantic)
    assert source.classes[0] == "background"
    few = SegmentSubset(source, torch.tensor([4, 1]))
    assert torch.equal(few.mask(0), mask)
    assert torch.equal(few.pair(0)[0], image)
    assert few.place(1) == "image 1 of 'scenes'"
    with pytest.raises(IndexError, match="`positions` must lie in 0 to 5, got 6"):
        SegmentSubset(source, torch.tensor([6]))


def test_open_names():
    assert len(open_segments("scenes", part="train")) == 512
    with pytest.raises(ValueError, match="`part` must be one of 'train', 'test', got 'val'"):
        open_segments("scenes", part="val")
    with pytest.raises(
        FileNotFoundError, match="must be a folder or a file or one of camvid, .* scenes, got 'x1'"
    ):
        open_segments("x1", part="train")
    with pytest.raises(FileNotFoundError, match="`root` of CamVid must hold train/, got"):
        open_segments("camvid", "/no/such/folder", part="train")


def test_colors_differ():
    colors = class_colors(254)
    assert len(colors.unique(dim=0)) == 254
    assert colors[:3].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0]]


def test_data_module_refuses(pairs):
    scenes = SceneSegments(Scenes(4, image_size=32))
    with pytest.raises(ValueError, match="`test` must be given where `train` is a SegmentSource"):
        SegmentData(scenes)
    with pytest.raises(ValueError, match="`test` has the classes .* they must be the same"):
        SegmentData(scenes, folder(pairs))
    for name in ("batch_size", "test_batch_size"):
        with pytest.raises(
            ValueError, match=f"`{name}` must be a whole number of at least 1, got 0"
        ):
            SegmentData(scenes, scenes, **{name: 0})
