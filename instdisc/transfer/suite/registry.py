"""The tasks of a suite by name, and what they need."""

from __future__ import annotations

from collections.abc import Sequence

from instdisc import checks
from instdisc.data import BSCD_FSL_EPISODES, ISLAM_EPISODES, Episodes

from ..detection.detect import detect
from ..detection.recipe import check_recipe
from ..few_shot.base_novel import evaluate_base_and_novel
from ..few_shot.finetune import BSCD_FSL_RECIPE, ISLAM_RECIPE, finetune_few_shot
from ..few_shot.frozen import evaluate_few_shot
from ..finetuning.finetune import finetune
from ..knn import evaluate_knn
from ..landmarks.fit import fit_landmarks
from ..linear.grid import check_milestones, evaluate_linear_grid, islam_test_policy
from ..linear.logistic import evaluate_linear
from ..linear.moco import evaluate_moco_linear
from ..linear.readout import evaluate_readout
from ..linear.stages import PROBES, evaluate_stages
from ..segmentation.segment import segment
from .options import Options, bounds
from .tasks import FEATURES, Task, TaskTable


def _check_grid(options: Options) -> None:
    for recipe in options["grid"]:
        checks.positive("learning_rate", recipe.learning_rate)
        checks.whole("batch_size", recipe.batch_size)
        checks.finite("weight_decay", recipe.weight_decay, at_least=0)


def _check_linear_grid(options: Options) -> None:
    _check_grid(options)
    check_milestones(options["milestones"])


def _check_episodes(options: Options) -> None:
    if not isinstance(options["episodes"], Episodes):
        checks.whole("episodes", options["episodes"])


def _check_segments(options: Options) -> None:
    for name in ("crop_size", "window", "window_step", "scale"):
        value = options[name]
        if value == []:
            checks.refuse(name, "a number, or one for height and one for width", value)
        for side in [] if value is None else value if isinstance(value, Sequence) else [value]:
            checks.positive(name, side)


