"""Curves along training."""

import numpy as np
import pytest

from glowjax import plots
from glowjax.checks import InputError


def test_training_curves_distinguish_in_distribution_sets_and_have_an_axis_of_time():
    figure = plots.training_curve([0, 100], {"in": [5, 3], "out": [4, np.nan]}, ["in"], seconds=[9, 700])
    figure.draw_without_rendering()
    (axes,) = figure.axes
    thick, thin = axes.lines
    assert thick.get_linewidth() > thin.get_linewidth()
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["in (in-distribution)", "out (out-of-distribution)"]
    (time,) = axes.child_axes
    assert time.get_xlabel() == "time since training began [min]"
    assert time.xaxis.get_major_formatter()(100, 0) == "12"


def test_bits_by_time_has_a_ring_at_the_end_of_each_curve():
    runs = {"long": ([60, 600], {"in": [5, 3], "out": [4, 2]}), "short": ([30, 60], {"in": [6, 5]})}
    axes = plots.bits_by_time(runs, "in").axes[0]
    rings = {tuple(np.ravel(line.get_xydata())) for line in axes.lines if line.get_marker() == "o"}
    assert rings == {(10, 3), (10, 2), (1, 5)}
    assert axes.get_xscale() == "log"


@pytest.mark.parametrize(
    ("plot", "message"),
    [
        (lambda: plots.bits_by_time({"run": ([60], {"b": [4]})}, "a"), "Unknown in-distribution set 'a'"),
        (lambda: plots.training_curve([0, 1], {"a": [1.0]}, ["a"]), "'a' holds 1 numbers for 2 steps"),
        (lambda: plots.training_curve([0], {"a": [1.0]}, ["mnist"]), "Unknown in-distribution set"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(plot, message):
    with pytest.raises(InputError, match=message):
        plot()
