"""The head of a model card, as the Hugging Face Hub reads it."""

from __future__ import annotations

import re
from typing import Any

from .grid import Grid
from .model_card_export import Export
from .pooling import Pooled, Result

# The Hub's names of the tasks of `instdisc.transfer`.
_CLASSIFICATION = ("knn", "linear", "linear_grid", "moco_linear", "readout", "few_shot", "finetune")
_TASKS = {
    **dict.fromkeys(_CLASSIFICATION, "image-classification"),
    "detection": "object-detection",
    "segmentation": "image-segmentation",
    "landmarks": "keypoint-detection",
}
_FEATURES = "image-feature-extraction"
_METRICS = {"top-1": "accuracy", "mIoU": "mean_iou"}


def card_head(
    grid: Grid, export: Export, *, name: str, license: str | None, repo_id: str | None
) -> str:
    """The YAML between the lines of hyphens.

    Its ``model-index`` has the results of transfer; analyses have no name there.

    Args:
        grid: its first method is the one of the card.
        export: of which file.
        name: of the model.
        license: as the Hub names it; ``None`` for none.
        repo_id: on the Hub, where the results stand; ``None`` for no source.
    """
    from huggingface_hub import EvalResult, ModelCardData

    results = []
    for (method, place), cell in grid.cells.items():
        result = grid.results[place]
        if method != 0 or result.task not in _TASKS:
            continue
        dataset = grid.datasets[result.dataset]
        unit = f" ({result.unit})" if result.unit else ""
        results.append(
            EvalResult(
                task_type=_TASKS[result.task],
                dataset_type=_slug(dataset),
                dataset_name=dataset,
                dataset_config=result.variant or None,
                metric_type=_metric(result),
                # The Hub joins the tasks of one type and data set: the metric tells which it was.
                metric_name=f"{result.task} {result.metric}{unit}",
                metric_value=round(cell.pooled.value, 4),
                metric_args=_interval(cell.pooled),
                source_name=repo_id and f"instdisc {export.version}",
                source_url=repo_id and f"https://huggingface.co/{repo_id}",
            )
        )
    timms = ["timm"] if export.opens_in_timm else []
    tags = ["instdisc", *timms, _FEATURES, export.architecture, export.method]
    data = ModelCardData(
        license=license,
        library_name="timm" if timms else "instdisc",
        pipeline_tag=_FEATURES,
        tags=[tag for tag in tags if tag],
        model_name=name,
        eval_results=results,
    )
    return data.to_yaml()


def _interval(pooled: Pooled) -> dict[str, Any] | None:
    """What stands beside the value: ends and kind of its interval, and of how many it is."""
    told: dict[str, Any] = {}
    if pooled.low is not None and pooled.high is not None:
        low, high = round(pooled.low, 4), round(pooled.high, 4)
        told = {"low": low, "high": high, "level": 0.95, "interval": pooled.interval}
    n = pooled.records[0].n
    return {**told, **({"n": n} if n else {})} or None


def _metric(result: Result) -> str:
    if result.task == "few_shot" and result.unit == "%":
        return "accuracy"
    return _METRICS.get(result.metric, _slug(result.metric))


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
