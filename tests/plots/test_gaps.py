"""Figures of gaps show every estimate with its error."""

import numpy as np
import pytest

from glowjax import plots
from glowjax.checks import InputError
from glowjax.stats import Estimate


def estimate(value, sem):
    return Estimate(value, sem, 100)


def test_every_estimate_has_a_row_and_a_line_marks_the_gap():
    groups = {
        "measured": {"gap": estimate(700.0, 5.0)},
        "exact parts": {"location": estimate(400.0, 9.0)},
        "predicted": {"a": estimate(-1e4, 2e3)},
    }
    axes = plots.gap_estimates(groups, "title").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["gap", "location", "a"]
    assert [700.0, 700.0] in [list(line.get_xdata()) for line in axes.lines]
    dots = [container.lines[0].get_xydata() for container in axes.containers]
    assert np.concatenate(dots).tolist() == [[700.0, 0.0], [400.0, 1.0], [-1e4, 2.0]]


@pytest.mark.parametrize("groups", [{"predicted": {}}, {"measured": {"gap": estimate(1.0, 1.0)}, "guessed": {}}])
def test_estimates_of_an_unknown_kind_are_refused(groups):
    with pytest.raises(InputError, match="expected 'measured'"):
        plots.gap_estimates(groups)


def test_a_gap_by_part_has_a_bar_with_its_error_for_each_part():
    parts = {"scale 1, prior": (200.0, 3.0), "scale 1, volume": (-50.0, 2.0), "total": (150.0, 4.0)}
    axes = plots.gap_by_part({"MNIST": {name: estimate(*pair) for name, pair in parts.items()}}).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [200, -50, 150]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(parts)
    (bars,) = [lines for lines in axes.collections if len(lines.get_segments()) == 3]
    np.testing.assert_allclose([np.ptp(segment[:, 0]) / 4 for segment in bars.get_segments()], [3, 2, 4])
