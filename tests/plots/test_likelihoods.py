"""Histograms of likelihoods: range, labels, references, and the panels of several models."""

import numpy as np
import pytest

from glowjax import plots
from glowjax.checks import InputError

NUM_DIMS = 784


def log_likelihoods(**more):
    rng = np.random.default_rng(0)
    return {"MNIST": rng.normal(-1000, 100, 200), "FashionMNIST": rng.normal(-1600, 300, 200), **more}


def histograms(sets, in_dist="FashionMNIST", **options):
    """(figure, its main axes, the texts of its legend)."""
    figure = plots.likelihood_histograms(sets, NUM_DIMS, in_dist, **options)
    return figure, figure.axes[0], [text.get_text() for text in figure.legends[0].get_texts()]


def outlines(axes):
    return [patch for patch in axes.patches if not patch.get_fill()]


def bits(values):
    return f"mean {-np.mean(values) / NUM_DIMS / np.log(2):.2f} bits/dim"


def test_the_in_distribution_set_comes_first_with_its_mean():
    _, axes, legend = histograms(log_likelihoods())
    sets = log_likelihoods()
    assert legend[0] == f"FashionMNIST: {bits(sets['FashionMNIST'])} (in-distribution)"
    assert legend[1] == f"MNIST: {bits(sets['MNIST'])}"
    assert len(outlines(axes)) == 2


def test_the_upper_axis_shows_bits_per_dim():
    figure, axes, _ = histograms(log_likelihoods())
    figure.draw_without_rendering()
    (upper,) = axes.child_axes
    assert upper.get_xlabel() == "bits/dim"
    above, below = upper.transData.transform([2, 0]), axes.transData.transform([-2 * NUM_DIMS * np.log(2), 0])
    assert above[0] == pytest.approx(below[0])


def test_nothing_is_drawn_outside_the_figure():
    sets = log_likelihoods()
    for figure in (histograms(sets)[0], plots.decomposition(sets, sets, "FashionMNIST", "terms")):
        figure.draw_without_rendering()
        box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        assert min(box.x0, box.y0) >= -0.01
        assert max(box.x1 - width, box.y1 - height) <= 0.05


def test_a_histogram_counts_its_images():
    (outline,) = outlines(histograms({"in": np.repeat([-10.0, -5.0, 0.0], [10, 40, 10])}, "in")[1])
    heights, borders, _ = outline.get_data()
    np.testing.assert_allclose(heights[heights > 0], [0.25, 1, 0.25])
    assert borders[0] < -10 < 0 < borders[-1]


def test_few_images_get_few_bins():
    values = np.random.default_rng(0).normal(size=20_000)
    many, few = (outlines(histograms({"in": v}, "in")[1])[0].get_data()[0] for v in (values, values[:30]))
    assert len(few) < 20 < 60 < len(many)


def test_a_set_far_off_scale_is_named_and_does_not_squash_the_others():
    _, near, _ = histograms(log_likelihoods())
    _, far, legend = histograms(log_likelihoods(noise=np.full(50, -27000.0), bright=np.full(50, 90000.0)))
    assert far.get_xlim() == near.get_xlim()
    assert "not drawn: 100% off scale to the left" in legend[2]
    assert "not drawn: 100% off scale to the right" in legend[3]


def test_a_longer_reach_draws_a_farther_set():
    sets = log_likelihoods(noise=np.random.default_rng(0).normal(-27000, 100, 50))
    assert [len(outlines(histograms(sets, reach=reach)[1])) for reach in (6.0, 60.0)] == [2, 3]


def test_a_heavy_tail_does_not_squash_the_rest_and_its_share_is_in_the_legend():
    rng = np.random.default_rng(0)
    tailed = np.concatenate([rng.normal(-2000, 20, 950), -2000 - rng.exponential(3000, 50)])
    _, axes, legend = histograms({"a": tailed, "b": rng.normal(-1900, 20, 1000)}, "a")
    low, high = axes.get_xlim()
    assert -2300 < low < -2100
    assert -1850 < high < -1800
    assert legend[0].endswith("5% off scale")


