"""What the catalog knows of a set of images."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..images.source import ImageSource
from .layout import LayoutError, contents

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CatalogEntry:
    """A set of images: where it comes from, how it lies on disk, and how to read it.

    Attributes:
        name: its name in the catalog.
        title: its name in a sentence.
        url: where it comes from. Nothing is downloaded.
        terms: its terms of use in a few words.
        splits: what can be read of it.
        labels: what a label is.
        num_classes: classes of the whole set; 0 if it has no labels.
        layout: the official folders and files below the root, drawn as text.
        choices: what we chose where the papers are silent.
        reader: the images of a split below a root; raises a `LayoutError` where they do not lie
            as `layout` says.
        sizes: how many images a split officially has, where that is known. Another number is
            logged as a warning: results are then not comparable with published ones.
        transfer: which split a transfer task takes to ``"train"`` on, to ``"test"`` on, and for
            few-shot episodes (``"all"``); parts that a set does not have are absent.
        folder: its folder below a root of many sets; empty for one of the set's name.

    Example:
        >>> from instdisc.data import CATALOG
        >>> print(CATALOG["places365"].layout)
        train/airfield/00000001.jpg      365 folders
        val/airfield/Places365_val_00000435.jpg
    """

    name: str
    title: str
    url: str
    terms: str
    splits: tuple[str, ...]
    labels: str
    num_classes: int
    layout: str
    choices: str
    reader: Callable[[Path, str], ImageSource]
    sizes: Mapping[str, int] = field(default_factory=dict)
    transfer: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""

    def open(self, root: str | Path, split: str = "train") -> ImageSource:
        """The images of a split.

        Args:
            root: the folder that holds what `layout` draws.
            split: one of `splits`.

        Raises:
            FileNotFoundError: if `root` is not a folder.
            ValueError: if there is no such split, or the folder has another layout; then it says
                what was expected, what was found, and where the set comes from.
        """
        root = Path(root)
        if split not in self.splits:
            raise ValueError(
                f"`split` of {self.name!r} must be one of {', '.join(self.splits)}, got {split!r}"
            )
        if not root.is_dir():
            raise FileNotFoundError(
                f"`root` must be the folder of {self.title}, got {str(root)!r}. The set comes "
                f"from {self.url}"
            )
        try:
            images = self.reader(root, split)
        except LayoutError as error:
            raise ValueError(
                f"{root} does not hold {self.title} as the split {split!r} needs it: {error}.\n"
                f"Expected below it:\n\n{self.layout}\n\nFound: {contents(root)}\n"
                f"The set comes from {self.url}"
            ) from error
        official = self.sizes.get(split, len(images))
        if len(images) != official:
            _log.warning(
                "%s holds %d images of %r for the split %r, officially there are %d: results on "
                "them are not comparable with published ones",
                root,
                len(images),
                self.name,
                split,
                official,
            )
        return images
