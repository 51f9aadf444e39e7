"""The newest whole checkpoint, beside whatever a killed run can leave."""

import datetime
import multiprocessing
import os
import shutil

import numpy as np
import pytest
import torch

from instdisc.checkpoint import newest_checkpoint
from instdisc.checkpoint.newest import requeued_checkpoints
from instdisc.checkpoint.wholeness import check_numbers, read_plain

NOW = 1_700_000_000


class Recipe:
    """An object of the user's own in a checkpoint: nothing of it may run."""

    def __reduce__(self):
        return (os.mkdir, ("ran",))


def save(path, steps, *, epoch=0, processed=0, age=0, **more):
    """A checkpoint with what Lightning writes, `age` seconds old."""
    loops = {"fit_loop": {"epoch_progress": {"current": {"processed": processed}}}}
    content = {
        "epoch": epoch,
        "global_step": steps,
        "state_dict": {"weight": torch.arange(300.0), "queue": torch.ones(7).bfloat16()},
        "loops": loops,
        "optimizer_states": [{"state": {0: {"momentum_buffer": torch.zeros(5)}}}],
        "hyper_parameters": {"when": datetime.datetime(2020, 1, 1), "rates": np.float64(3)},
        **more,
    }
    torch.save({name: value for name, value in content.items() if value is not ...}, path)
    os.utime(path, (NOW - age, NOW - age))
    return path


def damaged(path, content):
    path.write_bytes(content)
    return path


def test_most_steps_whatever_the_names_and_times(tmp_path):
    save(tmp_path / "b.ckpt", 30, age=50)
    save(tmp_path / "c.ckpt", 20, age=0)
    save(tmp_path / "a.ckpt", 9, age=10)
    assert newest_checkpoint(tmp_path) == tmp_path / "b.ckpt"
    assert newest_checkpoint(str(tmp_path)) == tmp_path / "b.ckpt"


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"epoch": 1}, {"epoch": 2}),
        ({"processed": 1}, {"processed": 2}),  # before and after an epoch's end
        ({"age": 9}, {"age": 3}),
        ({"epoch": 1, "age": 0}, {"epoch": 2, "age": 9}),
    ],
)
def test_ties(earlier, later, tmp_path):
    for names in (("a.ckpt", "b.ckpt"), ("b.ckpt", "a.ckpt")):
        save(tmp_path / names[0], 5, **earlier)
        save(tmp_path / names[1], 5, **later)
        assert newest_checkpoint(tmp_path).name == names[1]


def test_nothing_there(tmp_path):
    assert newest_checkpoint(tmp_path / "no") is None
    (tmp_path / "backbone.safetensors").write_bytes(b"1")
    assert newest_checkpoint(tmp_path) is None


def test_the_link_that_a_kill_removed_is_not_needed(tmp_path):
    save(tmp_path / "epoch=1.ckpt", 8)
    os.symlink("epoch=0.ckpt", tmp_path / "last.ckpt")  # to a file that was removed
    with pytest.warns(UserWarning, match=r"Left out are last.ckpt: it points to epoch=0.ckpt, wh"):
        assert newest_checkpoint(tmp_path).name == "epoch=1.ckpt"


def test_a_whole_last_is_preferred_to_its_target(tmp_path):
    save(tmp_path / "epoch=1.ckpt", 8)
    os.symlink("epoch=1.ckpt", tmp_path / "last.ckpt")
    assert newest_checkpoint(tmp_path).name == "last.ckpt"
    save(tmp_path / "epoch=2.ckpt", 12)  # killed before the link was switched
    assert newest_checkpoint(tmp_path).name == "epoch=2.ckpt"


def test_what_was_abandoned_before_the_last_one_does_not_count(tmp_path):
    save(tmp_path / "epoch=9.ckpt", 90, age=100)  # it diverged; the run went on from epoch 3
    save(tmp_path / "last.ckpt", 40, age=10)
    save(tmp_path / "epoch=3.ckpt", 40, age=20)
    assert newest_checkpoint(tmp_path).name == "last.ckpt"
    (tmp_path / "last.ckpt").write_bytes(b"half")
    with pytest.warns(UserWarning, match="last.ckpt: it was cut short, or is no zip file"):
        assert newest_checkpoint(tmp_path).name == "epoch=9.ckpt"


