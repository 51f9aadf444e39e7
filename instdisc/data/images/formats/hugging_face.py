"""Images of Hugging Face's `datasets`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from instdisc import checks

from ..source import no_labels
from .encoded import EncodedImages
from .labels import read_labels
from .packages import import_package


class HuggingFaceImages(EncodedImages):
    """Images of a map-style data set of Hugging Face, decoded here, from their bytes.

    The Arrow files stay on disk, memory-mapped: processes share them, a copy by pickle is a few
    kilobytes, and rows are read in any order at the same cost.

    Args:
        dataset: a ``datasets.Dataset``, selected and shuffled as you like; what it does to its rows
            (``set_transform``) is not asked for. Or the folder where ``save_to_disk`` put one.
        image: the column of the images.
        label: the column of the classes, by number or name; ``None`` for unknown ones.
        classes: the names of the classes; ``None`` for those of ``ClassLabel``, or else the
            different names or numbers in the column.
        name: for records and messages; ``None`` for the data set's own name, or the folder's.
        on_unreadable: ``"raise"`` or ``"skip"``; see `ImageFiles`.

    Raises:
        ImportError: if the package ``datasets`` is not there.
        TypeError: if `dataset` is something else, such as a dictionary of splits or a stream.
        FileNotFoundError: if it is no folder.
        ValueError: if it holds no data set or no row, a column is missing or of another type, or a
            class is not among `classes`; while reading, if an image cannot be decoded.

    Example:
        >>> import io
        >>> import datasets
        >>> from PIL import Image
        >>> rows = {"image": [Image.new("RGB", (8, 6))], "label": [0]}
        >>> columns = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat"])}
        >>> dataset = datasets.Dataset.from_dict(rows, datasets.Features(columns))
        >>> images = HuggingFaceImages(dataset)
        >>> images.classes, images.labels.tolist(), images.read(0).shape
        (['cat'], [0], torch.Size([3, 6, 8]))
    """

    def __init__(
        self,
        dataset: Any,
        *,
        image: str = "image",
        label: str | None = "label",
        classes: Sequence[str] | None = None,
        name: str | None = None,
        on_unreadable: Literal["raise", "skip"] = "raise",
    ) -> None:
        checks.arguments(HuggingFaceImages.__init__, locals())
        datasets = import_package("datasets", "HuggingFaceImages")
        if isinstance(dataset, str | Path):
            folder = Path(dataset)
            dataset = _load(datasets, folder)
            name = folder.resolve().name if name is None else name
        if isinstance(dataset, datasets.DatasetDict):
            rule, remedy = "one split of a data set", f"Take {next(iter(dataset), '')!r} of it."
            checks.refuse("dataset", rule, list(dataset), remedy, kind=TypeError)
        rule = "a datasets.Dataset or the folder of one"
        remedy = "A stream has no order of its own: download it." * hasattr(dataset, "take")
        checks.instance("dataset", dataset, datasets.Dataset, rule, remedy=remedy)
        for argument, column in (("image", image), ("label", label)):
            if column is not None and column not in dataset.column_names:
                remedy = "For no labels: label=None." * (argument == "label")
                checks.choice(argument, column, dataset.column_names, remedy=remedy)
        if not len(dataset):
            checks.refuse("dataset", "of at least one row", len(dataset))
        self.name = name or dataset.info.dataset_name or "dataset"
        self.on_unreadable = on_unreadable
        self.labels, self.classes = no_labels(len(dataset)), []
        if label is not None:
            column = dataset.select_columns([label]).with_format("arrow")[:].column(0)
            names = getattr(dataset.features[label], "names", None)
            self.labels, self.classes = read_labels(
                column, label=label, names=names, classes=classes
            )
        if not isinstance(dataset.features[image], datasets.Image):
            rule = "a column of datasets.Image"
            remedy = "Write `dataset.cast_column(name, datasets.Image())` first."
            checks.refuse("image", rule, f"{image} of {dataset.features[image]}", remedy)
        undecoded = dataset.select_columns([image]).cast_column(image, datasets.Image(decode=False))
        self._rows_of_files = undecoded.with_format("arrow")

    def encoded(self, index: int) -> bytes | None:
        cell = self._rows_of_files[index].column(0)[0]
        if not cell.is_valid:
            return None
        if cell["bytes"].is_valid:
            content: bytes = cell["bytes"].as_py()
            return content
        try:
            return Path(cell["path"].as_py()).read_bytes()
        except (OSError, TypeError):  # gone, or no path either
            return None

    def volume(self) -> int:
        files = [Path(file["filename"]) for file in self._rows_of_files.cache_files]
        return sum(file.stat().st_size for file in files if file.is_file())

    def stamp(self, index: int) -> str:
        return f"{self._rows_of_files._fingerprint} {index}"


def is_saved_dataset(path: Path) -> bool:
    """Whether ``save_to_disk`` made a folder, of one split or of several."""
    return any((path / name).is_file() for name in ("state.json", "dataset_dict.json"))


def _load(datasets: Any, folder: Path) -> Any:
    if not folder.is_dir():
        raise FileNotFoundError(f"`dataset` must be a folder of save_to_disk, got {str(folder)!r}")
    if not is_saved_dataset(folder):
        checks.refuse("dataset", "a folder that save_to_disk made", str(folder))
    dataset = datasets.load_from_disk(str(folder))
    if isinstance(dataset, datasets.DatasetDict):
        remedy = f"Give {str(folder / next(iter(dataset), ''))!r}."
        checks.refuse("dataset", "one split of a data set", list(dataset), remedy)
    return dataset
