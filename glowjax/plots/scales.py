"""A likelihood gap taken apart, a panel for each image set."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from glowjax.plots.style import COLOURS, new_figure, styled


@styled
def gap_by_part(gaps: Mapping[str, Mapping[str, tuple[float, float]]], title: str = "") -> Figure:
    """Bars of the parts of each set's gap, in nats with two standard errors; each panel has its own axis.

    Args:
        gaps: {set: {part: (mean, standard error)}}, the same parts for every set; a part named "total" is the last.
        title: above the figure.
    """
    parts = list(next(iter(gaps.values())))
    kinds = list(dict.fromkeys(part.rpartition(", ")[2] for part in parts))  # "scale 1, prior" is of the kind "prior"
    colours = {kind: "0.3" if kind == "total" else COLOURS[n % len(COLOURS)] for n, kind in enumerate(kinds)}
    num_rows = -(-len(gaps) // 2)
    figure, panels = new_figure(0.4 + num_rows * (0.85 + 0.2 * len(parts)), num_columns=2, num_rows=num_rows)
    places = np.arange(len(parts))
    for index, (axes, (name, values)) in enumerate(zip(panels, gaps.items(), strict=False)):
        means, errors = np.transpose([values[part] for part in parts])
        shades = [colours[part.rpartition(", ")[2]] for part in parts]
        axes.barh(places, means, xerr=2 * errors, color=shades, height=0.7, error_kw={"capsize": 2, "linewidth": 1})
        axes.axvline(0, color="0.3", linewidth=0.8)
        axes.set_yticks(places, parts if index % 2 == 0 else [""] * len(parts))
        axes.invert_yaxis()
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_title(name)
        axes.set_xlabel("difference in mean log p [nats]")
    for axes in panels[len(gaps) :]:
        axes.set_visible(False)
    figure.suptitle(title, x=0.01, ha="left", fontsize="large")
    return figure
