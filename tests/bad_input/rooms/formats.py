"""Images in formats whose packages are optional."""

import io
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image

from ..calls import Call
from ..sorts import OBJECT, PATH, TEXT, optional, sequence

ROOT = Path(tempfile.mkdtemp(prefix="bad_input_"))
MISSING = {"missing": "/no/such/place"}
CLASSES = optional(sequence(TEXT).also(twice=["a", "a"]))
LABEL = optional(TEXT).also(no_column="fine")
IMAGE = TEXT.also(no_column="picture")


def files() -> list[bytes]:
    """Two images."""
    pictures = [io.BytesIO() for _ in range(2)]
    for width, picture in enumerate(pictures, start=8):
        Image.new("RGB", (width, 6)).save(picture, "PNG")
    return [picture.getvalue() for picture in pictures]


def hugging_face() -> Any:
    import datasets

    columns = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])}
    rows = {"image": [{"bytes": file, "path": None} for file in files()], "label": [0, 1]}
    return datasets.Dataset.from_dict(rows, datasets.Features(columns))


def parquet() -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = ROOT / "images.parquet"
    if not file.exists():
        pq.write_table(pa.table({"image": files(), "label": ["a", "b"]}), file)
    return file


def database() -> Path:
    import lmdb

    folder = ROOT / "lmdb"
    if not folder.exists():
        with lmdb.open(str(folder)) as environment, environment.begin(write=True) as writing:
            for row, file in enumerate(files()):
                writing.put(f"a/{row}.png".encode(), file)
    return folder


_CALLS = {
    "datasets": Call(
        "instdisc.data.HuggingFaceImages",
        lambda: {"dataset": hugging_face()},
        {
            "dataset": OBJECT.also(number=3, splits={"train": 1}),
            "image": IMAGE,
            "label": LABEL,
            "classes": CLASSES,
        },
        raises={"dataset": FileNotFoundError},
    ),
    "pyarrow": Call(
        "instdisc.data.ParquetImages",
        lambda: {"files": parquet()},
        {"files": PATH.also(**MISSING), "image": IMAGE, "label": LABEL, "classes": CLASSES},
        raises={"files": FileNotFoundError},
    ),
    "lmdb": Call(
        "instdisc.data.LMDBImages",
        lambda: {"path": database()},
        {"path": PATH.also(**MISSING)},
        raises={"path": FileNotFoundError},
    ),
}
CALLS = [call for package, call in _CALLS.items() if find_spec(package)]
EXEMPT = {
    call.name: f"the package {package} is not installed here"
    for package, call in _CALLS.items()
    if not find_spec(package)
}
