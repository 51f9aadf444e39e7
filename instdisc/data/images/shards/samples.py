"""The images of a shard and their labels: what lies where, and what is left out.

Legend: n images of a shard.
"""

from __future__ import annotations

import json
import re
from array import array
from typing import Any, NamedTuple

import numpy as np

from instdisc.types import UNKNOWN_LABEL

from ..files import SUFFIXES
from ..listing import is_clutter
from .members import BLOCK, Member, ReadAt, read_members

MOST = 2**32 - 1  # of what an index holds: size in bytes, and start in blocks
_WHOLE = re.compile(r"-?[0-9]{1,18}")


class Rules(NamedTuple):
    """Which files of a sample count.

    Attributes:
        label: ending of the file with the label, or ``"json:FIELD"``; ``None`` for no labels.
        image: ending of the file with the image; ``None`` for any of an image.
    """

    label: str | None = "cls"
    image: str | None = None


class LeftOut(NamedTuple):
    """Something that is left out of a shard.

    Attributes:
        number: how many there are.
        first: the name of the first.
    """

    number: int
    first: str


class Samples(NamedTuple):
    """The images of a shard.

    Attributes:
        labels: ``(n,)`` int64 numbers of classes; where `names` is set, places in it. -1 = none.
        blocks: ``(n,)`` uint32, where each image begins, in blocks of 512 bytes.
        sizes: ``(n,)`` uint32 bytes.
        names: of the labels, if they are names; empty if there is no label at all.
        left_out: by kind: ``"beside"`` (files that are neither image nor label), ``"no_image"``
            and ``"images"`` (samples without an image, or with several), ``"no_label"``.
        keys: of the samples, where they were asked for.
    """

    labels: np.ndarray
    blocks: np.ndarray
    sizes: np.ndarray
    names: list[str] | None
    left_out: dict[str, LeftOut]
    keys: list[str] | None = None


def read_samples(
    path: object, rules: Rules, *, keys: bool = False, file: int | None = None
) -> Samples:
    """The images of a shard in their order, from its headers and labels.

    Files of one sample have the same name up to the first dot; they need not lie together. Names
    that are hidden or left by systems (`is_clutter`) are passed over.

    Args:
        path: of the shard; where it is open, what messages call it.
        rules: which files count.
        keys: whether the samples' names are wanted.
        file: the open shard; ``None`` to open the path.

    Raises:
        ValueError: if it is damaged (see `read_members`), a label is neither a whole number nor a
            name, or some are numbers and others names; names the shard.
    """
    rows = _Rows(path, rules)
    for member, read in read_members(path, file):
        rows.add(member, read)
    return rows.samples(keys)


class _Rows:
    """One row for each sample."""

    def __init__(self, path: object, rules: Rules) -> None:
        self.path = path
        ending, _, self.field = (rules.label or "").partition(":")
        self.ending = ending.lower()
        self.images = None if rules.image is None else set(rules.image.lower().split(";"))
        self.rows: dict[str, int] = {}
        self.starts, self.sizes, self.labels = array("Q"), array("Q"), array("q")
        self.several: dict[int, str] = {}
        self.beside = LeftOut(0, "")
        self.names: dict[str, int] = {}
        self.first = {"number": "", "name": ""}  # members with a label of the kind

    def add(self, member: Member, read: ReadAt) -> None:
        name = member.name.removeprefix("./")
        folder, _, base = name.rpartition("/")
        if base.startswith(".") or (folder and any(map(is_clutter, folder.split("/")))):
            return
        stem, _, ending = base.partition(".")
        ending = ending.lower()
        is_image = self._is_image(ending)
        if not is_image and (ending != self.ending or not ending):
            self.beside = LeftOut(self.beside.number + 1, self.beside.first or member.name)
            return
        key = f"{folder}/{stem}" if folder else stem
        row = self.rows.setdefault(key, len(self.rows))
        if row == len(self.labels):
            self.starts.append(0)
            self.sizes.append(0)
            self.labels.append(UNKNOWN_LABEL)
        if not is_image:
            self.labels[row] = self._label(member, read(member.start, member.size))
        elif self.starts[row]:
            self.several.setdefault(row, key)
        elif member.size > MOST or member.start // BLOCK > MOST:
            raise ValueError(
                f"cannot read the shard {self.path} ({member.name} has {member.size:,} bytes at "
                f"{member.start:,}; an image may have 4 GiB, a shard 2 TiB)"
            )
        else:
            self.starts[row], self.sizes[row] = member.start, member.size

    def samples(self, keys: bool) -> Samples:
        starts = np.frombuffer(self.starts, np.uint64) if self.rows else np.zeros(0, np.uint64)
        kept = starts > 0
        without = np.flatnonzero(~kept)
        kept[list(self.several)] = False
        chosen = np.flatnonzero(kept)
        labels = np.array(self.labels, np.int64)[chosen]
        unlabelled = chosen[labels == UNKNOWN_LABEL] if self.ending else chosen[:0]
        all_keys = list(self.rows)
        left_out = {
            "beside": self.beside,
            "no_image": LeftOut(len(without), all_keys[without[0]] if len(without) else ""),
            "images": LeftOut(len(self.several), next(iter(self.several.values()), "")),
            "no_label": LeftOut(
                len(unlabelled), all_keys[unlabelled[0]] if len(unlabelled) else ""
            ),
        }
        return Samples(
            labels,
            (starts[chosen] // BLOCK).astype(np.uint32),
            np.array(self.sizes, np.uint64)[chosen].astype(np.uint32),
            None if self.first["number"] else list(self.names),
            {kind: what for kind, what in left_out.items() if what.number},
            [all_keys[row] for row in chosen.tolist()] if keys else None,
        )

    def _is_image(self, ending: str) -> bool:
        if self.images is not None:
            return ending in self.images
        return f".{ending.rpartition('.')[2]}" in SUFFIXES

    def _label(self, member: Member, content: bytes) -> int:
        value = self._value(member, content)
        kind = "number" if isinstance(value, int) else "name"
        self.first[kind] = self.first[kind] or member.name
        if all(self.first.values()):
            raise ValueError(
                f"the labels of {self.path} must be all whole numbers or all names, got a number "
                f"in {self.first['number']} and a name in {self.first['name']}"
            )
        if isinstance(value, str):
            return self.names.setdefault(value, len(self.names))
        if value < UNKNOWN_LABEL:
            raise ValueError(
                f"the label {member.name} of {self.path} must be the number of a class from 0 on, "
                f"or -1 for none, got {value}"
            )
        return value

    def _value(self, member: Member, content: bytes) -> int | str:
        try:
            value: Any = content.decode().strip()
            if self.field:
                value = json.loads(value)
                value = value.get(self.field, UNKNOWN_LABEL) if isinstance(value, dict) else None
            elif _WHOLE.fullmatch(value):
                value = int(value)
        except ValueError as error:
            raise self._no_label(member, error) from error
        if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
            raise self._no_label(member, f"got {value!r}")
        return value

    def _no_label(self, member: Member, reason: object) -> ValueError:
        of = f"{self.field!r} in {member.name}" if self.field else member.name
        return ValueError(
            f"the label {of} of {self.path} must be a whole number or a name: {reason}. "
            "label=None reads no labels."
        )
