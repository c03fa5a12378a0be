"""Histograms on one axis, with the reference sets as bars below them."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from glowjax.plots.style import line_styles

Values: TypeAlias = Float[np.ndarray, " _"]
Sets: TypeAlias = Mapping[str, Values]

MAX_BINS = 80
BULK = (0.002, 0.998)  # the quantiles between which a histogram is drawn,
TAIL = 4.0  # but no further from the quartiles than so many times their distance: heavy tails would squash the rest

ROW_HEIGHT = 0.28  # inches of the figure for each reference set
ROW = 0.17  # the same in shares of the peak above
MIDDLE = (0.025, 0.975)  # the quantiles between which the bar of a reference set extends
NEARBY = 0.4  # how far from the histograms a reference set may lie and still widen the axis, in widths of the axis
GRAY = "0.35"


def draw_histograms(axes: Axes, sets: Sets, labels: Mapping[str, str], reach: float, references: Sets) -> None:
    """Draws each set over a range that suits the first one; the label of a set says how much of it does not fit."""
    low, high = _extended(_range(sets, reach), references)
    for order, (name, style) in enumerate(line_styles(sets).items()):
        values, label = sets[name], labels[name]
        outside = np.mean((values < low) | (values > high))
        if not low <= np.median(values) <= high:
            side = "left" if np.median(values) < low else "right"
            axes.plot([], [], label=f"{label}, not drawn: {outside:.0%} off scale to the {side}", **style)
        elif _is_constant(values):
            axes.axvline(values.mean(), label=f"{label}, constant", **style)
        else:
            counts, edges = np.histogram(values, _num_bins(values, high - low), (low, high))
            filled = np.flatnonzero(counts)
            shown = slice(filled[0], filled[-1] + 1)  # no line along zero to either side
            heights, borders = counts[shown] / counts.max(), edges[shown.start : shown.stop + 1]
            note = f", {outside:.0%} off scale" if outside >= 0.02 else ""
            axes.stairs(heights, borders, fill=True, alpha=0.25, color=style["color"], zorder=2 + order)
            axes.stairs(heights, borders, label=label + note, zorder=2.5 + order, **style)
    axes.set(xlim=(low, high), ylim=(0, 1.05), ylabel="density [share of the peak]")


def _num_bins(values: Values, span: float) -> int:
    """Bins of Freedman and Diaconis' width over an axis of that span: few values get few bins."""
    first, third = np.quantile(values, (0.25, 0.75))
    width = 2 * (third - first) / len(values) ** (1 / 3)
    return MAX_BINS if width * MAX_BINS <= span else max(1, round(span / width))


def _is_constant(values: Values) -> bool:
    """Whether the values differ by no more than the float32 rounding of a sum over an image."""
    return bool(np.ptp(values) <= 1e-5 * max(1.0, np.abs(values).max()))


def _bulk(values: Values) -> tuple[float, float]:
    """(low, high) of all but a few of the values."""
    low, first, third, high = np.quantile(values, (BULK[0], 0.25, 0.75, BULK[1])).tolist()
    far = TAIL * (third - first) or np.inf
    return max(low, first - far), min(high, third + far)


def _range(sets: Sets, reach: float) -> tuple[float, float]:
    """(low, high) that shows the bulk of every set whose median lies within reach of the first set."""
    values = list(sets.values())
    bulks = np.array([_bulk(v) for v in values])
    medians = np.array([np.median(v) for v in values])
    low, high = bulks[0]
    # A constant first set has no width to measure by: then everything is within reach.
    window = np.inf if _is_constant(values[0]) else reach * (high - low)
    near = bulks[(medians >= low - window) & (medians <= high + window)]
    low, high = max(low - window, near[:, 0].min()), min(high + window, near[:, 1].max())
    # If every set is one and the same constant, its size gives the range.
    margin = max(0.01 * abs(high), 1.0) if _is_constant(near.ravel()) else 0.04 * (high - low)
    return float(low - margin), float(high + margin)


def _extended(limits: tuple[float, float], references: Sets) -> tuple[float, float]:
    """The limits of an axis, widened to the reference sets that lie within them or near them."""
    low, high = limits
    margin, pad = NEARBY * (high - low), 0.02 * (high - low)
    for values in references.values():
        left, right = np.quantile(values, MIDDLE)
        if low - margin <= left and right <= high + margin:
            limits = min(limits[0], float(left) - pad), max(limits[1], float(right) + pad)
    return limits


def draw_references(axes: Axes, references: Sets, mean: Callable[[Values], str]) -> None:
    """Draws a row below zero per set: a bar of its middle 95 % with the mean, or an arrow to where it lies."""
    if not references:
        return
    low, high = axes.get_xlim()
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=1)
    for row, (name, values) in enumerate(references.items()):
        y, center = -ROW * (row + 0.8), values.mean()
        left, right = np.quantile(values, MIDDLE)
        is_outside = center < low or center > high
        note = f"{name}: mean {mean(values)}{' (off scale)' if is_outside else ''}"
        axes.annotate(
            note, (0.005, y + 0.045), xycoords=("axes fraction", "data"), fontsize="small", color=GRAY, va="bottom"
        )
        if is_outside:
            edge, marker = (low, "<") if center < low else (high, ">")
            axes.plot(edge, y, marker=marker, color=GRAY, markersize=6, clip_on=False)
        else:
            axes.plot([max(left, low), min(right, high)], [y, y], color=GRAY, linewidth=3, solid_capstyle="butt")
            axes.plot(center, y, marker="o", color=GRAY, markersize=5, markeredgecolor="white")
    axes.set_ylim(-ROW * (len(references) + 0.1), axes.get_ylim()[1])
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set_ylabel(axes.get_ylabel(), y=1, ha="right")
