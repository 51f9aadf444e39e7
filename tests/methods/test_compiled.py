"""Networks of a training step by compiled graphs: how many, of what, and that nothing else changes.

Graphs are counted by a backend that runs what torch captured; one slow test takes the real one.
"""

import copy
import pickle

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

import instdisc
from instdisc.losses import (
    ExemplarLoss,
    InstanceDiscriminationLoss,
    SupConLoss,
    products,
    sweep,
)
from instdisc.methods import Contrast, Objective
from instdisc.methods.training import compiled
from instdisc.methods.training.compiled import CompiledPasses, _Graph
from instdisc.models import MomentumEncoder
from instdisc.testing.runs import fit, make_batches

from ..processes import apart

SMALL = {"queue_size": 40, "batch_norm_groups": 2}


@pytest.fixture
def graphs(monkeypatch):
    """Every graph that is made, by the number of its nodes; none is turned into code."""
    torch._dynamo.reset()
    made = []

    def count(graph, inputs):
        made.append(len(graph.graph.nodes))
        return graph.forward

    compile = torch.compile

    def counting(function, *, options, **form):
        return compile(function, backend=count, **form)

    monkeypatch.setattr(torch, "compile", counting)
    yield made
    torch._dynamo.reset()


class Net(nn.Module):
    """Cheap to trace; `width` makes another architecture."""

    def __init__(self, width=4):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.Flatten())

    def forward(self, images):
        return self.layers(images)


class Breaking(instdisc.Backbone):
    """One of a user's own that no single graph can hold."""

    def forward(self, images):
        features = super().forward(images)
        torch._dynamo.graph_break()
        return 2 * features


def test_one_graph_for_each_network_in_a_run_with_validation(graphs):
    module = instdisc.MoCoModule("test_resnet", compile=True, channels_last=True, **SMALL)
    batches = [*make_batches(2, 8, 32), *make_batches(1, 6, 32)]  # the last is smaller
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        precision="bf16-mixed",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
        num_sanity_val_steps=1,
    )
    trainer.fit(module, _loader(batches), [_loader(batches), _loader(batches[1:])])
    assert trainer.global_step == 6
    assert len(graphs) == 2  # query and momentum
    assert torch._dynamo.utils.counters["graph_break"] == {}


def _loader(batches):
    return torch.utils.data.DataLoader(batches, batch_size=None, num_workers=0)


def test_both_views_share_a_graph(graphs):
    module = instdisc.CrossEntropyMoCoModule(
        "test_resnet", num_classes=4, both_views=True, compile=True, reference_batch=None, **SMALL
    )
    fit(module, make_batches(2, 8, 32))
    assert len(graphs) == 2


def test_losses_and_weights_are_those_of_the_plain_run(graphs):
    losses, states = [], []
    for compile in (False, True):
        torch.manual_seed(0)
        # In groups the compiled arithmetic is another, which tests/models compare.
        module = instdisc.MoCoModule(
            "test_resnet", queue_size=40, batch_norm="plain", compile=compile
        )
        trainer = fit(module, make_batches(3, 8, 32))
        losses.append(trainer.callback_metrics["loss"])
        states.append(module.state_dict())
    assert len(graphs) == 2
    torch.testing.assert_close(*losses)
    assert states[0].keys() == states[1].keys()
    assert not any("_orig_mod" in name for name in states[1])
    torch.testing.assert_close(*states)


def test_checkpoint_of_a_compiled_run(graphs, tmp_path):
    module = instdisc.MoCoModule("test_resnet", compile=True, **SMALL)
    fit(module, make_batches(1, 8, 32)).save_checkpoint(tmp_path / "run.ckpt")
    saved = torch.load(tmp_path / "run.ckpt", weights_only=True)["state_dict"]
    plain = instdisc.MoCoModule("test_resnet", **SMALL)
    assert saved.keys() == plain.state_dict().keys()
    loaded = instdisc.load_backbone(tmp_path / "run.ckpt").eval()
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(loaded(images), module.backbone.eval()(images))


@pytest.mark.parametrize("count", [10])
def test_architectures_of_one_process_do_not_share_a_limit(graphs, count):
    images = torch.randn(2, 3, 5, 5)
    passes = CompiledPasses()
    for width in range(1, 1 + count):
        slow = MomentumEncoder(Net(width))
        for net in (slow.module.requires_grad_(True), slow):
            for _ in range(2):
                assert passes.encode(net, images).shape == (2, 9 * width)
    assert len(graphs) == 2 * count


