"""Analyses: numbers and arrays of features, images, detections and records."""

import torch

from instdisc import Backbone, Scenes
from instdisc.analysis import Number, Prediction, find_overlaps
from instdisc.types import Record

from .. import sorts
from ..calls import Call
from ..documented import documented, written
from ..sorts import OBJECT, optional, sequence, tensor, whole
from .metrics import guess, true

HERE = "instdisc.analysis"
FEATURES = tensor(finite=True).also(one_row=lambda good: good[:1])
LABELS = sorts.LABELS.also(other_length=lambda good: good[1:], column=lambda good: good[:, None])
CLASSES = optional(LABELS)
# The pixels of a batch on its device: a look at all of them would make a GPU wait.
PIXELS = tensor(empty=True).also(grey=lambda good: good[:, :1])
SEVERITY = whole(1, 5)
SHARE = sorts.SHARE
SIMILAR = optional(sequence(sequence(sorts.choice(), empty=True), empty=True))
ZERO_OK = {"num_resamples": whole(0)}


def overlaps() -> dict:
    return {"overlaps": find_overlaps([guess()], [true()], num_classes=1, least=0.1)}


def small() -> dict:
    return {"backbone": Backbone("test_resnet"), "train": scenes()}


def scenes() -> Scenes:
    return Scenes(12, image_size=32, num_categories=2)


def records() -> list[Record]:
    cheap, worth = (1.0, 2.0, 3.0, 4.0), (50.0, 60.0, 55.0, 70.0)
    numbers = [
        Record("stage4_geometry", "a", "RankMe", value, method=f"net {k}")
        for k, value in enumerate(cheap)
    ]
    return numbers + [
        Record("linear", "b", "top-1", value, method=f"net {k}") for k, value in enumerate(worth)
    ]


def prediction() -> Prediction:
    numbers = Number("geometry", "a", "RankMe"), Number("linear", "b", "top-1")
    return Prediction(*numbers, 0.5, (0.0, 1.0), 0.3, 0.5, (0.0, 1.0), ("a", "b"), 0, ())


ROWS = (
    *("alignment", "uniformity", "silhouette", "class_separation", "intra_class_spread"),
    *("h_score", "logme", "variability_collapse", "alpha_req", "rankme", "participation_ratio"),
    *("stable_rank", "spectrum", "biased_cka", "cka", "mutual_knn", "procrustes", "invariance"),
)
FIGURES = (
    *("cka_figure", "components_figure", "confident_errors_figure", "corruption_figure"),
    *("error_pictures", "factors_figure", "geometry_figure", "hoiem_figure", "invariance_figure"),
    *("inversion_figure", "last_stages_figure", "location_figure", "map_figure"),
    *("mistakes_figure", "neighbours_figure", "predictors_figure", "reliability_figure"),
    *("shape_bias_figure", "spectrum_figure", "tide_figure"),
)
CALLS: list[Call] = [
    *documented(
        HERE,
        *ROWS,
        **dict.fromkeys(["features", "a", "b", "views_a", "views_b", "transformed"], FEATURES),
        labels=CLASSES,
        max_images=optional(whole(1)),
        t=sorts.POSITIVE,
        metric=sorts.choice(),
        batch_size=optional(whole(1)),
    ),
    *documented(HERE, "intra_category_invariance", features=FEATURES, labels=LABELS),
    *documented(HERE, "lidar"),
    *documented(HERE, "correlate"),
    *documented(HERE, "feature_map", projection=sorts.choice()),
    *documented(HERE, "align_map", "align_components", "principal_components"),
    *documented(HERE, "neighbours", queries=OBJECT),
    *documented(HERE, "RidgePath"),
    *documented(
        HERE,
        *FIGURES,
        classes=optional(sequence(sorts.choice())),
        shown_distances=whole(0),
    ),
    *documented(HERE, "readout_figure", x=sequence(sorts.choice()), y=sequence(sorts.choice())),
    *documented(HERE, "corrupt", images=PIXELS, corruption=sorts.choice(), severity=SEVERITY),
    *documented(HERE, "corruptions", images=PIXELS, severities=sequence(SEVERITY)),
    *documented(HERE, "corruption_strip", thumbnail=whole(1), severities=sequence(SEVERITY)),
    *documented(HERE, "corruption_errors", "mce"),
    *documented(HERE, "image_distances", lpips_weights=optional(OBJECT)),
    *documented(HERE, "total_variation", images=tensor(empty=True)),
    *documented(
        HERE, "transform_images", images=PIXELS, name=sorts.choice(), strength=sorts.NOT_NEGATIVE
    ),
    *documented(HERE, "SkipNetwork"),
    *documented(HERE, "outlier_aupr", "outlier_auroc", "reliability"),
    *documented(HERE, "restrict_logits", logits=tensor(empty=True)),
    *documented(HERE, "shape_bias", predictions=OBJECT, shapes=OBJECT, textures=OBJECT),
    *documented(HERE, "similarity_map", maps=tensor(finite=True, empty=True)),
    *documented(HERE, "similar_classes", similar=SIMILAR),
    *documented(HERE, "find_overlaps", "tide", least=SHARE),
    *documented(HERE, "hoiem", similar=SIMILAR, expected=optional(sorts.POSITIVE)),
    *documented(HERE, "hoiem_records", "tide_records", similar=SIMILAR, **ZERO_OK),
    written(f"{HERE}.tide_of", overlaps, threshold=SHARE),
    written(
        f"{HERE}.hoiem_of",
        lambda: {**overlaps(), "classes": ["cat"]},
        similar=SIMILAR,
        expected=optional(sorts.POSITIVE),
    ),
    *documented(HERE, "error_tiles", thumbnail=whole(0)),
    *documented(HERE, "mcnemar_p_value", "disagreements", "confident_errors"),
    *documented(HERE, "choose_images", "whole_view", "match_classes"),
    *documented(HERE, "thumbnails", side=whole(0, 512), positions=tensor(torch.int64, empty=True)),
    *documented(HERE, "object_factors", "landmark_factors"),
    *documented(HERE, "factor_probes", train_factors=OBJECT, test_factors=OBJECT),
    *documented(
        HERE,
        *("predictors",),
        source=OBJECT.without("list", "mapping"),
        results=sequence(sorts.TEXT),
    ),
    written(
        f"{HERE}.predict_transfer",
        lambda: {"records": records(), "num_resamples": 10},
        source=OBJECT.without("list", "mapping"),
        results=sequence(sorts.TEXT),
    ),
    written(f"{HERE}.prediction_arrays", lambda: {"pairs": [prediction()]}),
    written(
        f"{HERE}.PriorRecipe",
        lambda: {"channels": (8, 8), "kernels": (3, 3)},
        input_scale=sorts.POSITIVE,
        skip_channels=whole(0),
    ),
    written(
        f"{HERE}.draw_figures",
        lambda: {"kept": [], "folder": "."},
        kept=sequence(OBJECT, empty=True),
    ),
]
