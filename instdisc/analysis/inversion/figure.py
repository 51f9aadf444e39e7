"""Images beside what each stage keeps of them.

Legend: N images, S stages, K distances, P side of a thumbnail.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from instdisc import checks
from instdisc.analysis.analysis import Arrays, checkpoint_arrays

_CELL = 1.15  # inches
_NEEDED = ("stages", "image", "distance_names", "distances")
_PICTURES = ("originals", "reconstructions")


def inversion_figure(arrays: Mapping[str, Arrays], *, shown_distances: int = 2) -> Figure:
    """A grid of images drawn anew: a row for each image and checkpoint, a column for each stage.

    The first column holds the original, the name of the checkpoint stands before its row, and
    below each picture how near it comes to the original.

    Args:
        arrays: by checkpoint, what `evaluate_inversion` wrote; all of the same images.
        shown_distances: how many of the distances are written below a picture.

    Raises:
        ValueError: if there is no checkpoint, one lacks an array (its pictures, if it was made
            with ``thumbnail=0``) or shows other images.

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
    checkpoint_arrays("arrays", arrays, _NEEDED + _PICTURES)
    first = next(iter(arrays.values()))
    for content in arrays.values():
        if list(content["image"]) != list(first["image"]):
            checks.refuse(
                "arrays", f"of the same images {list(first['image'])}", list(content["image"])
            )
    stages = sorted({int(stage) for content in arrays.values() for stage in content["stages"]})
    names, count = list(arrays), len(first["image"])
    size = (_CELL * (1 + len(stages)) + 0.4, (_CELL + 0.14) * count * len(names) + 0.35)
    figure = Figure(figsize=size, layout="constrained")  # without pyplot: no global state
    axes = figure.subplots(count * len(names), 1 + len(stages), squeeze=False)
    for row, line in enumerate(axes):
        image, name = row // len(names), names[row % len(names)]
        content = arrays[name]
        _draw(line[0], content["originals"][image])
        line[0].set_ylabel(name.replace("$", r"\$"), fontsize=7)
        own = [int(stage) for stage in content["stages"]]
        for place, stage in zip(line[1:], stages, strict=True):
            if stage not in own:
                place.set_axis_off()
                continue
            at = own.index(stage)
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


def _draw(place: Axes, picture: np.ndarray) -> None:
    place.imshow(picture, interpolation="nearest")
    place.set_xticks([])
    place.set_yticks([])
    for spine in place.spines.values():
        spine.set_visible(False)


def _short(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
