"""Locks of files among processes."""

import logging
from threading import Event, Thread

import pytest

from instdisc.locking import hold_lock


def test_one_at_a_time(tmp_path):
    path = tmp_path / "a"
    inside, leave = Event(), Event()

    def hold():
        with hold_lock(path):
            inside.set()
            leave.wait(20)

    thread = Thread(target=hold)
    thread.start()
    assert inside.wait(20)
    message = r"has held .*\.a\.lock for 0.01 s. If none is writing"
    with pytest.raises(TimeoutError, match=message), hold_lock(path, patience=0.01):
        pass
    leave.set()
    with hold_lock(path) as held:
        assert held
    thread.join()


def test_a_tidy_lock_leaves_nothing(tmp_path):
    for _ in range(2):
        with hold_lock(tmp_path / "a", tidy=True):
            assert list(tmp_path.iterdir())
        assert not list(tmp_path.iterdir())


def test_without_locks_the_block_runs(tmp_path, monkeypatch, caplog):
    def unknown(*_, **__):
        raise NotImplementedError("none")

    monkeypatch.setattr("instdisc.locking.FileLock.acquire", unknown)
    with caplog.at_level(logging.WARNING), hold_lock(tmp_path / "a") as held:
        assert not held
    assert "cannot be locked (none)" in caplog.text


def test_an_error_in_the_block_frees_the_lock(tmp_path):
    with pytest.raises(ValueError, match="inside"), hold_lock(tmp_path / "a"):
        raise ValueError("inside")
    with hold_lock(tmp_path / "a", patience=0.1) as held:
        assert held
