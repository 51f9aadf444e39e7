"""Each objective in one graph, as it is replayed on a GPU, and in one only for the whole run."""

import pytest
import torch

import instdisc
from instdisc.losses import products, sweep
from instdisc.methods.training.compiled import _function_of

HEADS = {"hidden_dim": 16, "projection_dim": 8}
METHODS = {
    "simclr": (instdisc.SimCLRModule, HEADS),
    "nnclr": (instdisc.NNCLRModule, {**HEADS, "queue_size": 40}),
    "moco_v3": (instdisc.MoCoV3Module, HEADS),
    "byol": (instdisc.BYOLModule, HEADS),
    "simsiam": (instdisc.SimSiamModule, {"projection_dim": 16, "bottleneck_dim": 8}),
    "barlow_twins": (instdisc.BarlowTwinsModule, HEADS),
    "vicreg": (instdisc.VICRegModule, HEADS),
    "dino": (
        instdisc.DINOModule,
        {**HEADS, "num_views": 3, "num_prototypes": 16, "final_teacher_temperature": 0.07},
    ),
    "moco": (instdisc.MoCoModule, {"queue_size": 40, "final_temperature": 0.1}),
}


@pytest.mark.parametrize("name", METHODS)
def test_one_graph(name, monkeypatch):
    monkeypatch.setattr(sweep, "_fits_once", lambda query, bank: True)
    monkeypatch.setattr(products, "_has_onednn", lambda: False)
    method, options = METHODS[name]
    (term,) = method("test_resnet", **options).objectives.values()
    graphs = []

    def count(graph, inputs):
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    step = torch.compile(_function_of(term), fullgraph=True, dynamic=False, backend=count)
    for number in range(3):  # what changes with the run makes no other graph
        term.begin_batch(torch.arange(8) + 8 * number, number / 3)
        queries = {view: torch.randn(8, 96, requires_grad=True) for view in term.queries}
        keys = {view: torch.randn(8, 96) for view in term.keys}
        step(queries, keys, torch.randint(3, (8,))).backward()
        assert all(features.grad is not None for features in queries.values())
        term.after_backward()
        term.after_step()
    torch._dynamo.reset()
    assert len(graphs) == 1