def test_each_image_size_has_a_graph_and_other_batches_none(graphs):
    passes, net = CompiledPasses(), Net()
    for size, batch in ((5, 4), (7, 4), (5, 4), (5, 3), (7, 2), (7, 4)):
        images = torch.randn(batch, 3, size, size)
        torch.testing.assert_close(passes.encode(net, images), net(images))
    assert len(graphs) == 2


def test_more_image_sizes_than_torch_keeps_graphs_of_one_function(graphs):
    passes, net = CompiledPasses(), Net()
    for size in range(3, 15):
        images = torch.randn(2, 3, size, size)
        torch.testing.assert_close(passes.encode(net, images), net(images))
    assert len(graphs) == 12


class Fading(Net):
    """Computes by a number that a schedule changes."""

    factor = 1.0

    def forward(self, images):
        return self.factor * super().forward(images)


def test_a_network_that_changes_each_step_ends_up_without(graphs):
    passes, net, images = CompiledPasses(), Fading(), torch.randn(2, 3, 5, 5)

    def run(steps):
        for step in steps:
            net.factor = 1 - step / 20
            torch.testing.assert_close(passes.encode(net, images), net(images))

    run(range(8))
    assert len(graphs) == 8
    with pytest.warns(UserWarning, match="`compile`: Fading runs uncompiled from now on"):
        run([8])
    run(range(9, 12))  # and warns no more
    assert len(graphs) == 8


def test_the_next_run_of_a_module_compiles_for_its_own_batches(monkeypatch):
    made = []

    def record(net, replay):
        made.append(net)
        return net

    monkeypatch.setattr(compiled, "_Graph", record)
    module = instdisc.MoCoModule("test_resnet", compile=True, **SMALL)
    for batch, count in ((8, 2), (8, 2), (12, 4)):
        fit(module, make_batches(1, batch, 32))
        assert len(made) == count
    assert len(module._passes._graphs) == 2  # those of the first size are gone


def test_eval_mode_needs_no_graph(graphs):
    passes, net, images = CompiledPasses(), Net().eval(), torch.randn(2, 3, 5, 5)
    assert torch.equal(passes.encode(net, images), net(images))
    assert graphs == []


def test_hooks_of_a_network_run(graphs):
    passes, net = CompiledPasses(), Net()
    net.register_forward_hook(lambda net, inputs, output: output + 1)
    images = torch.randn(2, 3, 5, 5)
    torch.testing.assert_close(passes.encode(net, images), net(images))
    assert len(graphs) == 1


def test_backbone_of_a_users_own_that_breaks(graphs):
    module = instdisc.MoCoModule(Breaking("test_resnet"), compile=True, **SMALL)
    passes, images = CompiledPasses(), torch.randn(8, 3, 32, 32)
    with pytest.warns(UserWarning, match=r"`compile`: Breaking does not fit .* in parts"):
        features = passes.encode(module.backbone, images)
    assert torch.equal(features, passes.encode(module.backbone, images))  # and warns no more
    torch.testing.assert_close(features, module.backbone(images))
    assert len(graphs) == 2


def test_an_error_of_the_network_stays_itself(graphs):
    module = instdisc.MoCoModule("test_resnet", compile=True, queue_size=40, batch_norm_groups=8)
    with pytest.raises(ValueError, match="cannot be normalised in 8 equal groups"):
        fit(module, make_batches(1, 12, 32))


def test_a_copy_compiles_for_itself(graphs):
    passes, net, images = CompiledPasses(), Net(), torch.randn(2, 3, 5, 5)
    passes.encode(net, images)
    for other in (copy.deepcopy(passes), pickle.loads(pickle.dumps(passes))):
        assert other._graphs == {}
        torch.testing.assert_close(other.encode(copy.deepcopy(net), images), net(images))
    assert len(graphs) == 3


