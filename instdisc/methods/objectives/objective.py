"""What every term of a total loss has, whatever it computes.

Legend: B batch on this process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from instdisc.checks import checked_call, positive
from instdisc.types import UNKNOWN_LABEL

from ..arguments import check_arguments
from .first_form import adapt


@checked_call(rate=positive)
class ParameterOptions(NamedTuple):
    """How the optimiser treats a parameter.

    Attributes:
        rate: by what the base learning rate is multiplied.
        scheduled: whether the rate follows the schedule; else it stays the base rate.
        decays: whether it has weight decay, if the module's `decay` gives it any.
    """

    rate: float = 1.0
    scheduled: bool = True
    decays: bool = True


def is_stored(name: str) -> bool:
    """Whether a buffer is of a queue or memory bank, which are no statistics of the network.

    All processes hold the same; it is never averaged, and not sent at each step.

    Args:
        name: of the buffer in a method.

    Example:
        >>> is_stored("objectives.contrast.queue.features"), is_stored("backbone.bn1.running_mean")
        (True, False)
    """
    return ".queue." in name or ".memory_bank." in name


class Objective(nn.Module):
    """One term of a method's loss; subclass it to add a term of another kind.

    Momentum copies are `MomentumEncoder`s called ``momentum_X`` beside ``X``, and
    `after_step` updates them; a schedule of m (`PretrainModule`) reaches them all. What is stored
    of earlier batches is called ``queue`` or ``memory_bank``.

    Args:
        weight: by what the term is multiplied in the total.

    Attributes:
        queries: numbers of the views that the query encoder sees for this term.
        keys: numbers of those that the momentum encoder sees: (1,) in MoCo, (0, 1) in BYOL.
        needs_labels: whether every image must have a known class.
        within_batch: whether the images of a batch are compared with each other, as negatives or
            by their correlations. Then a step in several parts is another than one of all images.

    Raises:
        TypeError: if `weight` is no number.
        ValueError: if `weight` is negative or not finite.
    """

    queries: tuple[int, ...] = (0,)
    keys: tuple[int, ...] = ()
    needs_labels = False
    within_batch = False

    def __init__(self, *, weight: float = 1.0) -> None:
        super().__init__()
        check_arguments(Objective.__init__, locals())
        self.weight = weight

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        adapt(cls)

    def forward(
        self, queries: Mapping[int, Tensor], keys: Mapping[int, Tensor], labels: Tensor
    ) -> Tensor:
        """The unweighted term.

        Args:
            queries: features ``(B, dim)`` of the backbone, by the numbers of the views.
            keys: features ``(B, dim)`` of the momentum backbone, likewise; without gradient.
            labels: ``(B,)`` int64.

        Returns:
            Scalar.
        """
        raise NotImplementedError

    @property
    def largest_batch(self) -> int | None:
        """Most images of a global batch, e.g. the length of a queue; ``None`` for any number."""
        return None

    @property
    def schedules(self) -> tuple[str, ...]:
        """Names of the arguments by which it changes over a run, which then must have an end."""
        return ()

    def begin_batch(self, indices: Tensor | None, done: float) -> None:
        """Called before `forward`.

        What changes with `done` must be written into a buffer, not into a number: a compiled
        objective would be compiled anew for each number.

        Args:
            indices: ``(B,)`` int64 positions of the images in the data set, or ``None`` where the
                batches have none.
            done: share of the run that is done, in [0, 1); 0 in a run without end.
        """

    def check_batch(self, labels: Tensor) -> None:
        """Refuses a batch that this term cannot use; called now and then where labels are on a GPU.

        Raises:
            ValueError: if a label is unknown and `needs_labels`.
        """
        if self.needs_labels and bool((labels == UNKNOWN_LABEL).any()):
            raise ValueError(
                f"{type(self).__name__} needs a class for every image, but "
                f"{int((labels == UNKNOWN_LABEL).sum())} of {len(labels)} `labels` in this batch "
                "are -1 (unknown). Sort the images into class folders, or pretrain with "
                "MoCoModule, which needs none."
            )

    def after_backward(self) -> None:
        """Called once per micro-batch, when its gradients are computed."""

    def after_step(self) -> None:
        """Called once per optimiser step."""

    def statistics(self) -> dict[str, Tensor]:
        """Scalars that describe the last batch, before its keys are pushed; for monitors."""
        return {}

    def structure(self) -> dict[str, Any]:
        """Sizes that a run cannot change when it goes on, by name; JSON values."""
        return {}

    def parameter_options(self, name: str) -> ParameterOptions:
        """How the optimiser treats a parameter of this term.

        Args:
            name: of the parameter within the objective, e.g. ``"predictor.layers.0.weight"``.
        """
        return ParameterOptions()
