"""`check_method` must catch planted faults."""

import math

import pytest
import torch

import instdisc
from instdisc import distributed
from instdisc.losses.inputs import at_least_float32
from instdisc.methods import Contrast, Objective
from instdisc.models import FeatureQueue, MemoryBank
from instdisc.testing import check_method, check_two_processes, processes
from instdisc.testing.processes import faults_on_two_processes
from instdisc.testing.runs import make_batches


def make(module_class=instdisc.MoCoModule, momentum=0.9):
    return module_class(
        "test_resnet", queue_size=40, batch_norm_groups=2, learning_rate=0.1, momentum=momentum
    )


class PushesBeforeTheLoss(Contrast):
    def forward(self, queries, keys, labels):
        self.queue.push(self.momentum_projector(keys[1]), labels)
        return super().forward(queries, keys, labels)

    def after_backward(self):
        pass


class UpdatesPerMicroBatch(instdisc.MoCoModule):
    def on_after_backward(self):
        super().on_after_backward()
        self.momentum_backbone.update(self.backbone)


class NeverUpdates(instdisc.MoCoModule):
    def optimizer_step(self, *args, **kwargs):
        momentum, self.momentum_backbone.update = self.momentum_backbone.update, lambda _: None
        super().optimizer_step(*args, **kwargs)
        self.momentum_backbone.update = momentum


class ForgetfulQueue(FeatureQueue):
    """Buffers that are no part of the checkpoint, like lightly's memory bank."""

    def __init__(self, size, dim):
        super().__init__(size, dim)
        for name in ("features", "labels", "pushed"):
            self.register_buffer(name, getattr(self, name), persistent=False)


class DropsTheTail(FeatureQueue):
    """What lightly's memory bank does at the end of the ring."""

    def push(self, features, labels):
        room = self.size - int(self.pushed) % self.size
        count = len(features)
        super().push(features[:room], labels[:room])
        self.pushed += max(0, count - room)


class MixesUpLabels(FeatureQueue):
    def push(self, features, labels):
        super().push(features, labels.flip(0))


class TrainsTheMomentumEncoder(instdisc.MoCoModule):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.momentum_backbone.requires_grad_(True)


class LeavesAPartOut(instdisc.MoCoModule):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.forgotten = torch.nn.Linear(2, 2)


def with_contrast(contrast_class):
    module = make()
    module.objectives["contrast"].__class__ = contrast_class
    return module


def with_queue(queue_class, size=40):
    module = make()
    queue = queue_class(size, 128)
    module.objectives["contrast"].queue = queue
    return module


@pytest.mark.parametrize(
    ("module", "fault"),
    [
        (lambda: with_contrast(PushesBeforeTheLoss), "pushed before the loss"),
        (lambda: make(UpdatesPerMicroBatch), "moved after a micro-batch"),
        (lambda: make(NeverUpdates), "does not follow k <- m k"),
        (lambda: make(NeverUpdates, momentum=0.999), "does not follow k <- m k"),
        (lambda: with_queue(ForgetfulQueue), "is lost on resume|differs from one that was not"),
        (lambda: with_queue(MixesUpLabels), "labels of the batches in step with the keys"),
        (lambda: with_queue(DropsTheTail, 12), "labels of the batches in step with the keys"),
        (lambda: make(TrainsTheMomentumEncoder), "no gradient reaches|copies are trained"),
        (lambda: make(LeavesAPartOut), "no gradient reaches"),
    ],
)
def test_planted_faults(module, fault):
    with pytest.raises(AssertionError, match=fault):
        check_method(module(), two_processes=False)


class Mean(Objective):
    """The least objective: features of two views through a linear head agree."""

    queries = (0, 1)

    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(96, 4)

    def forward(self, queries, keys, labels):
        self.outputs = [at_least_float32(self.head(queries[view])) for view in self.queries]
        return self.compare(*self.outputs)

    def compare(self, first, second):
        return (first - second).square().mean()


