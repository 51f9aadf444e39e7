"""Views predicted from each other: the formula, where gradients flow, what a collapse looks like.

Legend: B images, D width.
"""

import copy

import pytest
import torch
from pytorch_lightning import Callback
from torch.nn import functional as F

import instdisc
from instdisc.losses import ExemplarLoss, InstanceDiscriminationLoss
from instdisc.methods import CosinePrediction, PredictedContrast, Prediction
from instdisc.models import MLP, freeze_patch_projection
from instdisc.testing.runs import fit, make_batches

DIM, HIDDEN, WIDTH, IMAGES = 12, 10, 6, 7
LABELS = torch.arange(IMAGES)


def make(kind=Prediction, **options):
    torch.manual_seed(0)
    return kind(MLP(DIM, (HIDDEN, WIDTH)), MLP(WIDTH, (HIDDEN, WIDTH)), **options).double()


def features(seed=1):
    generator = torch.Generator().manual_seed(seed)
    views = torch.randn(2, IMAGES, DIM, generator=generator, dtype=torch.float64)
    return {view: views[view].requires_grad_() for view in range(2)}


def cosine(a, b):
    return sum(a * b) / (sum(a * a) ** 0.5 * sum(b * b) ** 0.5)


def naive(term, queries, targets, compare):
    """Image by image, from the formula of the paper; `compare` gets two vectors."""
    predictions = [term.predictor(term.projector(queries[view])) for view in range(2)]
    return sum(
        compare(predictions[view][i], targets[1 - view][i]) / IMAGES
        for view in range(2)
        for i in range(IMAGES)
    )


def squared_distance(prediction, target):
    difference = prediction / prediction.norm() - target / target.norm()
    return sum(difference**2)


def check_equal(term, value, expected, queries):
    leaves = [*queries.values(), *term.projector.parameters(), *term.predictor.parameters()]
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(
        torch.autograd.grad(value, leaves), torch.autograd.grad(expected, leaves)
    )


def test_byol_equals_a_loop():
    term = make()
    with torch.no_grad():  # away from a mere copy
        term.momentum_projector.module.layers[0].weight.add_(0.3)
    queries, keys = features(), features(2)
    targets = [term.momentum_projector.module(keys[view]).detach() for view in range(2)]
    expected = naive(term, queries, targets, squared_distance)
    check_equal(term, term(queries, keys, LABELS), expected, queries)


def test_simsiam_equals_a_loop():
    term = make(CosinePrediction, momentum=None)
    queries = features()
    targets = [term.projector(queries[view]).detach() for view in range(2)]
    expected = naive(term, queries, targets, lambda p, t: -cosine(p, t) / 2)
    check_equal(term, term(queries, {}, LABELS), expected, queries)


def contrast_by_loop(term, queries, targets, temperature, attends=lambda i, j: True):
    """2 T times the cross-entropies of both directions; `attends` says which keys are looked at."""
    predictions = [term.predictor(term.projector(queries[view])) for view in range(2)]
    total = 0
    for view in range(2):
        for i in range(IMAGES):
            scores = [
                cosine(predictions[view][i], targets[1 - view][j]) / temperature
                for j in range(IMAGES)
                if i == j or attends(i, j)
            ]
            own = cosine(predictions[view][i], targets[1 - view][i]) / temperature
            total += 2 * temperature * (sum(s.exp() for s in scores).log() - own) / IMAGES
    return total


def test_moco_v3_equals_a_loop():
    term = make(PredictedContrast, loss=InstanceDiscriminationLoss(0.2))
    queries, keys = features(), features(2)
    targets = [term.momentum_projector.module(keys[view]).detach() for view in range(2)]
    expected = contrast_by_loop(term, queries, targets, 0.2)
    check_equal(term, term(queries, keys, LABELS), expected, queries)


