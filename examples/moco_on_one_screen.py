"""MoCo v2 in plain torch: all that `MoCoModule` does, on one screen.

    python examples/moco_on_one_screen.py

Without workers, resumes, several devices and shuffled batch norm, which the module adds. A test
trains both from the same weights on the same views and compares losses, queue and weights.

Legend: B images of a batch, D width of the projection, K keys in the queue.
"""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def train_moco(
    backbone: nn.Module,  # images (B, 3, H, W) -> features (B, dim)
    projector: nn.Module,  # features -> (B, D), rows of length 1
    queue: Tensor,  # (K, D), rows of length 1: the keys of the last batches, oldest first
    batches: Iterable[tuple[Tensor, Tensor]],  # two views of the same B images each
    temperature: float = 0.2,
    momentum: float = 0.999,
    learning_rate: float = 0.03,
) -> tuple[list[float], Tensor]:
    """Trains `backbone` and `projector` in place; returns the loss of each step, and the queue."""
    encoder = nn.Sequential(backbone, projector)
    slow = copy.deepcopy(encoder).requires_grad_(False)  # the momentum encoder
    optimizer = torch.optim.SGD(
        encoder.parameters(), learning_rate, momentum=0.9, weight_decay=1e-4
    )
    losses = []
    for first_view, second_view in batches:
        query = encoder(first_view)  # (B, D)
        key = slow(second_view)  # (B, D)

        positive = (query * key).sum(1, keepdim=True)  # (B, 1) similarity to the own key
        negative = query @ queue.T  # (B, K) similarities to keys of other images
        logits = torch.cat([positive, negative], 1) / temperature  # (B, 1 + K)
        loss = F.cross_entropy(logits, torch.zeros(len(query), dtype=torch.long))
        losses.append(loss.item())

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():  # after the step: the slow weights follow, and the queue moves on
            for average, weight in zip(slow.parameters(), encoder.parameters(), strict=True):
                average.lerp_(weight, 1 - momentum)
            queue = torch.cat([queue, key])[-len(queue) :]
    return losses, queue


class UnitLength(nn.Module):
    """Divides each row by its length."""

    def forward(self, features: Tensor) -> Tensor:
        return F.normalize(features, dim=1)


def main() -> None:
    """Three steps on noise, to see it run."""
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 64), nn.ReLU())
    projector = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16), UnitLength())
    queue = F.normalize(torch.randn(256, 16), dim=1)
    images = torch.randn(3, 32, 3, 8, 8)
    views = [(batch + 0.1 * torch.randn_like(batch), batch) for batch in images]
    losses, _ = train_moco(backbone, projector, queue, views)
    print("loss:", " ".join(f"{loss:.3f}" for loss in losses))


if __name__ == "__main__":
    main()
