"""Photometric steps in stages, each of which a compiler makes one loop of.

Legend: B batch, r views of a part, m numbers of a stage.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from .dataset import ViewPolicy
from .step import PhotometricStep, PlaneStep, changed_views

NOT_CHANGED = -1


class Stage:
    """Steps that are computed at once: several that work pixel by pixel, or any single one.

    Args:
        steps: those.
        joined: whether they work pixel by pixel. There may be none then, and at most one of them
            has several forms.
    """

    def __init__(self, steps: Sequence[PhotometricStep], *, joined: bool) -> None:
        self.steps = tuple(steps)
        self.joined = joined
        self._counts: list[int] = []  # of numbers
        self.num_forms = max([1, *(step.num_forms for step in steps)])
        self.compiles = bool(steps) if joined else steps[0].compiles
        self.scales = False  # whether the views come as bytes
        self.normal: tuple[list[float], list[float]] | None = None  # mean and 1 / deviation

    def arrange(self, drawn: Iterator[Tensor], count: int) -> tuple[np.ndarray, Tensor]:
        """The form that each view needs, ``(B,)``, and the numbers of all steps, ``(B, m)``.

        Args:
            drawn: the numbers of each step; those of this stage are next.
            count: B.
        """
        forms, parts = np.zeros(count, int), [torch.empty(count, 0)]
        for step, numbers in zip(self.steps, drawn, strict=False):
            of_step, arranged = step.arrange(numbers)
            if not self.joined or step.num_forms > 1:
                changed = changed_views(step, numbers)
                forms = np.where(changed, of_step.numpy(), NOT_CHANGED)
            parts.append(arranged)
        self._counts = [part.shape[1] for part in parts[1:]]
        return forms, torch.cat(parts, 1)

    def prepare(self, images: Tensor, numbers: Tensor) -> tuple[Tensor, ...]:
        """What `compute` takes, a row for each view.

        Args:
            images: ``(r, 3, S, T)`` float32, or uint8 where the stage scales.
            numbers: ``(r, m)``.
        """
        if not self.joined:
            return self.steps[0].prepare(images, numbers)
        # Loops over bytes are slow, and operators work on whole colour planes.
        images = images.to(torch.float32, memory_format=torch.contiguous_format)
        return images, *numbers.split(self._counts, 1)

    def compute(self, form: int, *prepared: Tensor) -> Tensor:
        """``(r, 3, S, T)``: the views of one form after the stage."""
        if not self.joined:
            return self.steps[0].compute(form, *prepared)
        images, *numbers = prepared
        if not self.steps:
            return self._scale(images)
        planes = list(images.unbind(1))
        if self.scales:
            planes = [plane * (1 / 255) for plane in planes]
        for step, part in zip(self.steps, numbers, strict=True):
            assert isinstance(step, PlaneStep)
            if form != NOT_CHANGED or step.num_forms == 1:
                planes = step.compute_planes(form, planes, part)
        if self.normal is not None:
            normal = zip(planes, *self.normal, strict=True)
            planes = [(plane - mean) * scale for plane, mean, scale in normal]
        return torch.stack(planes, 1)

    def _scale(self, images: Tensor) -> Tensor:
        """Without any step, in place: the images are the finisher's own."""
        if self.scales:
            images = images.mul_(1 / 255)
        if self.normal is not None:
            mean, scale = (images.new_tensor(numbers)[:, None, None] for numbers in self.normal)
            images = images.sub_(mean).mul_(scale)
        return images


def stages_of(policy: ViewPolicy) -> list[Stage]:
    """The stages of a policy, from bytes to normalised views.

    Bytes are scaled by the first and values normalised by the last that works pixel by pixel, for
    which blurring may follow the normalisation: it takes means, whose weights add up to 1.

    Example:
        >>> from instdisc.data import view_policy
        >>> for stage in stages_of(view_policy("moco_v3_second")):
        ...     print([type(step).__name__ for step in stage.steps])
        ['ColorJitter', 'RandomGrayscale']
        ['GaussianBlur']
        ['RandomSolarize']
    """
    groups: list[tuple[list[PhotometricStep], bool]] = [([], True)]
    for step in policy.photometric:
        steps, joined = groups[-1]
        joins = isinstance(step, PlaneStep) and step.joins
        many = step.num_forms > 1 and any(each.num_forms > 1 for each in steps)
        if joins and joined and not many:
            steps.append(step)
        else:
            groups.append(([step], joins))
    end = len(groups)
    while not groups[end - 1][1] and groups[end - 1][0][0].averages:
        end -= 1
    if not groups[end - 1][1]:
        groups.insert(end, ([], True))
        end += 1
    stages = [Stage(steps, joined=joined) for steps, joined in groups]
    stages[0].scales = True
    deviations = torch.tensor(policy.std)
    stages[end - 1].normal = torch.tensor(policy.mean).tolist(), (1 / deviations).tolist()
    return stages
