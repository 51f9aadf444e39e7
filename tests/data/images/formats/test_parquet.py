"""Parquet as a source: groups of rows, several files, what Hugging Face writes."""

import io
import os
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from instdisc.data import ImageFolder, ParquetImages
from instdisc.data.images.formats import encoded, row_groups
from instdisc.data.images.formats.parquet import is_parquet

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def picture(number):
    file = io.BytesIO()
    pixels = np.random.RandomState(number).randint(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def columns(numbers=range(10), **more):
    labels = ["cat" if number < 5 else "dog" for number in numbers]
    return {"image": [picture(number) for number in numbers], "label": labels, **more}


def write(file, table, rows=3):
    file.parent.mkdir(exist_ok=True, parents=True)
    parquet.write_table(
        table if isinstance(table, arrow.Table) else arrow.table(table), file, row_group_size=rows
    )
    return file


def test_images_labels_and_fingerprint_are_those_of_a_folder(tmp_path):
    images = ParquetImages(write(tmp_path / "pets.parquet", columns()))
    for number in range(10):
        path = tmp_path / "files" / ("cat" if number < 5 else "dog") / f"{number}.png"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(picture(number))
    same = ImageFolder(tmp_path / "files", index=False)
    assert (images.name, images.classes) == ("pets", ["cat", "dog"])
    assert all(torch.equal(images.read(row), same.read(row)) for row in (9, 0, 4, 5))
    assert images.fingerprint() == same.fingerprint()


def test_several_files_in_their_order(tmp_path):
    files = [write(tmp_path / f"{n}.parquet", columns(range(n, n + 4)), rows=2) for n in (0, 4)]
    images = ParquetImages(tmp_path)
    assert [images.encoded(row) for row in range(8)] == [picture(n) for n in range(8)]
    assert images.place(6) == f"6 of {tmp_path.name!r} (row 2 of {files[1]})"
    turned = ParquetImages(files[::-1])
    assert (turned.encoded(0), turned.name) == (picture(4), "4")
    assert len(images._cells.places) == 4


def test_an_empty_group_and_a_missing_image(tmp_path):
    full = arrow.table(columns(range(2)))
    with parquet.ParquetWriter(tmp_path / "a.parquet", full.schema) as writer:
        for table in (full, full[:0], full):
            writer.write_table(table)
    images = ParquetImages(tmp_path / "a.parquet")
    assert [images.encoded(row) == picture(row % 2) for row in range(4)] == [True] * 4
    file = write(tmp_path / "b.parquet", {"image": [picture(0), None], "label": ["cat", "cat"]})
    images = ParquetImages(file)
    assert images.encoded(1) is None
    with pytest.raises(
        ValueError, match=r"cannot read the image 1 of 'b' \(row 1 of .*there is no"
    ):
        images.read(1)


def test_groups_are_kept_and_read_once(tmp_path, monkeypatch):
    images = ParquetImages(write(tmp_path / "a.parquet", columns(), rows=1))
    reads = []
    read = parquet.ParquetFile.read_row_group
    monkeypatch.setattr(
        parquet.ParquetFile,
        "read_row_group",
        lambda self, group, **options: reads.append(group) or read(self, group, **options),
    )
    for row in (0, 1, 2, 3, 0, 1, 2, 3, 4, 1, 0):
        images.encoded(row)
    assert reads == [0, 1, 2, 3, 4, 0]
    assert row_groups.KEPT == 4
    assert len(pickle.dumps(images)) < 3000 + len(pickle.dumps(images.labels))
    assert list(images._cells._opened) == [os.getpid()]


def test_what_hugging_face_writes(tmp_path):
    datasets = pytest.importorskip("datasets")
    names = datasets.ClassLabel(names=["dog", "cat"])
    rows = {"img": [{"bytes": picture(n), "path": f"{n}.png"} for n in range(3)], "fine": [0, 1, 1]}
    features = datasets.Features({"img": datasets.Image(), "fine": names})
    datasets.disable_progress_bars()
    datasets.Dataset.from_dict(rows, features).to_parquet(tmp_path / "train-0.parquet")
    images = ParquetImages(tmp_path, image="img", label="fine")
    assert (images.classes, images.labels.tolist()) == (["dog", "cat"], [0, 1, 1])
    assert images.encoded(2) == picture(2)
    assert ParquetImages(tmp_path, image="img", label="fine", classes=["a", "b"]).classes == [
        "a",
        "b",
    ]


@pytest.mark.parametrize("kind", ["dictionary", "large_string", "int8"])
def test_kinds_of_labels(kind, tmp_path):
    labels = arrow.array(["b", "a", None] if kind != "int8" else [1, 0, None])
    if kind == "dictionary":
        labels = labels.dictionary_encode()
    else:
        labels = labels.cast(getattr(arrow, kind)())
    table = arrow.table({"image": [picture(n) for n in range(3)], "label": labels})
    images = ParquetImages(write(tmp_path / "a.parquet", table))
    assert images.labels.tolist() == [1, 0, -1]


def test_large_binary(tmp_path):
    cells = arrow.array([picture(0)], arrow.large_binary())
    file = write(tmp_path / "a.parquet", arrow.table({"image": cells}))
    assert ParquetImages(file, label=None).encoded(0) == picture(0)


@pytest.mark.parametrize(
    ("make", "options", "error", "message"),
    [
        (
            columns,
            {"image": "img"},
            ValueError,
            r"`image` must be a column of .*\(image, label\), go",
        ),
        (
            columns,
            {"label": "fine"},
            ValueError,
            "`label` must be .*'fine'. For no labels: label=N",
        ),
        (
            columns,
            {"image": "label"},
            ValueError,
            "`image` must be a column of bytes, or of .*string",
        ),
        (columns, {"classes": ["cat"]}, ValueError, "'label' must hold one of the 1 `classes`"),
        (lambda: columns(range(0)), {"label": None}, ValueError, "`image` must be|`files` must be"),
        (
            lambda: arrow.table(columns())[:0],
            {},
            ValueError,
            "`files` must be of at least one row, got",
        ),
    ],
)
def test_what_is_refused(make, options, error, message, tmp_path):
    with pytest.raises(error, match=message):
        ParquetImages(write(tmp_path / "a.parquet", make()), **options)


def test_files_that_are_none(tmp_path):
    (tmp_path / "text.parquet").write_text("text")
    with pytest.raises(ValueError, match="`files` must be Parquet, got '.*text.parquet'"):
        ParquetImages(tmp_path)
    for files in (tmp_path / "none.parquet", [], [tmp_path / "text.parquet", tmp_path / "gone"]):
        with pytest.raises(
            FileNotFoundError, match="`files` must be .parquet files or their folder"
        ):
            ParquetImages(files)
    assert is_parquet(tmp_path)
    assert not is_parquet(tmp_path / "none.parquet")


def test_parts_of_a_set_are_not_one(tmp_path):
    for name in ("train-00000-of-00001", "validation-00000-of-00001"):
        write(tmp_path / f"{name}.parquet", columns())
    with pytest.raises(
        ValueError, match="`files` must be of one part .*train, validation'. Give th"
    ):
        ParquetImages(tmp_path)


def test_a_large_set_goes_by_file_and_row(tmp_path, monkeypatch):
    files = [write(tmp_path / f"{n}.parquet", columns(range(4)), rows=2) for n in range(2)]
    images = ParquetImages(files)
    monkeypatch.setattr(encoded, "LARGE", 1)
    keys, by_content = images.image_keys()
    assert not by_content
    assert len({key.tobytes() for key in keys}) == 8
    assert images.stamp(5) == f"1.parquet {files[1].stat().st_size} 1"
