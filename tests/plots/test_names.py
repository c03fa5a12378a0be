"""Figures show any name as it is."""

import numpy as np
import pytest
from matplotlib.text import Text

from glowjax import plots
from glowjax.stats import Estimate

NAMES = ("$\\frac{$", "cost $5 and $6", "_a_^b", "two\nlines")
ONE = Estimate(1.0, 0.1, 9, 0.8, 1.2)
MANY = Estimate(np.array([1.0]), np.array([0.1]), 9)
DRAW = {
    "likelihood_histograms": lambda n: plots.likelihood_histograms(
        {n: [1.0, 2.0]}, 4, n, n, references={f"r{n}": [1.0]}
    ),
    "likelihood_panels": lambda n: plots.likelihood_panels({n: {n: [1.0, 2.0]}}, 4, n),
    "decomposition": lambda n: plots.decomposition({n: [1.0, 2.0]}, {n: [1.0, 2.0]}, n, n),
    "gap_estimates": lambda n: plots.gap_estimates({"measured": {n: ONE}, "predicted": {f"r{n}": ONE}}, n),
    "curvature_by_scale": lambda n: plots.curvature_by_scale([0.5], MANY, ONE, {n: ([1.0], MANY)}, n),
    "gap_by_part": lambda n: plots.gap_by_part({n: {n: ONE, "total": ONE}}, n),
    "training_curve": lambda n: plots.training_curve([1, 2], {n: [3.0, 2.0]}, [n], title=n),
    "bits_by_time": lambda n: plots.bits_by_time({n: ([1.0, 2.0], {n: [3.0, 2.0]})}, n, title=n),
    "samples": lambda n: plots.samples({n: np.zeros((2, 4, 4, 1), np.uint8)}),
    "scored_images": lambda n: plots.scored_images({n: (np.zeros((2, 4, 4, 1), np.uint8), [1.0, 2.0])}),
    "score_heat_map": lambda n: plots.score_heat_map({n: [plots.HeatRow(n, [0.2], [True], [True])]}, [n], 1),
    "auroc_by_place": lambda n: plots.auroc_by_place(["0", "8"], {n: {n: [ONE, 0.2]}}, {n: ONE}, n),
    "roc_curves": lambda n: plots.roc_curves({n: {"best": (n, [0.0, 1.0], [0.0, 1.0])}}),
    "score_histograms": lambda n: plots.score_histograms({n: {n: [1.0, 2.0]}}),
    "risk_coverage": lambda n: plots.risk_coverage({n: [0.5, 1.0]}, {n: {(n, n): [0.1, 0.2]}}, {n: [0.0, 0.1]}),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_a_name_is_shown_as_it_is(draw, name):
    figure = draw(name)
    figure.draw_without_rendering()
    texts = [text for text in figure.findobj(Text) if not text.get_text().startswith("$\\mathdefault")]  # a number
    assert any(name.split("\n")[0] in text.get_text() for text in texts)
    assert not any(text.get_parse_math() for text in texts if "$" in text.get_text())


def test_ticks_of_logarithmic_axes_stay_formulas():
    figure = plots.along_paths([0.0, 1.0], {"$a$": [1.0, 2e5]}, {"$a$": [1.5, 1.0]})
    figure.draw_without_rendering()
    labels = [label for label in figure.axes[1].get_yticklabels() if label.get_text()]
    assert labels
    assert all(label.get_parse_math() and "10^" in label.get_text() for label in labels)
