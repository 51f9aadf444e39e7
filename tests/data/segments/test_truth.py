"""Masks are looked at before training: classes that never occur, and what is of no use."""

import numpy as np
import pytest
import torch

from instdisc.data import SegmentData, SegmentFiles, SegmentSource, SegmentSubset
from instdisc.data.images.source import no_labels
from instdisc.data.segments.truth import check_test, check_train, read_truth


def files(tmp_path, draw, masks, classes=("ground", "lesion"), **options):
    for index, ids in enumerate(masks):
        draw(f"{index}.jpg")
        draw(f"{index}.png", ids)
    names = [str(index) for index in range(len(masks))]
    return SegmentFiles(
        tmp_path, [f"{n}.jpg" for n in names], [f"{n}.png" for n in names], classes=classes,
        name="set", **options,
    )  # fmt: skip


def test_masks_of_0_and_255_are_refused_with_advice(tmp_path, draw):
    source = files(tmp_path, draw, [[0, 255], [0, 255, 255]])
    with pytest.raises(
        ValueError,
        match=r"`train` must be a set whose masks hold pixels of every class, got {'lesion': 0}. "
        r"Its masks hold the values 0 \(189 pixels\), 255 \(3 pixels\). 255 is ignored; if it is "
        r"the class 'lesion', pass ids={0: 0, 255: 1}, or write `lesion = 255` in classes.txt",
    ):
        check_train(source)
    check_train(files(tmp_path, draw, [[0, 255], [0]], ids={0: 0, 255: 1}))  # the advice


def test_through_a_folder(tmp_path, draw):
    for part in ("train", "test"):
        draw(f"images/{part}/1.png")
        draw(f"masks/{part}/1.png", [0, 255])
    (tmp_path / "classes.txt").write_text("ground\nlesion\n")
    data = SegmentData(str(tmp_path), crop_size=8, batch_size=1)
    with pytest.raises(ValueError, match="got {'lesion': 0}.* `lesion = 255`"):
        data.setup("fit")
    data.setup("validate")  # what was trained elsewhere can be tested
    (tmp_path / "classes.txt").write_text("ground\nlesion = 255\n")
    SegmentData(str(tmp_path), crop_size=8, batch_size=1).setup("fit")


@pytest.mark.parametrize(
    ("masks", "ids", "message"),
    [
        ([[0, 1], [1]], None, r"got {'c': 0}. .* 0 \(1 pixels\)|got {'c': 0}"),
        ([[0], [0]], None, "got {'b': 0, 'c': 0}. .*Say which value is which class by `ids`"),
        ([[1, 2], [3]], {1: 0, 2: 1, 3: 255, 9: 2}, "got {'c': 0}. .*leave classes out"),
        ([[255]] * 2, None, "got {'a': 0, 'b': 0, 'c': 0}. Its masks hold the values 255"),
    ],
)
def test_other_classes_that_never_occur(tmp_path, draw, masks, ids, message):
    source = files(tmp_path, draw, masks, classes=["a", "b", "c"], ids=ids)
    with pytest.raises(ValueError, match=f"`train` must .* {message}"):
        check_train(source)


def test_a_subset_is_judged_by_itself(tmp_path, draw):
    source = files(tmp_path, draw, [[0, 1], [0]])
    check_train(source)
    with pytest.raises(ValueError, match=r"got {'lesion': 0}. Its masks hold the values 0 \(96 p"):
        check_train(SegmentSubset(source, torch.tensor([1])))


def test_masks_without_a_class_are_counted_and_go_on(tmp_path, draw, caplog):
    source = files(tmp_path, draw, [[0, 1], [255], [255]])
    check_train(source)
    assert "`train`, 'set': 2 of 3 masks hold no pixel that has a class" in caplog.text
    assert "first: " + str(tmp_path / "1.jpg") in caplog.text
    assert len(caplog.records) == 1
    assert source.pair(1)[1].unique().tolist() == [255]


def test_the_test_set(tmp_path, draw, caplog):
    source = files(tmp_path, draw, [[0], [255]])
    check_test(source)
    assert "1 of 2 masks hold no pixel that has a class" in caplog.text
    assert "`test`, 'set', holds no pixel of 1 of its 2 classes, 'lesion' first" in caplog.text
    with pytest.raises(ValueError, match="`test` must be a set whose masks hold pixels that count"):
        check_test(SegmentSubset(source, torch.tensor([1])))


def test_pairs_that_cannot_be_used(tmp_path, draw, caplog):
    source = files(tmp_path, draw, [[0, 1], [0], [0]])
    draw("1.png", [7])
    draw("2.png", [0], size=(5, 5))
    with pytest.raises(ValueError, match="1.png holds the id 7, .* `NAME = 7` or `ignored = 7`"):
        check_train(source)
    draw("1.png", [0])
    with pytest.raises(ValueError, match="2.jpg: the image is 12 x 8 pixels and its mask 5 x 5"):
        check_test(source)
    (tmp_path / "1.jpg").write_bytes(b"broken")
    source.on_unreadable = "skip"
    check_train(source)
    assert "`train`, 'set': 2 of 3 masks cannot be used; other images take their" in caplog.text
    assert "cannot read the image" in caplog.text
    with pytest.raises(ValueError, match="not one of the 2 images of 'set' can be used: cannot"):
        check_train(SegmentSubset(source, torch.tensor([1, 2])))


class Many(SegmentSource):
    """Of a class for itself in one image alone."""

    name, classes = "many", ("a", "b")

    def __init__(self, count, rare):
        self.labels = no_labels(count)
        self.rare = rare
        self.seen = []

    def read(self, index):
        raise AssertionError("images are not decoded")

    def mask(self, index):
        self.seen.append(index)
        return torch.full((2, 2), int(index == self.rare), dtype=torch.uint8)


def test_of_many_masks_a_sample_and_then_until_all_classes_are_seen():
    for rare, looked_at in ((0, 5), (50, 5), (3, 8), (99, 5), (98, 100)):
        source = Many(100, rare)
        truth = read_truth(source, most=5)
        assert truth.pixels.tolist() == [4 * (looked_at - 1), 4]
        assert truth.looked_at == len(source.seen) == len(set(source.seen)) == looked_at
    assert source.seen[:5] == [0, 25, 50, 74, 99]
    absent = read_truth(Many(100, None), most=5)
    assert (absent.looked_at, absent.pixels.tolist()) == (100, [400, 0])


def test_against_a_loop(tmp_path, draw):
    rs = np.random.RandomState(0)
    masks = [rs.choice([0, 1, 2, 255], 96).tolist() for _ in range(6)]
    source = files(tmp_path, draw, masks, classes=["a", "b", "c"])
    expected = [sum(mask.count(value) for mask in masks) for value in range(3)]
    assert read_truth(source).pixels.tolist() == expected
