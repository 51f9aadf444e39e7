"""The newest checkpoint: killed before any operation on its folder, a run leaves a whole one."""

import multiprocessing
import os
import signal
import sys
import time

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins import TorchCheckpointIO
from torch.utils.data import DataLoader

from instdisc.callbacks import NewestCheckpoint
from instdisc.checkpoint import newest_checkpoint
from instdisc.checkpoint.saving import WholeCheckpointIO

FORK = multiprocessing.get_context("fork")
pytestmark = [
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty"),
    pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`, callbacks"),
    pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:Left out are|The newest whole checkpoint is"),
]


class Line(LightningModule):
    """The smallest training."""

    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(2, 1)

    def training_step(self, batch, _):
        return self.line(batch).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def fit(folder, *, epochs=3, start=None, keeper=None):
    """Epochs of two steps."""
    torch.manual_seed(0)
    trainer = Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        default_root_dir=folder,
        callbacks=[keeper or NewestCheckpoint(folder)],
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    module = Line()
    trainer.fit(module, DataLoader(torch.ones(4, 2), 2), ckpt_path=start)
    return trainer, module


def fit_and_die(folder, moment, counted):
    """Kills itself before the so manieth operation on files in `folder`."""
    done = 0

    def look(event, arguments):
        nonlocal done
        if event not in {"open", "os.mkdir", "os.rename", "os.remove", "os.symlink", "os.rmdir"}:
            return
        places = [str(place) for place in arguments if isinstance(place, str | os.PathLike)]
        # `shutil.rmtree` names what is in a folder without the folder.
        if not any(str(folder) in place or place == "lock" for place in places):
            return
        done += 1
        if done == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    folder.mkdir()
    sys.addaudithook(look)  # it stays: in a process of its own
    fit(folder)
    counted.put(done)


def run(target, *arguments):
    process = FORK.Process(target=target, args=arguments)
    process.start()
    process.join(60)
    return process.exitcode


def names(folder):
    return sorted(os.listdir(folder))


@pytest.fixture(scope="module")
def num_moments(tmp_path_factory):
    counted = FORK.Queue()
    assert run(fit_and_die, tmp_path_factory.mktemp("run") / "whole", 0, counted) == 0
    return counted.get(timeout=10)


def killed_at(moment, tmp_path):
    folder = tmp_path / str(moment)
    assert run(fit_and_die, folder, moment, FORK.Queue()) == -signal.SIGKILL
    left = names(folder)
    newest = newest_checkpoint(folder)
    if newest is None:  # before the first was there
        assert not any(name.endswith(".ckpt") for name in left)
    else:
        ready = max(int(name[-6]) for name in left if name.startswith("epoch"))
        assert torch.load(newest)["global_step"] == ready  # all that are there are whole
        if "last.ckpt" in left:
            assert torch.load(folder / "last.ckpt")["global_step"] >= ready - 2
    for name in left:  # as if it had been a while ago
        os.utime(folder / name, (1, 1), follow_symlinks=False)
    _, module = fit(folder, start=newest)
    assert names(folder) == ["epoch=2-step=6.ckpt", "last.ckpt"]
    assert os.readlink(folder / "last.ckpt") == "epoch=2-step=6.ckpt"
    return module.line.weight


def test_killed_at_some_moments(num_moments, tmp_path):
    assert num_moments > 20
    expected = fit(tmp_path / "whole")[1].line.weight
    for moment in range(1, num_moments + 1, 7):
        assert torch.equal(killed_at(moment, tmp_path), expected)


@pytest.mark.slow
def test_killed_at_every_moment(num_moments, tmp_path):
    expected = fit(tmp_path / "whole")[1].line.weight
    for moment in range(1, num_moments + 1):
        assert torch.equal(killed_at(moment, tmp_path), expected)


def write_half(checkpoint, file):
    file.write_bytes(b"PK" + bytes(1000))
    os.kill(os.getpid(), signal.SIGKILL)


def die_while_writing(folder):
    fit(folder, epochs=1)
    torch.save = write_half
    fit(folder, epochs=2, start="last")


def test_killed_while_a_file_is_written(tmp_path):
    assert run(die_while_writing, tmp_path / "run") == -signal.SIGKILL
    left = names(tmp_path / "run")
    assert [name.startswith(".epoch=1") for name in left] == [True, False, False]
    assert newest_checkpoint(tmp_path / "run").name == "last.ckpt"
    fit(tmp_path / "run", epochs=2, start="last")  # its lock is free: whatever its age
    assert names(tmp_path / "run") == ["epoch=1-step=4.ckpt", "last.ckpt"]


def test_only_its_files_go(tmp_path):
    fit(tmp_path, keeper=ModelCheckpoint(tmp_path, save_top_k=-1))
    mine = ["epoch=0-step=2.ckpt", "epoch=1-step=4.ckpt", "epoch=2-step=6.ckpt"]
    fit(tmp_path, epochs=5, start=tmp_path / mine[2])
    assert names(tmp_path) == [*mine, "epoch=4-step=10.ckpt", "last.ckpt"]


def test_a_run_that_begins_in_another_folder_leaves_both_alone(tmp_path):
    fit(tmp_path / "a")
    fit(tmp_path / "b", epochs=4)
    (tmp_path / "b" / "epoch=2-step=6.ckpt").write_bytes(b"somebody's")
    fit(tmp_path / "b", epochs=5, start=tmp_path / "a" / "last.ckpt")
    assert names(tmp_path / "a") == ["epoch=2-step=6.ckpt", "last.ckpt"]
    assert names(tmp_path / "b") == [
        *["epoch=2-step=6.ckpt", "epoch=3-step=8.ckpt", "epoch=4-step=10.ckpt", "last.ckpt"]
    ]


def test_a_folder_that_was_moved(tmp_path):
    fit(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    fit(tmp_path / "b", epochs=4, start="last")
    assert names(tmp_path / "b") == ["epoch=3-step=8.ckpt", "last.ckpt"]


def test_a_run_that_had_ended_still_says_what_it_kept(tmp_path):
    fit(tmp_path)
    trainer, _ = fit(tmp_path, start="last")
    assert trainer.checkpoint_callback.last_model_path == str(tmp_path / "last.ckpt")
    assert trainer.checkpoint_callback.best_model_path == str(tmp_path / "epoch=2-step=6.ckpt")


def test_by_steps(tmp_path):
    fit(tmp_path, keeper=NewestCheckpoint(tmp_path, every_n_train_steps=3))
    assert names(tmp_path) == ["epoch=2-step=6.ckpt", "last.ckpt"]
    trainer, _ = fit(tmp_path, epochs=4, start="last")  # by epochs now
    assert names(tmp_path) == ["epoch=3-step=8.ckpt", "last.ckpt"]
    assert type(trainer.strategy.checkpoint_io) is WholeCheckpointIO


@pytest.mark.parametrize("every", [1000, 4, 3])
def test_the_last_step_is_kept_and_gone_on_from(every, tmp_path):
    expected = fit(tmp_path / "whole", epochs=5)[1].line.weight
    fit(tmp_path / "run", keeper=NewestCheckpoint(tmp_path / "run", every_n_train_steps=every))
    (name, last) = names(tmp_path / "run")
    assert (name[-11:], last) == ("step=6.ckpt", "last.ckpt")
    assert torch.load(tmp_path / "run" / last)["global_step"] == 6
    trainer, module = fit(tmp_path / "run", epochs=5, start="last")
    assert trainer.global_step == 10
    assert torch.equal(module.line.weight, expected)


def test_a_way_of_ones_own_to_write_stays(tmp_path):
    class Mine(TorchCheckpointIO):
        pass

    trainer = Trainer(plugins=Mine(), accelerator="cpu", logger=False)
    NewestCheckpoint(tmp_path).setup(trainer, Line(), "fit")
    assert type(trainer.strategy.checkpoint_io) is Mine


def test_what_others_write_now_stays(tmp_path):
    begun, end = FORK.Event(), FORK.Event()
    from instdisc.writing import remove_leftovers, write_atomically

    def slowly(file):
        file.write_text("all")
        begun.set()
        end.wait(30)

    process = FORK.Process(target=write_atomically, args=(tmp_path / "a.txt", slowly))
    process.start()
    assert begun.wait(30)
    assert remove_leftovers(tmp_path) == []
    end.set()
    process.join(30)
    assert names(tmp_path) == ["a.txt"]
    assert time.time() - os.path.getmtime(tmp_path / "a.txt") < 60


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"every_n_epochs": 0}, ValueError, "`every_n_epochs` must be a whole number of at least"),
        ({"every_n_train_steps": 1.5}, TypeError, "`every_n_train_steps` must be a whole number"),
        (
            {"every_n_epochs": 1, "every_n_train_steps": 5},
            ValueError,
            "`every_n_epochs` must be left out where `every_n_train_steps` is set, got 1",
        ),
    ],
)
def test_bad_arguments(options, error, message):
    with pytest.raises(error, match=message):
        NewestCheckpoint("runs", **options)
