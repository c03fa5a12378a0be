"""Detection at a glance: receiver operating characteristics, and the mean bits per dimension of each set."""

from collections.abc import Mapping
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from glowjax.checks import unknown
from glowjax.ood.metrics import DetectionMetrics
from glowjax.plots.style import COLOURS, in_dist_first, legend_below, line_styles, new_figure, styled
from glowjax.stats import Estimate

LEGEND_WIDTH = 28  # characters beside the curves


@styled
def roc_curves(
    in_scores: Any,
    out_scores: Mapping[str, Any],
    metrics: Mapping[str, DetectionMetrics],
    title: str = "",
) -> Figure:
    """One ROC curve for each out-of-distribution set; a higher score means more out-of-distribution.

    The AUROCs in the legend are passed in, so that figure and table show the same numbers and intervals.

    Args:
        in_scores: [N] scores of the in-distribution set.
        out_scores: {set: [M] scores}.
        metrics: {set: what `detection_metrics` returned for it}.
        title: above the figure.

    Raises:
        InputError: where a set has no metrics, or scores are empty or not finite.
    """
    scores = in_dist_first({"in_scores": in_scores, **out_scores}, "in_scores")
    figure, (axes,) = new_figure(3.6)
    styles = line_styles(scores)  # each set looks as it does beside the in-distribution one
    inside = scores.pop("in_scores")
    for name in scores:
        if name not in metrics:
            raise unknown("set of metrics", name, metrics)
        is_out = np.repeat([0, 1], [len(inside), len(scores[name])])
        fpr, tpr, _ = roc_curve(is_out, np.concatenate([inside, scores[name]]))
        axes.plot(fpr, tpr, label=f"{fill(name, LEGEND_WIDTH)}\n{metrics[name].auroc}", **styles[name])
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, label="chance\n0.5", zorder=1)
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.set_xlabel("in-distribution images flagged [fraction]")
    axes.set_ylabel("out-of-distribution images flagged [fraction]")
    axes.set_title(title)
    figure.legend(
        loc="outside right center",
        title="AUROC [95 % interval]\nhigher score = more\nout-of-distribution",
        alignment="left",
    )
    return figure


@styled
def bits_per_dim_means(
    means: Mapping[str, Estimate], in_dist: str, *, published: Mapping[str, float] | None = None, title: str = ""
) -> Figure:
    """Mean bits/dim of each set with its 95 % interval, beside the published number where there is one.

    Args:
        means: {set: what `stats.mean` returned for its bits/dim}.
        in_dist: the set that the model was trained on; a line marks its mean; left of it is likelier.
        published: {set: bits/dim} of the paper; sets that are not in `means` are left out.
        title: above the figure.

    Raises:
        InputError: where `in_dist` is none of the sets.
    """
    if in_dist not in means:
        raise unknown("in-distribution set", in_dist, means)
    names = list({in_dist: None, **means})
    figure, (axes,) = new_figure(1.6 + 0.27 * len(names))
    axes.axvline(means[in_dist].value, color="0.75", linewidth=1, zorder=1)
    for label, colour, shown in (
        ("in-distribution", COLOURS[0], names[:1]),
        ("out-of-distribution", COLOURS[1], names[1:]),
    ):
        centres = [means[name].value for name in shown]
        reach = [np.abs(np.subtract(means[name].interval, means[name].value)) for name in shown]
        rows = [names.index(name) for name in shown]
        axes.errorbar(centres, rows, xerr=np.reshape(reach, (-1, 2)).T, fmt="o", color=colour, capsize=3, label=label)
    paper = {names.index(name): value for name, value in (published or {}).items() if name in means}
    if paper:
        axes.plot(
            list(paper.values()),
            list(paper),
            "D",
            color="black",
            fillstyle="none",
            markersize=10,
            label="paper",
        )
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.margins(y=0.5 / len(names))
    axes.set_xlabel("mean bits/dim with 95 % interval (lower is likelier)")
    axes.set_title(title)
    legend_below(figure, axes)
    return figure
