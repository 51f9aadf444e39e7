"""DINO: the loss, what moves when, and the defaults of its paper."""

import copy
import math

import pytest
import torch
from lightly.loss import DINOLoss
from pytorch_lightning import Callback
from timm.layers import DropPath

import instdisc
from instdisc.methods import SelfDistillation
from instdisc.methods.training.clipping import clip_each
from instdisc.testing.runs import fit, make_batches
from instdisc.types import Views

SMALL = {"num_views": 4, "hidden_dim": 16, "projection_dim": 8, "num_prototypes": 12}


def vit(**options):
    return instdisc.Backbone("test_vit", img_size=32, **options)  # takes any size


def dino(backbone=None, **options):
    torch.manual_seed(0)
    return instdisc.DINOModule(backbone or vit(), **{**SMALL, **options})


def term(**options):
    torch.manual_seed(0)
    return SelfDistillation(6, **{**SMALL, **options}).double()


def features(num_views=4, rows=3):
    generator = torch.Generator().manual_seed(1)
    draw = torch.randn(num_views + 2, rows, 6, dtype=torch.float64, generator=generator)
    return dict(enumerate(draw[:num_views])), dict(enumerate(draw[num_views:]))


def batches(count=2, rows=8):
    """Two large views and two small ones."""
    return [
        Views([*batch.images[:2], *(view[..., :16, :16] for view in batch.images[2:])], *batch[1:])
        for batch in make_batches(count, rows, 32, num_views=4)
    ]


def cosines(head, rows):
    """The head by hand."""
    first, second, third = (layer for layer in head.mlp.layers if hasattr(layer, "weight"))
    hidden = rows @ first.weight.T + first.bias
    for layer in (second, third):
        gelu = 0.5 * hidden * (1 + torch.erf(hidden / math.sqrt(2)))
        hidden = gelu @ layer.weight.T + layer.bias
    unit = hidden / hidden.pow(2).sum(1, keepdim=True).sqrt()
    return unit @ (head.prototypes / head.prototypes.pow(2).sum(1, keepdim=True).sqrt()).T


def loop(objective, queries, keys, temperature):
    """The formula, pair by pair of views, image by image."""
    terms = []
    for i in (0, 1):
        teacher = cosines(objective.momentum_head.module, keys[i]) - objective.center.mean
        for v in range(4):
            if v == i:
                continue
            student = cosines(objective.head, queries[v]) / 0.1
            for row in range(len(student)):
                q = (teacher[row] / temperature).exp()
                p = student[row].exp()
                terms.append(-(q / q.sum() * (p / p.sum()).log()).sum())
    assert len(terms) == 6 * len(queries[0])  # 2 * 4 pairs without 2
    return sum(terms) / len(terms)


class TestLoss:
    def test_value_and_gradient_of_a_loop(self):
        objective = term()
        objective.center.mean.copy_(torch.linspace(-0.1, 0.1, 12))
        queries, keys = features()
        inputs = [view.requires_grad_() for view in queries.values()]
        inputs += list(objective.head.parameters())
        value = objective(queries, keys, torch.zeros(3))
        expected = loop(objective, queries, keys, 0.04)
        torch.testing.assert_close(value, expected)
        torch.testing.assert_close(
            torch.autograd.grad(value, inputs), torch.autograd.grad(expected, inputs)
        )

    def test_lightlys(self):
        """Its centre, too: both subtract it before they move it."""
        objective, theirs = term(), DINOLoss(12, center_momentum=0.9).double()
        queries, keys = features()
        for _ in range(3):
            teacher = [objective.momentum_head(view) for view in keys.values()]
            student = [objective.head(view) for view in queries.values()]
            expected = theirs(teacher, student)
            torch.testing.assert_close(objective(queries, keys, torch.zeros(3)), expected)
            objective.after_backward()
            torch.testing.assert_close(objective.center.mean, theirs.center[0, 0])

    def test_centre_is_not_rounded(self):
        assert term().bfloat16().center.mean.dtype == torch.float32

    def test_uniform_student(self):
        objective = term()
        for head in (objective.head, objective.momentum_head.module):
            head.prototypes.data.copy_(head.prototypes[:1].clone())
        value = objective(*features(), torch.zeros(3))
        torch.testing.assert_close(value, torch.tensor(math.log(12), dtype=torch.float64))
        statistics = objective.statistics()
        for name in ("teacher_entropy", "student_entropy"):
            assert float(statistics[name]) == pytest.approx(math.log(12))
        assert float(statistics["divergence"]) == pytest.approx(0, abs=1e-9)

    def test_teacher_has_no_gradient(self):
        objective = term()
        queries, keys = features()
        for view in keys.values():
            view.requires_grad_()
        objective({v: view.requires_grad_() for v, view in queries.items()}, keys, None).backward()
        assert all(view.grad is None for view in keys.values())
        assert all(weight.grad is None for weight in objective.momentum_head.parameters())

    def test_precision_under_autocast(self):
        objective = term().float()
        queries, keys = ({v: x.float() for v, x in views.items()} for views in features())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert objective(queries, keys, None).dtype == torch.float32
            assert objective.head(queries[0]).dtype == torch.float32


