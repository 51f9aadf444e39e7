"""Images in Parquet files."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from instdisc import checks

from ..source import no_labels
from .encoded import EncodedImages
from .labels import read_labels
from .packages import import_package
from .row_groups import RowGroups

_PARTS = ("train", "training", "test", "testing", "val", "valid", "validation")


class ParquetImages(EncodedImages):
    """Images whose files lie in a column of Parquet files.

    The column holds the bytes, or Hugging Face's ``{bytes, path}``, of which the bytes count.

    Parquet is read by groups of rows, of which each process keeps the last four. In order that is
    fast; in random order, as in training, nearly every image costs the reading of its whole group:
    with groups of 1,000 rows a thousand images are read for one. So write small groups
    (``pyarrow.parquet.write_table(table, file, row_group_size=10)``), or convert large ones once
    (``datasets.load_dataset("parquet", data_files=...).save_to_disk(...)``, `HuggingFaceImages`).

    Args:
        files: a file, several in their order, or a folder: its ``.parquet`` files by their names.
        image: the column of the images.
        label: the column of the classes, by number or name; ``None`` for unknown ones.
        classes: the names of the classes; ``None`` for those that Hugging Face wrote into the file,
            or else the different names or numbers in the column.
        name: for records and messages; ``None`` for the name of the folder or first file.
        on_unreadable: ``"raise"`` or ``"skip"``; see `ImageFiles`.

    Raises:
        ImportError: if the package ``pyarrow`` is not there.
        FileNotFoundError: if a file is missing, or the folder has none.
        ValueError: if a file is no Parquet, has another column than it should or no row, or a class
            is not among `classes`; while reading, if an image cannot be decoded.

    Example:
        >>> import io, tempfile
        >>> import pyarrow, pyarrow.parquet
        >>> from PIL import Image
        >>> picture = io.BytesIO()
        >>> Image.new("RGB", (8, 6)).save(picture, "PNG")
        >>> table = pyarrow.table({"image": [picture.getvalue()] * 2, "label": ["cat", "dog"]})
        >>> file = Path(tempfile.mkdtemp()) / "pets.parquet"
        >>> pyarrow.parquet.write_table(table, file, row_group_size=10)
        >>> images = ParquetImages(file)
        >>> images.classes, images.labels.tolist(), images.read(1).shape
        (['cat', 'dog'], [0, 1], torch.Size([3, 6, 8]))
    """

    def __init__(
        self,
        files: str | Path | Sequence[str | Path],
        *,
        image: str = "image",
        label: str | None = "label",
        classes: Sequence[str] | None = None,
        name: str | None = None,
        on_unreadable: Literal["raise", "skip"] = "raise",
    ) -> None:
        checks.arguments(ParquetImages.__init__, locals())
        import_package("pyarrow", "ParquetImages")
        paths = find_parquet(files)
        schemas = [_schema(path) for path in paths]
        for path, schema in zip(paths, schemas, strict=True):
            for argument, column in (("image", image), ("label", label)):
                if column is not None and column not in schema.names:
                    rule = f"a column of {path} ({', '.join(schema.names)})"
                    remedy = "For no labels: label=None." * (argument == "label")
                    checks.refuse(argument, rule, column, remedy)
            if not _holds_files(schema.field(image).type):
                rule = "a column of bytes, or of {bytes, path}"
                checks.refuse("image", rule, f"{image} of {schema.field(image).type} in {path}")
        above = files if isinstance(files, str | Path) else paths[0]
        self.name = name or (paths[0].stem if Path(above).is_file() else Path(above).resolve().name)
        self.on_unreadable = on_unreadable
        self._cells = RowGroups(paths, image)
        if not len(self._cells):
            checks.refuse("files", "of at least one row", [str(path) for path in paths])
        self.labels, self.classes = no_labels(len(self._cells)), []
        if label is not None:
            self.labels, self.classes = read_labels(
                _column(paths, label), label=label, names=_names(schemas[0], label), classes=classes
            )
        self._sizes = [path.stat().st_size for path in paths]

    def encoded(self, index: int) -> bytes | None:
        cell = self._cells[index]
        if cell.is_valid and hasattr(cell, "keys"):
            cell = cell["bytes"]
        content: bytes | None = cell.as_py()
        return content

    def place(self, index: int) -> str:
        file, row = self._cells.place(index)
        return f"{index} of {self.name!r} (row {row} of {file})"

    def volume(self) -> int:
        return sum(self._sizes)

    def stamp(self, index: int) -> str:
        file, row = self._cells.place(index)
        return f"{file.name} {self._sizes[self._cells.files.index(file)]} {row}"


def is_parquet(path: Path) -> bool:
    """Whether a file, or at least one in a folder, is Parquet by its name."""
    if path.is_dir():
        return any(path.glob("*.parquet"))
    return path.is_file() and path.suffix.lower() == ".parquet"


def find_parquet(files: str | Path | Sequence[str | Path]) -> list[Path]:
    """The files that a user means.

    Args:
        files: as `ParquetImages` takes them.

    Raises:
        FileNotFoundError: if one is missing, or a folder has none.
        ValueError: if those in a folder are parts of a set, such as ``train`` and ``test``.
    """
    if isinstance(files, str | Path) and Path(files).is_dir():
        paths = sorted(Path(files).glob("*.parquet"))
        words = {re.split(r"[-_.]", path.name.lower())[0] for path in paths}
        if len(words) > 1 and not words.isdisjoint(_PARTS):
            shown = ", ".join(sorted(words))
            remedy = "Give the files of one."
            checks.refuse("files", "of one part of a set", f"{files} with {shown}", remedy)
    else:
        paths = [Path(file) for file in ([files] if isinstance(files, str | Path) else files)]
    missing = next((str(path) for path in paths if not path.is_file()), None)
    if missing is not None or not paths:
        shown = str(files) if missing is None else missing
        raise FileNotFoundError(f"`files` must be .parquet files or their folder, got {shown!r}")
    return paths


def _schema(path: Path) -> Any:
    pa, parquet = (import_package(n, "ParquetImages") for n in ("pyarrow", "pyarrow.parquet"))
    try:
        return parquet.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"`files` must be Parquet, got {str(path)!r}: {error}") from error


def _holds_files(kind: Any) -> bool:
    pa = import_package("pyarrow", "ParquetImages")
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _holds_files(kind.field("bytes").type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _column(paths: Sequence[Path], name: str) -> Any:
    pa, parquet = (import_package(n, "ParquetImages") for n in ("pyarrow", "pyarrow.parquet"))
    tables = [parquet.read_table(path, columns=[name], partitioning=None) for path in paths]
    return pa.concat_tables(tables, promote_options="permissive").column(0)


def _names(schema: Any, label: str) -> list[str] | None:
    """The names of the classes, where Hugging Face wrote them into the file."""
    about = (schema.metadata or {}).get(b"huggingface")
    if about is None:
        return None
    features = json.loads(about).get("info", {}).get("features", {})
    names: list[str] | None = features.get(label, {}).get("names")
    return names
