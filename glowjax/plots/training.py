"""Bits per dimension along training, by step (figure 5b of the paper) and by time."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from glowjax.checks import InputError, unknown
from glowjax.plots.style import COLORS, DASHES, Vector, finished, line_styles, new_figure, styled


@styled
def training_curve(
    steps: Vector,
    bits_per_dim: Mapping[str, Vector],
    in_dist: Sequence[str],
    *,
    seconds: Vector | None = None,
    title: str = "",
) -> Figure:
    """Bits/dim of each image set against the training step, with the training time on a second axis.

    Args:
        steps: [T], increasing.
        bits_per_dim: {set: [T] bits/dim}; NaN leaves a gap.
        in_dist: the in-distribution sets (train and test, for example); drawn thick, the others thin.
        seconds: [T] seconds since training began.
        title: the title above the figure.
    """
    _check_curves(steps, {**bits_per_dim, **({} if seconds is None else {"seconds": seconds})}, in_dist)
    figure, (axes,) = new_figure(3.4)
    for name, style in line_styles([*in_dist, *(n for n in bits_per_dim if n not in in_dist)]).items():
        width, role = (2.2, "in-distribution") if name in in_dist else (1.2, "out-of-distribution")
        label = f"{name} ({role})"
        axes.plot(steps, bits_per_dim[name], label=label, linewidth=width, marker="o", markersize=3.5, **style)
    axes.set(xlabel="training step", ylabel="bits/dim (lower is more likely)", title=title)
    axes.margins(x=0.01)
    if seconds is not None:
        # The ticks of the steps, labeled by the time at which each was reached: steps need not be equally long.
        unit, size = _unit_of_time(float(np.max(seconds)))
        top = axes.secondary_xaxis("top")
        top.xaxis.set_major_formatter(lambda step, _: _short(np.interp(step, steps, seconds) / size))
        top.set_xlabel(f"time since training began [{unit}]")
    return finished(figure, axes)


@styled
def bits_by_time(runs: Mapping[str, tuple[Vector, Mapping[str, Vector]]], in_dist: str, *, title: str = "") -> Figure:
    """Bits/dim against training time on a logarithmic axis: several runs in one panel.

    A run's in-distribution set is drawn thick, its other sets thin, with other dashes in the run's color. A ring marks
    the end of a run. Compare and extrapolate rings only: a learning rate that decays over the run lowers bits/dim
    until its end. `runs` is {run: (seconds [T], {set: [T] bits/dim})}; every run holds the set `in_dist`.
    """
    figure, (axes,) = new_figure(3.6)
    sets = dict.fromkeys([in_dist, *(name for _, curves in runs.values() for name in curves)])
    dashes = dict(zip(sets, itertools.cycle(DASHES)))
    for (run, (seconds, curves)), color in zip(runs.items(), itertools.cycle(COLORS)):
        if in_dist not in curves:
            raise unknown("in-distribution set", in_dist, curves)
        minutes = np.asarray(seconds) / 60
        for name, curve in curves.items():
            width = 2.2 if name == in_dist else 1.2
            axes.plot(minutes, curve, color=color, linestyle=dashes[name], linewidth=width)
            axes.plot(minutes[-1:], curve[-1:], "o", color=color, markerfacecolor="none", markersize=6)
        axes.plot([], [], color=color, linewidth=2.2, label=run)
    for _ in range(len(sets) - len(runs)):
        axes.plot([], [], " ", label=" ")  # fills the legend's column of runs
    for name in sets:
        axes.plot([], [], color="0.4", linestyle=dashes[name], label=name)
    for _ in range(len(runs) - len(sets)):
        axes.plot([], [], " ", label=" ")
    axes.set(xlabel="training time [minutes, logarithmic]", ylabel="bits/dim (lower is more likely)", title=title)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(lambda minutes, _: f"{minutes:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    return finished(figure, axes, num_columns=2)  # one column of runs, one of sets


def _check_curves(steps: Vector, curves: Mapping[str, Vector], in_dist: Sequence[str]) -> None:
    for name in in_dist:
        if name not in curves:
            raise unknown("in-distribution set", name, curves)
    for name, curve in curves.items():
        if len(curve) != len(steps):
            raise InputError(
                f"'{name}' holds {len(curve)} numbers for {len(steps)} steps; expected one per step: "
                "put NaN at a step without evaluation."
            )


def _short(number: float) -> str:
    return f"{number:.1f}" if number < 10 else f"{number:.0f}"


def _unit_of_time(seconds: float) -> tuple[str, float]:
    """(name, seconds) of the unit in which a duration is a small number."""
    if seconds < 300:
        return "s", 1.0
    return ("min", 60.0) if seconds < 3 * 3600 else ("h", 3600.0)
