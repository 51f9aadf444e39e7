"""What detectors get wrong: what mending each type of error would add, and types of detections."""

from __future__ import annotations

from matplotlib.patches import Patch

from ..comparison import Comparison
from ..material import Material
from .chart import Chart
from .measured import Measured, group_by, interval_sentence, measure, set_names, slug, told
from .methods import Methods, arrange
from .rows import draw_rows, point
from .style import NARROW, SMALL, add_legend, name_axes, new_figure, wrapped

# What each type of Bolya et al. (2020) is, and what of Hoiem et al. (2012).
TIDE = {
    "dAP Cls": "wrong class",
    "dAP Loc": "wrong place",
    "dAP Both": "wrong class and place",
    "dAP Dupe": "duplicate",
    "dAP Bkg": "background",
    "dAP Miss": "missed",
    "dAP FalsePos": "all false positives",
    "dAP FalseNeg": "all false negatives",
}
HOIEM = {
    "Cor": ("correct", "#0072B2", "white"),
    "Loc": ("wrong place", "#56B4E9", "black"),
    "Sim": ("similar class", "#F0E442", "black"),
    "Oth": ("other class", "#E69F00", "black"),
    "BG": ("background", "#D9DCE1", "black"),
}
_NARROWEST = 6  # percent of a bar that has room for its number


def draw_detection_errors(material: Material, comparison: Comparison) -> list[Chart]:
    """Gains of TIDE with intervals, and shares of Hoiem as bars, for each data set.

    Args:
        material: records of the analysis `errors`.
        comparison: of the same records: it orders the methods.
    """
    methods = arrange(material, comparison)
    charts = []
    for task, types, draw in (("tide", set(TIDE), _draw_tide), ("hoiem", set(HOIEM), _draw_hoiem)):
        values = [v for v in _of_task(material, task) if _type(v) in types]
        names = set_names(values)
        for (dataset, variant, kind), group in group_by(
            values, lambda v: (v.result.dataset, v.result.variant, _kind(v))
        ).items():
            name = ", ".join(filter(None, (names[dataset], variant, kind)))
            charts.append(draw(name, group, methods))
    return charts


def _of_task(material: Material, task: str) -> list[Measured]:
    return measure(material, lambda record: record.task == task)


def _kind(value: Measured) -> str:
    return "masks" if value.result.metric.startswith("mask ") else ""


def _type(value: Measured) -> str:
    return value.result.metric.removeprefix("mask ")


def _draw_tide(name: str, values: list[Measured], methods: Methods) -> Chart:
    present = {value.method for value in values}
    chosen = methods.choose(present)
    kept = [value for value in values if value.method in chosen]
    by_type = group_by(kept, _type)
    rows = {TIDE[key]: by_type[key] for key in TIDE if key in by_type}
    figure = draw_rows(
        {row: [point(value) for value in group] for row, group in rows.items()},
        {method: methods.styles[method] for method in chosen},
        label="AP50 gained if mended (points)",
        zero=True,
    )
    gists = []
    for method, group in group_by(kept, lambda v: v.method).items():
        types = [v for v in group if not _type(v).startswith("dAP False")]
        worst = max(types or group, key=lambda v: v.pooled.value)
        gain = told(worst.pooled.value, "points")
        gists.append(f"{method} would gain most, {gain}, by mending {TIDE[_type(worst)]}")
    return Chart(
        name=slug("tide", name),
        title=f"Detection errors on {name}",
        caption="AP50 that a detector would gain if errors of one type alone were mended (TIDE); "
        "the last two rows tell the same errors in another way."
        + interval_sentence(kept)
        + methods.left_out(present),
        alternative="; ".join(gists) + ".",
        figure=figure,
    )


def _draw_hoiem(name: str, values: list[Measured], methods: Methods) -> Chart:
    present = {value.method for value in values}
    chosen = methods.choose(present)
    shares = {
        method: {_type(v): v.pooled.value for v in values if v.method == method}
        for method in chosen
    }
    figure, (axes,) = new_figure(NARROW, 0.7 + 0.36 * len(chosen))
    for row, of_types in enumerate(shares.values()):
        left = 0.0
        for key, (_, colour, ink) in HOIEM.items():
            width = of_types.get(key, 0.0)
            axes.barh(row, width, 0.7, left=left, color=colour, edgecolor="white", linewidth=0.8)
            if width >= _NARROWEST:
                axes.text(
                    left + width / 2, row, f"{width:.0f}", color=ink, ha="center", va="center",
                    fontsize=SMALL,
                )  # fmt: skip
            left += width
    axes.set_yticks(range(len(chosen)), [wrapped(method, 22) for method in chosen], fontsize=SMALL)
    axes.set_ylim(len(chosen) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.tick_params(axis="y", length=0)
    name_axes(axes, x="share of the best detections (%)")
    handles = [Patch(color=colour) for _, colour, _ in HOIEM.values()]
    add_legend(figure, handles, [text for text, _, _ in HOIEM.values()])
    gists = (
        f"{method}: " + ", ".join(f"{HOIEM[key][0]} {told(v, '%')}" for key, v in row.items())
        for method, row in shares.items()
    )
    return Chart(
        name=slug("hoiem", name),
        title=f"Types of detections on {name}",
        caption="The best detections of each class, as many as it has objects, by what they are "
        "(Hoiem); means over the classes." + methods.left_out(present),
        alternative="; ".join(gists) + ".",
        figure=figure,
    )
