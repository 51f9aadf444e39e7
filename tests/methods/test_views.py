"""Which views an objective sees, and in which passes."""

import pytest
import torch
from torch.nn import functional as F

import instdisc
from instdisc.methods import Objective, PretrainModule
from instdisc.methods.training.views import pass_views
from instdisc.testing import check_method
from instdisc.testing.runs import fit, make_batches
from instdisc.types import Views


class Symmetric(Objective):
    """BYOL without its heads: each view's query against the other view's key."""

    queries = (0, 1)
    keys = (0, 1)

    def __init__(self, dim):
        super().__init__()
        self.projector = torch.nn.Linear(dim, 8)
        self.momentum_projector = instdisc.MomentumEncoder(self.projector, 0.9)
        self.seen = []

    def forward(self, queries, keys, labels):
        self.seen.append((list(queries), list(keys)))
        predicted = [F.normalize(self.projector(queries[view]).float(), dim=1) for view in (0, 1)]
        targets = [self.momentum_projector(keys[view]).float() for view in (1, 0)]
        return sum(
            (2 - 2 * (p * F.normalize(t, dim=1)).sum(1)).mean()
            for p, t in zip(predicted, targets, strict=True)
        )

    def after_step(self):
        self.momentum_projector.update(self.projector)


def make(backbone="test_resnet", objective=Symmetric, **options):
    backbone = instdisc.Backbone(backbone)
    options = {"batch_norm": "plain", "momentum": 0.9, **options}
    return PretrainModule(backbone, {"term": objective(backbone.dim)}, **options)


def test_an_objective_of_several_queries_and_keys_keeps_every_promise():
    check_method(make(), two_processes=False)


def test_it_gets_the_views_that_it_names_and_no_others():
    module = make()
    fit(module, make_batches(1, 8, 32, num_views=4))
    assert module.objectives["term"].seen == [([0, 1], [0, 1])]


class Wide(Symmetric):
    """Small crops pass the query network alone."""

    queries = (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("backbone", "join", "query_passes", "key_passes"),
    [
        ("test_resnet", False, [8, 8, 8, 8], [8, 8]),
        ("test_resnet", True, [16, 16], [16]),
        ("test_vit", False, [16, 16], [16]),  # no batch norm: joined, for it is faster
    ],
)
def test_passes(backbone, join, query_passes, key_passes):
    module = make(backbone, Wide, join_views=join)
    seen = {"query": [], "key": []}
    module.backbone.register_forward_pre_hook(lambda _, x: seen["query"].append(len(x[0])))
    module.momentum_backbone.register_forward_pre_hook(lambda _, x: seen["key"].append(len(x[0])))
    large, small = (make_batches(1, 8, size)[0] for size in (64, 64 if "vit" in backbone else 32))
    images = [*large.images, *small.images]
    if "vit" in backbone:  # of one input size alone
        query_passes = [32]
    fit(module, [Views(images, large.labels, large.indices)])
    assert seen == {"query": query_passes, "key": key_passes}


def test_joined_passes_give_the_values_of_single_ones():
    torch.manual_seed(0)
    images = [torch.randn(3, 3, size, size) for size in (8, 6, 8, 6)]
    encode = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.AdaptiveAvgPool2d(1))
    alone, joined = (pass_views(encode, images, [3, 0, 2], joined=j) for j in (False, True))
    assert list(alone) == list(joined) == [3, 0, 2]
    for view, features in alone.items():
        torch.testing.assert_close(joined[view], features)


def test_joined_views_in_groups():
    with pytest.raises(ValueError, match="Set join_views=False, or batch_norm='sync'"):
        make(join_views=True, batch_norm="shuffled")


def test_too_few_views():
    with pytest.raises(ValueError, match="Wide needs 4 views of each image, got 2"):
        fit(make(objective=Wide), make_batches(1, 8, 32))


def test_the_form_of_release_0_1_0():
    with pytest.warns(DeprecationWarning, match="in place of `num_queries` and `needs_key`"):

        class First(Objective):
            needs_key = True
            num_queries = 2

            def forward(self, queries, key, labels):
                return queries[0].sum() + 2 * queries[1].sum() + 3 * key.sum()

    term = First()
    assert (term.queries, term.keys) == ((0, 1), (1,))
    one = torch.ones(1, 1)
    assert float(term({0: one, 1: one}, {1: one}, torch.zeros(1))) == 6
