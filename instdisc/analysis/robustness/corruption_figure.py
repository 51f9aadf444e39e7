"""What corruptions look like, and what they cost.

Legend: K corruptions, S severities, N images, T side of a thumbnail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from instdisc import checks
from instdisc.checks import checked_call

from ..analysis import Arrays, checkpoint_arrays, plain_text
from .corruptions import CORRUPTIONS, corrupt
from .evaluate_corruptions import check_corruptions
from .strengths import SEVERITIES

_COLUMNS = 5


@checked_call()
def corruption_figure(arrays: Mapping[str, Arrays]) -> Figure:
    """Error over severity, a panel for each corruption and a line for each checkpoint.

    Args:
        arrays: by checkpoint, what `evaluate_corruptions` keeps. Severity 0 is the clean image;
            the thumbnail above a panel is the first test image at the middle severity.

    Raises:
        ValueError: if there is no checkpoint, an array is missing, or they are of different
            corruptions or severities.

    Example:
        >>> right = np.array([[[True, False], [False, False]]])
        >>> some = {"corruption": np.array(["fog"]), "severity": np.array([1, 5]),
        ...     "clean": np.array([True, True]), "right": right}
        >>> len(corruption_figure({"MoCo": some}).axes)
        2
    """
    checkpoint_arrays("arrays", arrays, ["corruption", "severity", "clean", "right"])
    first = next(iter(arrays.values()))
    for checkpoint, content in arrays.items():
        for name in ("corruption", "severity"):
            if content[name].tolist() != first[name].tolist():
                checks.refuse(
                    "arrays",
                    f"of the same {name} for every checkpoint",
                    content[name].tolist(),
                    f"{checkpoint}: evaluate all of them alike.",
                )
    names, severities = first["corruption"].tolist(), first["severity"].tolist()
    thumbnails = first.get("thumbnail")
    rows = -(-(len(names) + 1) // _COLUMNS)
    columns = min(_COLUMNS, len(names) + 1)
    heights = [0.9, 1.4] if thumbnails is not None else [1.4]
    figure = Figure(figsize=(2.1 * columns, sum(heights) * 1.25 * rows), layout="constrained")
    grid = figure.subplots(
        rows * len(heights),
        columns,
        squeeze=False,
        gridspec_kw={"height_ratios": heights * rows},
    )
    for axes in grid.flat:
        axes.set_axis_off()
    for place, name in enumerate(["mean", *names]):
        row, column = divmod(place, columns)
        axes = grid[row * len(heights) + len(heights) - 1, column]
        axes.set_axis_on()
        for checkpoint, content in arrays.items():
            errors = 100 * (1 - content["right"].mean(-1))  # (K, S)
            line = errors.mean(0) if not place else errors[place - 1]
            clean = 100 * (1 - content["clean"].mean())
            axes.plot([0, *severities], [clean, *line], marker=".", label=plain_text(checkpoint))
        axes.set_ylim(0, 100)
        axes.set_xticks([0, *severities])
        axes.tick_params(labelsize=7)
        title = "clean; mean of all" if not place else name.replace("_", " ")
        top = axes if thumbnails is None else grid[row * len(heights), column]
        top.set_title(title, fontsize=8)
        if thumbnails is not None:
            top.imshow(thumbnails[place])
        if not column:
            axes.set_ylabel("error in %", fontsize=8)
    handles, labels = grid[len(heights) - 1, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, fontsize=8)
    figure.supxlabel("severity, 0 = clean", fontsize=8)
    return figure


@checked_call()
def corruption_strip(
    image: Tensor,
    *,
    corruptions: Sequence[str] = CORRUPTIONS,
    severities: Sequence[int] = SEVERITIES,
    thumbnail: int = 64,
    seed: int = 0,
) -> Figure:
    """An image with each corruption (rows) at each severity (columns), itself on the left.

    Args:
        image: ``(3, H, W)`` uint8.
        corruptions: kinds, see `CORRUPTIONS`.
        severities: 1 to 5.
        thumbnail: side in pixels of what is drawn.
        seed: of the corruptions.

    Raises:
        TypeError: if `image` is not of uint8.
        ValueError: if there is no such corruption or severity.

    Example:
        >>> from instdisc.data import Scenes
        >>> figure = corruption_strip(Scenes(1, image_size=32).read(0), corruptions=["snow"])
        >>> len(figure.axes)
        1
    """
    check_corruptions(corruptions, severities)
    checks.whole("thumbnail", thumbnail)
    checks.shape("image", image, (3, "H", "W"))
    checks.dtype("image", image, torch.uint8)
    clean = image[None].float() / 255
    rows = []
    for corruption in corruptions:
        row = [clean, *(corrupt(clean, corruption, severity=s, seed=seed) for s in severities)]
        small = F.interpolate(
            torch.cat(row), (thumbnail, thumbnail), mode="bilinear", antialias=True
        )
        rows.append(torch.cat(list(small), 2))
    strip = torch.cat(rows, 1).clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    count = len(severities) + 1
    figure = Figure(figsize=(0.8 * count + 1.5, 0.8 * len(rows) + 0.3), layout="constrained")
    axes = figure.subplots()
    axes.imshow(strip)
    axes.set_xticks(
        thumbnail * (np.arange(count) + 0.5), ["clean", *map(str, severities)], fontsize=7
    )
    names = [name.replace("_", " ") for name in corruptions]
    axes.set_yticks(thumbnail * (np.arange(len(rows)) + 0.5), names, fontsize=7)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    for side in axes.spines.values():
        side.set_visible(False)
    return figure
