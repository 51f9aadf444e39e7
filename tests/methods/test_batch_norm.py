"""How batch norm keeps query and key apart, and that it costs nothing where there is no key."""

import torch
from torch import nn

from instdisc.distributed import rank
from instdisc.methods import Classification, PretrainModule
from instdisc.methods.training.batch_norm import BatchNormPolicy
from instdisc.models import Backbone, split_batch_norm, sync_batch_norm
from instdisc.models.grouped_norm.layers import GroupedBatchNorm2d
from instdisc.models.synced_norm.layers import SyncedBatchNorm2d

from ..processes import run_on_processes


def test_groups_by_default_only_where_there_is_a_key():
    backbone = Backbone("test_resnet")
    keyless = PretrainModule(backbone, {"class": Classification(backbone.dim, 3)})
    assert keyless.batch_norm.mode == "plain"
    # A paper's devices normalised apart without keys too: whoever asks for groups gets them.
    asked = PretrainModule(
        backbone, {"class": Classification(backbone.dim, 3)}, batch_norm="shuffled"
    )
    assert (asked.batch_norm.mode, asked.batch_norm.groups) == ("shuffled", 8)


def test_what_an_earlier_run_changed_is_taken_back():
    for change in (lambda net: split_batch_norm(net, 4), lambda net: sync_batch_norm(net, True)):
        for mode in ("plain", "sync"):  # on one process equal
            net = change(nn.Sequential(nn.BatchNorm2d(2)))
            BatchNormPolicy(mode, 8).prepare(net)
            assert type(net[0]) is nn.BatchNorm2d
        BatchNormPolicy("shuffled", 2).prepare(net)
        assert (type(net[0]), net[0].groups) == (GroupedBatchNorm2d, 2)


def test_modes_on_two_processes(tmp_path):
    def work(_):
        kinds, net = [], nn.Sequential(nn.BatchNorm2d(2))
        for mode, groups in [("sync", 8), ("shuffled", 4), ("sync", 8), ("shuffled", 2)]:
            policy = BatchNormPolicy(mode, groups)
            policy.prepare(net)
            kinds.append((type(net[0]).__name__, getattr(net[0], "groups", None)))
        images = torch.arange(4.0) + 4 * rank()
        seen = []

        def encode(images):
            seen.extend(images.tolist())
            return 2 * images

        policy.prepare(nn.Linear(2, 2))  # a head without a norm: the backbone's still need it
        assert torch.equal(policy.encode_keys(encode, images, 0), 2 * images)
        return kinds, seen

    (kinds, first), (_, second) = run_on_processes(work, tmp_path)
    synced = (SyncedBatchNorm2d.__name__, None)
    assert kinds == [synced, (GroupedBatchNorm2d.__name__, 2), synced, ("BatchNorm2d", None)]
    assert sorted(first + second) == list(range(8))
    assert first != list(range(4))
