"""What the arguments of a landmark training must be."""

from __future__ import annotations

from instdisc.checks import choice, finite, positive, refuse, whole


def check_arguments(
    head: str,
    grid: int,
    frozen: bool,
    learning_rate: float,
    backbone_learning_rate: float | None,
    weight_decay: float,
) -> None:
    """Refuses arguments of `LandmarkModule` that are out of range, or of no use beside others.

    Raises:
        TypeError, ValueError: names the argument.
    """
    choice("head", head, ("linear", "mlp", "heatmap"))
    whole(
        "grid",
        grid,
        at_most=1 if head == "heatmap" else None,
        remedy=("A heat map keeps every cell." if head == "heatmap" else ""),
    )
    if frozen and backbone_learning_rate is not None:
        refuse(
            "backbone_learning_rate",
            "None while `frozen` is set",
            backbone_learning_rate,
            "It is of no use there: leave one.",
        )
    positive("learning_rate", learning_rate)
    if backbone_learning_rate is not None:
        positive("backbone_learning_rate", backbone_learning_rate)
    finite("weight_decay", weight_decay, at_least=0)
