"""What the curvature of log p says of a likelihood gap, beside what was measured."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from glowjax.checks import InputError
from glowjax.plots.style import COLOURS, PAGE_WIDTH, legend_below, line_styles, new_figure, styled

LOOKS = {"measured": ("o", COLOURS[0]), "exact parts": ("s", COLOURS[2]), "predicted": ("D", COLOURS[1])}
SPREAD_OF_AXIS = 1.6  # how far a curve may leave the measured ones and still be drawn, in heights of these


@styled
def gap_estimates(groups: Mapping[str, Mapping[str, tuple[float, float]]], title: str = "") -> Figure:
    """Estimates of a likelihood gap and of its parts, a row each, with two standard errors; the axis is symmetric-log.

    Args:
        groups: {"measured" | "exact parts" | "predicted": {label: (mean, standard error)}} in nats, from top to bottom.
        title: above the figure.

    Raises:
        InputError: for an unknown group, or no "measured" one, whose first value a line marks.
    """
    if "measured" not in groups or not set(groups) <= set(LOOKS):
        raise InputError(f"The groups are {sorted(groups)}; expected 'measured', and others of {sorted(LOOKS)}.")
    rows = [(group, label, values) for group, named in groups.items() for label, values in named.items()]
    figure, (axes,) = new_figure(1.3 + 0.26 * len(rows))
    gap, _ = next(iter(groups["measured"].values()))
    axes.axvline(0, color="0.85", linewidth=1, zorder=0)
    axes.axvline(gap, color=LOOKS["measured"][1], linewidth=1, linestyle=(0, (1.5, 1.5)), zorder=1)
    for group in groups:
        marker, colour = LOOKS[group]
        own = [(row, *values) for row, (name, _, values) in enumerate(rows) if name == group]
        y, x, error = np.transpose(np.asarray(own, np.float64))
        axes.errorbar(x, y, xerr=2 * error, fmt=marker, color=colour, capsize=3, markersize=5, label=group)
    axes.set_yticks(range(len(rows)), [label for _, label, _ in rows])
    axes.invert_yaxis()
    decade = max(1, int(np.floor(np.log10(max(abs(gap), 1.0)))))
    axes.set_xscale("symlog", linthresh=10.0**decade)
    axes.margins(x=0.06)
    low, high = axes.get_xlim()
    powers = [10.0**k for k in range(decade, int(np.log10(max(-low, high, 10.0**decade))) + 1)]
    axes.set_xticks([tick for tick in (*[-power for power in powers], 0, *powers) if low <= tick <= high])
    axes.set_xlim(low, high)
    axes.set_xlabel("nats, symmetric log axis; bars: 2 standard errors")
    axes.set_title(title, loc="right")  # the labels take the room on the left
    legend_below(figure, axes)
    return figure


@styled
def along_paths(t: Any, measured: Mapping[str, Any], second_order: Mapping[str, Any], title: str = "") -> Figure:
    """The mean of log p on the straight paths from a centre to each set's images, and how the second order misses it.

    Args:
        t: [T] positions, 0 at the centre and 1 at the image.
        measured: {set: [T] mean of log p minus log p at the centre, in nats}.
        second_order: {set: [T] the same by the expansion around the centre}.
        title: above the figure.
    """
    t = np.asarray(t, np.float64)
    figure, (left, right) = new_figure(3.2, num_columns=2)
    curves = np.concatenate([np.asarray(values, np.float64) for values in measured.values()])
    low, high = min(curves.min(), 0.0), max(curves.max(), 0.0)
    for name, style in line_styles(measured).items():
        exact, expansion = np.asarray(measured[name], np.float64), np.asarray(second_order[name], np.float64)
        left.plot(t, exact, color=style["color"], label=f"{name}, measured")
        left.plot(t, expansion, color=style["color"], linestyle=(0, (3, 2)), label=f"{name}, second order")
        right.plot(t, np.abs(exact - expansion), color=style["color"])
    reach = SPREAD_OF_AXIS * (high - low)
    left.set_ylim(low - reach, high + reach)
    left.set_ylabel("mean gain in log p [nats]")
    right.set_yscale("log")
    right.set_ylabel("|measured - second order| [nats]")
    for axes in (left, right):
        axes.set_xlabel("position (0: centre, 1: images)")
        axes.xaxis.set_major_locator(MaxNLocator(5))
    figure.suptitle(title, x=0.01, ha="left", fontsize="large")
    legend_below(figure, left)
    return figure


@styled
def contrast_curves(
    factors: Any,
    measured: Mapping[str, Mapping[str, tuple[Any, Any]]],
    predicted: Mapping[str, Mapping[str, Any]],
    title: str = "",
) -> Figure:
    """Mean log p of image sets that lose contrast, beside what the second-order expansion predicts.

    Args:
        factors: [F] contrast, 1 for the images as they are.
        measured: {panel: {set: ([F] means, [F] standard errors) in nats}}, the same sets in each panel.
        predicted: {panel: {set: [F] means in nats}}; where they leave the panel, its corner says how far.
        title: above the figure.
    """
    figure, panels = new_figure(3.4, num_columns=len(measured))
    means = np.concatenate([np.asarray(mean, np.float64) for sets in measured.values() for mean, _ in sets.values()])
    reach = 0.6 * np.ptp(means)
    low, high = means.min() - reach, means.max() + reach
    for axes, (panel, sets) in zip(panels, measured.items(), strict=True):
        off_panel = []
        for name, style in line_styles(sets).items():
            mean, error = (np.asarray(values, np.float64) for values in sets[name])
            expansion = np.asarray(predicted[panel][name], np.float64)
            if not np.any((expansion > low) & (expansion < high)):
                off_panel.append(f"{name}: {expansion.min():,.0f} to {expansion.max():,.0f}")
            axes.errorbar(
                factors, mean, yerr=2 * error, color=style["color"], marker="o", markersize=4, capsize=2, label=name
            )
            axes.plot(factors, expansion, color=style["color"], linestyle=(0, (3, 2)), label=f"{name}, second order")
        if off_panel:
            told = "\n".join(["second order, off the panel:", *off_panel])
            axes.text(0.03, 0.02, told, transform=axes.transAxes, fontsize="x-small", color="0.35", va="bottom")
        axes.set_ylim(low, high)
        axes.invert_xaxis()
        axes.set_title(panel)
        axes.set_xlabel("contrast (0: flat)")
        axes.label_outer()
    panels[0].set_ylabel("mean log p [nats]")
    figure.suptitle(title, x=0.01, ha="left", fontsize="large")
    legend_below(figure, panels[0])
    return figure


@styled
def spectrum(eigenvalues: Any, eigenimages: Any, variances: Mapping[str, Any], title: str = "") -> Figure:
    """Extreme eigenvalues of the Hessian, the variance of image sets along them, and the eigen-images.

    Args:
        eigenvalues: [K] ascending, in nats over squared grey levels.
        eigenimages: [K, H, W, C] of length 1.
        variances: {set: [K] variance along each, in squared grey levels}.
        title: above the figure.
    """
    values, tiles = np.asarray(eigenvalues, np.float64), np.asarray(eigenimages, np.float64)
    count = len(values)
    columns = -(-count // 2)
    figure = Figure(figsize=(PAGE_WIDTH, 6.4), layout="constrained")
    top, bottom, strip = figure.subplot_mosaic(
        [["values"], ["variances"], ["images"]], height_ratios=[2, 2, 2.2]
    ).values()
    order = np.arange(1, count + 1)
    top.axhline(0, color="0.8", linewidth=1)
    top.stem(order, values, linefmt="0.6", markerfmt="ko", basefmt=" ")
    top.set_yscale("symlog", linthresh=10 ** np.floor(np.log10(max(np.abs(values).min(), 1e-12))))
    top.set_ylabel("eigenvalue\n[nats / grey level²]")
    for (name, style), marker in zip(line_styles(variances).items(), "osD^v", strict=False):
        bottom.plot(order, np.asarray(variances[name]), marker=marker, label=name, **style)
    bottom.set_yscale("log")
    bottom.set_ylabel("variance along the\neigenvector [grey levels²]")
    bottom.set_xlabel("eigenvector, by its eigenvalue")
    for axes in (top, bottom):
        axes.set_xlim(0.5, count + 0.5)
        axes.set_xticks(order)
    peak = np.abs(tiles).max(axis=(1, 2, 3), keepdims=True)
    shown = np.clip(0.5 + 0.5 * tiles / peak, 0, 1)
    for n, tile in enumerate(shown):
        image = tile[..., 0] if tile.shape[-1] == 1 else tile
        row, column = divmod(n, columns)
        extent = (column - 0.46, column + 0.46, -row - 0.46, -row + 0.46)
        strip.imshow(image, cmap="gray", vmin=0, vmax=1, extent=extent, interpolation="nearest")
    strip.set_xlim(-0.5, columns - 0.5)
    strip.set_ylim(-1.5, 0.5)
    strip.set_aspect("equal", adjustable="box")
    strip.set_axis_off()
    strip.set_title("eigen-images, row by row: grey is zero, each scaled to its own peak")
    figure.suptitle(title, x=0.01, ha="left", fontsize="large")
    legend_below(figure, bottom)
    return figure


@styled
def pixel_moments(moments: Mapping[str, tuple[Any, Any]], title: str = "") -> Figure:
    """Histograms over pixels and channels of the mean and of the variance of each set, in units of [0, 1]: figure 5.

    Args:
        moments: {set: (mean, variance)}, arrays of any shape, in pixel values of [0, 1].
        title: above the figure.
    """
    figure, panels = new_figure(3.0, num_columns=2)
    labels = ("mean of a pixel value", "variance of a pixel value")
    for index, (axes, label) in enumerate(zip(panels, labels, strict=True)):
        arrays = {name: np.ravel(np.asarray(pair[index], np.float64)) for name, pair in moments.items()}
        ends = np.concatenate(list(arrays.values()))
        edges = np.linspace(ends.min(), ends.max(), 61).tolist()
        for name, style in line_styles(arrays).items():
            axes.hist(arrays[name], edges, density=True, histtype="stepfilled", alpha=0.25, color=style["color"])
            axes.hist(arrays[name], edges, density=True, histtype="step", label=name, **style)
        axes.set_xlabel(f"{label}, in [0, 1] units")
        axes.set_ylabel("density over pixel values")
    figure.suptitle(title, x=0.01, ha="left", fontsize="large")
    legend_below(figure, panels[0])
    return figure