def test_exemplar_moco_v3_leaves_the_class_out():
    term = make(PredictedContrast, loss=ExemplarLoss(0.5))
    queries, keys, labels = features(), features(2), LABELS % 2
    targets = [term.momentum_projector.module(keys[view]).detach() for view in range(2)]
    expected = contrast_by_loop(term, queries, targets, 0.5, lambda i, j: labels[i] != labels[j])
    check_equal(term, term(queries, keys, labels), expected, queries)


@pytest.mark.parametrize(("temperature", "start"), [(1.0, 33.27), (0.2, 6.65)])
def test_moco_v3_begins_at_4_temperatures_times_the_log_of_the_batch(temperature, start):
    term = make(PredictedContrast, loss=InstanceDiscriminationLoss(temperature))
    alike = F.normalize(torch.ones(4096, 2), dim=1)  # nothing can be told apart
    value = 2 * term.compare(alike, alike, torch.zeros(4096).long())
    assert value.item() == pytest.approx(start, abs=0.01)


def test_accuracy_of_moco_v3():
    """Where the heads pass on what they get: of two of three images right, all keys known."""
    term = make(PredictedContrast, loss=InstanceDiscriminationLoss(1.0))
    term.projector = term.predictor = term.momentum_projector = torch.nn.Identity()
    keys = torch.eye(DIM, dtype=torch.float64)[:3]
    queries = keys[[0, 2, 2]]
    term({0: queries, 1: queries}, {0: keys, 1: keys}, torch.arange(3))
    statistics = term.statistics()
    assert statistics["accuracy"] == pytest.approx(2 / 3)
    assert statistics["similarity"] == pytest.approx(2 / 3)
    assert statistics["negative_similarity"] == pytest.approx(1 / 6)


def test_byol_is_4_and_4_times_simsiam():
    queries, keys = features(), features(2)
    byol, simsiam = (make(kind)(queries, keys, LABELS) for kind in (Prediction, CosinePrediction))
    torch.testing.assert_close(byol, 4 + 4 * simsiam)


def test_no_gradient_reaches_the_targets():
    term = make()
    queries, keys = features(), features(2)
    term(queries, keys, LABELS).backward()
    assert all(key.grad is None for key in keys.values())
    assert all(p.grad is None for p in term.momentum_projector.parameters())
    assert all(query.grad.abs().sum() > 0 for query in queries.values())


def test_byol_begins_near_4():
    torch.manual_seed(0)
    module = instdisc.BYOLModule("test_resnet", hidden_dim=256, projection_dim=256)
    term = module.objectives["prediction"]
    queries, keys = torch.randn(2, 2, 64, module.backbone.dim).unbind()
    value = term(dict(enumerate(queries)), dict(enumerate(keys)), LABELS)
    assert value.item() == pytest.approx(4, abs=0.3)


def test_simsiam_begins_near_0():
    torch.manual_seed(0)
    module = instdisc.SimSiamModule("test_resnet", projection_dim=256, bottleneck_dim=64)
    queries = torch.randn(2, 64, module.backbone.dim)
    value = module.objectives["prediction"](dict(enumerate(queries)), {}, LABELS)
    assert value.item() == pytest.approx(0, abs=0.1)


class Rates(Callback):
    """Of each step, by the parameter's name."""

    def on_train_batch_start(self, trainer, pl_module, *rest):
        rates = {id(p): g["lr"] for g in trainer.optimizers[0].param_groups for p in g["params"]}
        self.last = {name: rates[id(p)] for name, p in pl_module.named_parameters()}


@pytest.mark.parametrize("fixed", [True, False])
def test_rate_of_the_predictor(fixed):
    """In the middle of a cosine run: all of the base rate, or half, as the others'."""
    module = instdisc.SimSiamModule(
        "test_resnet", projection_dim=8, bottleneck_dim=4, fixed_predictor_rate=fixed
    )
    rates = Rates()
    fit(module, make_batches(2, 4, 32), rates)
    base = 0.05 * 4 / 256
    for name, rate in rates.last.items():
        whole = fixed and name.startswith("objectives.prediction.predictor.")
        assert rate == pytest.approx(base if whole else base / 2), name


