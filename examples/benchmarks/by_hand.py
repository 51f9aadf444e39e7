"""A cell of the study as it is done by hand: lightly, torchvision, timm and scikit-learn.

Legend: N images, D width.
"""

import copy
import warnings
from collections.abc import Sequence
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from lightly.loss import NTXentLoss
from lightly.models.modules import MoCoProjectionHead
from lightly.models.utils import batch_shuffle, batch_unshuffle, update_momentum
from lightly.utils.benchmarking import knn_predict
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import normalize
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

Table = tuple[np.ndarray, np.ndarray]  # features (N, D) float32, labels (N,)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class TwoViews:
    """An image seen twice."""

    def __init__(self, view: Any) -> None:
        self.view = view

    def __call__(self, image: Image.Image) -> list[Tensor]:
        return [self.view(image), self.view(image)]


def make_network(spec: dict[str, Any]) -> nn.Module:
    """Timm's ResNet without the pool of its stem, as images of 32 pixels need."""
    options = {name: value for name, value in spec.items() if name not in ("name", "stem")}
    net: nn.Module = timm.create_model(spec["name"], num_classes=0, **options)
    net.maxpool = nn.Identity()
    return net


def pretrain(
    net: nn.Module, folder: Path, *, size: int, steps: int, batch_size: int, recipe: dict[str, Any]
) -> nn.Module:
    """MoCo as lightly's examples/pytorch/moco.py, with the queue and the rate of the recipe."""
    view = transforms.Compose(
        [
            transforms.RandomResizedCrop(size, scale=(0.2, 1.0)),
            transforms.RandomHorizontalFlip(),
            transforms.RandomApply([transforms.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
            transforms.RandomGrayscale(0.2),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    images = datasets.ImageFolder(str(folder), TwoViews(view))
    loader = DataLoader(images, batch_size, shuffle=True, drop_last=True)
    head = MoCoProjectionHead(net.num_features, net.num_features, recipe["projection_dim"])
    slow_net, slow_head = (copy.deepcopy(each).requires_grad_(False) for each in (net, head))
    bank = (recipe["queue_size"], recipe["projection_dim"])
    criterion = NTXentLoss(temperature=recipe["temperature"], memory_bank_size=bank)
    optimizer = torch.optim.SGD(
        [*net.parameters(), *head.parameters()],
        recipe["learning_rate"],
        momentum=0.9,
        weight_decay=recipe["weight_decay"],
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    batches = chain.from_iterable(repeat(loader))
    for (first, second), _ in (next(batches) for _ in range(steps)):
        update_momentum(net, slow_net, recipe["momentum"])
        update_momentum(head, slow_head, recipe["momentum"])
        query = head(net(first))
        with torch.no_grad():
            mixed, order = batch_shuffle(second)
            key = batch_unshuffle(slow_head(slow_net(mixed)), order)
        loss = criterion(query, key)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return net


def extract(net: nn.Module, files: Sequence[Path], labels: Sequence[int], size: int) -> Table:
    """Features of the centre of every image, image after image from its file."""
    view = transforms.Compose(
        [
            transforms.Resize(size),
            transforms.CenterCrop(size),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    net.eval()
    features = []
    with torch.no_grad():
        for begin in range(0, len(files), 256):
            images = [Image.open(file).convert("RGB") for file in files[begin : begin + 256]]
            features.append(net(torch.stack([view(image) for image in images])))
    return torch.cat(features).numpy(), np.asarray(labels)


def knn(train: Table, test: Table, *, k: int, temperature: float) -> float:
    """Top-1 in percent of lightly's weighted kNN."""
    bank, asked = (torch.from_numpy(normalize(features)) for features, _ in (train, test))
    labels = torch.from_numpy(train[1])
    predicted = torch.cat(
        [
            knn_predict(some, bank.T, labels, int(labels.max()) + 1, k, temperature)[:, 0]
            for some in asked.split(256)
        ]
    )
    return 100 * float((predicted.numpy() == test[1]).mean())


def readout(train: Table, test: Table, penalties: Sequence[float], *, exact: bool = False) -> float:
    """Top-1 in percent of a logistic regression, its penalty chosen on a fifth of the images.

    Args:
        train: to learn from.
        test: to classify.
        penalties: to choose from.
        exact: solve to 1e-6 in float64; if not, as scikit-learn does by itself: to 1e-4, in the
            float32 of the features, in which its solver may give up before.
    """
    if exact:
        train, test = ((features.astype(np.float64), labels) for features, labels in (train, test))
    seen, held, seen_labels, held_labels = train_test_split(
        *train, test_size=0.2, random_state=0, stratify=train[1]
    )

    def fit(penalty: float, features: np.ndarray, labels: np.ndarray) -> LogisticRegression:
        model = LogisticRegression(C=1 / penalty, max_iter=1000, tol=1e-6 if exact else 1e-4)
        with warnings.catch_warnings():  # weak penalties need more steps than these
            warnings.simplefilter("ignore")
            return model.fit(features, labels)

    scores = [fit(penalty, seen, seen_labels).score(held, held_labels) for penalty in penalties]
    chosen = penalties[int(np.argmax(scores))]
    return 100 * float(fit(chosen, *train).score(*test))


def few_shot(table: Table, support: np.ndarray, queries: np.ndarray) -> float:
    """Mean accuracy in percent of a logistic regression in each episode.

    Args:
        table: of all images.
        support: ``(E, W, K)`` rows of the support images of W classes.
        queries: ``(E, W, Q)`` rows of the images to classify.
    """
    features = normalize(table[0])
    ways = np.arange(support.shape[1])
    accuracies = []
    for shown, asked in zip(support, queries, strict=True):
        model = LogisticRegression(C=1, max_iter=1000)
        model.fit(features[shown.ravel()], ways.repeat(shown.shape[1]))
        accuracies.append(model.score(features[asked.ravel()], ways.repeat(asked.shape[1])))
    return 100 * float(np.mean(accuracies))
