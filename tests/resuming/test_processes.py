"""Two processes have the batches of one, and a run goes on with more or fewer."""

import json
import logging
import multiprocessing
import os
import socket
import warnings

import pytest
import torch

import instdisc

from .battery import Stop, train

IMAGES, GLOBAL_BATCH = 20, 4


class ViewsAsExact(instdisc.ViewData):
    """Views as exact as the module, so that rounding cannot feign a difference."""

    def on_after_batch_transfer(self, batch, dataloader_idx):
        batch = super().on_after_batch_transfer(batch, dataloader_idx)
        images = [view.to(self.trainer.lightning_module.dtype) for view in batch.images]
        return batch._replace(images=images)


def make(batch=GLOBAL_BATCH, **options):
    data = ViewsAsExact(
        instdisc.Scenes(IMAGES, image_size=32), image_size=16, batch_size=batch, seed=3
    )
    # In groups of two images, so that another order of the batch gives other statistics.
    module = instdisc.MoCoModule("test_resnet", queue_size=24, batch_norm_groups=2)
    return module, data, {"max_epochs": 2, "limit_val_batches": 0, **options}


def work(rank, world, port, folder, options):
    os.environ.update(
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), WORLD_SIZE=str(world), NODE_RANK="0",
        LOCAL_RANK=str(rank),
    )  # fmt: skip
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    if world > 1:
        options = {**options, "devices": world, "strategy": "ddp"}
    stop, path = options.pop("stop", None), options.pop("ckpt_path", None)
    run = train(lambda: make(**options), folder, stop=stop, every=1, ckpt_path=path)
    events = [event for event in run.history.events if event[0] == "batch"]
    (folder / f"{rank}.json").write_text(json.dumps(events))
    torch.save(run.module.state_dict(), folder / f"{rank}.pt")
    if world > 1:
        torch.distributed.destroy_process_group()


def run_on(world, folder, **options):
    """The batches of each process, ``[rank][step]``, with their rates; the first one's weights."""
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    fork = multiprocessing.get_context("fork")
    ranks = [
        fork.Process(target=work, args=(rank, world, port, folder, options))
        for rank in range(world)
    ]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(120)
        assert process.exitcode == 0
    events = [json.loads((folder / f"{rank}.json").read_text()) for rank in range(world)]
    steps = [[(epoch, images, rates[0]) for _, epoch, _, images, rates in each] for each in events]
    return steps, torch.load(folder / "0.pt", weights_only=True)


def in_one(steps):
    """The global batches of several processes: their blocks one after the other."""
    return [
        (parts[0][0], [image for _, images, _ in parts for image in images], parts[0][2])
        for parts in zip(*steps, strict=True)
    ]


def test_the_result_does_not_depend_on_the_number_of_processes(tmp_path):
    # Few steps: with two images in a group, rounding grows from step to step.
    options = {"precision": "64-true", "max_steps": 2}
    one, expected = run_on(1, tmp_path / "one", **options)
    two, found = run_on(2, tmp_path / "two", batch=GLOBAL_BATCH // 2, **options)
    assert in_one(two) == in_one(one)
    queues = [name for name in expected if ".queue." in name]
    assert queues
    for name, tensor in expected.items():
        # Each process has the statistics of its own groups.
        if "running_" not in name and "num_batches" not in name:
            torch.testing.assert_close(found[name], tensor, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
@pytest.mark.parametrize("larger", [False, True])
def test_a_run_goes_on_with_other_processes(tmp_path, before, after, larger):
    # Stopped after two steps of the first epoch of five.
    batch = GLOBAL_BATCH // before
    run_on(before, tmp_path / "before", batch=batch, stop=Stop(3))
    path = str(tmp_path / "before" / "last.ckpt")
    size = 2 * GLOBAL_BATCH if larger else GLOBAL_BATCH
    steps, _ = run_on(after, tmp_path / "after", batch=size // after, ckpt_path=path)
    # The history in the checkpoint is that of the first process.
    rest = in_one([each[2:] for each in steps])
    data = make()[1]
    orders = []
    for epoch in (0, 1):
        loader = data.train_dataloader()
        loader.sampler.set_epoch(epoch)
        orders.append([image for batch in loader for image in batch.indices.tolist()])
    start = 2 * GLOBAL_BATCH
    expected = [
        (epoch, orders[epoch][first : first + size])
        for epoch, begin in ((0, start), (1, 0))
        for first in range(begin, IMAGES - size + 1, size)
    ]
    assert [(epoch, images) for epoch, images, _ in rest] == expected
    assert min(rate for *_, rate in rest) > 0
