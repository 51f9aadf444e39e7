"""A method with a memory bank on the command line."""

import pytest

from instdisc.callbacks import MemoryBankKNN
from instdisc.cli.pretrain import make_cli

# pytorch-lightning 2.6's command line calls a method that newer jsonargparse renamed; not ours.
pytestmark = pytest.mark.filterwarnings(
    "ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning"
)


def made(folder, *options, method="InstDiscModule"):
    sets = [
        f"--data.{name}={value}"
        for name, value in (
            ("images", "instdisc.Scenes"),
            ("images.num_images", 24),
            ("test_images", "instdisc.Scenes"),
            ("test_images.num_images", 8),
            ("image_size", 32),
        )
    ]
    model = [f"--model={method}", "--model.backbone=test_resnet"]
    trainer = ["--trainer.accelerator=cpu", f"--trainer.default_root_dir={folder}"]
    return make_cli([*model, *sets, *trainer, *options])


def watches_the_bank(cli):
    return any(isinstance(callback, MemoryBankKNN) for callback in cli.trainer.callbacks)


def test_the_bank_has_a_row_for_each_training_image(tmp_path):
    cli = made(tmp_path)
    assert cli.model.objectives["contrast"].memory_bank.size == len(cli.datamodule.images) == 24
    assert watches_the_bank(cli)


def test_what_is_given_counts(tmp_path):
    cli = made(tmp_path, "--model.num_images=30")
    assert cli.model.objectives["contrast"].memory_bank.size == 30


def test_other_methods_are_left_as_they_are(tmp_path):
    cli = made(tmp_path, "--model.queue_size=16", method="MoCoModule")
    assert not watches_the_bank(cli)
