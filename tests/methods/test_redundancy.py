"""BarlowTwinsModule and VICRegModule: terms, recipes, statistics."""

import inspect

import pytest
import torch

import instdisc
from instdisc.losses import barlow_twins_loss, vicreg_loss
from instdisc.methods import BarlowTwins, VICReg
from instdisc.models import MLP
from instdisc.testing.runs import fit, make_batches

HEAD = {"hidden_dim": 32, "projection_dim": 16}
TERMS = [(BarlowTwins, barlow_twins_loss), (VICReg, vicreg_loss)]
MODULES = [instdisc.BarlowTwinsModule, instdisc.VICRegModule]


def make_term(kind, **options):
    torch.manual_seed(0)
    return kind(MLP(8, (32, 32, 16)), **options), {view: torch.randn(6, 8) for view in (0, 1)}


@pytest.mark.parametrize(("kind", "loss"), TERMS)
def test_term_is_the_loss_of_the_projections(kind, loss):
    term, queries = make_term(kind)
    value = term(queries, {}, torch.zeros(6, dtype=torch.int64))
    projections = [term.projector(queries[view]) for view in (0, 1)]
    torch.testing.assert_close(value, loss(*projections))
    value.backward()
    assert all(p.grad is not None for p in term.parameters())
    names = inspect.signature(loss).parameters
    weights = {name: 2.0 for name in names if name.endswith("_weight")}
    for name, factor in weights.items():
        setattr(term, name, factor)
    torch.testing.assert_close(term(queries, {}, torch.zeros(6)), loss(*projections, **weights))


@pytest.mark.parametrize(("kind", "loss"), TERMS)
def test_statistics_tell_a_collapse(kind, loss):
    term, queries = make_term(kind)
    assert term.statistics() == {}
    healthy = queries, {0: torch.ones(6, 8), 1: torch.ones(6, 8)}
    term.eval()  # so that batch norm does not blow up the rounding of equal rows
    spreads = []
    for views in healthy:
        term(views, {}, torch.zeros(6))
        statistics = term.statistics()
        assert all(value.ndim == 0 and value.isfinite() for value in statistics.values())
        spreads.append(float(statistics["spread"]))
    assert spreads[0] > 0.3
    assert spreads[1] < 1e-5
    if kind is VICReg:
        assert float(statistics["variance"]) == pytest.approx(0.99)


def test_statistics_of_barlow_twins_are_of_the_correlations():
    term, queries = make_term(BarlowTwins)
    term(queries, {}, torch.zeros(6))
    rows = [term.projector(queries[view]).detach().double() for view in (0, 1)]
    correlations = torch.corrcoef(torch.cat(rows, 1).T)[:16, 16:]
    beside = correlations[~torch.eye(16, dtype=torch.bool)]
    statistics = term.statistics()
    expected = (1 - correlations.diagonal()).square().mean().sqrt()
    assert float(statistics["deviation"]) == pytest.approx(float(expected), rel=1e-2)
    expected = beside.square().mean().sqrt()
    assert float(statistics["redundancy"]) == pytest.approx(float(expected), rel=1e-2)


def test_losses_terms_and_modules_have_one_set_of_defaults():
    for functions in (
        (barlow_twins_loss, BarlowTwins, instdisc.BarlowTwinsModule),
        (vicreg_loss, VICReg, instdisc.VICRegModule),
    ):
        of_module = inspect.signature(functions[-1]).parameters
        for function in functions[:-1]:
            for name, parameter in inspect.signature(function).parameters.items():
                if parameter.default is not parameter.empty and name != "weight":
                    assert of_module[name].default == parameter.default, name


def test_biases_and_norms_have_a_rate_of_their_own():
    module = instdisc.BarlowTwinsModule("test_resnet", **HEAD)
    groups = fit(module, make_batches(1, 8, 32)).optimizers[0].param_groups
    told = {
        round(g["initial_lr"], 6): ({p.ndim > 1 for p in g["params"]}, g["weight_decay"])
        for g in groups
    }
    assert told == {0.2: ({True}, 1e-6), 0.0048: ({False}, 0.0)}
    assert {p for g in groups for p in g["params"]} == set(module.parameters())


@pytest.mark.parametrize("kind", MODULES)
def test_loss_falls(kind):
    torch.manual_seed(0)
    module = kind("test_resnet", **HEAD, reference_batch=8, warmup=0.0)
    losses = []
    term = next(iter(module.objectives.values()))
    term.register_forward_hook(lambda _, inputs, loss: losses.append(float(loss)))
    batch = make_batches(1, 8, 32)[0]
    batch = batch._replace(images=[batch.images[0], batch.images[0] + 0.1 * batch.images[1]])
    fit(module, [batch] * 12)
    assert losses[-1] < 0.8 * losses[0]


def test_bad_arguments():
    for options, message in [
        ({"bias_rate": -1.0}, "`bias_rate` must be a finite number of at least 0"),
        ({"redundancy_weight": -1.0}, "`redundancy_weight` must be a finite number of at least 0"),
        ({"hidden_dim": 0}, "`hidden_dim` must be a whole number of at least 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            instdisc.BarlowTwinsModule("test_resnet", **options)
    with pytest.raises(ValueError, match="`covariance_weight` must be a finite number of at least"):
        instdisc.VICRegModule("test_resnet", covariance_weight=-1.0)
