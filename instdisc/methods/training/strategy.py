"""Which of Lightning's strategies a method can be trained with."""

from __future__ import annotations

from pytorch_lightning.strategies import (
    DeepSpeedStrategy,
    FSDPStrategy,
    ModelParallelStrategy,
    Strategy,
    StrategyRegistry,
)

from instdisc.checks import refuse

_PIECES = (
    "the momentum encoder is the mean of whole parameters, name by name, in float32, the optimiser "
    "tells weights from biases by their dimensions and LARS needs their norms"
)
# Lightning's strategies whose processes hold pieces, with what a method would find in them.
_REFUSED = {
    FSDPStrategy: "FSDP leaves each process a flat piece of all parameters, momentum encoder "
    f"included, while {_PIECES}",
    ModelParallelStrategy: "FSDP2 and tensor parallelism leave each process a piece of each "
    f"parameter, while {_PIECES}",
    # A DDPStrategy by inheritance alone. Already stage 1 has flat copies and an engine of its own.
    DeepSpeedStrategy: "DeepSpeed's engine flattens the parameters, reduces the gradients and "
    f"steps in place of the optimiser, while {_PIECES}",
}


def check_strategy(strategy: Strategy) -> None:
    """Refuses strategies that shard parameters; for the beginning of a fit.

    A method trains where each process holds all parameters: on one device, and under ``ddp`` in
    each of its forms.

    Args:
        strategy: of the Trainer.

    Raises:
        ValueError: if it is one of FSDP, model parallelism or DeepSpeed; says what would break.

    Example:
        >>> from pytorch_lightning.strategies import DDPStrategy, ModelParallelStrategy
        >>> check_strategy(DDPStrategy(find_unused_parameters=True))
        >>> check_strategy(ModelParallelStrategy())
        Traceback (most recent call last):
        ValueError: `strategy` must be "ddp" in one of its forms or one device, got ...
    """
    for kind, reason in _REFUSED.items():
        if isinstance(strategy, kind):
            refuse(
                "strategy",
                '"ddp" in one of its forms or one device',
                _name(strategy),
                f"{reason}. Take Trainer(strategy='ddp'), with --data.batch_size for less memory.",
            )


def _name(strategy: Strategy) -> str:
    """As the user wrote it, as far as the object tells: without the options of its class."""
    names = [
        name
        for name in StrategyRegistry.available_strategies()
        if StrategyRegistry[name]["strategy"] is type(strategy)
    ]
    return names[0] if names else type(strategy).__name__
