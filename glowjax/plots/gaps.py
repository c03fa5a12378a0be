"""Likelihood gaps: measured beside predicted, and divided into parts."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from glowjax.checks import InputError
from glowjax.plots.style import COLORS, finished, new_figure, styled, values_and_errors
from glowjax.stats import Estimate

MARKERS = {"measured": ("o", COLORS[0]), "exact parts": ("s", COLORS[2]), "predicted": ("D", COLORS[1])}


@styled
def gap_estimates(groups: Mapping[str, Mapping[str, Estimate]], title: str = "") -> Figure:
    """Estimates of a likelihood gap and of its parts, one row each, with two standard errors, on a symmetric-log axis.

    `groups` is {"measured" | "exact parts" | "predicted": {label: estimate in nats}} from top to bottom. The first
    measured one is the gap, which a vertical line marks.
    """
    if "measured" not in groups or not set(groups) <= set(MARKERS):
        raise InputError(f"The groups are {sorted(groups)}; expected 'measured', and others of {sorted(MARKERS)}.")
    labels = [label for named in groups.values() for label in named]
    figure, (axes,) = new_figure(1.3 + 0.26 * len(labels))
    gap = float(next(iter(groups["measured"].values())).value)
    axes.axvline(0, color="0.85", linewidth=1, zorder=0)
    axes.axvline(gap, color=MARKERS["measured"][1], linewidth=1, linestyle=(0, (1.5, 1.5)), zorder=1)
    num_drawn = 0
    for group, named in groups.items():
        marker, color = MARKERS[group]
        values, errors = values_and_errors(named.values())
        rows = num_drawn + np.arange(len(values))
        axes.errorbar(values, rows, xerr=2 * errors, fmt=marker, color=color, capsize=3, markersize=5, label=group)
        num_drawn += len(values)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    _symmetric_log_axis(axes, gap)
    axes.set_xlabel("nats, symmetric log axis; bars: 2 standard errors")
    axes.set_title(title, loc="right")  # the row labels take up the left
    return finished(figure, axes)


def _symmetric_log_axis(axes: Axes, gap: float) -> None:
    """Makes the horizontal axis linear up to the gap's power of ten and logarithmic beyond, with a tick per power."""
    decade = max(1, int(np.floor(np.log10(max(abs(gap), 1.0)))))
    axes.set_xscale("symlog", linthresh=10.0**decade)
    axes.margins(x=0.06)
    low, high = axes.get_xlim()
    powers = [10.0**k for k in range(decade, int(np.log10(max(-low, high, 10.0**decade))) + 1)]
    axes.set_xticks([tick for tick in (*[-power for power in powers], 0, *powers) if low <= tick <= high])
    axes.set_xlim(low, high)


@styled
def gap_by_part(gaps: Mapping[str, Mapping[str, Estimate]], title: str = "") -> Figure:
    """Bars of the parts of each set's gap, in nats with two standard errors; each panel has its own axis.

    `gaps` is {set: {part: estimate}} with the same parts for every set, the part "total" last. The color of a part
    follows the last phrase of its name: "scale 1, prior" and "scale 2, prior" look alike.
    """
    parts = list(next(iter(gaps.values())))
    kinds = list(dict.fromkeys(part.rpartition(", ")[2] for part in parts))
    colors = {kind: "0.3" if kind == "total" else COLORS[n % len(COLORS)] for n, kind in enumerate(kinds)}
    num_rows = -(-len(gaps) // 2)
    figure, panels = new_figure(0.4 + num_rows * (0.85 + 0.2 * len(parts)), len(gaps), num_columns=2)
    for index, (axes, (name, estimates)) in enumerate(zip(panels, gaps.items(), strict=True)):
        values, errors = values_and_errors(estimates[part] for part in parts)
        color = [colors[part.rpartition(", ")[2]] for part in parts]
        bars = {"capsize": 2, "linewidth": 1}
        axes.barh(range(len(parts)), values, xerr=2 * errors, color=color, height=0.7, error_kw=bars)
        axes.axvline(0, color="0.3", linewidth=0.8)
        axes.set_yticks(range(len(parts)), parts if index % 2 == 0 else [""] * len(parts))
        axes.invert_yaxis()
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set(title=name, xlabel="difference in mean log p [nats]")
    return finished(figure, title=title)
