"""Figures of selective classification."""

import numpy as np

from glowjax import plots
from glowjax.plots.selection import detector_styles
from glowjax.stats import Estimate

DETECTORS = [
    ("classifier", "confidence"), ("NVP-Glow", "likelihood"), ("NVP-Glow", "typicality"), ("VAE", "likelihood")
]  # fmt: skip
ANGLES = [0, 90, 180]


def shares(value):
    return [Estimate(value, 0.05, 100, value - 0.1, value + 0.1)] * len(ANGLES)


def test_the_color_tells_the_model_and_the_dashes_tell_the_rule():
    likelihood, typicality, other = (detector_styles(DETECTORS)[detector] for detector in DETECTORS[1:])
    assert likelihood["color"] == typicality["color"] != other["color"]
    assert likelihood["linestyle"] == other["linestyle"] != typicality["linestyle"]


def test_each_detector_has_a_line_and_the_share_that_it_keeps_is_marked():
    accepted = {detector: shares(0.5) for detector in DETECTORS}
    left, right = plots.acceptance_by_angle(ANGLES, shares(0.3), shares(0.8), accepted, 0.95).axes
    assert [line.get_label() for line in right.lines[:4]] == [*map(", ".join, DETECTORS)]
    assert right.lines[4].get_ydata()[0] == 0.95
    np.testing.assert_array_equal(left.lines[0].get_ydata(), [0.3] * 3)
    band = left.collections[0].get_paths()[0].vertices[:, 1]
    np.testing.assert_allclose([band.min(), band.max()], [0.2, 0.4])


def test_risk_has_a_panel_for_each_ood_set_and_the_best_possible_curve():
    coverage = np.linspace(0.1, 1, 10)
    sets = ("MNIST test", "SVHN test")
    curves = {name: dict.fromkeys(DETECTORS, coverage / 2) for name in sets}
    figure = plots.risk_coverage(dict.fromkeys(sets, coverage), curves, dict.fromkeys(sets, coverage / 4))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["half MNIST test", "half SVHN test"]
    for axes in figure.axes:
        assert [line.get_label() for line in axes.lines] == [*map(", ".join, DETECTORS), "best possible"]
        np.testing.assert_array_equal(axes.lines[-1].get_ydata(), coverage / 4)
