"""Detection by many scores: a heat map of AUROCs, ROC curves, and histograms of scores."""

import dataclasses
from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from glowjax.plots.histograms import draw_histograms
from glowjax.plots.style import PAGE_WIDTH, Vector, finished, finite_arrays, legend_entries, new_figure, styled
from glowjax.stats import Estimate

ROW_INCHES = 0.19
CELL_INCHES = 0.62
"""The width of a cell whose number can be read."""

DARK = 0.3
"""Cells further than this from 0.5 are dark, so their numbers are white."""

ROLES = {"best": "#0072B2", "likelihood": "#000000", "worst": "#D55E00"}
"""The colors of the scores whose curves are drawn."""


@dataclasses.dataclass(frozen=True)
class HeatRow:
    """A row of the heat map.

    Attributes:
        name: the score.
        auroc: its AUROC for each set, or NaN if there is none.
        marked: whether its number for each set is bold.
        framed: whether its number for each set has a frame.
    """

    name: str
    auroc: Sequence[float]
    marked: Sequence[bool]
    framed: Sequence[bool]


@styled
def score_heat_map(groups: Mapping[str, Sequence[HeatRow]], sets: Sequence[str], num_asked: int) -> Figure:
    """The AUROC of each score (rows, by group) for each OOD set (columns): blue above 0.5, red below.

    The first `num_asked` sets were asked for, and a line separates them from those that should be easy. More sets than
    fit with their numbers are shown by color alone.
    """
    lines: list[HeatRow | str] = []
    for group, rows in groups.items():
        lines += [group, *rows]
    nothing = [np.nan] * len(sets)
    cells = np.array([nothing if isinstance(line, str) else list(line.auroc) for line in lines], np.float64)
    longest = max(len(line if isinstance(line, str) else line.name) for line in lines)
    room = PAGE_WIDTH - 0.075 * longest - 0.8
    cell = min(CELL_INCHES, room / len(sets))
    is_crowded = cell < 0.8 * CELL_INCHES
    width = PAGE_WIDTH - room + cell * len(sets)
    figure = Figure(figsize=(width, 0.9 + is_crowded + ROW_INCHES * len(lines)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(cells, cmap="RdBu", vmin=0, vmax=1, aspect="auto", interpolation="none")
    for y, line in enumerate(lines):
        if isinstance(line, HeatRow):
            _frame(axes, y, line)
            if not is_crowded:
                _write_row(axes, y, line)
    if 0 < num_asked < len(sets):
        axes.axvline(num_asked - 0.5, color="black", linewidth=0.8)
    if is_crowded:
        axes.set_xticks(range(len(sets)), sets, rotation=90, fontsize=min(8, 60 * cell))
    else:
        axes.set_xticks(range(len(sets)), [fill(name, 12) for name in sets], fontsize="small")
    axes.set_yticks(range(len(lines)), [line if isinstance(line, str) else line.name for line in lines])
    for label, line in zip(axes.get_yticklabels(), lines, strict=True):
        label.set(fontsize="small", fontweight="bold" if isinstance(line, str) else "normal")
    axes.tick_params(length=0, top=True, bottom=False, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, location="bottom", label="AUROC", aspect=40, shrink=0.8, pad=0.02)
    return finished(figure)


def _frame(axes: Axes, y: int, row: HeatRow) -> None:
    for x in np.flatnonzero(row.framed):
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor="black", linewidth=1.5))


def _write_row(axes: Axes, y: int, row: HeatRow) -> None:
    for x, (value, marked) in enumerate(zip(row.auroc, row.marked, strict=True)):
        text = f"{value:.2f}" if np.isfinite(value) else "-"
        color = "white" if abs(value - 0.5) > DARK else "0.1"
        weight = "bold" if marked else "normal"
        axes.text(x, y, text, ha="center", va="center", fontsize="small", color=color, fontweight=weight)


