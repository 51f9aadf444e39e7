"""Finishes views on a GPU by the kernels of `kernels`, a few launches for a batch.

Legend: B batch, H x W size of a view, n numbers of a policy, P pixels.
"""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor

from ..dataset import ViewPolicy
from ..jitter import JITTER_ORDERS
from ..stages import Custom, plan_stages
from ..step_results import check_images
from .launches import launch

_CONTRAST = 1  # among the operators of the jitter


class FusedFinisher:
    """Finishes views as `ViewPolicy.finish` does, in kernels that keep pixels in registers.

    The first call on a device brings constants there; later ones copy nothing from the host and
    never wait for the device.

    Args:
        policy: of the views.
        dtype: of the finished views; they are computed in float32.
    """

    def __init__(self, policy: ViewPolicy, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._stages, thresholds = plan_stages(policy.photometric)
        self._numbers = [*policy.mean, *policy.std, *thresholds]
        self._constants: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def __call__(
        self,
        views: Tensor,
        numbers: Tensor,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> Tensor:
        """Finished views.

        Args:
            views: ``(B, 3, H, W)`` uint8.
            numbers: ``(B, n)``, of the photometric steps.
            memory_format: of what is returned.

        Returns:
            ``(B, 3, H, W)`` of the dtype, normalised.
        """
        on_gpu = views.device.type == "cuda"
        with torch.cuda.device(views.device) if on_gpu else nullcontext():
            return self._run(views, numbers.float().contiguous(), memory_format)

    def _run(self, views: Tensor, numbers: Tensor, memory_format: torch.memory_format) -> Tensor:
        images = views
        # The kernels write the types that networks train in.
        narrow = self.dtype in (torch.float32, torch.float16, torch.bfloat16)
        dtype = self.dtype if narrow else torch.float32
        for place, stage in enumerate(self._stages):
            if isinstance(stage, Custom):
                columns = numbers[:, stage.column : stage.column + stage.step.num_numbers]
                images = check_images(stage.step, stage.step.apply(images, columns), images)
                continue
            ends = place == len(self._stages) - 1
            target = torch.empty(
                images.shape,
                dtype=dtype if ends else torch.float32,
                device=images.device,
                memory_format=memory_format if ends else torch.contiguous_format,
            )
            if target.numel():
                tables = (numbers, *self._constants_on(images.device))
                launch(stage, images, target, tables, normalises=ends)
            images = target
        return images.to(self.dtype)

    def _constants_on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Means, deviations and thresholds; each order of the jitter, with contrast's place."""
        if device not in self._constants:
            orders = [[*order, order.index(_CONTRAST)] for order in JITTER_ORDERS]
            self._constants[device] = (
                torch.tensor(self._numbers, dtype=torch.float32, device=device),
                torch.tensor(orders, dtype=torch.int32, device=device),
            )
        return self._constants[device]
