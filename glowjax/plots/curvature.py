"""Second order: log p along paths and against contrast, the Hessian's spectrum, and the moments of pixels."""

import itertools
from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from glowjax.plots.style import (
    PAGE_WIDTH,
    Vector,
    finished,
    finite_arrays,
    legend_entries,
    line_styles,
    new_figure,
    styled,
    values_and_errors,
)
from glowjax.stats import Estimate

SPREAD_OF_AXIS = 1.6  # how far an expansion may leave the measured curves and still be drawn, in heights of these
EXPANSION = (0, (3, 2))  # dashes


@styled
def along_paths(
    t: Vector, measured: Mapping[str, Vector], second_order: Mapping[str, Vector], title: str = ""
) -> Figure:
    """The mean of log p on the straight paths from a center to each set's images, beside its second-order expansion.

    The paths have [T] positions `t`, 0 at the center and 1 at the image. `measured` and `second_order` are
    {set: [T] mean of log p minus log p at the center, in nats}.
    """
    figure, (left, right) = new_figure(3.2, 2)
    exact, expansion = finite_arrays(measured), finite_arrays(second_order)
    curves = np.concatenate(list(exact.values()))
    low, high = min(curves.min(), 0.0), max(curves.max(), 0.0)
    for name, style in line_styles(exact).items():
        left.plot(t, exact[name], color=style["color"], label=f"{name}, measured")
        left.plot(t, expansion[name], color=style["color"], linestyle=EXPANSION, label=f"{name}, second order")
        right.plot(t, np.abs(exact[name] - expansion[name]), color=style["color"])
    reach = SPREAD_OF_AXIS * (high - low)
    left.set(ylim=(low - reach, high + reach), ylabel="mean gain in log p [nats]")
    right.set(yscale="log", ylabel="|measured - second order| [nats]")
    for axes in (left, right):
        axes.set_xlabel("position (0: center, 1: images)")
        axes.xaxis.set_major_locator(MaxNLocator(5))
    return finished(figure, left, title)


@styled
def curvature_by_scale(
    share: Vector,
    predicted_gap: Estimate,
    gap: Estimate,
    curves: Mapping[str, tuple[Vector, Estimate]],
    title: str = "",
) -> Figure:
    """A gap predicted by parabolas over a share of the paths, and the curvature by the number of images in a mean.

    Args:
        share: [T] the shares of the paths.
        predicted_gap: T predictions in nats.
        gap: the measured gap.
        curves: {set: ([K] sizes N, K estimates of N times the change of log p by the noise of a mean of N)}.
        title: the title above the figure.
    """
    figure, (left, right) = new_figure(3.4, 2)
    bars: dict[str, Any] = {"marker": "o", "markersize": 4, "capsize": 2}
    left.axhline(0, color="0.85", linewidth=1, zorder=0)
    left.axhline(float(gap.value), color="0.3", linestyle=(0, (1.5, 1.5)), label="measured gap")
    left.errorbar(share, predicted_gap.value, yerr=2 * predicted_gap.sem, color="0.3", label="predicted gap", **bars)
    left.set(xlabel="share t of the path", ylabel="gap [nats]", xlim=(0, 1.05))
    right.axhline(0, color="0.85", linewidth=1, zorder=0)
    right.set_xscale("log")
    right.set_yscale("symlog", linthresh=100)
    for name, style in line_styles(curves).items():
        size, curve = curves[name]
        right.errorbar(np.asarray(size), curve.value, yerr=2 * curve.sem, label=name, **style, **bars)
    right.set(xlabel="images N in a mean (1: the images)", ylabel="N x change of log p [nats]")
    for axes in (left, right):
        axes.legend(*legend_entries(axes), loc="best")
    return finished(figure, None, title)


