"""How batch norm keeps query and key apart, and that it costs nothing where there is no key."""

from torch import nn

from instdisc.methods import Classification, PretrainModule
from instdisc.methods.batch_norm import BatchNormPolicy
from instdisc.models import Backbone, split_batch_norm
from instdisc.models.grouped_norm.layers import GroupedBatchNorm2d


def test_groups_by_default_only_where_there_is_a_key():
    backbone = Backbone("test_resnet")
    keyless = PretrainModule(backbone, {"class": Classification(backbone.dim, 3)})
    assert keyless.batch_norm.mode == "plain"
    # A paper's devices normalised apart without keys too: whoever asks for groups gets them.
    asked = PretrainModule(
        backbone, {"class": Classification(backbone.dim, 3)}, batch_norm="shuffled"
    )
    assert (asked.batch_norm.mode, asked.batch_norm.groups) == ("shuffled", 8)


def test_groups_of_an_earlier_run_are_taken_back():
    net = split_batch_norm(nn.Sequential(nn.BatchNorm2d(2)), 4)
    BatchNormPolicy("plain", 8).prepare(net, "cpu")
    assert type(net[0]) is nn.BatchNorm2d
    BatchNormPolicy("shuffled", 2).prepare(net, "cpu")
    assert type(net[0]) is GroupedBatchNorm2d
    assert net[0].groups == 2
