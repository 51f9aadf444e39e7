"""Gradients clipped parameter by parameter."""

from __future__ import annotations

import torch


@torch.no_grad()
def clip_each(optimizer: torch.optim.Optimizer, largest: float) -> None:
    """Scales the gradient of each parameter down to a norm, by itself; nothing waits.

    Args:
        optimizer: whose parameters' gradients are changed in place.
        largest: norm that none exceeds; smaller ones stay as they are.

    Source:
        The code of Caron et al., "Emerging Properties in Self-Supervised Vision Transformers"
        (2021); `torch.nn.utils.clip_grad_norm_` takes the norm of all parameters together.

    Example:
        >>> weights = [torch.nn.Parameter(torch.zeros(2)) for _ in range(2)]
        >>> weights[0].grad, weights[1].grad = torch.tensor([30.0, 40.0]), torch.tensor([0.3, 0.4])
        >>> clip_each(torch.optim.SGD(weights), 3.0)
        >>> weights[0].grad, weights[1].grad
        (tensor([1.8000, 2.4000]), tensor([0.3000, 0.4000]))
    """
    parameters = [weight for group in optimizer.param_groups for weight in group["params"]]
    gradients = [weight.grad for weight in parameters if weight.grad is not None]
    if not gradients:
        return
    factors = torch._foreach_norm(gradients)
    torch._foreach_add_(factors, 1e-6)
    torch._foreach_reciprocal_(factors)
    torch._foreach_mul_(factors, largest)
    torch._foreach_clamp_max_(factors, 1.0)
    torch._foreach_mul_(gradients, factors)
