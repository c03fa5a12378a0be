"""Bits per dimension along training: figure 5b of the paper."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from glowjax.errors import InputError, unknown
from glowjax.plots.style import legend_below, line_styles, new_figure, styled


@styled
def training_curve(
    steps: Sequence[int] | np.ndarray,
    bits_per_dim: Mapping[str, Any],
    in_dist: Sequence[str],
    *,
    seconds: Sequence[float] | np.ndarray | None = None,
    title: str = "",
) -> Figure:
    """Bits/dim of each image set against the training step, with the time spent on a second axis.

    Args:
        steps: [T] training steps at which the sets were evaluated, increasing.
        bits_per_dim: {set: [T] bits/dim}; NaN leaves a gap.
        in_dist: the in-distribution sets (train and test, say); drawn thick, the others thin.
        seconds: [T] seconds since training began.
        title: above the figure.

    Raises:
        InputError: where an in-distribution set is none of the sets, or a curve is not as long as the steps.
    """
    for name in in_dist:
        if name not in bits_per_dim:
            raise unknown("in-distribution set", name, bits_per_dim)
    for name, curve in {**bits_per_dim, **({} if seconds is None else {"seconds": seconds})}.items():
        if len(curve) != len(steps):
            raise InputError(
                f"'{name}' holds {len(curve)} numbers for {len(steps)} steps; expected one a step: "
                "put NaN where a set was not evaluated."
            )
    figure, (axes,) = new_figure(3.4)
    for name, style in line_styles([*in_dist, *(n for n in bits_per_dim if n not in in_dist)]).items():
        look: dict[str, Any] = {"linewidth": 2.2} if name in in_dist else {"linewidth": 1.2}
        role = "in-distribution" if name in in_dist else "out-of-distribution"
        axes.plot(steps, bits_per_dim[name], label=f"{name} ({role})", marker="o", markersize=3.5, **style, **look)
    axes.set_xlabel("training step")
    axes.set_ylabel("bits/dim (lower is likelier)")
    axes.set_title(title)
    axes.margins(x=0.01)
    if seconds is not None:
        # The same ticks as below, named by the time at which they were reached: time need not grow evenly.
        unit, size = _unit_of_time(float(np.max(seconds)))
        top = axes.secondary_xaxis("top")
        top.xaxis.set_major_formatter(lambda step, _: _short(np.interp(step, steps, seconds) / size))
        top.set_xlabel(f"time since training began [{unit}]")
    legend_below(figure, axes)
    return figure


def _short(number: float) -> str:
    return f"{number:.1f}" if number < 10 else f"{number:.0f}"


def _unit_of_time(seconds: float) -> tuple[str, float]:
    """(name, seconds) of the unit in which a duration is a small number."""
    if seconds < 300:
        return "s", 1.0
    return ("min", 60.0) if seconds < 3 * 3600 else ("h", 3600.0)
