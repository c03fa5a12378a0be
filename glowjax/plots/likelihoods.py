"""Histograms of log-likelihoods and of their two terms: figures 1 to 5a of the paper."""

from collections.abc import Collection, Mapping
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glowjax.plots.references import ROW_HEIGHT, draw_references, extended
from glowjax.plots.style import finite_arrays, in_dist_first, legend_below, line_styles, new_figure, styled

NUM_BINS = 80
BULK = (0.002, 0.998)  # the quantiles between which a histogram is drawn,
TAIL = 4.0  # but no further from the quartiles than so many times their distance: heavy tails would squash the rest
PANEL_LEGEND_WIDTH = 40  # characters under half a page


@styled
def likelihood_histograms(
    log_likelihoods: Mapping[str, Any],
    num_dims: int,
    in_dist: str,
    title: str = "",
    *,
    reach: float = 6.0,
    references: Mapping[str, Any] | None = None,
) -> Figure:
    """Overlaid histograms of log P(image), in nats below and in bits/dim above; likelier is to the right.

    Each histogram is scaled to its own peak: noise is often a hundred times narrower than the test set, and
    on one scale of density it would flatten the rest. A set so far out that it would squash the rest is not
    drawn; the legend says so, and it gives every mean.

    Args:
        log_likelihoods: {set: [N] nats}.
        num_dims: dimensions of an image, H * W * C.
        in_dist: the set that the model was trained on; drawn first.
        title: above the figure.
        reach: how many widths of the in-distribution set another set may lie away and still be drawn.
        references: {set: [N] nats} of generated images, shown as bars beneath the histograms.

    Raises:
        InputError: where `in_dist` is none of the sets, or a set is empty or holds a non-finite number.
    """
    sets = in_dist_first(log_likelihoods, in_dist)
    beneath = finite_arrays(references or {})
    nats_per_bit = num_dims * np.log(2)
    labels = {name: f"{name}: mean {-nats.mean() / nats_per_bit:.2f} bits/dim" for name, nats in sets.items()}
    labels[in_dist] += " (in-distribution)"
    figure, (axes,) = new_figure(2.9 + 0.17 * len(sets) + ROW_HEIGHT * len(beneath))
    _histograms(axes, sets, labels, reach, beneath)
    draw_references(axes, beneath, lambda nats: f"{-nats.mean() / nats_per_bit:.2f} bits/dim")
    axes.set_xlabel("log P(image) [nats]")
    axes.set_title(title)
    top = axes.secondary_xaxis(
        "top", functions=(lambda x: np.asarray(x) / -nats_per_bit, lambda b: np.asarray(b) * -nats_per_bit)
    )
    top.set_xlabel("bits/dim")
    legend_below(figure, axes)
    return figure


