"""`check_method` must catch planted faults."""

import pytest
import torch

import instdisc
from instdisc.methods import Contrast
from instdisc.models import FeatureQueue
from instdisc.testing import check_method, check_two_processes
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


class IgnoresOtherProcesses(Contrast):
    def after_backward(self):
        self.queue.push(*self._last[1:])


def test_queue_without_gather_is_caught():
    with pytest.raises(AssertionError, match=r"on two processes .*queue"):
        check_two_processes([with_contrast(IgnoresOtherProcesses)], make_batches(2, 8, 32))


def test_refuses_other_modules():
    with pytest.raises(TypeError, match="`module` must be a PretrainModule, got Linear"):
        check_method(torch.nn.Linear(1, 1))
