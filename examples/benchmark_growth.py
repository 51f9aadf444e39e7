"""How time and memory of the loss grow with the queue, the batch and the number of classes.

    python examples/benchmark_growth.py --out docs/growth.svg

One call is the loss, its backward pass and the enqueueing of the keys, D 128, float32. Losses take
turns within the run; drawn are medians. lightly's NTXentLoss knows no classes; it is drawn where
the number of classes does not matter to it.
"""

import argparse
from pathlib import Path

import benchmarks.loss
import torch
from benchmarks.device import processor
from benchmarks.measure import measure
from benchmarks.memory import peak_memory
from matplotlib.figure import Figure

LOSSES = {  # contender of the benchmark: colour
    "lightly: NTXentLoss, no class rule": "0.5",
    "ours: InstanceDiscriminationLoss": "tab:blue",
    "ours: ExemplarLoss": "tab:orange",
    "ours: SupConLoss": "tab:green",
}
AXES = {  # what grows: its values; the others stay at B 64, K 65,536 and 1,000 classes
    "keys in the queue": [4096, 16384, 65536, 262144, 1_281_167],
    "queries in the batch": [64, 128, 256, 512, 1024],
    "classes": [2, 10, 100, 1000, 10_000],
}


def main(arguments: list[str] | None = None) -> list[dict[str, object]]:
    """Measures, draws the figure and prints one line per point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("growth.svg"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--scale", type=int, default=1, help="divide all sizes by this, to try it")
    options = parser.parse_args(arguments)
    points = []
    for axis, values in AXES.items():
        for value in values:
            size = max(2, value // options.scale)
            point: dict[str, object] = {"axis": axis, "value": size}
            contenders = benchmarks.loss.losses(
                options,
                size if axis == "queries in the batch" else 64,
                size if axis == "keys in the queue" else 65536 // options.scale,
                num_classes=size if axis == "classes" else 1000,
            )
            contenders = {name: contenders[name] for name in LOSSES}
            times = measure(contenders, options.repeats, options.device)
            for name, taken in times.items():
                memory = peak_memory(contenders[name], options.device)
                point[name] = (sorted(taken)[len(taken) // 2], memory / 2**20)
            print(point, flush=True)
            points.append(point)
    draw(points, options.out, options.device)
    return points


def draw(points: list[dict[str, object]], path: Path, device: str) -> None:
    """Time above, memory below; one column for each thing that grows."""
    figure = Figure(figsize=(11, 6), layout="constrained")
    panels = figure.subplots(2, len(AXES))
    for column, axis in enumerate(AXES):
        own = [point for point in points if point["axis"] == axis]
        for row, unit in enumerate(("milliseconds", "MiB beyond the bank")):
            panel = panels[row][column]
            for name, colour in LOSSES.items():
                numbers = [point[name][row] for point in own]  # type: ignore[index]
                panel.plot([point["value"] for point in own], numbers, "o-", color=colour)
            panel.set(xscale="log", yscale="log", xlabel=axis)
            panel.grid(alpha=0.3)
            if column == 0:
                panel.set_ylabel(unit)
    lines = panels[0][0].lines
    figure.legend(lines, LOSSES, fontsize="small", loc="outside lower center", ncols=len(LOSSES))
    machine = torch.cuda.get_device_name() if device == "cuda" else processor()
    figure.suptitle(f"Loss, backward and enqueue ({machine})", fontsize="medium")
    figure.savefig(path)


if __name__ == "__main__":
    main()
