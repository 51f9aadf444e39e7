"""Pictures of predicted points, and the cumulative error curve.

Legend: N images, P points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from instdisc.checks import checked_call, instance, output_folder, picture_file, refuse
from instdisc.data import LandmarkData, LandmarkSource
from instdisc.metrics import cumulative_errors, image_errors

from .module import LandmarkModule, Shown
from .records import tested

_MOST = 0.15  # right end of the curve


@checked_call(folder=output_folder)
def save_pictures(module: LandmarkModule, data: LandmarkData, folder: str | Path) -> list[Path]:
    """Draws what a module found in its last test.

    Args:
        module: after a test.
        data: what it was tested on.
        folder: gets ``landmarks.png`` (`landmark_figure`) and ``curve.png`` (`curve_figure`).

    Returns:
        The files.

    Raises:
        ValueError: if `module` was not tested.
    """
    errors, about = tested(module).errors, module.history.about
    folder = Path(folder)
    return [
        landmark_figure(data.test, module.shown, folder / "landmarks.png"),
        curve_figure({about.method or about.architecture: errors}, folder / "curve.png"),
    ]


@checked_call(path=picture_file)
def landmark_figure(images: LandmarkSource, shown: Sequence[Shown], path: str | Path) -> Path:
    """Test images with their points: the true ones green, the predicted ones red, a line between.

    Points that do not count are left out.

    Args:
        images: the test set.
        shown: what `LandmarkModule.shown` holds after a test.
        path: where to save; the suffix chooses the format.

    Returns:
        `path`.

    Raises:
        ValueError: if `shown` is empty.
    """
    if not shown:
        refuse("shown", "of at least one image", [], "Test the module first.")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = min(4, len(shown))
    rows = -(-len(shown) // columns)
    # Figure without pyplot: no global state, no window system.
    figure = Figure(figsize=(2.6 * columns, 2.6 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    dot = 14 if len(images.layout.names) < 20 else 4
    for axes, face in zip(grid.flat, shown, strict=False):  # the last row may not be full
        image = images.read(face.position)
        height, width = image.shape[1:]
        # Pixel i spans i to i + 1.
        axes.imshow(image.permute(1, 2, 0).numpy(), extent=(0, width, height, 0))
        true, predicted = face.points[face.visible], face.predicted[face.visible]
        lines = torch.stack([true, predicted], 1)  # (P', 2, 2)
        axes.plot(*lines.permute(2, 1, 0).numpy(), color="yellow", linewidth=0.6)
        axes.scatter(*true.T.numpy(), s=dot, color="lime", linewidths=0)
        axes.scatter(*predicted.T.numpy(), s=dot, color="red", linewidths=0)
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
    figure.savefig(path, dpi=150)
    return path


@checked_call(path=picture_file)
def curve_figure(errors: Mapping[str, Tensor], path: str | Path) -> Path:
    """Cumulative error curves: the share of the images below each error.

    Args:
        errors: of each method, ``(N, P)``, NaN where a point does not count.
        path: where to save; the suffix chooses the format.

    Returns:
        `path`.

    Raises:
        ValueError: if `errors` is empty.
    """
    for label, values in errors.items():
        instance(f"errors[{label!r}]", values, Tensor, "a tensor (N, P)")
    if not errors:
        refuse("errors", "of at least one method", dict(errors))
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axes = figure.subplots()
    steps = torch.linspace(0, _MOST, 301, dtype=torch.float64)
    for method, of_points in errors.items():
        of_images = image_errors(of_points.double(), ~of_points.isnan())
        shares = cumulative_errors(of_images[~of_images.isnan()], steps)
        axes.plot(100 * steps.numpy(), 100 * shares.numpy(), label=method)
    for threshold in (8, 10):
        axes.axvline(threshold, color="grey", linewidth=0.6, linestyle=":")
    axes.set_xlim(0, 100 * _MOST)
    axes.set_ylim(0, 100)
    axes.set_xlabel("mean error of an image over the eyes' distance (%)")
    axes.set_ylabel("images (%)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
    return path
