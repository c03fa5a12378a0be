"""Histograms of log-likelihoods and of their two terms: figures 1 to 5a of the paper."""

from collections.abc import Callable, Collection, Mapping
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glowjax.plots.histograms import ROW_HEIGHT, Sets, Values, draw_histograms, draw_references
from glowjax.plots.style import Vector, finished, finite_arrays, in_dist_first, legend_entries, new_figure, styled

PANEL_LEGEND_WIDTH = 40  # characters below half a page


@styled
def likelihood_histograms(
    log_likelihoods: Mapping[str, Vector],
    num_dims: int,
    in_dist: str,
    title: str = "",
    *,
    reach: float = 6.0,
    references: Mapping[str, Vector] | None = None,
) -> Figure:
    """Overlaid histograms of log P(image), in nats below and in bits/dim above; further right is more likely.

    Each histogram is scaled to its own peak: noise is often a hundred times narrower than the test set, and on one
    scale of density it would flatten the others. A set so far away that it would squash the others is not drawn; the
    legend says so, and it gives every mean.

    Args:
        log_likelihoods: {set: [N] nats}.
        num_dims: H * W * C.
        in_dist: the set that the model was trained on; drawn first.
        title: the title above the figure.
        reach: how many widths of the in-distribution set another set may lie away and still be drawn.
        references: {set: [N] nats} of generated images, shown as bars below the histograms.
    """
    sets = in_dist_first(log_likelihoods, in_dist)
    below = finite_arrays(references or {})
    mean_bits, nats_per_bit = _mean_bits(num_dims), num_dims * np.log(2)
    labels = {name: f"{name}: mean {mean_bits(nats)}" for name, nats in sets.items()}
    labels[in_dist] += " (in-distribution)"
    figure, (axes,) = new_figure(2.9 + 0.17 * len(sets) + ROW_HEIGHT * len(below))
    draw_histograms(axes, sets, labels, reach, below)
    draw_references(axes, below, mean_bits)
    axes.set(xlabel="log P(image) [nats]   (less likely ← → more likely)", title=title)
    top = axes.secondary_xaxis(
        "top", functions=(lambda x: np.asarray(x) / -nats_per_bit, lambda b: np.asarray(b) * -nats_per_bit)
    )
    top.set_xlabel("bits/dim")
    return finished(figure, axes)


@styled
def likelihood_panels(
    log_likelihoods: Mapping[str, Mapping[str, Vector]],
    num_dims: int,
    in_dist: str | Mapping[str, str],
    *,
    reach: float = 6.0,
    references: Mapping[str, Mapping[str, Vector]] | None = None,
) -> Figure:
    """The histograms of `likelihood_histograms` for several models, one panel each: figure 3 of the paper.

    `log_likelihoods` and `references` are {model: {set: [N] nats}}; `in_dist` is one set or {model: set}.
    """
    mean_bits = _mean_bits(num_dims)
    below = {model: finite_arrays((references or {}).get(model, {})) for model in log_likelihoods}
    height = 2.3 + 0.2 * max(map(len, log_likelihoods.values())) + ROW_HEIGHT * max(map(len, below.values()))
    num_models = len(log_likelihoods)
    figure, panels = new_figure(height * -(-num_models // 2), num_models, min(2, num_models))
    for axes, (model, values) in zip(panels, log_likelihoods.items(), strict=True):
        sets = in_dist_first(values, in_dist if isinstance(in_dist, str) else in_dist[model])
        _panel(axes, sets, mean_bits, reach, below[model])
        axes.set(title=model, xlabel="log P(image) [nats]")
    for axes in panels[1::2]:
        axes.set_ylabel("")
    return figure


@styled
def decomposition(
    log_pz: Mapping[str, Vector],
    log_det: Mapping[str, Vector],
    in_dist: str,
    title: str = "",
    *,
    reach: float = 6.0,
    references: Collection[str] = (),
) -> Figure:
    """Histograms of a flow's two terms, log p(z) and log |det dz/dx|, in nats: figure 4 of the paper.

    The two terms of an image sum to its log density. A term that is the same for every image, such as the
    log-determinant of a constant-volume flow, appears as a line with its value. `log_pz` and `log_det` are
    {set: [N] nats} of the same sets, of which `references` names those of generated images. The other arguments are
    those of `likelihood_histograms`.
    """
    num_histograms = len(log_pz) - len(references)
    figure, panels = new_figure(2.8 + 0.2 * num_histograms + ROW_HEIGHT * len(references), 2)
    for axes, term, label in zip(panels, (log_pz, log_det), ("log p(z)", "log |det dz/dx|"), strict=True):
        sets = in_dist_first(term, in_dist)
        below = {name: sets.pop(name) for name in references}
        _panel(axes, sets, lambda nats: f"{nats.mean():,.0f}", reach, below)
        axes.set_xlabel(f"{label} [nats]")
    panels[1].set_ylabel("")
    return finished(figure, title=title)


def _mean_bits(num_dims: int) -> Callable[[Values], str]:
    """A function from log-likelihoods in nats to their mean, such as "2.91 bits/dim"."""
    return lambda nats: f"{-nats.mean() / (num_dims * np.log(2)):.2f} bits/dim"


def _panel(axes: Axes, sets: Sets, mean: Callable[[Values], str], reach: float, references: Sets) -> None:
    """Draws histograms, references below them, and a legend below the axis."""
    labels = {name: f"{name}: mean {mean(values)}" for name, values in sets.items()}
    draw_histograms(axes, sets, labels, reach, references)
    draw_references(axes, references, mean)
    handles, texts = legend_entries(axes)
    axes.legend(
        handles, [fill(text, PANEL_LEGEND_WIDTH) for text in texts], loc="upper center", bbox_to_anchor=(0.5, -0.24)
    )
