"""Every source of the library passes the battery that users run over theirs."""

import io
import tarfile
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from instdisc.data import (
    CatalogImages,
    ClassSubset,
    HeldOut,
    HuggingFaceImages,
    ImageArray,
    ImageFiles,
    ImageFolder,
    ImageShards,
    ImagesInMemory,
    ImageSubset,
    ImageTable,
    JoinedImages,
    LMDBImages,
    ParquetImages,
    RandomSubset,
    SceneLandmarks,
    SceneObjects,
    Scenes,
    SceneSegments,
    StratifiedSubset,
    StreamedShards,
    join_folders,
    open_set,
    resize_copy,
)
from instdisc.testing import check_source
from instdisc.testing.source_processes import faults_of_processes
from instdisc.transfer.suite.fitting import number_alike

BROKEN = 5  # of the sets with an image that cannot be read


def picture(number, form, size=(14, 11)):
    file = io.BytesIO()
    pixels = np.random.RandomState(number).randint(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


def files(form="PNG", broken=False):
    """Of two classes, by path."""
    return {
        f"{name}/{number}.{form.lower()}": b"broken"
        if broken and number == BROKEN
        else picture(number, form)
        for name, numbers in (("cat", range(6)), ("dog", range(6, 9)), ("cow", range(9, 12)))
        for number in numbers
    }


def write(root, contents):
    for path, content in contents.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


def folder(root, broken=False):
    write(root, files(broken=broken))
    return partial(ImageFolder, root, index=False)


def flat_folder(root):
    write(root, {f"{number}.jpg": picture(number, "JPEG") for number in range(6)})
    return partial(ImageFolder, root, index=False)


def table(root):
    write(root, files())
    rows = "\n".join(f"{path},{number % 3}" for number, path in enumerate(files()))
    (root / "table.csv").write_text(f"image,label\n{rows}\n")
    return partial(ImageTable, root, root / "table.csv")


def image_files(root):
    return partial(ImageFiles, write(root, files()), list(files()), torch.full((12,), -1))


def array(root):
    pixels = torch.randint(256, (6, 3, 8, 9), dtype=torch.uint8)
    return partial(ImageArray, pixels, torch.arange(6) % 2, classes=["a", "b"], name="array")


def scenes(root=None, count=8, **options):
    return Scenes(count, image_size=32, num_categories=2, **options)


def in_memory(root):
    return lambda: ImagesInMemory(scenes())


def mixed_in_memory(root):
    sizes = {f"{n}.png": picture(n, "PNG", (8, 6 + n // 3)) for n in range(6)}
    return lambda: ImagesInMemory(ImageFolder(write(root, sizes), index=False))


def catalog(root):
    contents = {
        f"2750/class{c}/{n}.jpg": picture(10 * c + n, "JPEG") for c in range(10) for n in (0, 1)
    }
    return partial(CatalogImages, "eurosat", write(root, contents), split="all")


def joined_folders(root):
    for name in ("train", "test"):
        write(root / name, files())
    return partial(join_folders, root, ["train", "test"])


def joined(root):
    return lambda: JoinedImages({"train": scenes(), "test": scenes(split="test")})


def copies(root):
    images = ImageFolder(write(root / "large", files("JPEG")), index=False)
    return partial(resize_copy, images, root / "small", short_side=8, num_threads=1)


def alike(root):
    return lambda: number_alike(scenes(), [*scenes().classes, "more"], "scenes")


def hugging_face(root, broken=False):
    datasets = pytest.importorskip("datasets")
    contents = files(broken=broken)
    features = {
        "image": datasets.Image(),
        "label": datasets.ClassLabel(names=["cat", "cow", "dog"]),
    }
    rows = {
        "image": [{"bytes": content, "path": path} for path, content in contents.items()],
        "label": [path.partition("/")[0] for path in contents],
    }
    datasets.disable_progress_bars()
    datasets.Dataset.from_dict(rows, datasets.Features(features)).save_to_disk(root)
    return partial(HuggingFaceImages, root)


def shuffled_hugging_face(root):
    datasets = pytest.importorskip("datasets")
    hugging_face(root)
    return lambda: HuggingFaceImages(datasets.load_from_disk(root).shuffle(seed=1), name="mixed")


def parquet(root, broken=False):
    arrow = pytest.importorskip("pyarrow")
    parquets = pytest.importorskip("pyarrow.parquet")
    contents = files(broken=broken)
    columns = {"image": [*contents.values()], "label": [p.partition("/")[0] for p in contents]}
    whole = arrow.table(columns)
    for number, rows in enumerate((whole[:7], whole[7:])):
        parquets.write_table(rows, root / f"{number}.parquet", row_group_size=2)
    return partial(ParquetImages, root)


def parquet_of_structs(root):
    datasets = pytest.importorskip("datasets")
    hugging_face(root / "arrow")
    datasets.load_from_disk(root / "arrow").to_parquet(root / "images.parquet")
    return partial(ParquetImages, root / "images.parquet")


def lmdb(root, broken=False):
    database = pytest.importorskip("lmdb")
    with database.open(str(root)) as environment, environment.begin(write=True) as writing:
        for path, content in files(broken=broken).items():
            writing.put(path.encode(), content)
    return partial(LMDBImages, root)


def shards(root, broken=False):
    members = [
        (f"{number:03}.{ending}", content)
        for number, (path, image) in enumerate(files(broken=broken).items())
        for ending, content in (("png", image), ("cls", path.partition("/")[0].encode()))
    ]
    for number, part in enumerate((members[:14], members[14:])):
        with tarfile.open(root / f"{number}.tar", "w") as tar:
            for name, content in part:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return partial(ImageShards, root, index=root / "index")


def streamed(root, broken=False):
    (root / "shards").mkdir()
    shards(root / "shards", broken=broken)
    address, places = f"file://{root / 'shards'}", {"index": root / "index", "copies": root / "x"}
    return partial(StreamedShards, address, window=2, lanes=2, **places)


SOURCES = {
    "scenes": lambda root: scenes,
    "folder": folder,
    "flat folder": flat_folder,
    "files": image_files,
    "table": table,
    "array": array,
    "in memory": in_memory,
    "in memory, of several sizes": mixed_in_memory,
    "subset": lambda root: lambda: ImageSubset(scenes(), torch.tensor([7, 2, 3, 5, 0])),
    "classes": lambda root: lambda: ClassSubset(scenes(), scenes().classes[1:]),
    "random": lambda root: lambda: RandomSubset(scenes(), 6),
    "stratified": lambda root: lambda: StratifiedSubset(scenes(count=12), 0.5),
    "held out": lambda root: lambda: HeldOut(scenes(), "train", share=0.5),
    "catalog": catalog,
    "joined folders": joined_folders,
    "joined": joined,
    "copies": copies,
    "numbered alike": alike,
    "objects": lambda root: lambda: SceneObjects(scenes()),
    "segments": lambda root: lambda: SceneSegments(scenes()),
    "landmarks": lambda root: lambda: SceneLandmarks(scenes()),
    "hugging face": hugging_face,
    "hugging face, shuffled": shuffled_hugging_face,
    "parquet": parquet,
    "parquet of structs": parquet_of_structs,
    "lmdb": lmdb,
    "shards": shards,
    "streamed shards": streamed,
}


@pytest.mark.parametrize("name", SOURCES)
def test_source(name, tmp_path):
    check_source(SOURCES[name](tmp_path), two_processes=False)


@pytest.mark.parametrize("make", [folder, hugging_face, parquet, lmdb, shards, streamed])
def test_source_with_an_image_that_cannot_be_read(make, tmp_path):
    source = make(tmp_path, broken=True)
    (broken,) = (row for row, content in enumerate(keys_of(source())) if content == b"broken")
    check_source(source, broken=[broken], two_processes=False)


def keys_of(source):
    return [source.encoded(row) for row in range(len(source))]


@pytest.mark.slow
def test_sources_in_processes_that_are_started_afresh(tmp_path):
    sources = {}
    for name, make in SOURCES.items():
        (tmp_path / name).mkdir()
        sources[name] = make(tmp_path / name)()
    faults = faults_of_processes([(source, range(4)) for source in sources.values()])
    assert dict(zip(sources, faults, strict=True)) == dict.fromkeys(sources, "")


REAL = {
    "tiny_imagenet100": ("images", "train"),
    "flowers17": ("images", "all"),
    "pennfudan": ("objects", "train"),
    "coco128": ("objects", "all"),
    "camvid": ("segments", "test"),
    "faces68": ("landmarks", "train"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_real_source(name, real_data):
    kind, part = REAL[name]
    place = real_data(name)
    check_source(lambda: open_set(kind, place, part=part), two_processes=False)