@pytest.mark.parametrize(
    ("loss", "first"),
    [(InstanceDiscriminationLoss, False), (ExemplarLoss, False), (SupConLoss, True)],
)
def test_an_objective_fits_into_a_graph(graphs, monkeypatch, loss, first):
    """As it is replayed on a GPU, where the bank is summed at once."""
    monkeypatch.setattr(sweep, "_fits_once", lambda query, bank: True)
    monkeypatch.setattr(products, "_has_onednn", lambda: False)
    features, key = torch.randn(2, 8, 32)
    labels = torch.randint(0, 3, (8,))
    results = []
    for compile in (False, True):
        torch.manual_seed(0)
        term = Contrast(32, loss(0.1), queue_size=24, projection_dim=16, enqueue_first=first)
        query = features.clone().requires_grad_()
        value = (_Graph(term, False) if compile else term)({0: query}, {1: key}, labels)
        value.backward()
        term.after_backward()
        results.append((value.detach(), query.grad, term.queue.features, term.statistics()))
    assert len(graphs) == 1
    torch.testing.assert_close(*results)


def test_an_objective_that_breaks_runs_without(graphs):
    class BreakingTerm(Objective):
        def forward(self, queries, keys, labels):
            torch._dynamo.graph_break()
            return queries[0].sum()

    graph = _Graph(BreakingTerm(), False)
    for _ in range(2):
        assert graph({0: torch.ones(2, 3)}, {}, torch.zeros(2)) == 6
    assert graphs == []


class Recorded:
    """Takes the place of a graph on a GPU: notes whether it would be replayed."""

    def __init__(self, module, replay):
        self.module, self.replay = module, replay
        Recorded.made.append((type(module).__name__, replay))

    def __call__(self, *inputs):
        return inputs[-1]


@pytest.mark.parametrize(
    ("replays", "size", "expected"),
    [
        (True, 64, [("Net", True), ("Objective", True)]),
        (True, 224, [("Net", False)]),
        (False, 64, [("Net", False)]),
    ],
)
def test_what_is_replayed(replays, size, expected, monkeypatch):
    """Small batches on a GPU, in a step whose gradients nothing outlives; objectives with them."""
    Recorded.made = []
    monkeypatch.setattr(compiled, "_Graph", Recorded)
    passes, net, objective = CompiledPasses(), Net(), Objective()
    monkeypatch.setattr(objective, "forward", lambda queries, keys, labels: labels)
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: False)
    passes.begin_step(replays=replays)
    passes.encode(net, OnGPU(256, 3, size, size))
    passes.compute(objective, [], None, OnGPU(256))
    assert Recorded.made == expected


class OnGPU:
    """What of a batch there is looked at."""

    device, dtype = torch.device("cuda"), torch.float32

    def __init__(self, *shape):
        self.shape = torch.Size(shape)

    def __len__(self):
        return self.shape[0]

    def numel(self):
        return self.shape.numel()

    def clone(self):
        return self


@pytest.mark.slow
@apart
def test_with_the_real_compiler(tmp_path, monkeypatch):
    """The same losses, and what a second start finds on disk."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    losses, misses = [], []
    for compile in (False, True, True):
        torch._dynamo.reset()
        counters = torch._dynamo.utils.counters
        counters.clear()
        torch.manual_seed(0)
        module = instdisc.MoCoModule("test_resnet", compile=compile, channels_last=True, **SMALL)
        trainer = fit(module, make_batches(2, 8, 32))
        losses.append(trainer.callback_metrics["loss"])
        misses.append(counters["inductor"]["fxgraph_cache_miss"])
    torch._dynamo.reset()
    torch.testing.assert_close(losses[0], losses[1], atol=1e-3, rtol=1e-3)
    assert losses[1] == losses[2]
    assert misses == [0, 3, 0]  # query forward and backward, momentum


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", [instdisc.MoCoModule, instdisc.SupConModule])
def test_replayed_steps_are_those_without(kind):
    """Also of what outlives a step: the features that a callback keeps."""
    runs = []
    for compile in (False, True):
        torch.manual_seed(0)
        module = kind(
            "test_resnet",
            queue_size=64,
            batch_norm="plain",
            schedule="constant",
            warmup=0.0,
            learning_rate=1e-3,
            reference_batch=None,
            compile=compile,
        )
        keep = Keep()
        fit(module, make_batches(6, 16, 32), keep, accelerator="gpu")
        runs.append((keep.losses, keep.features))
        assert all(replay for _, replay in module._passes._graphs)
    assert len(module._passes._graphs) == 3
    torch.testing.assert_close(*runs, atol=1e-2, rtol=1e-2)


class Keep(pl.Callback):
    """Losses and features of all steps."""

    def __init__(self):
        self.losses, self.features = [], []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.losses.append(outputs["loss"].detach())
        self.features.append(outputs["features"])