_FEW_SHOT = ("ways", "queries")
_CLASSIFIERS = ("logistic", "euclidean", "cosine")
_EPISODES = {"islam": ISLAM_EPISODES._asdict(), "bscd_fsl": BSCD_FSL_EPISODES._asdict()}
_RECIPES = {"islam": ISLAM_RECIPE, "bscd_fsl": BSCD_FSL_RECIPE}
_TASKS: dict[str, Task] = {
    "knn": Task(
        evaluate_knn,
        ("train", "test"),
        FEATURES,
        check=bounds(whole=["k"], positive=["temperature"]),
    ),
    "linear": Task(
        evaluate_linear,
        ("train", "test"),
        FEATURES,
        check=bounds(whole=["max_iter"], positive=["strength"]),
    ),
    "linear_grid": Task(
        evaluate_linear_grid,
        ("train", "test"),
        "images",
        check=bounds(
            whole=["tune_epochs", "epochs", "per_class"],
            positive=["share"],
            shares=["share"],
            filled=["grid"],
            optional=["per_class"],
            also=_check_linear_grid,
        ),
        version=2,
    ),
    "moco_linear": Task(
        evaluate_moco_linear,
        ("train", "test"),
        "images",
        check=bounds(whole=["epochs", "batch_size"], positive=["learning_rate"]),
        version=2,
    ),
    "readout": Task(
        evaluate_readout,
        ("train", "test"),
        FEATURES,
        check=bounds(whole=["max_iter", "folds"], positive=["tol"], filled=["penalties"]),
        version=3,
    ),
    "stages": Task(
        evaluate_stages,
        ("train", "test"),
        "images",
        check=bounds(
            whole=["batch_size", "max_iter", "folds"],
            positive=["tol"],
            filled=["probes", "penalties"],
            choices={"probes": PROBES},
        ),
        version=3,
        added=("penalties", "tol", "max_iter", "folds"),
    ),
    "few_shot": Task(
        evaluate_few_shot,
        ("all",),
        FEATURES,
        one_by_one=("classifier", "shots"),
        view=islam_test_policy,
        check=bounds(
            whole=_FEW_SHOT,
            lists=["shots"],
            positive=["strength"],
            choices={"classifier": _CLASSIFIERS},
            also=_check_episodes,
        ),
        protocols=_EPISODES,
    ),
    "few_shot_finetune": Task(
        finetune_few_shot,
        ("all",),
        "images",
        one_by_one="shots",
        check=bounds(
            whole=_FEW_SHOT,
            least_zero=["last_stages"],
            lists=["shots"],
            optional=["last_stages"],
            also=_check_episodes,
        ),
        protocols={
            name: {**episodes, "recipe": _RECIPES[name]} for name, episodes in _EPISODES.items()
        },
    ),
    "base_and_novel": Task(
        evaluate_base_and_novel,
        ("base_train", "base_test", "novel"),
        FEATURES,
        check=bounds(
            whole=_FEW_SHOT,
            lists=["shots"],
            choices={"classifier": _CLASSIFIERS, "readout": ("linear", "knn")},
            also=_check_episodes,
        ),
    ),
    "finetune": Task(
        finetune,
        ("train", "test"),
        "images",
        one_by_one="reset_stages",
        check=bounds(
            whole=["tune_epochs", "epochs", "test_every", "per_class"],
            positive=["share"],
            least_zero=["last_stages", "reset_stages"],
            shares=["share"],
            filled=["grid"],
            optional=["per_class", "last_stages"],
            also=_check_grid,
        ),
        version=2,
        added=("reset_stages",),
    ),
    "detection": Task(
        detect,
        ("train", "test"),
        "objects",
        has_image_size=False,
        check=bounds(
            whole=["regions_per_image", "longest_side", "follow_batch"],
            least_zero=["freeze_parts", "precise_batches", "weight_decay", "thumbnail"],
            shares=["flip"],
            lists=["short_sides"],
            filled=["protocols", "anchor_sizes"],
            choices={
                "neck": ("c4", "fpn"),
                "norm": ("sync", "plain", "frozen"),
                "protocols": ("coco", "voc07", "voc10"),
            },
            optional=["follow_batch", "anchor_sizes"],
            also=lambda options: check_recipe(options["recipe"]),
        ),
    ),
    "segmentation": Task(
        segment,
        ("train", "test"),
        "segments",
        has_image_size=False,
        check=bounds(
            whole=[
                *("steps", "batch_size", "width", "output_stride", "test_batch_size"),
                *("short_side", "test_short_side"),
            ],
            positive=["learning_rate", "head_rate", "max_share"],
            least_zero=["weight_decay", "auxiliary", "thumbnail"],
            shares=["flip", "max_share", "dropout"],
            filled=["scale"],
            optional=["short_side", "test_short_side", "dropout"],
            also=_check_segments,
        ),
    ),
    "landmarks": Task(
        fit_landmarks,
        ("train", "test"),
        "landmarks",
        check=bounds(
            whole=["epochs", "batch_size", "grid", "hidden"],
            positive=["learning_rate", "backbone_learning_rate"],
            least_zero=["weight_decay", "thumbnail"],
            optional=["backbone_learning_rate"],
            also=lambda options: checks.finite("margin", options["margin"], above=-0.5),
        ),
    ),
}
# By name: these rooms lie above this one, and see it.
_ANALYSES: dict[str, str] = {
    "cka": "instdisc.analysis.similarity.task.SIMILARITY",
    "geometry": "instdisc.analysis.geometry.task.GEOMETRY",
    "transferability": "instdisc.analysis.geometry.task.TRANSFERABILITY",
    "factors": "instdisc.analysis.invariance.task.FACTORS",
    "object_factors": "instdisc.analysis.invariance.task.OBJECT_FACTORS",
    "landmark_factors": "instdisc.analysis.invariance.task.LANDMARK_FACTORS",
    "invariance": "instdisc.analysis.invariance.task.INVARIANCE",
    "inversion": "instdisc.analysis.inversion.task.INVERSION",
    "last_stages": "instdisc.analysis.similarity.task.LAST_STAGES",
    "corruptions": "instdisc.analysis.robustness.task.COMMON_CORRUPTIONS",
    "detection_errors": "instdisc.analysis.errors.task.ERRORS",
    "neighbours": "instdisc.analysis.pictures.task.NEIGHBOURS",
    "components": "instdisc.analysis.pictures.task.COMPONENTS",
    "map": "instdisc.analysis.pictures.task.MAP",
    "location": "instdisc.analysis.pictures.task.LOCATION",
    "confident_errors": "instdisc.analysis.pictures.task.ERRORS",
    "reliability": "instdisc.analysis.robustness.task.RELIABILITY",
    "mistakes": "instdisc.analysis.pictures.task.MISTAKES",
}
TASKS = TaskTable({**_TASKS, **_ANALYSES})
