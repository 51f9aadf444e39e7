"""Which piece of a study is next: of several processes each takes another."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from .preset import Preset
from .store import Store
from .work import Cell, Trial, cells_left, trials_left


@contextmanager
def next_piece(
    preset: Preset, store: Store, folder: Path, without: Collection[str]
) -> Iterator[Trial | Cell | None]:
    """The first piece that is not done and that no other process is at, held meanwhile.

    Args:
        preset: what there is to do.
        store: what is done.
        folder: of the locks.
        without: keys of pieces that are passed over.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in dict.fromkeys(piece.name for piece in _left(preset, store)):
        lock = FileLock(folder / f"{name}.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            continue
        try:
            # Another process may have finished it since the list was made.
            for piece in _left(preset, store):
                if piece.name == name and piece.key not in without:
                    yield piece
                    return
        finally:
            lock.release()
    yield None


def _left(preset: Preset, store: Store) -> Iterator[Trial | Cell]:
    trials = store.trials()
    yield from trials_left(preset, trials)
    yield from cells_left(preset, trials, store.cells())
