"""How a suite calls the analyses of this room."""

from __future__ import annotations

from instdisc.data import POLICIES
from instdisc.transfer import Task
from instdisc.transfer.suite.options import bounds

from .evaluate import evaluate_geometry
from .transferability import evaluate_transferability

GEOMETRY = Task(
    evaluate_geometry,
    ("test",),
    "images",
    check=bounds(
        whole=["batch_size", "max_images"],
        lists=["stages"],
        choices={"policy": list(POLICIES)},
        optional=["stages"],
    ),
)
TRANSFERABILITY = Task(
    evaluate_transferability,
    ("test",),
    "images",
    check=bounds(
        whole=["batch_size", "num_views", "lidar_images"],
        choices={"policy": list(POLICIES)},
    ),
)