def test_references_lie_below_and_leave_the_histograms_as_they_are():
    noise = np.random.default_rng(0).normal(-27000, 100, 50)
    inside = np.random.default_rng(1).normal(-1500, 50, 50)
    _, alone, _ = histograms(log_likelihoods())
    _, axes, legend = histograms(log_likelihoods(), references={"noise": noise, "constant": inside})
    assert axes.get_xlim() == alone.get_xlim()
    assert len(outlines(axes)) == len(outlines(alone)) == len(legend) == 2
    notes = [text.get_text() for text in axes.texts]
    assert notes == [f"noise: {bits(noise)} (off scale)", f"constant: {bits(inside)}"]
    _, arrow, bar, dot = axes.lines
    assert arrow.get_marker() == "<"
    np.testing.assert_allclose(bar.get_xdata(), np.quantile(inside, [0.025, 0.975]))
    np.testing.assert_allclose(dot.get_xdata(), np.mean(inside))
    assert max(bar.get_ydata()) < 0


def test_the_axis_extends_to_a_reference_nearby():
    near = np.random.default_rng(0).normal(-400, 10, 50)
    _, axes, _ = histograms(log_likelihoods(), references={"near": near})
    assert axes.get_xlim()[1] > -400
    assert axes.texts[0].get_text() == f"near: {bits(near)}"


def test_the_references_of_a_decomposition_are_no_histograms():
    sets = log_likelihoods(noise=np.full(50, -1500.0))
    for axes in plots.decomposition(sets, sets, "FashionMNIST", references=["noise"]).axes:
        assert len(outlines(axes)) == 2
        assert axes.texts[0].get_text() == "noise: mean -1,500"


@pytest.mark.parametrize("noise", [0.0, 1e-4], ids=["exact", "rounded"])
def test_a_constant_log_det_is_a_line_with_its_value(noise):
    log_pz, rng = log_likelihoods(), np.random.default_rng(0)
    log_det = {name: 2400 + noise * rng.normal(size=200) for name in log_pz}
    axes = plots.decomposition(log_pz, log_det, "FashionMNIST").axes[1]
    assert not axes.patches
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["FashionMNIST: mean 2,400, constant", "MNIST: mean 2,400, constant"]
    for line in axes.lines:
        np.testing.assert_allclose(line.get_xdata(), 2400, rtol=1e-6)
    low, high = axes.get_xlim()
    assert low < 2399 < 2401 < high


@pytest.mark.parametrize("value", [0.0, -5.0])
def test_one_image_and_equal_images_lie_within_the_axis(value):
    low, high = histograms({"a": [value], "b": [value] * 3}, "a")[1].get_xlim()
    assert low < value < high


@pytest.mark.parametrize("num_models", [1, 3])
def test_every_model_has_a_panel_with_the_mean_of_each_set(num_models):
    rng = np.random.default_rng(0)
    values = {"in": rng.normal(-1600, 100, 50), "out": rng.normal(-1000, 100, 50)}
    models = {f"model {n}": values for n in range(num_models)}
    shown = [axes for axes in plots.likelihood_panels(models, NUM_DIMS, "in").axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in shown] == list(models)
    for axes in shown:
        assert [text.get_text() for text in axes.get_legend().get_texts()][1] == f"out: {bits(values['out'])}"


@pytest.mark.parametrize(
    ("plot", "message"),
    [
        (lambda: histograms(log_likelihoods(), "MNISt"), "did you mean 'MNIST'"),
        (lambda: histograms({"a": []}, "a"), "'a' holds 0 numbers"),
        (lambda: histograms({"a": [1.0]}, "a", references={"b": [np.nan]}), "1 of them not finite"),
        (lambda: plots.decomposition({"a": [1.0, np.nan]}, {"a": [1.0]}, "a"), "1 of them not finite"),
        (lambda: plots.likelihood_panels({"m": {"mnist": [0.0]}}, 784, "fashion"), "in-distribution set 'fashion'"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(plot, message):
    with pytest.raises(InputError, match=message):
        plot()