def of(objective, **options):
    """A method of one objective; two processes see its plain batch norm synchronised."""
    return instdisc.PretrainModule(
        "test_resnet", {"term": objective}, **{"batch_norm": "plain", **options}
    )


class Statistics(Mean):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def statistics(self):
        return {"value": self.value}


class StructureIsNoJSON(Mean):
    def structure(self):
        return {"widths": (1, 2)}


class CenterInAnAttribute(Mean):
    """Works, until the run is resumed."""

    center = 0.0

    def compare(self, first, second):
        return (first - self.center - second.detach()).square().mean()

    def after_backward(self):
        self.center = 0.9 * self.center + 0.1 * self.outputs[0].detach().mean(0)


class CountsItsSteps(Mean):
    steps = 0

    def compare(self, first, second):
        return super().compare(first, second) / (1 + self.steps)

    def after_step(self):
        self.steps += 1


class WithMomentum(Mean):
    keys = (0,)

    def __init__(self, name="momentum_head"):
        super().__init__()
        self.name = name
        self.add_module(name, instdisc.MomentumEncoder(self.head, 0.5))

    def forward(self, queries, keys, labels):
        target = at_least_float32(getattr(self, self.name)(keys[0]))
        return super().forward(queries, keys, labels) + self.compare(self.outputs[1], target)

    def after_step(self):
        getattr(self, self.name).update(self.head)


class HeadIsNeverUpdated(WithMomentum):
    def after_step(self):
        pass


class MadeTooLate(instdisc.PretrainModule):
    """`final_momentum` does not reach an encoder that is made after the constructor has looked."""

    def __init__(self):
        term = WithMomentum()
        super().__init__("test_resnet", {"term": term}, final_momentum=1.0, batch_norm="plain")
        term.momentum_head = instdisc.MomentumEncoder(term.head, 0.5)


class GivesAllViews(instdisc.PretrainModule):
    def training_step(self, batch, batch_idx):
        features = {view: self(images) for view, images in enumerate(batch[0])}
        self.objectives["term"].begin_batch(batch[2], self.done)
        return {"loss": self.objectives["term"](features, features, batch[1])}


class TellsNoPositions(instdisc.PretrainModule):
    def training_step(self, batch, batch_idx):
        return super().training_step(batch[:2], batch_idx)


@pytest.mark.parametrize(
    ("module", "fault"),
    [
        (lambda: of(Statistics(torch.ones(2))), "must be float tensors of no dimension"),
        (lambda: of(Statistics(1.0)), "must be float tensors of no dimension"),
        (lambda: of(Statistics(torch.tensor(math.nan))), "be finite, and term.value is nan"),
        (lambda: of(StructureIsNoJSON()), r"`structure\(\)` of 'term' must have values that JSON"),
        (lambda: of(CenterInAnAttribute()), "a resumed run differs"),
        (lambda: of(CountsItsSteps()), "a resumed run differs"),
        (lambda: of(WithMomentum("teacher")), "teacher must be called momentum_X, beside the X"),
        (lambda: of(HeadIsNeverUpdated()), "momentum_head.* does not follow"),
        (MadeTooLate, "m of objectives.term.momentum_head is 0.5 when 50% of the run is done"),
        (lambda: GivesAllViews("test_resnet", {"term": Mean()}), r"the views \[\] in `keys`"),
        (lambda: TellsNoPositions("test_resnet", {"term": Mean()}), "not told the positions"),
    ],
)
def test_faults_of_an_objective(module, fault):
    with pytest.raises(AssertionError, match=fault):
        check_method(module(), two_processes=False)


@pytest.mark.parametrize("final_momentum", [None, 1.0])
def test_a_sound_objective_passes(final_momentum):
    check_method(of(WithMomentum(), final_momentum=final_momentum), two_processes=False)


class ThreeViews(Mean):
    queries = (0, 1, 2)

    def compare(self, *outputs):
        return torch.stack(outputs).var(0).mean()


