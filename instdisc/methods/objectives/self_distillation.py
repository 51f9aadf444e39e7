"""Self-distillation: each view is to say of an image what the slow teacher says of another view.

Legend: B batch on this process, V views, D width of the projection, K prototypes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from instdisc.checks import whole
from instdisc.losses import distillation_loss
from instdisc.models import Center, MomentumEncoder, PrototypeHead

from ..arguments import check_arguments
from .objective import Objective


class SelfDistillation(Objective):
    r"""The loss of DINO with its head, the teacher's head and the teacher's centre.

    With :math:`t_i` and :math:`s_v` the cosines of view i and v to the prototypes, of the momentum
    head and the head, c the centre and :math:`T_t`, :math:`T_s` the temperatures,

    .. math::
        q_i = \mathrm{softmax}((t_i - c) / T_t), \qquad p_v = \mathrm{softmax}(s_v / T_s)

    and the loss is the mean cross-entropy of :math:`p_v` under :math:`q_i` over all pairs
    :math:`v \ne i` of a view and a large view (0 and 1); see `distillation_loss`. The centre
    follows the mean of the :math:`t_i` of both large views and all processes after the backward
    pass, so a batch is centred by those before it.

    It collapses in two ways, which `statistics` tells apart. All prototypes alike: the loss stays
    at log K, so does the teacher's entropy, and the divergence is 0; the centre outweighs what the
    teacher says: lower its temperature. One prototype for all images: loss and teacher's entropy
    are near 0; the centre follows too slowly, or is not updated. In both `spread` falls to 0.

    Args:
        dim: width of the features.
        num_views: V; the first two are large, the teacher sees these alone.
        hidden_dim: of the two hidden layers of the head.
        projection_dim: D.
        num_prototypes: K.
        student_temperature: :math:`T_s`.
        teacher_temperature: :math:`T_t` at the start.
        final_teacher_temperature: that after `teacher_warmup`, to which it goes in a straight line;
            ``None``: it does not change.
        teacher_warmup: share of the run.
        center_momentum: of the centre.
        freeze_prototypes: share of the run in which the prototypes stay as they began.
        momentum: m of the teacher's head.
        weight: by what the term is multiplied in the total.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if an argument is out of range.

    Source:
        Caron et al., "Emerging Properties in Self-Supervised Vision Transformers" (2021), algorithm
        1 and equations 3 and 4.
    """

    keys = (0, 1)
    _temperature: Tensor

    def __init__(
        self,
        dim: int,
        *,
        num_views: int = 10,
        hidden_dim: int = 2048,
        projection_dim: int = 256,
        num_prototypes: int = 65536,
        student_temperature: float = 0.1,
        teacher_temperature: float = 0.04,
        final_teacher_temperature: float | None = None,
        teacher_warmup: float = 0.3,
        center_momentum: float = 0.9,
        freeze_prototypes: float = 0.01,
        momentum: float = 0.996,
        weight: float = 1.0,
    ) -> None:
        super().__init__(weight=weight)
        check_arguments(SelfDistillation.__init__, locals())
        whole("dim", dim)
        self.queries = tuple(range(num_views))
        self.head = PrototypeHead(
            dim,
            hidden_dim=hidden_dim,
            projection_dim=projection_dim,
            num_prototypes=num_prototypes,
        )
        self.momentum_head = MomentumEncoder(self.head, momentum)
        self.center = Center(num_prototypes, center_momentum)
        self.student_temperature = student_temperature
        self.teacher_temperature = teacher_temperature
        self.final_teacher_temperature = final_teacher_temperature
        self.teacher_warmup = teacher_warmup
        self.freeze_prototypes = freeze_prototypes
        self.register_buffer(
            "_temperature", torch.tensor(float(teacher_temperature)), persistent=False
        )
        self._is_frozen = False
        self._last: tuple[Tensor, Tensor, Tensor] | None = None  # loss, student, teacher

    def forward(
        self, queries: Mapping[int, Tensor], keys: Mapping[int, Tensor], labels: Tensor
    ) -> Tensor:
        student = self.head(torch.cat([queries[view] for view in self.queries]))  # (V B, K)
        teacher = self.momentum_head(torch.cat([keys[view] for view in self.keys]))  # (2 B, K)
        logits = (student / self.student_temperature).chunk(len(self.queries))
        loss = distillation_loss(logits, self._targets(teacher).chunk(len(self.keys)))
        self._last = loss.detach(), student.detach(), teacher
        return loss

    @property
    def schedules(self) -> tuple[str, ...]:
        names = ("final_teacher_temperature", "freeze_prototypes")
        return tuple(name for name in names if getattr(self, name))

    def begin_batch(self, indices: Tensor | None, done: float) -> None:
        self._is_frozen = done < self.freeze_prototypes
        if self.final_teacher_temperature is not None:
            first, last = self.teacher_temperature, self.final_teacher_temperature
            warm = min(1.0, done / self.teacher_warmup) if self.teacher_warmup else 1.0
            self._temperature.fill_(first + (last - first) * warm)

    def after_backward(self) -> None:
        if self._last is not None:
            self.center.update(self._last[-1])
        if self._is_frozen:  # without a gradient the optimiser leaves them alone, decay included
            self.head.prototypes.grad = None

    def after_step(self) -> None:
        self.momentum_head.update(self.head)

    def structure(self) -> dict[str, Any]:
        num_prototypes, projection_dim = self.head.prototypes.shape
        return {
            "num_prototypes": num_prototypes,
            "projection_dim": projection_dim,
            "hidden_dim": self.head.mlp.widths[0],
        }

    @torch.no_grad()
    def statistics(self) -> dict[str, Tensor]:
        """Of the last batch on this process, before the centre moves.

        Returns:
            ``teacher_entropy``, ``student_entropy``: of the distributions of the large views, mean
            over the images, in [0, log K]; ``divergence``: of the student's views from the
            teacher's, the loss without the teacher's entropy (Kullback and Leibler's);
            ``spread``: standard deviation over the images of the student's cosines to each
            prototype times sqrt(D), about 1 where the features fill the sphere and 0 where they
            collapsed.
        """
        if self._last is None:
            return {}
        loss, student, teacher = self._last
        large = student[: len(teacher)]  # (2 B, K)
        teacher_entropy = _entropy(self._targets(teacher))
        return {
            "teacher_entropy": teacher_entropy,
            "student_entropy": _entropy((large / self.student_temperature).softmax(1)),
            "divergence": loss - teacher_entropy,
            "spread": large.std(0).mean() * self.head.prototypes.shape[1] ** 0.5,
        }

    def _targets(self, teacher: Tensor) -> Tensor:
        """The teacher's distributions, ``(2 B, K)``."""
        with torch.autocast(teacher.device.type, enabled=False):
            return F.softmax(self.center(teacher) / self._temperature, dim=1)


def _entropy(distributions: Tensor) -> Tensor:
    return torch.special.entr(distributions).sum(1).mean()
