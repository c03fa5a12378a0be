"""Figures of gates in front of a classifier, and the panels of several models."""

import numpy as np
import pytest

from glowjax import plots
from glowjax.checks import InputError
from glowjax.plots.filtering import gate_styles
from glowjax.stats import Estimate

GATES = [("classifier", "confidence"), ("NVP-Glow", "likelihood"), ("NVP-Glow", "typicality"), ("VAE", "likelihood")]
ANGLES = [0, 90, 180]


def shares(value):
    return [Estimate(value, 0.05, 9, value - 0.1, value + 0.1)] * len(ANGLES)


def by_angle():
    passing = {gate: shares(0.5) for gate in GATES}
    return plots.by_angle(ANGLES, shares(0.3), shares(0.8), passing, 0.95)


def test_each_gate_has_a_line_with_its_models_colour_and_its_rules_dashes():
    lines = [line.get_label() for line in by_angle().axes[1].lines]
    assert [", ".join(gate) for gate in GATES] == lines[:4]
    styles = gate_styles(GATES)
    likelihood, typicality, other = (styles[gate] for gate in GATES[1:])
    assert likelihood["color"] == typicality["color"] != other["color"]
    assert likelihood["linestyle"] == other["linestyle"] != typicality["linestyle"]


def test_the_share_that_gates_keep_is_marked_and_axes_have_units():
    left, right = by_angle().axes
    assert 0.95 in [line.get_ydata()[0] for line in right.lines]
    assert left.get_xlabel() == right.get_xlabel() == "rotation [degrees]"
    np.testing.assert_array_equal(left.lines[0].get_ydata(), [0.3] * 3)


def test_risk_has_a_panel_for_each_foreign_set_and_the_best_possible_curve():
    coverage = np.linspace(0.1, 1, 10)
    sets = ("MNIST test", "SVHN test")
    curves = {name: dict.fromkeys(GATES, coverage / 2) for name in sets}
    figure = plots.risk_coverage(dict.fromkeys(sets, coverage), curves, dict.fromkeys(sets, coverage / 4))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["half MNIST test", "half SVHN test"]
    for axes in figure.axes:
        assert [line.get_label() for line in axes.lines] == [*map(", ".join, GATES), "best possible"]
        assert axes.get_xlabel() == "coverage [share of images accepted]"


@pytest.mark.parametrize(("num_models", "num_shown"), [(1, 1), (2, 2), (3, 3), (4, 4)])
def test_every_model_has_a_panel_with_the_mean_of_each_set(num_models, num_shown):
    rng = np.random.default_rng(0)
    values = {"in": rng.normal(-1600, 100, 50), "out": rng.normal(-1000, 100, 50)}
    figure = plots.likelihood_panels({f"model {n}": values for n in range(num_models)}, 784, "in")
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in shown] == [f"model {n}" for n in range(num_shown)]
    mean = -values["out"].mean() / 784 / np.log(2)
    for axes in shown:
        assert f"out: mean {mean:.2f} bits/dim" in [text.get_text() for text in axes.get_legend().get_texts()]
        assert axes.get_xlabel() == "log P(image) [nats]"


def test_panels_refuse_a_model_without_the_in_distribution_set():
    with pytest.raises(InputError, match="in-distribution set 'fashion'"):
        plots.likelihood_panels({"model": {"mnist": np.zeros(3)}}, 784, "fashion")
