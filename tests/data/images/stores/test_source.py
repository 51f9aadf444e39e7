"""Sets in a store: what they hold, what is read of it, what can go wrong."""

import os
import pickle
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest
import torch
from fsspec.registry import known_implementations

from instdisc.data import HeldOut, ImageShards, JoinedImages, StreamedShards, open_path
from instdisc.data import left_out as saying
from instdisc.data.images.shards import samples
from instdisc.data.images.stores import place
from instdisc.testing import check_source

from .conftest import COUNT, PER_SHARD

SHARDS = COUNT // PER_SHARD


def test_a_subset_passes_the_battery(stored, tmp_path):
    make = partial(stored.open, window=4, lanes=2, ahead=1, index=tmp_path / "index")
    check_source(lambda: HeldOut(make(), "train", share=0.5), two_processes=False)


def test_it_is_the_set_of_the_same_shards_here(stored):
    images = stored.open()
    assert (len(images), images.name, images.classes) == (COUNT, "shards", ["a", "b", "c"])
    assert images.shards == stored.local.shards
    assert torch.equal(images.labels, stored.local.labels)
    assert images.image_names() == stored.local.image_names()
    assert images.fingerprint() == stored.local.fingerprint()
    assert [int(images.read(i)[0, 0, 0]) for i in range(COUNT)] == list(range(COUNT))


# The index


def test_nothing_is_copied_where_an_index_lies_beside_the_shards(stored, tmp_path):
    images = stored.open(index=tmp_path / "index")
    assert stored.copied() == []
    images.read(PER_SHARD)
    assert stored.copied() == ["000001.tar"]
    # Not even that index is read again.
    os.remove(stored.shards / "index.shards")
    assert torch.equal(stored.open(index=tmp_path / "index").labels, images.labels)
    assert stored.copied() == []


def test_without_such_an_index_each_shard_is_copied_once(stored, tmp_path):
    (stored.shards / "index.shards").unlink()
    images = stored.open(index=tmp_path / "index", room=5)
    assert sorted(stored.copied()) == images.shards
    assert torch.equal(images.labels, stored.local.labels)
    assert len(list((tmp_path / "copies").glob("*.tar"))) <= 5
    stored.open(index=tmp_path / "index", room=5)
    assert stored.copied() == []
    path = images.write_index(tmp_path)
    assert path.read_bytes() == stored.local.write_index().read_bytes()
    with pytest.raises(ValueError, match="`folder` must be a folder of this machine for shards"):
        images.write_index()


def test_a_build_that_was_stopped_goes_on(stored, tmp_path, monkeypatch):
    (stored.shards / "index.shards").unlink()

    def stop(address, rules, **options):
        if address.name == "000007.tar":
            raise KeyboardInterrupt
        return samples.read_samples(address, rules, **options)

    monkeypatch.setattr(place, "read_samples", stop)
    with pytest.raises(KeyboardInterrupt):
        stored.open(index=tmp_path / "index", room=1)
    monkeypatch.setattr(place, "read_samples", samples.read_samples)
    stored.copied()
    images = stored.open(index=tmp_path / "index", room=1)
    again = stored.copied()
    assert "000007.tar" in again
    assert "000000.tar" not in again
    assert torch.equal(images.labels, stored.local.labels)


def test_an_index_that_does_not_fit_is_made_anew_where_it_does_not(stored, tmp_path):
    expected = stored.local.labels
    (stored.shards / "000003.tar").write_bytes((stored.shards / "000002.tar").read_bytes() * 1)
    with (stored.shards / "000003.tar").open("ab") as file:
        file.write(bytes(10240))  # zeros after the end are part of a tar
    images = stored.open()
    assert stored.copied() == ["000003.tar"]
    rows = slice(3 * PER_SHARD, 4 * PER_SHARD)
    assert torch.equal(images.labels[rows], expected[2 * PER_SHARD : 3 * PER_SHARD])
    assert set(stored.open(label=None).labels.tolist()) == {-1}  # the index is of other rules
    assert len(stored.copied()) == SHARDS - 1
    (stored.shards / "index.shards").write_bytes(b"broken")
    assert len(stored.open(copies=tmp_path / "new")) == COUNT
    assert len(stored.copied()) == SHARDS