class TestSchedules:
    def test_temperature_of_the_teacher(self):
        objective = term(final_teacher_temperature=0.07, teacher_warmup=0.3)
        for done, expected in ((0.0, 0.04), (0.15, 0.055), (0.3, 0.07), (0.9, 0.07)):
            objective.begin_batch(None, done)
            queries, keys = features()
            torch.testing.assert_close(
                objective(queries, keys, None), loop(objective, queries, keys, expected)
            )

    def test_prototypes_stay_at_first(self):
        """Neither gradient nor decay moves them in the first quarter: one step of four."""
        module = dino(freeze_prototypes=0.25, warmup=0.0, learning_rate=0.1, weight_decay=0.5)
        prototypes, seen = module.objectives["distillation"].head.prototypes, []
        seen.append(prototypes.detach().clone())

        class Note(Callback):
            def on_train_batch_end(self, *rest):
                seen.append(prototypes.detach().clone())

        fit(module, batches(4), Note())
        assert torch.equal(seen[0], seen[1])
        assert not torch.equal(seen[1], seen[2])

    def test_a_run_without_end(self):
        module = dino(schedule="constant", warmup=0.0, final_momentum=None, weight_decay=0.1)
        with pytest.raises(ValueError, match="has no shares, by which `freeze_prototypes` goes"):
            fit(module, batches(1), max_epochs=-1)


def test_views_of_two_sizes():
    """Small views go to the student alone, all of a size in one pass."""
    module, shapes = dino(), {"student": [], "teacher": []}
    for name, net in (("student", module.backbone), ("teacher", module.momentum_backbone)):
        net.register_forward_pre_hook(lambda _, x, name=name: shapes[name].append(x[0].shape[::3]))
    fit(module, batches(1))
    assert shapes == {"student": [(16, 32), (16, 16)], "teacher": [(16, 32)]}


class TestBackbones:
    def test_name_of_a_vision_transformer_takes_any_size(self):
        module = dino("vit_tiny_patch16_224")
        assert module.backbone.spec["dynamic_img_size"] is True
        assert module(torch.zeros(1, 3, 48, 32)).shape == (1, module.backbone.dim)
        assert "dynamic_img_size" not in dino("vit_tiny_patch16_224", num_views=2).backbone.spec

    def test_one_of_a_single_size_is_refused(self):
        backbone = instdisc.Backbone("vit_tiny_patch16_224", img_size=32, depth=1)
        with pytest.raises(ValueError, match=r"of 32 pixels alone.*dynamic_img_size=True"):
            dino(backbone)

    def test_paths_are_dropped_in_the_student_alone(self):
        module = dino(vit(drop_path_rate=0.5))

        def rates(net):
            return [part.drop_prob for part in net.modules() if isinstance(part, DropPath)]

        assert max(rates(module.backbone)) == 0.5
        assert set(rates(module.momentum_backbone)) == {0.0}
        images = torch.randn(4, 3, 32, 32)
        assert torch.equal(module.momentum_backbone(images), module.momentum_backbone(images))
        assert not torch.equal(module(images), module(images))
        assert rates(copy.deepcopy(module).momentum_backbone) == rates(module.momentum_backbone)


class TestRecipe:
    def test_constant_decay(self):
        module = dino(weight_decay=0.1)
        assert (module.weight_decay, module.final_weight_decay) == (0.1, None)

    def test_lars_needs_a_rate(self):
        with pytest.raises(ValueError, match="`learning_rate` must be a number for `optimizer`"):
            dino(optimizer="lars")


class TestClipping:
    def test_each_by_itself(self):
        weights = [torch.nn.Parameter(torch.zeros(2, 3)) for _ in range(3)]
        for weight, scale in zip(weights[:2], (10.0, 0.1), strict=True):
            weight.grad = torch.full((2, 3), scale)
        clip_each(torch.optim.SGD(weights), 3.0)
        assert float(weights[0].grad.norm()) == pytest.approx(3.0)
        assert torch.equal(weights[1].grad, torch.full((2, 3), 0.1))
        assert weights[2].grad is None

    @pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
    def test_in_a_run(self, precision):
        """SGD of rate 1 without momentum moves each parameter by its clipped gradient."""
        module = dino(
            clip=1e-3, optimizer="sgd", learning_rate=1.0, weight_decay=0.0, sgd_momentum=0.0,
            warmup=0.0, reference_batch=None, freeze_prototypes=0.0, schedule="step",
        )  # fmt: skip
        before = {name: p.detach().clone() for name, p in module.named_parameters()}
        fit(module, batches(1), precision=precision)
        moved = {
            name: float((p.detach() - before[name]).norm())
            for name, p in module.named_parameters()
            if p.requires_grad
        }
        assert max(moved.values()) == pytest.approx(1e-3, rel=1e-2)
        assert sum(value > 0.99e-3 for value in moved.values()) > 5