@styled
def likelihood_panels(
    log_likelihoods: Mapping[str, Mapping[str, Any]],
    num_dims: int,
    in_dist: str | Mapping[str, str],
    *,
    reach: float = 6.0,
    references: Mapping[str, Mapping[str, Any]] | None = None,
) -> Figure:
    """Histograms of log P(image) under several models, a panel for each: figure 3 of the paper.

    Args:
        log_likelihoods: {model: {set: [N] nats}}.
        num_dims: dimensions of an image, H * W * C.
        in_dist: the set that the models were trained on, or {model: set}; drawn first.
        reach: how many widths of the in-distribution set another set may lie away and still be drawn.
        references: {model: {set: [N] nats}} of generated images, shown as bars beneath the histograms.

    Raises:
        InputError: where `in_dist` is none of a model's sets, or a set is empty or holds a non-finite number.
    """
    nats_per_bit = num_dims * np.log(2)
    beneath = {model: finite_arrays((references or {}).get(model, {})) for model in log_likelihoods}
    num_sets = max(map(len, log_likelihoods.values()))
    height = 2.3 + 0.2 * num_sets + ROW_HEIGHT * max(map(len, beneath.values()))
    num_columns = min(2, len(log_likelihoods))
    num_rows = -(-len(log_likelihoods) // num_columns)
    figure, panels = new_figure(height * num_rows, num_columns, num_rows)
    for axes, (model, values) in zip(panels, log_likelihoods.items(), strict=False):
        sets = in_dist_first(values, in_dist if isinstance(in_dist, str) else in_dist[model])
        means = {name: -nats.mean() / nats_per_bit for name, nats in sets.items()}
        labels = {name: f"{name}: mean {mean:.2f} bits/dim" for name, mean in means.items()}
        _histograms(axes, sets, labels, reach, beneath[model])
        draw_references(axes, beneath[model], lambda nats: f"{-nats.mean() / nats_per_bit:.2f} bits/dim")
        axes.set_title(model)
        axes.set_xlabel("log P(image) [nats]")
        _legend_under(axes)
    for axes in panels[1::2]:
        axes.set_ylabel("")
    for axes in panels[len(log_likelihoods) :]:
        axes.set_visible(False)
    return figure


def _legend_under(axes: Axes) -> None:
    handles, texts = axes.get_legend_handles_labels()
    wrapped = [fill(text, PANEL_LEGEND_WIDTH) for text in texts]
    axes.legend(handles, wrapped, loc="upper center", bbox_to_anchor=(0.5, -0.24))


@styled
def decomposition(
    log_pz: Mapping[str, Any],
    log_det: Mapping[str, Any],
    in_dist: str,
    title: str = "",
    *,
    reach: float = 6.0,
    references: Collection[str] = (),
) -> Figure:
    """Histograms of a flow's two terms, log p(z) and log |det dz/dx|, in nats: figure 4 of the paper.

    The two terms of an image add up to its log density. A term that is the same for every image, as the log
    determinant of a constant-volume flow is, appears as a line with its value.

    Args:
        log_pz: {set: [N] nats}.
        log_det: {set: [N] nats}, the same sets.
        in_dist: the set that the model was trained on; drawn first.
        title: above the figure.
        reach: how many widths of the in-distribution set another set may lie away and still be drawn.
        references: those of the sets that are generated images, shown as bars beneath the histograms.

    Raises:
        InputError: where `in_dist` is none of the sets, or a set is empty or holds a non-finite number.
    """
    num_histograms = len(log_pz) - len(references)
    figure, panels = new_figure(2.8 + 0.2 * num_histograms + ROW_HEIGHT * len(references), num_columns=2)
    terms = ((log_pz, "log p(z) [nats]"), (log_det, "log |det dz/dx| [nats]"))
    for axes, (term, label) in zip(panels, terms, strict=True):
        every = in_dist_first(term, in_dist)
        beneath = {name: every.pop(name) for name in references}
        labels = {name: f"{name}: mean {nats.mean():,.0f}" for name, nats in every.items()}
        _histograms(axes, every, labels, reach, beneath)
        draw_references(axes, beneath, lambda nats: f"{nats.mean():,.0f}")
        axes.set_xlabel(label)
        _legend_under(axes)
    panels[1].set_ylabel("")
    figure.suptitle(title, x=0.01, ha="left", fontsize="large")
    return figure


def _histograms(
    axes: Axes,
    sets: Mapping[str, np.ndarray],
    labels: Mapping[str, str],
    reach: float,
    references: Mapping[str, np.ndarray],
) -> None:
    """Draws each set over a range that suits the first one; what does not fit is told in its label."""
    low, high = extended(_range(sets, reach), references)
    edges = np.linspace(low, high, NUM_BINS + 1)
    for order, (name, style) in enumerate(line_styles(sets).items()):
        values, label = sets[name], labels[name]
        outside = np.mean((values < low) | (values > high))
        if not low <= np.median(values) <= high:
            side = "left" if np.median(values) < low else "right"
            axes.plot([], [], label=f"{label}, not drawn: {outside:.0%} off scale to the {side}", **style)
        elif _is_constant(values):
            axes.axvline(values.mean(), label=f"{label}, constant", **style)
        else:
            counts = np.histogram(values, edges)[0]
            filled = np.flatnonzero(counts)
            shown = slice(filled[0], filled[-1] + 1)  # no line along zero to either side
            heights, borders = counts[shown] / counts.max(), edges[shown.start : shown.stop + 1]
            note = f", {outside:.0%} off scale" if outside >= 0.02 else ""
            axes.stairs(heights, borders, fill=True, alpha=0.25, color=style["color"], zorder=2 + order)
            axes.stairs(heights, borders, label=label + note, zorder=2.5 + order, **style)
    axes.set_xlim(low, high)
    axes.set_ylim(0, 1.05)
    axes.set_ylabel("density [share of the peak]")


def _is_constant(values: np.ndarray) -> bool:
    """Whether the values differ by no more than float32 rounding of a sum over an image explains."""
    return bool(np.ptp(values) <= 1e-5 * max(1.0, np.abs(values).max()))


def _bulk(values: np.ndarray) -> tuple[float, float]:
    """(low, high) of all but a few of the values."""
    low, first, third, high = np.quantile(values, (BULK[0], 0.25, 0.75, BULK[1])).tolist()
    far = TAIL * (third - first) or np.inf
    return max(low, first - far), min(high, third + far)


def _range(sets: Mapping[str, np.ndarray], reach: float) -> tuple[float, float]:
    """(low, high) that shows the bulk of every set whose median lies within reach of the first set."""
    values = list(sets.values())
    bulks = np.array([_bulk(v) for v in values])
    medians = np.array([np.median(v) for v in values])
    low, high = bulks[0]
    # A constant first set has no width to measure by: then everything is within reach.
    window = np.inf if _is_constant(values[0]) else reach * (high - low)
    near = bulks[(medians >= low - window) & (medians <= high + window)]
    low, high = max(low - window, near[:, 0].min()), min(high + window, near[:, 1].max())
    # Where every set is one and the same constant, its size gives the range.
    margin = max(0.01 * abs(high), 1.0) if _is_constant(near) else 0.04 * (high - low)
    return float(low - margin), float(high + margin)