def test_low_precision_is_left_before_the_comparison():
    term = make().float()
    queries, keys = ({v: x.float() for v, x in features(seed).items()} for seed in (1, 2))
    with torch.autocast("cpu", torch.bfloat16):
        assert term(queries, keys, LABELS).dtype == torch.float32


def test_spread_tells_a_collapse():
    term = make(momentum=None)
    assert term.statistics() == {}
    term(features(), {}, LABELS)
    assert 0.5 < term.statistics()["spread"] < 1.1
    with torch.no_grad():
        term.projector.layers[-1].weight.zero_()
        term.projector.layers[-1].bias.fill_(1.0)
    term(features(), {}, LABELS)
    assert term.statistics()["spread"] < 1e-6


def test_the_momentum_moves_to_1_by_the_schedule():
    module = instdisc.BYOLModule("test_resnet", hidden_dim=8, projection_dim=4)
    copies = [module.momentum_backbone, module.objectives["prediction"].momentum_projector]
    assert [part.momentum for part in copies] == [0.996, 0.996]
    fit(module, make_batches(2, 4, 32))
    assert [part.momentum for part in copies] == pytest.approx([0.998, 0.998])


def test_widths_must_fit():
    projector = MLP(DIM, (HIDDEN, WIDTH))
    with pytest.raises(ValueError, match="`predictor` must be for features of width 6.* got 5"):
        Prediction(projector, MLP(5, (HIDDEN, WIDTH)))
    with pytest.raises(ValueError, match="`predictor` must be to width 6, .* got 5"):
        Prediction(projector, MLP(WIDTH, (HIDDEN, 5)))


class TestPatchProjection:
    FROZEN = ("net.pos_embed", "net.patch_embed.proj.weight", "net.patch_embed.proj.bias")

    def make(self, backbone=None, **options):
        backbone = backbone or instdisc.Backbone("test_vit", img_size=32)
        return instdisc.MoCoV3Module(backbone, hidden_dim=8, projection_dim=4, **options)

    def test_stays_as_it_was_made_while_the_rest_learns(self):
        module = self.make()
        before = {name: w.clone() for name, w in module.backbone.named_parameters()}
        fit(module, make_batches(2, 4, 32))
        same = [n for n, w in module.backbone.named_parameters() if torch.equal(w, before[n])]
        assert sorted(same) == sorted(self.FROZEN)
        slow = dict(module.momentum_backbone.module.named_parameters())
        assert all(torch.equal(slow[name], before[name]) for name in self.FROZEN)

    def test_an_untrained_backbone_begins_as_in_the_paper(self):
        module = self.make()
        assert not module.backbone.net.pos_embed[:, 0].any()  # timm's is random
        assert module.backbone.net.pos_embed[:, 1:].abs().max() > 0.5

    @pytest.mark.parametrize("how", ["trained", "frozen", "unfrozen"])
    def test_other_weights_are_kept(self, how):
        backbone = instdisc.Backbone("test_vit", img_size=32)
        if how == "trained":
            torch.nn.init.constant_(backbone.net.norm.weight, 0.9)
        if how == "frozen":
            freeze_patch_projection(backbone, initialize=False)
        before = copy.deepcopy(backbone.state_dict())
        self.make(backbone, freeze_patch_projection=False if how == "unfrozen" else None)
        assert all(torch.equal(w, before[name]) for name, w in backbone.state_dict().items())
        assert backbone.net.pos_embed.requires_grad == (how == "unfrozen")

    def test_a_resnet_has_none(self):
        assert self.make("test_resnet").hparams.freeze_patch_projection is False
        with pytest.raises(TypeError, match="`backbone` must be of a timm VisionTransformer"):
            self.make("test_resnet", freeze_patch_projection=True)