# Which shards


def test_patterns_and_lists(stored):
    images = stored.open(what="/{000002..000004}.tar")
    assert images.shards == ["000002.tar", "000003.tar", "000004.tar"]
    assert int(images.read(0)[0, 0, 0]) == 2 * PER_SHARD
    assert stored.copied() == ["000002.tar"]  # what the index beside them says is taken
    folder = f"file://{stored.shards}"
    listed = StreamedShards(
        [f"{folder}/000004.tar", Path(f"{folder}/000001.tar")],
        index=False,
        copies=stored.folder / "x",
    )
    assert listed.shards == ["000001.tar", "000004.tar"]
    single = StreamedShards(f"{folder}/000001.tar", index=False, copies=stored.folder / "x")
    assert len(single) == PER_SHARD


@pytest.mark.parametrize(
    ("shards", "kind", "message"),
    [
        ([], ValueError, "`shards` must be an address of a folder, or of at least one"),
        (["a/b"], ValueError, "must be addresses such as s3://bucket/shards, .*got 'a/b'"),
        ("file:///no/such/folder", FileNotFoundError, "`shards` must .* no file:///no/such/folder"),
        ("file:///no/such.tar", FileNotFoundError, "there is no file:///no/such.tar"),
        ("file://{folder}", ValueError, "must be the address of a folder with .tar files"),
        ("file:///a.tar.gz", ValueError, "`shards` must be plain .tar files"),
        (["file:///a.tar"] * 2, ValueError, "must be different files, got 'file:///a.tar' twice"),
        (["file:///a.tar", "file:///b"], ValueError, "addresses of .tar files, or that of one"),
        ("nix://key:secret@a/b", ValueError, "an address that fsspec knows, .*got 'nix://a/b'"),
    ],
)
def test_what_is_no_set_of_shards(shards, kind, message, tmp_path):
    if isinstance(shards, str):
        shards = shards.replace("{folder}", str(tmp_path))
    with pytest.raises(kind, match=message):
        StreamedShards(shards, index=False, tries=1)


def test_a_package_that_is_missing_is_named(monkeypatch):
    missing = {"class": "no_such_package.Files", "err": "Please install"}
    monkeypatch.setitem(known_implementations, "missing", missing)
    with pytest.raises(ImportError, match="missing:// needs the package no_such_package: pip"):
        open_path("missing://bucket/set")


# Reading, and what goes wrong


def test_a_store_that_fails_twice_is_asked_again(stored):
    images = stored.open(options={"failures": 2})
    assert int(images.read(7)[0, 0, 0]) == 7
    assert stored.copied() == ["000001.tar"] * 3


def test_a_store_that_fails_is_told_without_secrets(stored):
    images = stored.open(options={"failures": 99}, tries=3, on_unreadable="skip")
    with pytest.raises(ConnectionError) as failure:  # not skipped
        images.fetch(7)
    text = str(failure.value)
    assert text.startswith(f"cannot read counting://{stored.shards}/000001.tar (OSError: no answer")
    assert "tried 3 times" in text
    assert "secret" not in text
    assert failure.value.__suppress_context__


def test_pauses_grow(stored, monkeypatch):
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    images = stored.open(options={"failures": 99}, pause=0.5)
    with pytest.raises(ConnectionError):
        images.read(0)
    assert [pause for pause in pauses if pause] == [0.5, 1, 2, 4]


