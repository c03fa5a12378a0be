"""Generated images beneath a histogram: a bar for each set, so that noise and constants crowd out nothing."""

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.axes import Axes

ROW_HEIGHT = 0.28  # inches of the figure for each set
ROW = 0.17  # the same in shares of the peak above
MIDDLE = (0.025, 0.975)
NEARBY = 0.4  # how far off the histograms a set may lie for the axis to reach out to it, in widths of the axis
GREY = "0.35"


def extended(limits: tuple[float, float], references: Mapping[str, np.ndarray]) -> tuple[float, float]:
    """The limits (low, high) of an axis, widened to the sets that lie within them or near them."""
    low, high = limits
    margin = NEARBY * (high - low)
    for values in references.values():
        left, right = np.quantile(values, MIDDLE)
        if low - margin <= left and right <= high + margin:
            pad = 0.02 * (high - low)
            limits = min(limits[0], float(left) - pad), max(limits[1], float(right) + pad)
    return limits


def draw_references(axes: Axes, references: Mapping[str, np.ndarray], in_words: Callable[[np.ndarray], str]) -> None:
    """A row beneath zero for each set: the bar of its middle 95 % with the mean, or an arrow where that is off scale.

    Args:
        axes: holds histograms from 0 to 1, with the limits of its horizontal axis set.
        references: {set: [N]}, in the units of the axis.
        in_words: a set's mean with its unit.
    """
    if not references:
        return
    low, high = axes.get_xlim()
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=1)
    for row, (name, values) in enumerate(references.items()):
        y = -ROW * (row + 0.8)
        (left, right), mean = np.quantile(values, MIDDLE), values.mean()
        beside = mean < low or mean > high
        note = " (off scale)" if beside else ""
        axes.annotate(
            f"{name}: mean {in_words(values)}{note}",
            (0.005, y + 0.045),
            xycoords=("axes fraction", "data"),
            fontsize="small",
            color=GREY,
            va="bottom",
        )
        if beside:
            edge = low if mean < low else high
            axes.plot(edge, y, marker="<" if mean < low else ">", color=GREY, markersize=6, clip_on=False)
        else:
            axes.plot([max(left, low), min(right, high)], [y, y], color=GREY, linewidth=3, solid_capstyle="butt")
            axes.plot(mean, y, marker="o", color=GREY, markersize=5, markeredgecolor="white")
    axes.set_ylim(-ROW * (len(references) + 0.1), axes.get_ylim()[1])
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set_ylabel(axes.get_ylabel(), y=1, ha="right")
