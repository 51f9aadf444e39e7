"""Write your own analysis: a function that measures, another that draws, and a name for both.

    python examples/custom_analysis.py

Here: how many features are silent, that is, 0 for nearly every image. The suite extracts the
features, stores the records, keeps the arrays, and does not run it again on what it has seen.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from instdisc import Backbone, Scenes
from instdisc.analysis import ANALYSES, Analysis, analyse
from instdisc.records import Run
from instdisc.transfer import TASKS, Features, Task, save_predictions
from instdisc.types import Record


def evaluate_silence(test: Features, *, arrays: Path | None = None, share: float = 0.01) -> Record:
    """Share of the features that at most a `share` of the images wakes."""
    active = (test.features > 0).double().mean(0)  # (D,) share of the images
    save_predictions(arrays, {"active": active})
    silent, n = 100 * float((active <= share).double().mean()), len(test.features)
    run = Run(test.about, settings={"share": share})
    return run.record("silence", "silent features", silent, n=n, higher_is_better=False)


def silence_figure(arrays: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """For each checkpoint, how often its features are active, from the most active on."""
    figure = Figure(layout="constrained")
    axes = figure.add_subplot(xlabel="feature", ylabel="share of images")
    for name, columns in arrays.items():
        axes.plot(np.sort(columns["active"])[::-1], label=name)
    axes.legend()
    return figure


TASKS["silence"] = Task(evaluate_silence, ("test",), "features")
ANALYSES["silence"] = Analysis({"silence": silence_figure})

if __name__ == "__main__":
    backbones = {name: Backbone(name) for name in ("test_resnet", "resnet18")}  # or files
    sets = {"scenes": Scenes(200, image_size=32)}
    out = Path("runs/custom_analysis")
    for record in analyse(backbones, sets, analyses=["silence"], image_size=32, out=out):
        print(f"{record.method}: {record.value:.1f} % of the features are silent")