@styled
def roc_curves(curves: Mapping[str, Mapping[str, tuple[str, Vector, Vector]]]) -> Figure:
    """ROC curves of the best score, the worst and the likelihood; one panel per OOD set.

    `curves` is {set: {role: (label, false positive rates, true positive rates)}} with the roles of `ROLES`.
    """
    num_columns = max(2, min(3, len(curves)))
    num_rows = -(-len(curves) // num_columns)
    height = 3.2 if len(curves) == 1 else 9.5 / num_columns * num_rows
    figure, panels = new_figure(height, len(curves), num_columns)
    for axes, (name, by_role) in zip(panels, curves.items(), strict=True):
        axes.plot([0, 1], [0, 1], color="0.7", linewidth=1, zorder=1)
        for role, (label, false, true) in by_role.items():
            axes.plot(false, true, color=ROLES[role], label=label)
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), title=name, xlabel="in-distribution images flagged")
        place = (1.05, 1.0) if len(curves) == 1 else (0.0, -0.22)
        axes.legend(*legend_entries(axes), loc="upper left", bbox_to_anchor=place, fontsize="small")
    panels[0].set_ylabel("OOD images flagged")
    return finished(figure)


@styled
def score_histograms(scores: Mapping[str, Mapping[str, Vector]], reach: float = 3.0) -> Figure:
    """Histograms of scores; one panel per score. `scores` is {panel's title: {set: [N]}}, the test set first.

    Higher scores, further right, mean more out-of-distribution.
    """
    figure, panels = new_figure(2.2 * len(scores) + 0.3, len(scores), 1)
    for axes, (name, sets) in zip(panels, scores.items(), strict=True):
        arrays = finite_arrays(sets)
        draw_histograms(axes, arrays, {one: one for one in arrays}, reach, {})
        axes.set(title=name, ylabel="share of the peak")
        axes.legend(*legend_entries(axes), loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize="small")
    panels[-1].set_xlabel("score   (more out-of-distribution →)")
    return finished(figure)


@styled
def auroc_by_place(
    places: Sequence[str],
    curves: Mapping[str, Mapping[str, Sequence[Estimate | float | None]]],
    likelihood: Mapping[str, Estimate],
    label: str,
) -> Figure:
    """AUROC by level or scale; one panel per OOD set, a line per score, with 95 % intervals.

    `curves` is {set: {score: its AUROC at each place}}, and `likelihood` has the dotted line of each set.
    """
    num_columns = min(2, len(curves))
    num_rows = -(-len(curves) // num_columns)
    figure, panels = new_figure(3.2 * num_rows + 0.9, len(curves), num_columns)
    names = list(dict.fromkeys(score for by_score in curves.values() for score in by_score))
    for axes, (name, by_score) in zip(panels, curves.items(), strict=True):
        axes.axhline(0.5, color="0.8", linewidth=1, zorder=1)
        axes.axhline(float(likelihood[name].value), color="black", linestyle=":", label="likelihood", zorder=1)
        for score, aurocs in by_score.items():
            place = names.index(score)
            x = np.arange(len(places)) + 0.06 * (place - (len(names) - 1) / 2)  # bars side by side
            ends = [_value_and_interval(one) for one in aurocs]
            values, low, high = np.asarray(ends, np.float64).T
            errors = np.maximum([values - low, high - values], 0)
            axes.errorbar(x, values, errors, color=f"C{place}", marker="o", markersize=3, linewidth=1, label=score)
        axes.set(ylim=(-0.03, 1.03), title=name, xlabel=label, ylabel="AUROC")
        axes.set_xticks(range(len(places)), places)
    return finished(figure, panels[0])


def _value_and_interval(auroc: Estimate | float | None) -> tuple[float, float, float]:
    if isinstance(auroc, Estimate):
        return (float(auroc.value), *map(float, auroc.interval))  # type: ignore[return-value]
    return (np.nan,) * 3 if auroc is None else (auroc,) * 3
