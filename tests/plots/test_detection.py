"""The heat map of AUROCs shows each number in its place."""

import numpy as np

from glowjax import plots
from glowjax.stats import Estimate


def test_a_heat_map_has_a_line_per_group_and_score_and_says_what_is_missing():
    groups = {
        "likelihood": [plots.HeatRow("rank", [0.1, 0.62], [False, True], [False, True])],
        "null models": [plots.HeatRow("random", [0.5, np.nan], [False, False], [True, False])],
    }
    axes = plots.score_heat_map(groups, ["digits", "noise"], 1).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["likelihood", "rank", "null models", "random"]
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array()[1], [0.1, 0.62])
    texts = {text.get_position(): (text.get_text(), text.get_fontweight()) for text in axes.texts}
    assert texts == {
        (0, 1): ("0.10", "normal"),
        (1, 1): ("0.62", "bold"),
        (0, 3): ("0.50", "normal"),
        (1, 3): ("-", "normal"),
    }
    assert [frame.get_xy() for frame in axes.patches] == [(0.5, 0.5), (-0.5, 2.5)]
    (line,) = axes.lines
    assert list(line.get_xdata()) == [0.5, 0.5]


def test_curves_of_three_scores_have_colors_of_their_own():
    curve = ([0.0, 1.0], [0.0, 1.0])
    figure = plots.roc_curves({"digits": {"best": ("a", *curve), "likelihood": ("b", *curve), "worst": ("c", *curve)}})
    diagonal, *drawn = figure.axes[0].lines
    assert len({line.get_color() for line in drawn} | {diagonal.get_color()}) == 4
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["a", "b", "c"]


def test_lines_by_level_show_intervals_and_leave_out_what_is_missing():
    likelihood = Estimate(0.1, 0.01, 50, 0.08, 0.12)
    curves = {"digits": {"gradient": [Estimate(0.3, 0.1, 50, 0.2, 0.6), None], "hull": [0.7, 0.8]}}
    axes = plots.auroc_by_place(["0", "8"], curves, {"digits": likelihood}, "noise level").axes[0]
    first, second = (container.lines for container in axes.containers)
    np.testing.assert_array_equal(first[0].get_ydata(), [0.3, np.nan])
    np.testing.assert_allclose(first[2][0].get_segments()[0][:, 1], [0.2, 0.6])
    np.testing.assert_array_equal(second[0].get_ydata(), [0.7, 0.8])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "8"]


def test_a_heat_map_of_many_sets_has_colors_alone():
    row = plots.HeatRow("score", [0.5] * 40, [False] * 40, [False] * 40)
    axes = plots.score_heat_map({"group": [row]}, [f"set {n}" for n in range(40)], 40).axes[0]
    assert not axes.texts
    assert axes.get_xticklabels()[39].get_text() == "set 39"