def test_a_shard_that_changed(stored):
    images = stored.open()
    shard = stored.shards / "000001.tar"
    shard.write_bytes(shard.read_bytes() + bytes(512))
    with pytest.raises(RuntimeError, match=r"000001.tar has changed since its index was read"):
        images.read(PER_SHARD)
    again = stored.open()  # another mark and size, so another copy
    assert int(again.read(PER_SHARD)[0, 0, 0]) == PER_SHARD
    size = (stored.shards / "000002.tar").stat().st_size
    (stored.shards / "000002.tar").write_bytes(bytes(size))  # the same size, another time
    with pytest.raises(RuntimeError, match="has changed"):
        images.read(2 * PER_SHARD)
    (stored.shards / "000003.tar").unlink()
    with pytest.raises(FileNotFoundError, match="there is no counting:.*000003.tar"):
        images.read(3 * PER_SHARD)


def test_a_copy_that_is_too_short_is_made_again(stored, monkeypatch):
    images, cut = stored.open(), []
    store = type(images._place.store)
    attempt = store._try

    def truncating(self, address, function):
        def short():
            function()

        return attempt(self, address, short)

    monkeypatch.setattr(store, "_try", truncating)
    files = fsspec.filesystem("counting", log=str(stored.log))
    get_file = type(files).get_file

    def half(self, path, target, **options):
        get_file(self, path, target, **options)
        cut.append(target)
        if len(cut) == 1:
            os.truncate(target, 1000)

    monkeypatch.setattr(type(files), "get_file", half)
    assert int(images.read(0)[0, 0, 0]) == 0
    assert len(cut) == 2


def test_the_room_must_hold_a_shard_and_should_hold_the_window(stored, caplog, monkeypatch):
    monkeypatch.setattr(saying, "_said", set())
    with pytest.raises(ValueError, match=f"`room` must be at least the {stored.size:,} bytes of"):
        stored.open(room=0.5)
    stored.open(room=6, window=4, lanes=2, ahead=2)
    assert caplog.messages == []
    stored.open(room=5, window=4, lanes=2, ahead=2)
    assert "some are copied several times in an epoch" in caplog.text


def test_a_room_of_one_shard_is_enough_to_read_all(stored):
    images = stored.open(room=1.5)
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(0)).tolist()
    for row in order[:20]:
        assert int(images.read(row)[0, 0, 0]) == row
        assert len(list((stored.folder / "copies").glob("*.tar"))) == 1
    copied = pickle.loads(pickle.dumps(images))
    assert int(copied.read(33)[0, 0, 0]) == 33


def test_sources_that_are_joined_are_not_mixed_by_shards(stored):
    both = JoinedImages({"a": stored.open(), "b": stored.open()})
    assert int(both.read(COUNT + 1)[0, 0, 0]) == 1
    with pytest.raises(ValueError, match="`sources` must be read in any order .*got 'a' in shards"):
        both.epoch_order(0)


# Stores of other kinds


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def address(stored):
    """Of the same set at a web server of this machine."""
    pytest.importorskip("aiohttp")
    handler = partial(_Quiet, directory=str(stored.shards))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_web_server(address, stored, tmp_path):
    options = {"index": False, "copies": tmp_path / "copies", "pause": 0.001}
    pattern = StreamedShards(f"{address}/{{000000..000011}}.tar?token=secret", **options)
    assert int(pattern.read(17)[0, 0, 0]) == 17
    assert "secret" not in f"{pattern.root} {pattern.name} {pattern.shards}"
    listed = StreamedShards(address, **options)
    assert listed.fingerprint() == stored.local.fingerprint()
    with pytest.raises(FileNotFoundError, match=r"there is no http://127.0.0.1:\d+/x.tar"):
        StreamedShards(f"{address}/x.tar", **options)


def test_memory(stored, tmp_path):
    fsspec.filesystem("memory").put(str(stored.shards), "/test_memory/set", recursive=True)
    try:
        images = StreamedShards("memory://test_memory/set", index=False, copies=tmp_path / "x")
        assert images.fingerprint() == stored.local.fingerprint()
    finally:
        fsspec.filesystem("memory").rm("/test_memory", recursive=True)


def test_a_path_of_this_machine_names_the_other_class(stored):
    with pytest.raises(ValueError, match="`ImageShards`"):
        StreamedShards(stored.shards)
    with pytest.raises(ValueError, match="`StreamedShards`"):
        ImageShards(f"file://{stored.shards}")
