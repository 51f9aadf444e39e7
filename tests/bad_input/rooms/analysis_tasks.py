"""Analyses of backbones: the tasks that a suite runs, and figures of what they keep."""

from .. import sorts
from ..calls import Call
from ..documented import documented
from ..sorts import OBJECT, optional, sequence, whole

HERE = "instdisc.analysis"
# A position or a name of an image.
SHOWN = optional(sequence(whole(0).without("text", "below", "far_below")))
CALLS: list[Call] = [
    *documented(
        HERE,
        *("evaluate_corruptions", "evaluate_distribution_shift", "evaluate_errors"),
        *("evaluate_geometry", "evaluate_invariance", "evaluate_inversion"),
        *("evaluate_last_stages", "evaluate_out_of_distribution", "evaluate_transferability"),
        "evaluate_factors",
        shifted=OBJECT,
        lpips_weights=optional(OBJECT),
        severities=sequence(whole(1, 5)),
    ),
    *documented(
        HERE,
        *("compare_components", "compare_layers", "compare_locations", "compare_maps"),
        *("compare_mistakes", "compare_neighbours", "compare_predictions"),
        shown=SHOWN,
        thumbnail=whole(0, 512),
    ),
    *documented(
        HERE,
        "analyse",
        analyses=sequence(sorts.choice()),
        options=optional(OBJECT.without("mapping")),
        out=sorts.PATH,
        data_root=sorts.PATH,
        precision=sorts.choice(),
        executor=optional(OBJECT),
    ),
    *documented(HERE, "calibrate", "location_similarity", "stage_components", "stage_maps"),
]
RESULTS = (
    *("ClassSeparation", "ClassSpread", "Components", "Correlations", "Decay", "Disagreements"),
    *("FactorProbes", "HScore", "HoiemResult", "Intervals", "Inversion", "LogME", "Neighbours"),
    *("Number", "Overlaps", "Prediction", "Reliability", "ShapeBias", "Spectrum", "TideResult"),
    *("Uniformity",),
)
NEEDS_FILES = (
    *("CueConflict", "evaluate_imagenet_c", "evaluate_shape_bias", "open_imagenet_c"),
    *("open_shifted", "kept_detections", "diagnose", "perceptual_distance"),
)
EXEMPT = {
    **{f"{HERE}.{name}": "a result that the analyses give back" for name in RESULTS},
    **{
        f"{HERE}.{name}": "needs files of a data set or weights; its own tests try bad ones"
        for name in NEEDS_FILES
    },
    f"{HERE}.Analysis": "an entry of the table of analyses",
    f"{HERE}.NothingToDraw": "an error, raised by a figure",
    f"{HERE}.Transform": "an entry of the table of transforms",
    f"{HERE}.MinibatchCKA": "it takes no arguments",
    f"{HERE}.similarity_figure": "draws what `compare_layers` keeps, as `cka_figure` does",
    f"{HERE}.invert": "a deep image prior of minutes; `evaluate_inversion` stands for it",
}
