"""Figures of curvature show what they were given."""

import numpy as np
import pytest

from glowjax import plots
from glowjax.stats import Estimate


def test_the_remainder_is_the_distance_between_the_curves():
    t = np.linspace(0, 1, 5)
    left, right = plots.along_paths(t, {"a": 3 * t}, {"a": -100 * t**2}).axes
    np.testing.assert_allclose(right.lines[0].get_ydata(), np.abs(3 * t + 100 * t**2))
    assert left.get_ylim()[0] > -100  # the expansion leaves the panel; the measured curve fills it


def test_predictions_and_curves_by_scale_have_their_errors_and_a_line_marks_the_gap():
    curve = Estimate(np.array([-5.0, -2000.0]), np.array([1.0, 50.0]), 32)
    predicted = Estimate(np.array([700.0, 600.0]), np.array([20.0, 10.0]), 99)
    left, right = plots.curvature_by_scale(
        [0.5, 1.0], predicted, Estimate(600.0, 9.0, 99), {"a": ([1, 10], curve)}
    ).axes
    assert [600.0, 600.0] in [list(line.get_ydata()) for line in left.lines]
    assert right.get_yscale() == "symlog"
    for axes, points, reach in ((left, [[0.5, 700], [1, 600]], [40, 20]), (right, [[1, -5], [10, -2000]], [2, 100])):
        (drawn,) = axes.containers
        assert drawn.lines[0].get_xydata().tolist() == points
        (bars,) = drawn.lines[2]
        assert [np.ptp(bar[:, 1]) / 2 for bar in bars.get_segments()] == pytest.approx(reach)


def test_a_note_below_the_panel_names_an_expansion_outside_it():
    curve = [Estimate(0.0, 0.1, 9), Estimate(1.0, 0.1, 9)]
    measured = {panel: {"a": curve} for panel in ("to black", "to grey")}
    predicted = {"to black": {"a": [-500.0, -400.0]}, "to grey": {"a": [0.2, 0.4]}}
    panels = plots.contrast_curves([1.0, 0.0], measured, predicted).axes
    notes = {axes.get_title(loc="left"): axes.get_xlabel() for axes in panels}
    assert notes == {
        "to black": "contrast (0: flat)\nsecond order, off scale:\na: -500 to -400",
        "to grey": "contrast (0: flat)",
    }


@pytest.mark.parametrize("num_low", [0, 2, 3])
def test_lowest_and_highest_eigenvalues_have_panels_of_their_own(num_low):
    images = np.random.default_rng(0).normal(size=(3, 4, 4, 1))
    figure = plots.spectrum([-2.0, -1.0, 0.5], images, {"a": [1.0, 2.0, 3.0]}, num_low)
    curves = [axes.lines[0] for axes in figure.axes if axes.get_xlabel()]
    points = [point for curve in curves for point in curve.get_xydata().tolist()]
    index = [*range(1, num_low + 1), *range(17 - (3 - num_low), 17)]
    assert points == [[i, value] for i, value in zip(index, [1.0, 2.0, 3.0], strict=True)]
    assert len(curves) == (1 if num_low in (0, 3) else 2)
    assert sum(len(axes.images) for axes in figure.axes) == 3


def test_moments_count_every_pixel_of_every_set():
    rng = np.random.default_rng(0)
    figure = plots.pixel_moments({name: (rng.random((4, 4, 1)), rng.random((4, 4, 1))) for name in ("a", "b")})
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]
    for axes in figure.axes:
        for outline in [patch for patch in axes.patches if not patch.get_fill()]:
            x, y = outline.get_xy().T
            assert np.trapezoid(y, x) == pytest.approx(1)