@pytest.mark.parametrize(
    ("name", "side", "small"),
    [("test_resnet", 32, 16), ("test_vit", 16, 16)],  # whose patches are of 16 pixels
)
def test_further_views_are_small_where_the_backbone_takes_them(name, side, small):
    backbone = instdisc.Backbone(name)
    term, sides = ThreeViews(), set()
    term.head = torch.nn.Linear(backbone.dim, 4)

    class Notes(instdisc.PretrainModule):
        def training_step(self, batch, batch_idx):
            sides.add(tuple(view.shape[-1] for view in batch[0]))
            return super().training_step(batch, batch_idx)

    check_method(Notes(backbone, {"term": term}), image_size=side, two_processes=False)
    assert (side, side, small) in sides


class IgnoresOtherProcesses(Contrast):
    def after_backward(self):
        self.queue.push(*self._last[1:])


class Correlates(Mean):
    """The loss compares the images of a batch with each other."""

    def compare(self, first, second):
        return (self.gather(first) @ self.gather(second).T).square().mean()

    def gather(self, rows):
        return distributed.gather_with_gradient(rows)


class HasGradientOfItsOwnRows(Correlates):
    """As many codes gather: the rows of other processes have no gradient."""

    def gather(self, rows):
        parts = list(distributed.gather(rows.detach()).chunk(distributed.world_size()))
        parts[distributed.rank()] = rows
        return torch.cat(parts)


class ComparesWithinAProcess(Correlates):
    def gather(self, rows):
        return rows


class AddsUp(Mean):
    def compare(self, first, second):
        return (first - second).square().sum()


class CenterOfAProcess(Mean):
    def __init__(self):
        super().__init__()
        self.register_buffer("center", torch.zeros(4))

    def after_backward(self):
        self.center.lerp_(self.outputs[0].detach().mean(0), 0.1)


class RowsOfAProcess(Mean):
    def __init__(self):
        super().__init__()
        self.memory_bank = MemoryBank(32, 4)

    def begin_batch(self, indices, done):
        self.indices = indices

    def after_backward(self):
        rows = torch.nn.functional.normalize(self.outputs[0].detach().float(), dim=1)
        self.memory_bank.update(self.indices, rows, torch.zeros_like(self.indices))


# By LARS and at this rate the parameters of both processes agree to 1e-9 whatever the gradients.
UNMOVED = {"optimizer": "lars", "learning_rate": 1e-9}


def test_faults_on_two_processes():
    """All in one start of the processes."""
    modules = [
        (None, of(Correlates(), learning_rate=0.1)),
        (None, of(Correlates(), **UNMOVED, batch_norm="sync")),
        ("objectives.contrast.queue", with_contrast(IgnoresOtherProcesses)),
        ("the gradient of backbone", of(HasGradientOfItsOwnRows(), **UNMOVED)),
        ("the loss of both", of(ComparesWithinAProcess(), **UNMOVED)),
        ("the loss of both", of(AddsUp(), **UNMOVED)),
        ("objectives.term.center", of(CenterOfAProcess())),
        ("objectives.term.memory_bank", of(RowsOfAProcess())),
    ]
    faults = faults_on_two_processes([module for _, module in modules], make_batches(2, 8, 32))
    for (expected, _), fault in zip(modules, faults, strict=True):
        if expected is None:
            assert fault == ""
        else:
            assert f"Module: on two processes {expected}" in fault
    assert "gather_with_gradient" in faults[3]


def test_two_processes_that_differ_are_refused(monkeypatch):
    monkeypatch.setattr(processes, "faults_on_two_processes", lambda *_: ["", "B: differs", ""])
    with pytest.raises(AssertionError, match="^B: differs$"):
        check_two_processes([make()], make_batches(2, 8, 32))


def test_refuses_other_modules():
    with pytest.raises(TypeError, match="`module` must be a PretrainModule, got Linear"):
        check_method(torch.nn.Linear(1, 1))
