"""The folder of copies: its limit, what goes, processes that want the same."""

import multiprocessing
import os
import threading

import pytest

from instdisc.data.images.stores import room as module
from instdisc.data.images.stores.room import Room, read_size


def writing(size, log=None):
    def copy(path):
        if log is not None:
            log.append(path.name)
        path.write_bytes(bytes(size))

    return copy


def names(room):
    """What lies in its folder, but for locks that stay."""
    return sorted(path.name for path in room.folder.iterdir() if path.name != ".room.lock")


def test_what_was_not_used_for_longest_goes(tmp_path):
    room = Room(tmp_path / "room", 350)
    for number, key in enumerate("abc"):
        room.open(key, 100, writing(100))
        os.utime(room.folder / f"{key}.tar", (1000 + number,) * 2)
    log = []
    room.open("a", 100, writing(100, log))  # used now
    assert log == []
    room.open("d", 150, writing(150))
    assert names(room) == ["a.tar", "c.tar", "d.tar"]
    room.open("e", 350, writing(350))
    assert names(room) == ["e.tar"]
    room.touch("a")  # which is not there
    assert names(room) == ["e.tar"]


def test_what_is_open_can_be_read_when_it_goes(tmp_path):
    room = Room(tmp_path, 100)
    first = room.open("a", 100, lambda path: path.write_bytes(b"x" * 100))
    room.open("b", 100, writing(100))
    assert names(room) == ["b.tar"]
    assert os.pread(first.file, 100, 0) == b"x" * 100


def test_a_copy_that_was_cut_off_is_not_taken(tmp_path):
    room = Room(tmp_path, 1000)

    def stop(path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        room.open("a", 100, stop)
    assert names(room) == []
    room.open("a", 100, writing(100))
    (room.folder / "a.tar").write_bytes(b"half")  # by somebody else
    log = []
    room.open("a", 100, writing(100, log))
    assert len(log) == 1
    assert (room.folder / "a.tar").stat().st_size == 100


def _die(folder):
    def copy(path):
        path.write_bytes(bytes(300))
        os._exit(3)

    Room(folder, 400).open("a", 300, copy)


def test_what_a_killed_process_left_takes_no_room(tmp_path):
    process = multiprocessing.get_context("fork").Process(target=_die, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == 3
    assert len([name for name in names(Room(tmp_path, 400)) if ".partial" in name]) == 1
    room = Room(tmp_path, 400)
    room.open("b", 200, writing(200))
    room.open("a", 200, writing(200))
    assert [name for name in names(room) if not name.startswith(".")] == ["a.tar", "b.tar"]


def test_copies_in_the_making_count(tmp_path):
    room = Room(tmp_path, 250)
    room.open("a", 100, writing(100))
    started, finish = threading.Event(), threading.Event()

    def slow(path):
        started.set()
        assert finish.wait(60)
        path.write_bytes(bytes(100))

    thread = threading.Thread(target=room.open, args=("b", 100, slow))
    thread.start()
    assert started.wait(60)
    room.open("c", 100, writing(100))
    assert "a.tar" not in names(room)
    finish.set()
    thread.join()
    assert names(room) == ["b.tar", "c.tar"]


def _copy_once(folder, log, ready):
    def copy(path):
        with open(log, "a") as file:
            file.write("copied\n")
        path.write_bytes(b"y" * 100)

    ready.wait(60)
    for key in "abc":
        opened = Room(folder, 1000).open(key, 100, copy)
        assert os.pread(opened.file, 100, 0) == b"y" * 100


def test_several_processes_that_want_the_same_copy_it_once(tmp_path):
    context = multiprocessing.get_context("fork")
    ready = context.Barrier(3)
    arguments = (tmp_path / "room", tmp_path / "log", ready)
    processes = [context.Process(target=_copy_once, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert (tmp_path / "log").read_text() == "copied\n" * 3


def test_a_system_that_does_not_remove_what_is_open(tmp_path, monkeypatch):
    room = Room(tmp_path, 250)
    for number, key in enumerate("ab"):
        room.open(key, 100, writing(100))
        os.utime(room.folder / f"{key}.tar", (1000 + number,) * 2)
    remove = module.Path.unlink

    def refuse(path, **options):
        if path.name == "a.tar":
            raise PermissionError
        remove(path, **options)

    monkeypatch.setattr(module.Path, "unlink", refuse)
    room.open("c", 100, writing(100))
    assert names(room) == ["a.tar", "c.tar"]


@pytest.mark.parametrize(
    ("value", "size"),
    [(10, 10), (1e9, 10**9), ("10", 10), ("1.5 kB", 1500), ("2GiB", 2**31), (" 3 tb ", 3 * 10**12)],
)
def test_sizes(value, size):
    assert read_size("room", value) == size


@pytest.mark.parametrize("value", ["", "GB", "1 G", "-1 GB", "0 GB", "1.2.3 MB", "much"])
def test_what_is_no_size(value):
    with pytest.raises(ValueError, match="`room` must be a number of bytes above 0, or a text"):
        read_size("room", value)
    for number in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="`room` must be a finite number of at least 1"):
            read_size("room", number)