@styled
def contrast_curves(
    factors: Vector,
    measured: Mapping[str, Mapping[str, Sequence[Estimate]]],
    predicted: Mapping[str, Mapping[str, Vector]],
    title: str = "",
) -> Figure:
    """Mean log p of image sets against their contrast, beside the second-order prediction.

    The contrast is [F] `factors`, 1 for the unchanged images. `measured` is {panel: {set: F estimates in nats}}, the
    same sets in each panel, and `predicted` {panel: {set: [F] means in nats}}. A note below the panel gives the range
    of a predicted curve off its scale.
    """
    figure, panels = new_figure(3.4, len(measured))
    means = np.concatenate([values_and_errors(curve)[0] for sets in measured.values() for curve in sets.values()])
    reach = 0.6 * np.ptp(means)
    low, high = means.min() - reach, means.max() + reach
    for axes, (panel, sets) in zip(panels, measured.items(), strict=True):
        expansions, notes = finite_arrays(predicted[panel]), []
        for name, style in line_styles(sets).items():
            mean, error = values_and_errors(sets[name])
            expansion, look = expansions[name], {"color": style["color"]}
            axes.errorbar(factors, mean, yerr=2 * error, marker="o", markersize=4, capsize=2, label=name, **look)
            axes.plot(factors, expansion, linestyle=EXPANSION, label=f"{name}, second order", **look)
            if not np.any((expansion > low) & (expansion < high)):
                notes.append(f"{name}: {expansion.min():,.0f} to {expansion.max():,.0f}")
        lines = ["contrast (0: flat)", *(["second order, off scale:", *notes] if notes else [])]
        axes.set(ylim=(low, high), title=fill(panel, 70 // len(measured)))
        axes.set_xlabel("\n".join(fill(line, 96 // len(measured)) for line in lines))
        axes.invert_xaxis()
        axes.label_outer()
    panels[0].set_ylabel("mean log p [nats]")
    return finished(figure, panels[0], title)


@styled
def spectrum(
    eigenvalues: Vector,
    eigenimages: Float[np.ndarray, "K H W C"],
    variances: Mapping[str, Vector],
    num_low: int,
    title: str = "",
) -> Figure:
    """Extreme eigenvalues of a Hessian, the variance of image sets along the eigenvectors, and these as images.

    Args:
        eigenvalues: [K] ascending, in nats per squared grey level: `num_low` lowest ones, then the highest ones.
        eigenimages: [K, H, W, C] of length 1.
        variances: {set: [K] variance along each, in squared grey levels}.
        num_low: the number of eigenvalues on the left.
        title: the title above the figure.
    """
    values, images = np.asarray(eigenvalues, np.float64), np.asarray(eigenimages, np.float64)
    count, num_all = len(values), images[0].size
    along = finite_arrays(variances)
    index = np.arange(1, count + 1) + np.where(np.arange(count) < num_low, 0, num_all - count)
    ends = {"lowest": slice(0, num_low), "highest": slice(num_low, count)}
    ends = {name: part for name, part in ends.items() if len(index[part])}
    figure = Figure(figsize=(PAGE_WIDTH, 6.4), layout="constrained")
    grid = figure.subplots(3, len(ends), squeeze=False, sharey="row", height_ratios=[2, 2, 2.2])
    grid[0, 0].set_yscale("symlog", linthresh=10 ** np.floor(np.log10(max(np.abs(values).min(), 1e-12))))
    grid[1, 0].set_yscale("log")
    for (top, middle, bottom), (end, part) in zip(grid.T, ends.items(), strict=True):
        top.axhline(0, color="0.8", linewidth=1)
        top.stem(index[part], values[part], linefmt="0.6", markerfmt="ko", basefmt=" ")
        top.set_title(f"{end} of {num_all:,} eigenvalues")
        for (name, style), marker in zip(line_styles(along).items(), itertools.cycle("osD^v")):
            middle.plot(index[part], along[name][part], marker=marker, label=name, **style)
        middle.set_xlabel("index of the eigenvalue")
        for axes in (top, middle):
            axes.set_xlim(index[part][0] - 0.5, index[part][-1] + 0.5)
            axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        _eigenimages(bottom, images[part])
    grid[0, 0].set_ylabel("eigenvalue\n[nats / grey level²]")
    grid[1, 0].set_ylabel("variance along the\neigenvector [grey levels²]")
    return finished(figure, grid[1, 0], title)


def _eigenimages(axes: Axes, images: Float[np.ndarray, "N H W C"]) -> None:
    """Draws images of either sign in two rows: grey is zero, and each is scaled to its own peak."""
    num_columns = -(-len(images) // 2)
    shown = np.clip(0.5 + 0.5 * images / np.abs(images).max(axis=(1, 2, 3), keepdims=True), 0, 1)
    for n, tile in enumerate(shown):
        row, column = divmod(n, num_columns)
        extent = (column - 0.46, column + 0.46, -row - 0.46, -row + 0.46)
        axes.imshow(tile, cmap="gray", vmin=0, vmax=1, extent=extent, interpolation="nearest")
    axes.set(xlim=(-0.5, num_columns - 0.5), ylim=(-1.5, 0.5))
    axes.set_aspect("equal", adjustable="box")
    axes.set_axis_off()
    axes.set_title("eigenvectors, row by row", fontsize="medium", loc="center")


@styled
def pixel_moments(
    moments: Mapping[str, tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]], title: str = ""
) -> Figure:
    """Histograms over pixels and channels of each set's mean and variance: figure 5 of the paper.

    `moments` is {set: (mean, variance)} of pixel values in [0, 1].
    """
    figure, panels = new_figure(3.0, 2)
    for index, (axes, moment) in enumerate(zip(panels, ("mean", "variance"), strict=True)):
        arrays = finite_arrays({name: np.ravel(pair[index]) for name, pair in moments.items()})
        values = np.concatenate(list(arrays.values()))
        edges = np.linspace(values.min(), values.max(), 61).tolist()
        for name, style in line_styles(arrays).items():
            axes.hist(arrays[name], edges, density=True, histtype="stepfilled", alpha=0.25, color=style["color"])
            axes.hist(arrays[name], edges, density=True, histtype="step", label=name, **style)
        axes.set(xlabel=f"{moment} of a pixel value, in [0, 1] units", ylabel="density over pixel values")
    return finished(figure, panels[0], title)
