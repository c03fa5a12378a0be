"""Selective classification: the images that a detector accepts, and the risk among them."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from matplotlib.figure import Figure

from glowjax.plots.style import COLORS, DASHES, Vector, finished, new_figure, styled
from glowjax.stats import Estimate

Detector: TypeAlias = tuple[str, str]
"""(model, rule), such as ("NVP-Glow", "typicality")."""


def detector_styles(detectors: Sequence[Detector]) -> dict[Detector, dict[str, Any]]:
    """A color for each model, dashes for each rule."""
    models = list(dict.fromkeys(model for model, _ in detectors))
    rules = list(dict.fromkeys(rule for _, rule in detectors))
    colors, dashes = dict(zip(models, itertools.cycle(COLORS))), dict(zip(rules, itertools.cycle(DASHES)))
    return {(model, rule): {"color": colors[model], "linestyle": dashes[rule]} for model, rule in detectors}


@styled
def acceptance_by_angle(
    angles: Vector,
    accuracy: Sequence[Estimate],
    confidence: Sequence[Estimate],
    accepted: Mapping[Detector, Sequence[Estimate]],
    kept: float,
) -> Figure:
    """A classifier's accuracy and confidence on rotated images, and the share that each detector accepts.

    There is an estimate for each of the `angles` in degrees; confidence is the mean of the highest predicted
    probability. A line marks `kept`, the share of validation images that every detector accepts.
    """
    figure, (left, right) = new_figure(3.4 + 0.1 * len(accepted), 2)
    for label, estimates, color in (("accuracy", accuracy, COLORS[0]), ("mean confidence", confidence, COLORS[1])):
        low, high = np.transpose([estimate.interval for estimate in estimates])
        left.plot(angles, [float(e.value) for e in estimates], "o-", color=color, label=label, markersize=3)
        left.fill_between(angles, low, high, color=color, alpha=0.2)
    left.set(ylabel="share of images", title="the classifier")
    for (model, rule), style in detector_styles(list(accepted)).items():
        shares = [float(estimate.value) for estimate in accepted[model, rule]]
        right.plot(angles, shares, label=f"{model}, {rule}", marker="o", markersize=3, **style)
    right.axhline(kept, color="0.6", linewidth=1, zorder=1)
    right.set(ylabel="share accepted", title=f"detectors that keep {kept:.0%}")
    for axes in (left, right):
        axes.set(xlabel="rotation [degrees]", ylim=(-0.02, 1.02), xticks=np.asarray(angles))
    left.legend(loc="center right", bbox_to_anchor=(1, 0.45))
    return finished(figure, right)


@styled
def risk_coverage(
    coverage: Mapping[str, Vector],
    risk: Mapping[str, Mapping[Detector, Vector]],
    best: Mapping[str, Vector],
) -> Figure:
    """Share of wrong predictions among the accepted images against the share accepted; one panel per OOD set.

    `coverage` is {OOD set: shares accepted}, `risk` the risk of each detector at these shares, and `best` the risk if
    every wrong prediction is rejected first.
    """
    figure, panels = new_figure(3.6 + 0.1 * max(map(len, risk.values())), len(risk))
    for axes, (name, curves) in zip(panels, risk.items(), strict=True):
        for (model, rule), style in detector_styles(list(curves)).items():
            axes.plot(coverage[name], curves[model, rule], label=f"{model}, {rule}", **style)
        axes.plot(coverage[name], best[name], color="0.6", linewidth=1, label="best possible", zorder=1)
        axes.set(xlabel="coverage [share of images accepted]", title=f"half {name}", xlim=(0, 1.01), ylim=(-0.02, 1.02))
    panels[0].set_ylabel("risk [share of the accepted that is wrong]")
    return finished(figure, panels[0])
