"""Losses."""

import torch
from torch.nn import functional as F

from instdisc import Bank
from instdisc.losses import SupConLoss

from ..calls import Call
from ..sorts import (
    LABELS,
    NOT_NEGATIVE,
    OBJECT,
    POSITIVE,
    number,
    optional,
    sequence,
    tensor,
    whole,
)

LOSSES = (
    "ContrastiveLoss",
    "ExemplarLoss",
    "InstanceDiscriminationLoss",
    "SameClassNegativesLoss",
    "SupConLoss",
)


def unit(rows: int) -> torch.Tensor:
    return F.normalize(torch.arange(1.0, rows * 8 + 1).view(rows, 8).sin(), dim=1)


def bank() -> Bank:
    return Bank(unit(16), torch.arange(16) % 4)


def batch() -> dict:
    return {"query": unit(4), "key": unit(4), "bank": bank(), "labels": torch.arange(4)}


FEATURES = tensor().also(width=lambda good: good[:, 1:], rows=lambda good: good[1:])

TWO_VIEWS = {
    "barlow_twins": ["redundancy_weight"],
    "vicreg": ["invariance_weight", "variance_weight", "covariance_weight"],
}

CALLS = [
    *(Call(f"instdisc.losses.{name}", lambda: {"temperature": 0.1}) for name in LOSSES),
    Call(
        "instdisc.losses.HardNegativeLoss",
        lambda: {"temperature": 0.1, "beta": 1.0, "tau": 0.1},
        {"tau": number(at_least=0, below=1), "beta": NOT_NEGATIVE},
    ),
    Call(
        "instdisc.losses.EqCoLoss",
        lambda: {"temperature": 0.1, "alpha": 16.0},
        {"alpha": POSITIVE},
    ),
    Call(
        "instdisc.losses.ContrastiveLoss:forward",
        batch,
        {
            "query": FEATURES,
            "key": optional(FEATURES),
            "bank": OBJECT.also(
                pair=lambda good: ("a", "b"),
                features_of_another_width=lambda good: Bank(good.features[:, 1:], good.labels),
                features_of_one_dimension=lambda good: Bank(good.features[:, 0], good.labels),
                whole_features=lambda good: Bank(good.features.long(), good.labels),
                too_few_labels=lambda good: Bank(good.features, good.labels[1:]),
                float_labels=lambda good: Bank(good.features, good.labels.float()),
                column_of_labels=lambda good: Bank(good.features, good.labels[:, None]),
                no_tensors=lambda good: Bank(None, None),
            ),
            "labels": LABELS.also(
                other_length=lambda good: good[1:], names=lambda good: ["a", "b", "c", "d"]
            ),
        },
        says={"query": "query"},
        function=lambda: SupConLoss(0.1).forward,
    ),
    Call(
        "instdisc.losses.contrast_in_batch",
        lambda: {
            "loss": SupConLoss(0.1),
            "features": [unit(4), unit(4)],
            "labels": torch.arange(4),
        },
        {
            "features": sequence(FEATURES).also(single=lambda good: good[:1]),
            "labels": LABELS.also(other_length=lambda good: good[1:]),
        },
    ),
    *(
        Call(
            f"instdisc.losses.{name}_loss",
            lambda: {"first": unit(4), "second": unit(4)},
            {
                "first": tensor(),
                "second": FEATURES,
                **dict.fromkeys(weights, NOT_NEGATIVE),
            },
        )
        for name, weights in TWO_VIEWS.items()
    ),
    Call(
        "instdisc.losses.distillation_loss",
        lambda: {"logits": [unit(4)] * 3, "targets": [unit(4).softmax(1)] * 2},
        {
            "logits": sequence(FEATURES).also(single=lambda good: good[:1]),
            "targets": sequence(FEATURES).also(too_many=lambda good: [*good, *good]),
        },
    ),
    Call(
        "instdisc.losses.contrast_with_keys",
        lambda: {
            "loss": SupConLoss(0.1),
            "query": unit(4),
            "key": unit(4),
            "labels": torch.arange(4),
        },
        {
            "query": FEATURES,
            "key": FEATURES,
            "labels": LABELS.also(other_length=lambda good: good[1:]),
        },
        says={"query": "query"},
    ),
    Call(
        "instdisc.losses.sampled_softmax",
        lambda: {"similarities": torch.zeros(3, 5)},
        {"similarities": tensor().also(own_row_alone=lambda good: good[:, :1])},
    ),
    Call(
        "instdisc.losses.noise_contrast",
        lambda: {
            "similarities": torch.zeros(3, 5),
            "log_partition": torch.zeros(()),
            "num_images": 9,
        },
        {
            "similarities": tensor().also(own_row_alone=lambda good: good[:, :1]),
            "log_partition": tensor()
            .without("scalar", "empty")
            .also(vector=lambda good: good[None]),
            "num_images": whole(1),
        },
    ),
    Call(
        "instdisc.losses.same_class",
        lambda: {"labels": torch.arange(4), "bank_labels": torch.arange(16)},
        {
            "labels": tensor(torch.int64, empty=True).also(names=lambda good: ["a"]),
            "bank_labels": tensor(torch.int64, empty=True).also(names=lambda good: ["a"]),
        },
    ),
]
