"""Curvature figures show what they were given."""

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer

from glowjax import plots
from glowjax.checks import InputError


def test_every_estimate_gets_a_row_and_the_gap_a_line():
    groups = {
        "measured": {"gap": (700.0, 5.0)},
        "exact parts": {"location": (400.0, 9.0)},
        "predicted": {"a": (-1e4, 2e3)},
    }
    axes = plots.gap_estimates(groups, "title").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["gap", "location", "a"]
    assert sum(isinstance(container, ErrorbarContainer) for container in axes.containers) == 3
    assert [700.0, 700.0] in [list(line.get_xdata()) for line in axes.lines]
    dots = [container.lines[0].get_xydata() for container in axes.containers]
    assert np.concatenate(dots).tolist() == [[700.0, 0.0], [400.0, 1.0], [-1e4, 2.0]]


@pytest.mark.parametrize("groups", [{"predicted": {"a": (1.0, 1.0)}}, {"measured": {"gap": (1.0, 1.0)}, "guessed": {}}])
def test_estimates_of_unknown_kind_are_refused(groups):
    with pytest.raises(InputError, match="expected 'measured'"):
        plots.gap_estimates(groups)


def test_the_remainder_is_the_distance_between_the_curves():
    t = np.linspace(0, 1, 5)
    left, right = plots.along_paths(t, {"a": 3 * t}, {"a": -100 * t**2}).axes
    np.testing.assert_allclose(right.lines[0].get_ydata(), np.abs(3 * t + 100 * t**2))
    assert left.get_ylim()[0] > -100  # the expansion leaves the panel; the measured curve fills it


def test_an_expansion_off_the_panel_is_told_in_its_corner():
    measured = {panel: {"a": ([0.0, 1.0], [0.1, 0.1])} for panel in ("to black", "to grey")}
    predicted = {"to black": {"a": [-500.0, -400.0]}, "to grey": {"a": [0.2, 0.4]}}
    black, grey = plots.contrast_curves([1.0, 0.0], measured, predicted).axes
    assert [text.get_text() for text in black.texts] == ["second order, off the panel:\na: -500 to -400"]
    assert not grey.texts
    assert [axes.get_title(loc="left") for axes in (black, grey)] == ["to black", "to grey"]


def test_the_spectrum_shows_every_direction():
    eigenimages = np.random.default_rng(0).normal(size=(3, 4, 4, 1))
    top, bottom, strip = plots.spectrum([-2.0, -1.0, 0.5], eigenimages, {"a": [1.0, 2.0, 3.0]}).axes
    assert len(strip.images) == 3
    assert list(bottom.lines[0].get_ydata()) == [1.0, 2.0, 3.0]
    assert top.get_yscale() == "symlog"


def test_moments_are_drawn_for_every_set():
    rng = np.random.default_rng(0)
    sets = {name: (rng.random((4, 4, 1)), rng.random((4, 4, 1))) for name in ("a", "b")}
    figure = plots.pixel_moments(sets)
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {"a", "b"}
