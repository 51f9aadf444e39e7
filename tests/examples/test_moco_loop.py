"""MoCo written out in plain torch equals `MoCoModule`."""

import copy

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from instdisc import Backbone, MoCoModule

STEPS, BATCH, SIZE, QUEUE = 3, 4, 32, 10


class Losses(pl.Callback):
    """The loss of each step."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx) -> None:
        self.values.append(outputs["loss"].item())


def oldest_first(module: MoCoModule) -> Tensor:
    """The keys of the ring buffer in the order in which they were pushed."""
    queue = module.objectives["contrast"].queue
    return queue.features.roll(-int(queue.pushed) % queue.size, 0)


def fit(module: MoCoModule, views: Tensor, precision: str) -> list[float]:
    losses = Losses()
    batches = [([*pair], torch.full((BATCH,), -1)) for pair in views]
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        precision=precision,
        callbacks=[losses],
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    trainer.fit(module, DataLoader(batches, batch_size=None))
    return losses.values


@pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers")
@pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no")
def test_the_loop_and_the_module_take_the_same_steps():
    from moco_on_one_screen import train_moco

    torch.manual_seed(0)
    module = MoCoModule(
        Backbone("test_resnet"),
        queue_size=QUEUE,  # not a multiple of the batch: the ring wraps
        projection_dim=8,
        batch_norm="plain",
        schedule="constant",
        momentum=0.9,
    ).double()
    contrast = module.objectives["contrast"]
    backbone, projector = copy.deepcopy((module.backbone, contrast.projector))
    queue = contrast.queue.features.double()
    before = next(backbone.parameters()).clone()
    views = torch.randn(STEPS, 2, BATCH, 3, SIZE, SIZE, dtype=torch.float64)

    losses, queue = train_moco(backbone.train(), projector.train(), queue, views, momentum=0.9)
    of_module = fit(module, views, "64-true")

    torch.testing.assert_close(of_module, losses, rtol=1e-6, atol=0)
    # The queue holds float32 whatever the module around computes in.
    torch.testing.assert_close(oldest_first(module).double(), queue, rtol=0, atol=1e-6)
    for trained, written in ((module.backbone, backbone), (contrast.projector, projector)):
        for name, weight in written.state_dict().items():
            torch.testing.assert_close(
                trained.state_dict()[name], weight, rtol=1e-5, atol=1e-7, msg=name
            )
    assert not torch.equal(before, next(backbone.parameters()))


def test_the_script_runs(capsys: pytest.CaptureFixture[str]):
    from moco_on_one_screen import main

    main()
    losses = [float(word) for word in capsys.readouterr().out.split()[1:]]
    assert len(losses) == 3
    assert all(0 < loss < 7 for loss in losses)  # log(257) = 5.5
