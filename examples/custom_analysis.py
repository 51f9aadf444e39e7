"""Write your own analysis: a function that measures, another that draws, and a name for both.

    python examples/custom_analysis.py

Here: how many features are silent, that is, 0 for nearly every image. The suite stores the records,
keeps the arrays, and does not run it again on what it has seen.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from instdisc import Backbone, Scenes
from instdisc.analysis import ANALYSES, Analysis, analyse
from instdisc.data import ImageSource
from instdisc.records import Run
from instdisc.transfer import TASKS, SuiteRecords, Task, extract_features, save_predictions
from instdisc.types import About, Record


def evaluate_silence(
    backbone: Backbone,
    test: ImageSource,
    *,
    image_size: int | None = None,
    seed: int = 0,
    about: About | None = None,
    arrays: Path | None = None,
    share: float = 0.01,
) -> Record:
    """Share of the features that at most a `share` of the images wakes."""
    features = extract_features(backbone, test, image_size=image_size)
    active = (features.features > 0).double().mean(0)  # (D,)
    save_predictions(arrays, {"active": active})
    run = Run(features.about.update(about), seed, settings={"share": share})
    silent = 100 * float((active <= share).double().mean())
    return run.record("silence", "silent features", silent, n=len(test), higher_is_better=False)


def silence_figure(arrays: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """For each checkpoint, how often its features are active, from the most active on."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for name, kept in arrays.items():
        axes.plot(np.sort(kept["active"])[::-1], label=name)
    axes.set(xlabel="feature", ylabel="share of images", title="How often a feature is active")
    axes.legend(frameon=False)
    return figure


TASKS["silence"] = Task(evaluate_silence, ("test",), "images")
ANALYSES["silence"] = Analysis({"silence": silence_figure})


def main(out: Path = Path("runs/custom_analysis")) -> SuiteRecords:
    """Runs it on two backbones; give checkpoint files in their place."""
    backbones = {name: Backbone(name) for name in ("test_resnet", "resnet18")}
    scenes = {"scenes": Scenes(200, image_size=32)}
    return analyse(backbones, scenes, analyses=["silence"], image_size=32, out=out)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    for record in main():
        print(f"{record.method}: {record.value:.1f} % of the features are silent")
