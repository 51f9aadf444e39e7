"""The pictures as tasks of the suite."""

from __future__ import annotations

from instdisc import checks
from instdisc.transfer import Task
from instdisc.transfer.suite.options import Options, bounds

from .component_grid import compare_components
from .error_rows import evaluate_errors
from .feature_map import PROJECTIONS
from .location import cell_at
from .location_grid import compare_locations
from .map_panels import MOST_CLASSES, compare_maps
from .mistake_rows import PROBES, compare_mistakes
from .neighbour_grid import compare_neighbours


def _check_map(options: Options) -> None:
    checks.whole("num_classes", options["num_classes"], at_most=MOST_CLASSES)


NEIGHBOURS = Task(
    compare_neighbours,
    ("test",),
    "images",
    check=bounds(
        whole=["k", "num_images", "num_queries"], least_zero=["thumbnail"], optional=["shown"]
    ),
    together=True,
)
COMPONENTS = Task(
    compare_components,
    ("test",),
    "images",
    check=bounds(
        whole=["num_images"], least_zero=["thumbnail"], lists=["stages"], optional=["stages"]
    ),
    together=True,
)
MAP = Task(
    compare_maps,
    ("test",),
    "images",
    check=bounds(
        whole=["num_images", "num_classes"],
        choices={"projection": PROJECTIONS},
        also=_check_map,
    ),
    together=True,
)
MISTAKES = Task(
    compare_mistakes,
    ("train", "test"),
    "images",
    check=bounds(whole=["num_errors"], least_zero=["thumbnail"], choices={"probe": PROBES}),
    together=True,
)
LOCATION = Task(
    compare_locations,
    ("test",),
    "images",
    check=bounds(
        whole=["num_images"],
        least_zero=["thumbnail"],
        lists=["stages"],
        optional=["stages"],
        also=lambda options: cell_at(options["location"], 1, 1),
    ),
    together=True,
)
ERRORS = Task(
    evaluate_errors,
    ("test",),
    "images",
    after="readout",
    has_image_size=False,
    check=bounds(whole=["num_errors"], least_zero=["thumbnail"], shares=["sure"]),
)
