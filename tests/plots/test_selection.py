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


def test_a_score_has_one_style_under_every_model():
    styles = detector_styles(DETECTORS)
    assert list(styles) == ["confidence", "likelihood", "typicality"]
    assert len({(style["color"], style["linestyle"]) for style in styles.values()}) == 3


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_each_detector_has_a_line_and_the_share_that_it_keeps_is_marked():
    accepted = {detector: shares(0.5) for detector in DETECTORS}
    figure = plots.acceptance_by_angle(ANGLES, shares(0.3), shares(0.8), accepted, 0.95)
    left, *panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in panels] == [
        f"{name},\nkeeps 95%" for name in ("classifier", "NVP-Glow", "VAE")
    ]
    labels = [[line.get_label() for line in axes.lines if line.get_label()[0] != "_"] for axes in panels]
    assert labels[1:] == [["likelihood", "typicality"], ["likelihood"]]
    assert panels[1].lines[2].get_ydata()[0] == 0.95
    assert legend(figure) == ["confidence", "likelihood", "typicality"]
    np.testing.assert_array_equal(left.lines[0].get_ydata(), [0.3] * 3)
    band = left.collections[0].get_paths()[0].vertices[:, 1]
    np.testing.assert_allclose([band.min(), band.max()], [0.2, 0.4])


def test_risk_has_a_panel_for_each_set_and_model_and_the_best_possible_curve():
    coverage = np.linspace(0.1, 1, 10)
    sets = ("MNIST test", "SVHN test")
    curves = {name: dict.fromkeys(DETECTORS, coverage / 2) for name in sets}
    figure = plots.risk_coverage(dict.fromkeys(sets, coverage), curves, dict.fromkeys(sets, coverage / 4))
    sources = ("classifier", "NVP-Glow", "VAE")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [f"half {name}\n{source}" for name in sets for source in sources]
    for axes in figure.axes[1:]:
        assert axes.lines[-1].get_label() == "best possible"
        np.testing.assert_array_equal(axes.lines[-1].get_ydata(), coverage / 4)
    assert [line.get_label() for line in figure.axes[1].lines] == ["likelihood", "typicality", "best possible"]
    assert legend(figure) == ["confidence", "best possible", "likelihood", "typicality"]
