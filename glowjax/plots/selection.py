"""Selective classification: the images that a detector accepts, and the risk among them."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from matplotlib.figure import Figure

from glowjax.plots.style import COLORS, DASHES, Vector, legend_below, new_figure, styled
from glowjax.stats import Estimate

Detector: TypeAlias = tuple[str, str]
"""(model, rule), such as ("NVP-Glow", "typicality")."""


def detector_styles(detectors: Sequence[Detector]) -> dict[Detector, dict[str, Any]]:
    """A color for each model, dashes for each rule."""
    models = list(dict.fromkeys(model for model, _ in detectors))
    rules = list(dict.fromkeys(rule for _, rule in detectors))
    return {
        (model, rule): {
            "color": COLORS[models.index(model) % len(COLORS)],
            "linestyle": DASHES[rules.index(rule) % len(DASHES)],
        }
        for model, rule in detectors
    }


@styled
def acceptance_by_angle(
    angles: Vector,
    accuracy: Sequence[Estimate],
    confidence: Sequence[Estimate],
    accepted: Mapping[Detector, Sequence[Estimate]],
    kept: float,
) -> Figure:
    """A classifier's accuracy and confidence on rotated images, and the share that each detector accepts.

    Args:
        angles: angles of rotation in degrees.
        accuracy: the share of correct predictions at each angle.
        confidence: the mean of the highest predicted probability at each angle.
        accepted: {(model, rule): share accepted at each angle}.
        kept: the share of validation images that every detector accepts, marked by a line.
    """
    figure, (left, right) = new_figure(3.4 + 0.1 * len(accepted), num_columns=2)
    for label, estimates, color in (("accuracy", accuracy, COLORS[0]), ("mean confidence", confidence, COLORS[1])):
        low, high = np.transpose([estimate.interval for estimate in estimates])
        left.plot(angles, [float(e.value) for e in estimates], "o-", color=color, label=label, markersize=3)
        left.fill_between(angles, low, high, color=color, alpha=0.2)
    left.set_ylabel("share of images")
    left.set_title("the classifier")
    for (model, rule), style in detector_styles(list(accepted)).items():
        shares = [float(estimate.value) for estimate in accepted[model, rule]]
        right.plot(angles, shares, label=f"{model}, {rule}", marker="o", markersize=3, **style)
    right.axhline(kept, color="0.6", linewidth=1, zorder=1)
    right.set_ylabel("share accepted")
    right.set_title(f"detectors that keep {kept:.0%}")
    for axes in (left, right):
        axes.set_xlabel("rotation [degrees]")
        axes.set_ylim(-0.02, 1.02)
        axes.set_xticks(np.asarray(angles))
    left.legend(loc="center right", bbox_to_anchor=(1, 0.45))
    legend_below(figure, right)
    return figure


@styled
def risk_coverage(
    coverage: Mapping[str, Vector],
    risk: Mapping[str, Mapping[Detector, Vector]],
    best: Mapping[str, Vector],
) -> Figure:
    """Share of wrong predictions among the accepted images against the share accepted; one panel per OOD set.

    Args:
        coverage: {OOD set: shares accepted}.
        risk: {OOD set: {(model, rule): risk at each coverage}}.
        best: {OOD set: the risk if every wrong prediction is rejected first}.
    """
    figure, panels = new_figure(3.6 + 0.1 * max(map(len, risk.values())), num_columns=len(risk))
    for axes, (name, curves) in zip(panels, risk.items(), strict=True):
        for (model, rule), style in detector_styles(list(curves)).items():
            axes.plot(coverage[name], curves[model, rule], label=f"{model}, {rule}", **style)
        axes.plot(coverage[name], best[name], color="0.6", linewidth=1, label="best possible", zorder=1)
        axes.set_xlabel("coverage [share of images accepted]")
        axes.set_title(f"half {name}")
        axes.set_xlim(0, 1.01)
        axes.set_ylim(-0.02, 1.02)
    panels[0].set_ylabel("risk [share of the accepted that is wrong]")
    legend_below(figure, panels[0])
    return figure
