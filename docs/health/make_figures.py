"""The figure of docs/health.md: two runs on generated images, of which one is healthy.

    python docs/health/make_figures.py

They differ in the loss alone.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytorch_lightning as pl
import torch
from matplotlib.figure import Figure
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor

import instdisc
from instdisc.callbacks import GeometryMonitor, ObjectiveMonitor, OnlineKNN
from instdisc.data import ColorJitter, RandomGrayscale, RandomResizedCrop, ViewPolicy

FOLDER = Path(__file__).parent
COLOURS = {"healthy": "#0072b2", "collapse": "#d55e00"}
SETTINGS = {"queue_size": 1024, "momentum": 0.99, "learning_rate": 0.1, "batch_norm_groups": 4}


class EveryKeyAttracts(instdisc.ContrastiveLoss):
    """A mistake: no key is a negative alone, so the best is to make all features equal."""

    def positives(self, labels: Tensor, bank_labels: Tensor) -> Tensor:
        return torch.ones(len(labels), len(bank_labels), dtype=torch.bool, device=labels.device)


class Collapsing(instdisc.MoCoModule):
    """MoCo with that loss."""

    loss_class = EveryKeyAttracts


def make_method(run: str) -> instdisc.PretrainModule:
    """MoCo as it should be, or with the mistake."""
    method = Collapsing if run == "collapse" else instdisc.MoCoModule
    return method("test_resnet", **SETTINGS)


def main(epochs: int = 12, images: int = 2000) -> None:
    """Trains both and draws their curves."""
    curves: dict[str, dict[str, list[tuple[int, float]]]] = {}
    test = instdisc.Scenes(400, image_size=32, split="test")
    policy = ViewPolicy(
        RandomResizedCrop(32, scale=(0.3, 1.0)),
        [ColorJitter(0.4, 0.4, 0.4, 0.5), RandomGrayscale(0.5)],
    )
    for run in COLOURS:
        pl.seed_everything(0, verbose=False)
        data = instdisc.ViewData(
            instdisc.Scenes(images, image_size=32),
            test,
            policy=policy,
            image_size=32,
            batch_size=128,
            keep="memory",
            num_workers=0,
        )
        module = make_method(run)
        logger = CSVLogger("runs/health", name=run)
        trainer = pl.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            logger=logger,
            log_every_n_steps=5,
            num_sanity_val_steps=-1,
            check_val_every_n_epoch=2,
            callbacks=[OnlineKNN(), ObjectiveMonitor(), GeometryMonitor()],
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=False,
        )
        trainer.fit(module, datamodule=data)
        curves[run] = read_curves(Path(logger.log_dir) / "metrics.csv")
    draw_curves(curves).savefig(FOLDER / "curves.png", dpi=80)


def read_curves(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Of a CSV log, the steps and values of each column."""
    names, *rows = [line.split(",") for line in path.read_text().splitlines()]
    step = names.index("step")
    return {
        name: [(int(row[step]), float(row[i])) for row in rows if row[i]]
        for i, name in enumerate(names)
        if name not in ("step", "epoch")
    }


def draw_curves(curves: dict[str, dict[str, list[tuple[int, float]]]]) -> Figure:
    """Loss, contrastive accuracy, spread, rank and kNN by step."""
    panels = {
        "loss": "loss",
        "contrast/accuracy": "contrastive accuracy",
        "contrast/positive_similarity": "similarity to own key",
        "contrast/spread": "spread",
        "rankme": "effective rank (test)",
        "knn": "kNN top-1 (test)",
    }
    figure = Figure(figsize=(10, 5.4), layout="constrained")
    for axes, (name, title) in zip(figure.subplots(2, 3).flat, panels.items(), strict=True):
        for run, columns in curves.items():
            steps, values = zip(*columns[name], strict=True)
            axes.plot(steps, values, color=COLOURS[run], label=run)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("step", fontsize=8)
        axes.tick_params(labelsize=8)
        axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
        axes.spines[["top", "right"]].set_visible(False)
    negatives = SETTINGS["queue_size"]
    figure.axes[0].axhline(math.log(negatives + 1), color="grey", linestyle=":", label="log(K + 1)")
    figure.axes[0].legend(fontsize=8, frameon=False)
    random = curves["healthy"]["knn_random"][0][1]
    axes.axhline(random, color="grey", linestyle="--", label="random weights")
    axes.legend(fontsize=8, frameon=False)
    return figure


if __name__ == "__main__":
    main()
