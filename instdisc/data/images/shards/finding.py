"""Which files are the shards of a set."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path

from instdisc import checks

from ..address import as_address, without_secrets
from ..listing import list_folder

_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tar.lz4")


def find_shards(shards: str | Path | Sequence[str | Path]) -> tuple[Path, list[str]]:
    """The folder of shards, and their sorted names in it.

    Args:
        shards: a folder, or tars in one folder or several.

    Returns:
        Of tars in several folders the one that holds all of these.

    Raises:
        FileNotFoundError: if one is not there.
        ValueError: if there is none, one is compressed, or one comes twice.
    """
    if isinstance(shards, str | Path) and Path(shards).is_dir():
        root = Path(os.path.realpath(shards))
        names = [path.name for path in list_folder(root) if path.is_file()]
        refuse_compressed(names)
        tars = [name for name in names if is_shard(name)]
        if not tars:
            raise ValueError(f"`shards` must be a folder with .tar files, got {str(shards)!r}")
        return root, tars
    files = [Path(shards)] if isinstance(shards, str | Path) else [Path(file) for file in shards]
    if not files:
        raise ValueError("`shards` must be a folder or at least one .tar file, got none")
    for file in [shards] if isinstance(shards, str | Path) else shards:
        if (address := as_address(file)) is not None:
            rule = "paths of this machine (`StreamedShards` reads addresses)"
            checks.refuse("shards", rule, without_secrets(address))
    for file in files:
        if not file.is_file():
            raise FileNotFoundError(f"`shards` must be .tar files or a folder, got {str(file)!r}")
    refuse_compressed([str(file) for file in files])
    # Of each the folder alone: the name may be a link to a file elsewhere.
    paths = [os.path.join(os.path.realpath(file.parent), file.name) for file in files]
    root = Path(os.path.commonpath([os.path.dirname(path) for path in paths]))
    tars = sorted(Path(path).relative_to(root).as_posix() for path in paths)
    for name, following in itertools.pairwise(tars):
        if name == following:
            raise ValueError(f"`shards` must be different files, got {name!r} twice")
    return root, tars


def holds_shards(folder: Path) -> bool:
    """Whether tars lie in a folder itself; a compressed one counts, which is then refused."""
    return any(
        is_shard(path.name) or path.name.lower().endswith(_COMPRESSED)
        for path in list_folder(folder)
        if path.is_file()
    )


def is_shard(name: str) -> bool:
    """Whether a file is a tar by its name."""
    return name.lower().endswith(".tar")


def refuse_compressed(names: Sequence[str]) -> None:
    """Refuses the names of compressed tars.

    Raises:
        ValueError: if there is one.
    """
    for name in names:
        if name.lower().endswith(_COMPRESSED):
            raise ValueError(
                f"`shards` must be plain .tar files, got {name!r}: of a compressed tar no image "
                "can be read without all before it. Unpack it to .tar (gunzip, unxz, unzstd); "
                "images are compressed already."
            )
