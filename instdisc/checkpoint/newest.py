"""The checkpoint to go on from, in the folder of a run that may have been killed at any moment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from pytorch_lightning.utilities import rank_zero_warn

from instdisc import checks
from instdisc.distributed import from_first

from .wholeness import check_numbers, read_plain

_LAST = re.compile(r"last(-v\d+)?\.ckpt")
_REQUEUED = re.compile(r"hpc_ckpt_(\d+)\.ckpt")
_NEEDED = ("global_step", "epoch", "loops")  # to go on from, beside the weights
# Of the checkpoints that are folders: what is written when all else is there.
_SHARDED = "meta.pt"  # FSDP and model parallel
_DEEPSPEED = "latest"  # the name of the folder beneath


def newest_checkpoint(folder: str | Path, *, root: str | Path | None = None) -> Path | None:
    """The newest checkpoint of a run that is whole.

    For ``trainer.fit(..., ckpt_path=newest_checkpoint(folder))``, which goes on where Lightning's
    ``ckpt_path="last"`` stops with an error, because ``last.ckpt`` was half written, or begins anew
    without a word, because the run was killed between removing that link and setting it again.

    It is the one with the most optimiser steps; of several, that of the later epoch, else the later
    file. Where ``last.ckpt`` (or ``last-v1.ckpt``) is whole, files from before it do not count: a
    run that was taken up at an earlier checkpoint leaves the abandoned later ones behind. A file is
    whole if all its records are there and agree with their checksums; a sharded checkpoint of FSDP
    or DeepSpeed, a folder, if what is written last in it is there. Files that are not are left
    out with a warning. Nothing that a file holds is run, and no tensor is loaded.

    Under an initialised ``torch.distributed`` all processes must call it, and get what the first
    sees.

    Args:
        folder: of the ``.ckpt`` files.
        root: the Trainer's ``default_root_dir``, where Lightning writes ``hpc_ckpt_1.ckpt`` for a
            run that SLURM begins again: these count, too. ``None``: they do not.

    Returns:
        Its path; ``None`` if there is no folder or no ``.ckpt`` file in it.

    Raises:
        TypeError: if `folder` or `root` is no path.
        ValueError: if none of the files is whole; names them. A run must not begin anew by itself
            where there was one.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> import torch
        >>> content = {"state_dict": {}, "epoch": 1, "global_step": 8, "loops": {}}
        >>> with TemporaryDirectory() as name:
        ...     torch.save(content, f"{name}/epoch=1-step=8.ckpt")
        ...     newest_checkpoint(name).name
        'epoch=1-step=8.ckpt'
    """
    checks.instance("folder", folder, (str, Path), "the path of a folder")
    if root is not None:
        checks.instance("root", root, (str, Path), "the path of a folder")
    return from_first(lambda: _choose(Path(folder), requeued_checkpoints(root)))


def requeued_checkpoints(root: str | Path | None, until: str | None = None) -> list[Path]:
    """What Lightning wrote for a run that SLURM begins again, the newest last.

    Args:
        root: the Trainer's ``default_root_dir``; ``None``, or an address as ``s3://``: nothing.
        until: the name of one; those after it are left out. One of another form: all are.
    """
    if root is None or "://" in str(root):
        return []
    numbers = {path: _requeue_number(path.name) for path in Path(root).glob("hpc_ckpt_*.ckpt")}
    last = max(numbers.values(), default=0) if until is None else _requeue_number(until)
    return sorted(
        (path for path, number in numbers.items() if 0 < number <= last), key=numbers.__getitem__
    )


def remove_broken_last(folder: str | Path) -> list[Path]:
    """Removes a ``last.ckpt`` that a killed run left half written or pointing to nothing.

    Lightning would write ``last-v1.ckpt`` beside it. Nothing else is removed.

    Args:
        folder: of the ``.ckpt`` files.

    Returns:
        What was removed.
    """
    removed = []
    for path in sorted(Path(folder).glob("last*.ckpt")):
        if _LAST.fullmatch(path.name) is None or path.is_dir():
            continue
        try:
            check_numbers(_look_at(path).path)
        except (ValueError, OSError):
            path.unlink(missing_ok=True)
            removed.append(path)
    return removed


class _Candidate(NamedTuple):
    steps: int
    epoch: int
    processed: int  # epochs that came to their end
    changed: int  # ns
    is_last: bool  # by its name
    path: Path


def _requeue_number(name: str) -> int:
    """0 of a file that Lightning did not write for SLURM."""
    match = _REQUEUED.fullmatch(name)
    return int(match[1]) if match else 0


def _choose(folder: Path, requeued: list[Path]) -> Path | None:
    candidates: list[_Candidate] = []
    left_out: dict[str, str] = {}  # why, by name
    for path in sorted({*folder.glob("*.ckpt"), *requeued}):
        try:
            candidates.append(_look_at(path))
        except (ValueError, OSError) as error:
            left_out[path.name] = _reason(error)
    chosen = None
    while chosen is None and candidates:
        newest = max(_since_last(candidates))
        try:
            check_numbers(_file(newest.path))
            chosen = newest.path
        except (ValueError, OSError) as error:
            left_out[newest.path.name] = _reason(error)
            candidates.remove(newest)
    reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
    if chosen is None and left_out:
        checks.refuse(
            "folder",
            "one with a whole checkpoint, if with any",
            str(folder),
            f"{reasons}. Copy a whole one there, or remove these for a run that begins anew.",
        )
    if left_out:
        rank_zero_warn(f"The newest whole checkpoint is {chosen}. Left out are {reasons}")
    return chosen


def _look_at(path: Path) -> _Candidate:
    """What a checkpoint says of its place in the run, if its records are all there."""
    if path.is_symlink() and not path.exists():
        raise ValueError(f"it points to {path.readlink()}, which is gone")
    content = read_plain(_file(path))
    needed = _NEEDED if path.is_dir() else (*_NEEDED, "state_dict")
    missing = [name for name in needed if name not in content]
    if missing:
        raise ValueError(f"no training of Lightning can go on from it, it lacks {missing[0]!r}")
    steps, epoch = content["global_step"], content["epoch"]
    if not (isinstance(steps, int) and isinstance(epoch, int)):
        raise ValueError("its `global_step` and `epoch` are no numbers")
    return _Candidate(
        steps,
        epoch,
        _processed(content["loops"]),
        path.stat().st_mtime_ns,
        _LAST.fullmatch(path.name) is not None,
        path,
    )


def _file(path: Path) -> Path:
    """The file of torch.save that a checkpoint is, or that was written last in its folder."""
    if not path.is_dir():
        return path
    if (path / _SHARDED).exists():
        return path / _SHARDED
    if (path / _DEEPSPEED).exists():
        tag = (path / _DEEPSPEED).read_text(encoding="utf-8").strip()
        states = sorted((path / tag).glob("*model_states.pt")) if tag else []
        if states:
            return states[0]
    raise ValueError("it is a folder in which a sharded checkpoint did not come to its end")


def _processed(loops: Any) -> int:
    """Epochs that ended: of two checkpoints of a step, one may be from before the epoch's end."""
    try:
        return int(loops["fit_loop"]["epoch_progress"]["current"]["processed"])
    except (KeyError, TypeError, ValueError):
        return 0


def _since_last(candidates: list[_Candidate]) -> list[_Candidate]:
    """Those that were not written before the last one, if there is one called so."""
    lasts = [candidate.changed for candidate in candidates if candidate.is_last]
    since = max(lasts, default=0)
    return [candidate for candidate in candidates if candidate.changed >= since]


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
