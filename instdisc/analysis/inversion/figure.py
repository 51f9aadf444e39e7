"""Images beside what each stage keeps of them.

Legend: N images, S stages, K distances, P side of a thumbnail.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from instdisc import checks
from instdisc.analysis.analysis import Arrays, checkpoint_arrays, plain_text
from instdisc.checks import checked_call

_CELL = 1.15  # inches
_NEEDED = ("stages", "image", "distance_names", "distances")
_PICTURES = ("originals", "reconstructions")


@checked_call(shown_distances=checks.count)
def inversion_figure(arrays: Mapping[str, Arrays], *, shown_distances: int = 2) -> Figure:
    """A grid of images drawn anew: a row for each image and checkpoint, a column for each stage.

    The first column holds the original, the name of the checkpoint stands before its row, and
    below each picture how near it comes to the original. Of arrays without pictures the mean of
    each distance is drawn instead: a panel for each, over the stages, a line for each checkpoint.

    Args:
        arrays: by checkpoint, what `evaluate_inversion` wrote; all of the same images.
        shown_distances: how many of the distances are written below a picture.

    Raises:
        ValueError: if there is no checkpoint, one lacks an array (its pictures, where another has
            some) or shows other images.

    Example:
        >>> import tempfile
        >>> from instdisc.analysis.inversion import evaluate_inversion
        >>> from instdisc.data import Scenes
        >>> from instdisc.models import Backbone
        >>> from instdisc.transfer import read_predictions
        >>> file = tempfile.mkdtemp() + "/inversion.npz"
        >>> _ = evaluate_inversion(Backbone("test_resnet"), Scenes(4, image_size=32), num_images=1,
        ...     stages=[1, 4], steps=2, channels=[8, 8], image_size=32, arrays=file)
        >>> figure = inversion_figure({"random": read_predictions(file)})
        >>> len(figure.axes)  # original, two stages
        3
    """
    checks.whole("shown_distances", shown_distances, at_least=0)
    checkpoint_arrays("arrays", arrays, _NEEDED)
    pictures = any(column in content for content in arrays.values() for column in _PICTURES)
    if pictures:
        checkpoint_arrays("arrays", arrays, _PICTURES)
    first = next(iter(arrays.values()))
    for content in arrays.values():
        if list(content["image"]) != list(first["image"]):
            checks.refuse(
                "arrays", f"of the same images {list(first['image'])}", list(content["image"])
            )
    if not pictures:
        return _curves(arrays)
    stages = sorted({int(stage) for content in arrays.values() for stage in content["stages"]})
    names, count = list(arrays), len(first["image"])
    size = (_CELL * (1 + len(stages)) + 0.4, (_CELL + 0.14) * count * len(names) + 0.35)
    figure = Figure(figsize=size, layout="constrained")  # without pyplot: no global state
    axes = figure.subplots(count * len(names), 1 + len(stages), squeeze=False)
    for row, line in enumerate(axes):
        image, name = row // len(names), names[row % len(names)]
        content = arrays[name]
        _draw(line[0], content["originals"][image])
        line[0].set_ylabel(plain_text(name), fontsize=7)
        inverted = [int(stage) for stage in content["stages"]]
        for place, stage in zip(line[1:], stages, strict=True):
            if stage not in inverted:
                place.set_axis_off()
                continue
            at = inverted.index(stage)
            _draw(place, content["reconstructions"][at, image])
            below = [
                f"{title} {_short(values[at, image])}"
                for title, values in zip(
                    content["distance_names"], content["distances"], strict=True
                )
            ]
            place.set_xlabel("  ".join(below[:shown_distances]), fontsize=5, labelpad=1.5)
    for place, title in zip(
        axes[0], ["original", *(f"stage {stage}" for stage in stages)], strict=True
    ):
        place.set_title(title, fontsize=8)
    return figure


def _curves(arrays: Mapping[str, Arrays]) -> Figure:
    titles = list(dict.fromkeys(str(t) for c in arrays.values() for t in c["distance_names"]))
    figure = Figure(figsize=(3.2 * max(1, len(titles)) + 1.4, 2.8), layout="constrained")
    panels = figure.subplots(1, max(1, len(titles)), squeeze=False)[0]
    for axes, title in zip(panels, titles, strict=False):
        for name, content in arrays.items():
            # A checkpoint without this distance has an empty line: the colours stay the same.
            rows = [k for k, t in enumerate(content["distance_names"]) if str(t) == title][:1]
            means = content["distances"][rows].mean(2).ravel()  # (S,) or (0,)
            stages = content["stages"][: len(means)]
            axes.plot(stages, means, marker="o", markersize=3, label=plain_text(name))
        axes.set_xticks(sorted({int(stage) for c in arrays.values() for stage in c["stages"]}))
        axes.set(xlabel="stage", title=title)
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside right center", frameon=False)
    return figure


def _draw(place: Axes, picture: np.ndarray) -> None:
    place.imshow(picture, interpolation="nearest")
    place.set_xticks([])
    place.set_yticks([])
    for spine in place.spines.values():
        spine.set_visible(False)


def _short(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
