"""Selective classification: the images that a detector accepts, and the risk among them."""

import itertools
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glowjax.plots.style import COLORS, DASHES, Vector, finished, new_figure, styled
from glowjax.stats import Estimate

Detector: TypeAlias = tuple[str, str]
"""(source, score), such as ("NVP-Glow", "typicality") or ("classifier", "confidence")."""

MOST_COLUMNS = 4
ROW_HEIGHT = 2.3  # inches
TITLE_CHARACTERS = 64  # per line, of all panels in a row


def detector_styles(detectors: Iterable[Detector], **shared: Any) -> dict[str, dict[str, Any]]:
    """{score: its color and dashes, and what all share}, the same under every model."""
    scores = list(dict.fromkeys(score for _, score in detectors))
    styles = zip(scores, itertools.cycle(COLORS), itertools.cycle(DASHES))
    return {score: {"color": color, "linestyle": dashes, **shared} for score, color, dashes in styles}


@styled
def acceptance_by_angle(
    angles: Vector,
    accuracy: Sequence[Estimate],
    confidence: Sequence[Estimate],
    accepted: Mapping[Detector, Sequence[Estimate]],
    kept: float,
) -> Figure:
    """A classifier's accuracy and confidence on rotated images, and the share that each detector accepts.

    The detectors have a panel per source. There is an estimate for each of the `angles` in degrees; confidence is the
    mean of the highest predicted probability. A line marks `kept`, the share of validation images that every detector
    accepts.
    """
    sources, styles = _by_source(accepted), detector_styles(accepted, marker="o", markersize=3)
    figure, (first, *panels) = _grid(1 + len(sources), 2 if len(sources) == 3 else 3)
    for label, estimates, marker in (("accuracy", accuracy, "o"), ("mean confidence", confidence, "s")):
        low, high = np.transpose([estimate.interval for estimate in estimates])
        values = [float(estimate.value) for estimate in estimates]
        first.plot(angles, values, f"{marker}-", color="0.3", label=label, markersize=3)
        first.fill_between(angles, low, high, color="0.3", alpha=0.2)
    first.set(ylabel="share of images", title="the classifier's answers")
    first.legend(loc="best", handlelength=1.2)
    for axes, (source, scores) in zip(panels, sources.items(), strict=True):
        for score in scores:
            shares = [float(estimate.value) for estimate in accepted[source, score]]
            axes.plot(angles, shares, label=score, **styles[score])
        axes.axhline(kept, color="0.6", linewidth=1, zorder=1)
        axes.set(ylabel="share accepted", title=f"{source},\nkeeps {kept:.0%}")
    for axes in (first, *panels):
        axes.set(xlabel="rotation [degrees]", ylim=(-0.02, 1.02), xticks=np.asarray(angles)[:: 1 + len(angles) // 5])
    return _with_legend(figure, panels, styles)


@styled
def risk_coverage(
    coverage: Mapping[str, Vector],
    risk: Mapping[str, Mapping[Detector, Vector]],
    best: Mapping[str, Vector],
) -> Figure:
    """Share of wrong predictions among the accepted images against the share accepted; a panel per set and source.

    `coverage` is {set: shares accepted}, `risk` the risk of each detector at these shares, and `best` the risk if every
    wrong prediction is rejected first.
    """
    names = [(name, source) for name, curves in risk.items() for source in _by_source(curves)]
    styles = detector_styles(detector for curves in risk.values() for detector in curves)
    num_sources = max(len(_by_source(curves)) for curves in risk.values())
    num_columns = num_sources if num_sources <= MOST_COLUMNS else 3
    figure, panels = _grid(len(names), num_columns)
    for axes, (name, source) in zip(panels, names, strict=True):
        for score in _by_source(risk[name])[source]:
            axes.plot(coverage[name], risk[name][source, score], label=score, **styles[score])
        axes.plot(coverage[name], best[name], color="0.6", linewidth=1, label="best possible", zorder=1)
        words = textwrap.fill(f"half {name}", TITLE_CHARACTERS // num_columns)
        axes.set(title=f"{words}\n{source}", xlim=(0, 1.01), ylim=(-0.02, 1.02))
        axes.set(xlabel="share accepted", ylabel="share wrong of these")
    return _with_legend(figure, panels, styles | {"best possible": {"color": "0.6", "linewidth": 1}})


def _by_source(detectors: Iterable[Detector]) -> dict[str, list[str]]:
    """{source: its scores}."""
    found: dict[str, list[str]] = {}
    for source, score in detectors:
        found.setdefault(source, []).append(score)
    return found


def _grid(num_panels: int, num_columns: int) -> tuple[Figure, list[Axes]]:
    return new_figure(ROW_HEIGHT * -(-num_panels // num_columns) + 0.6, num_panels, num_columns)


def _with_legend(figure: Figure, panels: Sequence[Axes], styles: Mapping[str, Mapping[str, Any]]) -> Figure:
    """The figure with one legend of all scores, of which a panel may have a part."""
    present = {line.get_label() for line in panels[0].lines}
    for label, style in styles.items():
        if label not in present:
            panels[0].plot([], [], label=label, **style)
    return finished(figure, panels[0])
