"""Models."""

import torch
from torch import nn

from instdisc import Backbone, FeatureQueue, MomentumEncoder
from instdisc.models import MLP, Center, MemoryBank, Projector, PrototypeHead

from ..calls import Call
from ..sorts import CHOICE, LABELS, OBJECT, SHARE, TEXT, sequence, tensor, whole

IMAGES = tensor().also(
    channels=lambda good: good[:, :1],
    one_image=lambda good: good[0],
    channels_last=lambda good: good.movedim(1, -1),
)

CALLS = [
    Call(
        "instdisc.Backbone",
        lambda: {"name": "test_resnet"},
        {"name": TEXT.also(unknown="resnet5000", empty="")},
    ),
    *(
        Call(
            f"instdisc.Backbone:{method}",
            lambda: {"images": torch.zeros(2, 3, 32, 32)},
            {"images": IMAGES},
            function=lambda method=method: getattr(Backbone("test_resnet"), method),
        )
        for method in ("forward", "maps")
    ),
    Call(
        "instdisc.models.split_batch_norm",
        lambda: {"module": nn.Sequential(nn.BatchNorm2d(2)), "groups": 2},
    ),
    Call(
        "instdisc.models.sync_batch_norm",
        lambda: {"module": nn.Sequential(nn.BatchNorm2d(2)), "on": True},
    ),
    Call("instdisc.models.MomentumEncoder", lambda: {"encoder": nn.Linear(2, 2)}),
    Call(
        "instdisc.MomentumEncoder:update",
        lambda: {"encoder": nn.Linear(2, 2)},
        {"encoder": OBJECT.also(other_network=lambda good: nn.Linear(3, 2))},
        function=lambda: MomentumEncoder(nn.Linear(2, 2)).update,
    ),
    Call("instdisc.models.Projector", lambda: {"dim": 8}),
    Call(
        "instdisc.models.Projector:forward",
        lambda: {"features": torch.ones(2, 8)},
        {"features": tensor(empty=True).also(width=lambda good: good[:, 1:])},
        function=lambda: Projector(8, 4).forward,
    ),
    Call(
        "instdisc.models.MLP",
        lambda: {"dim": 8, "widths": (8, 4)},
        {"widths": sequence(whole(1))},
    ),
    Call(
        "instdisc.models.MLP:forward",
        lambda: {"features": torch.ones(2, 8)},
        {"features": tensor(empty=True).also(width=lambda good: good[:, 1:])},
        function=lambda: MLP(8, (4,)).forward,
    ),
    Call("instdisc.models.Center", lambda: {"dim": 8}),
    *(
        Call(
            f"instdisc.models.Center:{method}",
            lambda: {"outputs": torch.ones(2, 8)},
            {"outputs": tensor(empty=method == "forward").also(width=lambda good: good[:, 1:])},
            function=lambda method=method: getattr(Center(8), method),
        )
        for method in ("forward", "update")
    ),
    Call(
        "instdisc.models.PrototypeHead",
        lambda: {"dim": 8, "hidden_dim": 8, "projection_dim": 4, "num_prototypes": 6},
        {"num_prototypes": whole(1)},
    ),
    *(
        Call(
            f"instdisc.models.PrototypeHead:{method}",
            lambda: {"features": torch.ones(2, 8)},
            {"features": tensor(empty=True).also(width=lambda good: good[:, 1:])},
            function=lambda method=method: getattr(
                PrototypeHead(8, hidden_dim=8, projection_dim=4, num_prototypes=6), method
            ),
        )
        for method in ("forward", "project")
    ),
    Call(
        "instdisc.models.freeze_patch_projection",
        lambda: {"backbone": Backbone("test_vit")},
        {"backbone": OBJECT.also(resnet=lambda good: Backbone("test_resnet"))},
    ),
    Call(
        "instdisc.FeatureQueue",
        lambda: {"size": 8, "dim": 4},
        {"dtype": OBJECT.also(whole_type=torch.int64)},
    ),
    Call(
        "instdisc.FeatureQueue:push",
        lambda: {"features": torch.ones(9, 4), "labels": torch.zeros(9, dtype=torch.int64)},
        {
            "features": tensor(empty=True).also(
                width=lambda good: good[:, 1:], rows=lambda good: good[1:]
            ),
            "labels": LABELS.also(other_length=lambda good: good[1:], names=lambda good: ["a"] * 9),
        },
        function=lambda: FeatureQueue(8, 4).push,
    ),
    Call("instdisc.models.MemoryBank", lambda: {"size": 8, "dim": 4}),
    Call(
        "instdisc.models.MemoryBank:update",
        lambda: {
            "indices": torch.arange(3),
            "features": torch.ones(3, 4),
            "labels": torch.zeros(3, dtype=torch.int64),
        },
        {
            "indices": LABELS.also(other_length=lambda good: good[1:]),
            "features": tensor(empty=True).also(
                width=lambda good: good[:, 1:], rows=lambda good: good[1:]
            ),
            "labels": LABELS.also(other_length=lambda good: good[1:]),
        },
        function=lambda: MemoryBank(8, 4).update,
    ),
    Call(
        "instdisc.models.MemoryBank:draw",
        lambda: {"positions": torch.arange(3), "count": 5},
        {"positions": LABELS.without("empty"), "count": whole(1)},
        function=lambda: MemoryBank(8, 4).draw,
    ),
    Call(
        "instdisc.models.ResNet12",
        lambda: {"num_classes": 5, "channels": (4, 4, 4, 4)},
        {
            "num_classes": whole(0),
            "in_chans": whole(1),
            "global_pool": CHOICE.without("empty"),
            "channels": sequence(whole(1)).also(three=(4, 4, 4)),
            "drop_rate": SHARE,
            "drop_block_rate": SHARE,
        },
    ),
]
