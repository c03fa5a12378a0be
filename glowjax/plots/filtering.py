"""A generative model as a gate in front of a classifier: what it lets through, and at what risk."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from glowjax.plots.style import COLOURS, legend_below, new_figure, styled
from glowjax.stats import Estimate

Style = Mapping[str, Any]


def gate_styles(gates: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Style]:
    """A colour for each (model, rule)'s model, and dashes for its rule."""
    models = list(dict.fromkeys(model for model, _ in gates))
    rules = list(dict.fromkeys(rule for _, rule in gates))
    dashes = ("-", (0, (4, 2)), (0, (1, 1.5)))
    return {
        (model, rule): {"color": COLOURS[models.index(model) % len(COLOURS)], "linestyle": dashes[rules.index(rule)]}
        for model, rule in gates
    }


@styled
def by_angle(
    angles: Sequence[float],
    accuracy: Sequence[Estimate],
    confidence: Sequence[Estimate],
    passing: Mapping[tuple[str, str], Sequence[Estimate]],
    kept: float,
) -> Figure:
    """A classifier's accuracy and confidence on rotated images (left), and the share that passes each gate (right).

    Args:
        angles: in degrees.
        accuracy: share of right predictions at each angle.
        confidence: mean of the highest predicted probability at each angle.
        passing: {(model, rule): share that passes at each angle}.
        kept: share of validation images that every gate keeps; a line marks it.
    """
    figure, (left, right) = new_figure(3.4 + 0.1 * len(passing), num_columns=2)
    for label, values, colour in (("accuracy", accuracy, COLOURS[0]), ("mean confidence", confidence, COLOURS[1])):
        left.plot(angles, [v.value for v in values], "o-", color=colour, label=label, markersize=3)
        left.fill_between(angles, *np.transpose([v.interval for v in values]), color=colour, alpha=0.2)
    left.set_ylabel("share of images")
    left.set_title("the classifier")
    for (model, rule), style in gate_styles(list(passing)).items():
        values = passing[model, rule]
        right.plot(angles, [v.value for v in values], label=f"{model}, {rule}", marker="o", markersize=3, **style)
    right.axhline(kept, color="0.6", linewidth=1, zorder=1)
    right.set_ylabel("share that passes")
    right.set_title(f"gates that keep {kept:.0%}")
    for axes in (left, right):
        axes.set_xlabel("rotation [degrees]")
        axes.set_ylim(-0.02, 1.02)
        axes.set_xticks(angles)
    left.legend(loc="center right", bbox_to_anchor=(1, 0.45))
    legend_below(figure, right)
    return figure


@styled
def risk_coverage(
    coverage: Mapping[str, Any],
    risk: Mapping[str, Mapping[tuple[str, str], Any]],
    best: Mapping[str, Any],
) -> Figure:
    """Share of wrong predictions among the accepted images, against the share accepted; a panel for each foreign set.

    Args:
        coverage: {foreign set: shares accepted}.
        risk: {foreign set: {(model, rule): risk at each coverage}}.
        best: {foreign set: the risk of an order that puts every wrong prediction last}.
    """
    figure, panels = new_figure(3.6 + 0.1 * max(map(len, risk.values())), num_columns=len(risk))
    for axes, (name, curves) in zip(panels, risk.items(), strict=True):
        for (model, rule), style in gate_styles(list(curves)).items():
            axes.plot(coverage[name], curves[model, rule], label=f"{model}, {rule}", **style)
        axes.plot(coverage[name], best[name], color="0.6", linewidth=1, label="best possible", zorder=1)
        axes.set_xlabel("coverage [share of images accepted]")
        axes.set_title(f"half {name}")
        axes.set_xlim(0, 1.01)
        axes.set_ylim(-0.02, 1.02)
    panels[0].set_ylabel("risk [share of the accepted that is wrong]")
    legend_below(figure, panels[0])
    return figure