def test_cut_short_at_any_length(tmp_path):
    whole = save(tmp_path / "whole.ckpt", 3)
    content = save(tmp_path / "last.ckpt", 7).read_bytes()
    lengths = [*range(0, len(content), 131), *range(len(content) - 60, len(content))]
    for length in lengths:
        damaged(tmp_path / "last.ckpt", content[:length])
        with pytest.warns(UserWarning, match="Left out are last.ckpt: it"):
            assert newest_checkpoint(tmp_path) == whole
    damaged(tmp_path / "last.ckpt", content)
    assert newest_checkpoint(tmp_path).name == "last.ckpt"


def test_cut_or_stretched_in_the_middle(tmp_path):
    content = save(tmp_path / "a.ckpt", 7).read_bytes()
    for begin in range(0, len(content) - 200, 97):
        for changed in (
            content[:begin] + content[begin + 64 :],
            content[:begin] + bytes(64) + content[begin:],
        ):
            damaged(tmp_path / "a.ckpt", changed)
            with pytest.raises(ValueError, match="a.ckpt: "):
                newest_checkpoint(tmp_path)


def test_a_hole_of_zeros_is_seen_by_the_checksums(tmp_path):
    whole = save(tmp_path / "whole.ckpt", 3)
    content = save(tmp_path / "a.ckpt", 7).read_bytes()
    place = content.index(torch.arange(300.0).numpy().tobytes()) + 100
    damaged(tmp_path / "a.ckpt", content[:place] + bytes(64) + content[place + 64 :])
    read_plain(tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match="its record 'a/data/0' is damaged"):
        check_numbers(tmp_path / "a.ckpt")
    with pytest.warns(UserWarning, match="a.ckpt: its record 'a/data/0' is damaged"):
        assert newest_checkpoint(tmp_path) == whole


def test_a_file_without_checksums_is_taken(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        save(tmp_path / "a.ckpt", 7)
    finally:
        torch.serialization.set_crc32_options(True)
    assert newest_checkpoint(tmp_path).name == "a.ckpt"


def test_foreign_files_are_named(tmp_path):
    whole = save(tmp_path / "whole.ckpt", 3)
    save(tmp_path / "bare.ckpt", 9, loops=...)  # save_weights_only
    save(tmp_path / "text.ckpt", "9")
    torch.save([1], tmp_path / "list.ckpt")
    shutil.make_archive(str(tmp_path / "archive"), "zip", tmp_path, "whole.ckpt")
    (tmp_path / "archive.zip").rename(tmp_path / "archive.ckpt")
    (tmp_path / "folder.ckpt").mkdir()
    with pytest.warns(UserWarning, match="Left out are") as caught:
        assert newest_checkpoint(tmp_path) == whole
    (message,) = [str(warning.message) for warning in caught]
    for part in (
        "bare.ckpt: no training of Lightning can go on from it, it lacks 'loops'",
        "text.ckpt: its `global_step` and `epoch` are no numbers",
        "list.ckpt: it holds no dict",
        "archive.ckpt: torch.save did not write it",
        "folder.ckpt: it is a folder in which a sharded checkpoint did not come to its end",
    ):
        assert part in message


def test_none_whole_is_no_new_beginning(tmp_path):
    (tmp_path / "last.ckpt").write_bytes(b"")
    (tmp_path / "epoch=0.ckpt").write_bytes(b"PK")
    message = "`folder` must be one with a whole .* epoch=0.ckpt: it was .*; last.ckpt: it is empty"
    with pytest.raises(ValueError, match=message):
        newest_checkpoint(tmp_path)


def test_nothing_of_a_file_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "a.ckpt", 4, own=Recipe())
    assert newest_checkpoint(tmp_path).name == "a.ckpt"
    assert not (tmp_path / "ran").exists()


