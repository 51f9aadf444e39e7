"""The analyses by name, and what is drawn of each; the suite's registry says what each does."""

from __future__ import annotations

from .analysis import Analysis
from .errors import error_pictures, hoiem_figure, tide_figure
from .geometry import geometry_figure, spectrum_figure
from .invariance.factors_figure import factors_figure
from .invariance.invariance_figure import invariance_figure
from .inversion import inversion_figure
from .pictures import (
    components_figure,
    confident_errors_figure,
    location_figure,
    map_figure,
    mistakes_figure,
    neighbours_figure,
)
from .robustness import corruption_figure, reliability_figure
from .similarity import cka_figure, last_stages_figure, similarity_figure

ANALYSES: dict[str, Analysis] = {
    "cka": Analysis({"cka": cka_figure, "similarity": similarity_figure}),
    "geometry": Analysis({"geometry": geometry_figure, "spectrum": spectrum_figure}),
    "transferability": Analysis({}),
    "factors": Analysis({"factors": factors_figure}),
    "object_factors": Analysis({"object_factors": factors_figure}),
    "landmark_factors": Analysis({"landmark_factors": factors_figure}),
    "invariance": Analysis({"invariance": invariance_figure}),
    "inversion": Analysis({"inversion": inversion_figure}),
    "last_stages": Analysis({"last_stages": last_stages_figure}),
    "corruptions": Analysis({"corruptions": corruption_figure}),
    "detection_errors": Analysis(
        {"tide": tide_figure, "hoiem": hoiem_figure, "detection_errors": error_pictures}
    ),
    "neighbours": Analysis({"neighbours": neighbours_figure}),
    "components": Analysis({"components": components_figure}),
    "map": Analysis({"map": map_figure}),
    "location": Analysis({"location": location_figure}),
    "confident_errors": Analysis({"confident_errors": confident_errors_figure}),
    "reliability": Analysis({"reliability": reliability_figure}),
    "mistakes": Analysis({"mistakes": mistakes_figure}),
}
