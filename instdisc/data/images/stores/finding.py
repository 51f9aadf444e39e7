"""Which addresses are the shards of a set."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from instdisc import checks

from ..address import Address, as_address, expand_braces
from ..shards.finding import is_shard, refuse_compressed
from .place import StoredShards
from .room import Room
from .store import Entry, Store, check_protocol


def find_stored(
    shards: str | Path | Sequence[str | Path], store: Store, room: Room
) -> tuple[StoredShards, list[str], bool]:
    """Shards at addresses: where they lie, their sorted names there, and whether these were listed.

    Args:
        shards: the address of a folder or tar, a pattern, or a list of addresses.
        store: reads them.
        room: for copies.

    Raises:
        FileNotFoundError: if one is not there.
        ValueError: if there is none, one is compressed, or one comes twice.
    """
    texts = [shards] if isinstance(shards, str | Path) else list(shards)
    if not texts:
        checks.refuse("shards", "an address of a folder, or of at least one .tar file", texts)
    addresses = [Address(text) for each in texts for text in expand_braces(_text(each))]
    for address in addresses[:1]:
        check_protocol(address)
    if len(addresses) == 1 and not is_shard(addresses[0].name):
        refuse_compressed([str(addresses[0])])
        return _in_folder(addresses[0], store, room)
    for address in addresses:
        refuse_compressed([str(address)])
        if not is_shard(address.name):
            checks.refuse("shards", "addresses of .tar files, or that of one folder", str(address))
    root = Address(_common([address.parent.path for address in addresses]))
    by_name = {_below(root, address): address for address in addresses}
    for first, second in itertools.pairwise(sorted(map(str, addresses))):
        if first == second:
            raise ValueError(f"`shards` must be different files, got {first!r} twice")
    place = StoredShards(root, by_name, _told(by_name, store), store, room)
    return place, sorted(by_name), True


def stored_folders(address: str, store: Store) -> list[str]:
    """The folders in the folder at an address; none in a tar, or what a pattern stands for."""
    if "{" in address or is_shard(Address(address).name):
        return []
    check_protocol(Address(address))
    inside = store.inside(Address(address))
    return sorted(name for name, entry in inside.items() if entry.is_folder)


def _in_folder(folder: Address, store: Store, room: Room) -> tuple[StoredShards, list[str], bool]:
    inside = store.inside(folder)
    files = {name: entry for name, entry in inside.items() if not entry.is_folder}
    refuse_compressed(sorted(files))
    tars = {name: entry for name, entry in files.items() if is_shard(name)}
    if not tars:
        rule = "the address of a folder with .tar files"
        checks.refuse("shards", rule, str(folder))
    return StoredShards(folder, {}, tars, store, room), sorted(tars), False


def _told(addresses: dict[str, Address], store: Store) -> dict[str, Entry]:
    """What listings tell of shards: one question for many; of others each is asked for."""
    entries: dict[str, Entry] = {}
    folders = {address.parent for address in addresses.values()}
    if len(addresses) < 2 * len(folders):
        return entries
    for folder in folders:
        try:
            inside = store.inside(folder)
        except (OSError, NotImplementedError):  # a folder that may not be listed
            continue
        entries |= {
            name: inside[address.name]
            for name, address in addresses.items()
            if address.parent == folder and address.name in inside
        }
    return entries


def _text(shards: str | Path) -> str:
    text = as_address(shards)
    if text is None:
        rule = "addresses such as s3://bucket/shards, or all of them paths (`ImageShards`)"
        checks.refuse("shards", rule, str(shards))
    return text


def _common(folders: Sequence[str]) -> str:
    """The folder that holds all of some."""
    parts = [folder.split("/") for folder in folders]
    alike = itertools.takewhile(lambda part: len(set(part)) == 1, zip(*parts, strict=False))
    return "/".join(part[0] for part in alike)


def _below(root: Address, address: Address) -> str:
    return address.path[len(root.path) :].lstrip("/")