def test_sharded_folders(tmp_path):
    folder = tmp_path / "epoch=1.ckpt"  # FSDP: meta.pt last
    folder.mkdir()
    (folder / "__0_0.distcp").write_bytes(b"1")
    save(folder / "meta.pt", 8, state_dict=...)
    save(tmp_path / "small.ckpt", 3)
    assert newest_checkpoint(tmp_path) == folder
    deep = tmp_path / "epoch=2.ckpt"  # DeepSpeed: latest last
    (deep / "checkpoint").mkdir(parents=True)
    save(deep / "checkpoint" / "mp_rank_00_model_states.pt", 12, state_dict=...)
    with pytest.warns(UserWarning, match="epoch=2.ckpt: it is a folder in which"):
        assert newest_checkpoint(tmp_path) == folder
    (deep / "latest").write_text("checkpoint")
    assert newest_checkpoint(tmp_path) == deep


def test_what_was_written_for_slurm_counts(tmp_path):
    folder = tmp_path / "checkpoints"
    save(tmp_path / "hpc_ckpt_1.ckpt", 9)
    save(tmp_path / "hpc_ckpt_2.ckpt", 11)
    save(tmp_path / "other.ckpt", 99)
    assert newest_checkpoint(folder) is None
    assert newest_checkpoint(folder, root=tmp_path).name == "hpc_ckpt_2.ckpt"
    folder.mkdir()
    save(folder / "last.ckpt", 10, age=5)
    assert newest_checkpoint(folder, root=tmp_path).name == "hpc_ckpt_2.ckpt"
    save(folder / "last.ckpt", 12)
    assert newest_checkpoint(folder, root=tmp_path).name == "last.ckpt"
    save(tmp_path / "hpc_ckpt_3.ckpt", 30, age=5)  # the run was taken up before it since
    assert newest_checkpoint(folder, root=tmp_path).name == "last.ckpt"


def test_the_order_of_what_was_written_for_slurm(tmp_path):
    for number in (2, 10, 9):
        save(tmp_path / f"hpc_ckpt_{number}.ckpt", 1)
    (tmp_path / "hpc_ckpt_mine.ckpt").write_bytes(b"")
    names = [path.name for path in requeued_checkpoints(tmp_path)]
    assert names == [f"hpc_ckpt_{number}.ckpt" for number in (2, 9, 10)]
    assert len(requeued_checkpoints(tmp_path, "hpc_ckpt_9.ckpt")) == 2
    for nothing in (None, "s3://bucket/run", tmp_path / "no"):
        assert requeued_checkpoints(nothing) == []
    assert requeued_checkpoints(tmp_path, "last.ckpt") == []


@pytest.mark.parametrize("name", ["folder", "root"])
def test_a_path_is_needed(name, tmp_path):
    with pytest.raises(TypeError, match=f"`{name}` must be the path of a folder, got 3"):
        newest_checkpoint(**{"folder": tmp_path, name: 3})


def _each_its_folder(rank, root, outcome):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{root}/rendezvous", rank=rank, world_size=2
    )
    try:
        answer = str(newest_checkpoint(root / str(rank)))
    except ValueError as error:
        answer = str(error)
    outcome.put((rank, answer))
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("whole", [True, False])
def test_the_first_of_two_processes_decides(whole, tmp_path):
    for rank in range(2):
        (tmp_path / str(rank)).mkdir()
        save(tmp_path / str(rank) / f"{rank}.ckpt", 5)
    if not whole:
        (tmp_path / "0" / "0.ckpt").write_bytes(b"half")
    fork = multiprocessing.get_context("fork")
    outcome = fork.Queue()
    processes = [
        fork.Process(target=_each_its_folder, args=(rank, tmp_path, outcome)) for rank in range(2)
    ]
    for process in processes:
        process.start()
    answers = dict(outcome.get(timeout=60) for _ in processes)
    for process in processes:
        process.join(30)
    assert answers[0] == answers[1]
    assert answers[0].startswith(str(tmp_path / "0" / "0.ckpt") if whole else "`folder` must be")
