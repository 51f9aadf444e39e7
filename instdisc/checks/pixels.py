"""Images that are no finite numbers, told where a loss is none.

Legend: B batch.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def describe_infinite(images: Mapping[str, Tensor]) -> str:
    """Says which images hold NaN or infinity, and what to do.

    To look at them waits for the device: call it where something went wrong already.

    Args:
        images: ``(B, ...)`` of a batch, by the names that the message gives them.

    Returns:
        A sentence without a full stop; empty if all are finite.

    Example:
        >>> import torch
        >>> images = torch.zeros(2, 3, 4, 4)
        >>> images[1] = torch.nan
        >>> describe_infinite({"images[0]": images})
        '`images[0]` of the batch hold NaN or infinity in 1 of 2 images, the first at position 1.
        Mend the files, the transform or the normalisation that they come from'
    """
    for name, values in images.items():
        bad = ~values.detach().flatten(1).isfinite().all(1)  # (B,)
        if bool(bad.any()):
            return (
                f"`{name}` of the batch hold NaN or infinity in {int(bad.sum())} of {len(bad)} "
                f"images, the first at position {int(bad.nonzero()[0])}. Mend the files, the "
                "transform or the normalisation that they come from"
            )
    return ""
