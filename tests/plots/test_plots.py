import json
from typing import NamedTuple

import jax.numpy as jnp
import matplotlib
import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from PIL import Image

from glowjax import plots
from glowjax.checks import InputError
from glowjax.ood import detection_metrics
from glowjax.stats import mean

NUM_DIMS = 784


def log_likelihoods(**more):
    rng = np.random.default_rng(0)
    return {"MNIST": rng.normal(-1000, 100, 200), "FashionMNIST": rng.normal(-1600, 300, 200), **more}


def images(num=7, num_channels=1, size=8):
    return np.random.default_rng(0).integers(0, 256, (num, size, size, num_channels), np.uint8)


def legend_texts(figure):
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    return [text.get_text() for legend in legends for text in legend.get_texts()]


def outlines(axes):
    return [patch for patch in axes.patches if not patch.get_fill()]


def every_figure():
    sets = log_likelihoods()
    out_scores = {"MNIST": -sets["MNIST"]}
    metrics = {"MNIST": detection_metrics(-sets["FashionMNIST"], out_scores["MNIST"], num_resamples=5)}
    means = {name: mean(-nats / NUM_DIMS) for name, nats in sets.items()}
    return {
        "histograms": plots.likelihood_histograms(sets, NUM_DIMS, "FashionMNIST", "test sets"),
        "decomposition": plots.decomposition(sets, sets, "FashionMNIST", "terms"),
        "training": plots.training_curve([0, 100], {"in": [5, 3], "out": [4, 2]}, ["in"], seconds=[9, 700]),
        "roc": plots.roc_curves(-sets["FashionMNIST"], out_scores, metrics),
        "means": plots.bits_per_dim_means(means, "FashionMNIST", published={"MNIST": 1.833, "SVHN": 2.0}),
    }


@pytest.fixture(scope="module")
def figures():
    return every_figure()


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("histograms", "[nats]"),
        ("decomposition", "[nats]"),
        ("training", "training step"),
        ("roc", "[fraction]"),
        ("means", "bits/dim"),
    ],
)
def test_every_horizontal_axis_has_its_unit(figures, name, unit):
    assert all(unit in axes.get_xlabel() for axes in figures[name].axes)


def test_second_axes_show_bits_per_dim_and_time(figures):
    axes = figures["histograms"].axes[0]
    (bits,) = axes.child_axes
    assert bits.get_xlabel() == "bits/dim"
    figures["histograms"].draw_without_rendering()
    above, below = bits.transData.transform([2, 0]), axes.transData.transform([-2 * NUM_DIMS * np.log(2), 0])
    assert above[0] == pytest.approx(below[0])
    (time,) = figures["training"].axes[0].child_axes
    assert time.get_xlabel() == "time since training began [min]"
    assert time.xaxis.get_major_formatter()(100, 0) == "12"


@pytest.mark.parametrize("name", ["histograms", "decomposition", "training", "roc", "means"])
def test_nothing_is_drawn_outside_the_figure(figures, name):
    figure = figures[name]
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert box.x0 >= -0.01
    assert box.y0 >= -0.01
    assert box.x1 <= width + 0.05
    assert box.y1 <= height + 0.05


def test_settings_of_matplotlib_stay_as_they_were():
    before = dict(matplotlib.rcParams)
    every_figure()
    assert dict(matplotlib.rcParams) == before


def test_histograms_put_the_in_distribution_set_first_with_its_mean(figures):
    texts = legend_texts(figures["histograms"])
    mean = -log_likelihoods()["FashionMNIST"].mean() / NUM_DIMS / np.log(2)
    assert texts[0] == f"FashionMNIST: mean {mean:.2f} bits/dim (in-distribution)"
    assert texts[1].startswith("MNIST: mean")
    assert len(outlines(figures["histograms"].axes[0])) == 2


def test_a_histogram_counts_its_images():
    sets = {"in": np.repeat([-10.0, -5.0, 0.0], [10, 40, 10])}
    (outline,) = outlines(plots.likelihood_histograms(sets, 4, "in").axes[0])
    heights, borders, _ = outline.get_data()
    np.testing.assert_allclose(heights[heights > 0], [0.25, 1, 0.25])
    assert borders[0] < -10 < 0 < borders[-1]


def test_a_set_far_off_scale_is_named_and_does_not_squash_the_others():
    near = plots.likelihood_histograms(log_likelihoods(), NUM_DIMS, "FashionMNIST")
    far = plots.likelihood_histograms(
        log_likelihoods(noise=np.full(50, -27000.0), bright=np.full(50, 90000.0)), NUM_DIMS, "FashionMNIST"
    )
    assert far.axes[0].get_xlim() == near.axes[0].get_xlim()
    assert "not drawn: 100% off scale to the left" in legend_texts(far)[2]
    assert "not drawn: 100% off scale to the right" in legend_texts(far)[3]


def test_a_longer_reach_draws_a_farther_set():
    sets = log_likelihoods(noise=np.random.default_rng(0).normal(-27000, 100, 50))
    assert len(outlines(plots.likelihood_histograms(sets, NUM_DIMS, "MNIST").axes[0])) == 2
    assert len(outlines(plots.likelihood_histograms(sets, NUM_DIMS, "MNIST", reach=60).axes[0])) == 3


def test_a_tail_off_scale_is_told():
    tail = np.r_[np.full(90, -1000.0), np.full(10, -90000.0)] + np.arange(100)
    figure = plots.likelihood_histograms(log_likelihoods(tail=tail), NUM_DIMS, "FashionMNIST")
    assert legend_texts(figure)[2].endswith("10% off scale")


def test_a_heavy_tail_does_not_squash_the_rest():
    rng = np.random.default_rng(0)
    tailed = np.concatenate([rng.normal(-2000, 20, 950), -2000 - rng.exponential(3000, 50)])
    figure = plots.likelihood_histograms({"a": tailed, "b": rng.normal(-1900, 20, 1000)}, 784, "a")
    low, high = figure.axes[0].get_xlim()
    assert -2300 < low < -2100
    assert -1850 < high < -1800
    assert legend_texts(figure)[0].endswith("5% off scale")


def test_references_lie_beneath_and_leave_the_histograms_as_they_are():
    noise = np.random.default_rng(0).normal(-27000, 100, 50)
    inside = np.random.default_rng(1).normal(-1500, 50, 50)
    alone = plots.likelihood_histograms(log_likelihoods(), NUM_DIMS, "FashionMNIST").axes[0]
    figure = plots.likelihood_histograms(
        log_likelihoods(), NUM_DIMS, "FashionMNIST", references={"noise": noise, "constant": inside}
    )
    axes = figure.axes[0]
    assert axes.get_xlim() == alone.get_xlim()
    assert len(outlines(axes)) == len(outlines(alone)) == 2
    assert len(legend_texts(figure)) == 2
    bits = [-values.mean() / NUM_DIMS / np.log(2) for values in (noise, inside)]
    assert [text.get_text() for text in axes.texts] == [
        f"noise: mean {bits[0]:.2f} bits/dim (off scale)",
        f"constant: mean {bits[1]:.2f} bits/dim",
    ]
    _, arrow, bar, dot = axes.lines
    assert arrow.get_marker() == "<"
    np.testing.assert_allclose(bar.get_xdata(), np.quantile(inside, [0.025, 0.975]))
    np.testing.assert_allclose(dot.get_xdata(), np.mean(inside))
    assert max(bar.get_ydata()) < 0


def test_the_axis_reaches_out_to_a_reference_nearby():
    near = np.random.default_rng(0).normal(-400, 10, 50)
    axes = plots.likelihood_histograms(log_likelihoods(), NUM_DIMS, "FashionMNIST", references={"near": near}).axes[0]
    assert axes.get_xlim()[1] > -400
    assert "off scale" not in axes.texts[0].get_text()


def test_the_references_of_a_decomposition_are_no_histograms():
    sets = log_likelihoods(noise=np.full(50, -1500.0))
    panels = plots.decomposition(sets, sets, "FashionMNIST", references=["noise"]).axes
    for axes in panels:
        assert len(outlines(axes)) == 2
        assert axes.texts[0].get_text() == "noise: mean -1,500"


@pytest.mark.parametrize("noise", [0.0, 1e-4], ids=["exact", "rounded"])
def test_a_constant_log_det_is_a_line_with_its_value(noise):
    log_pz = log_likelihoods()
    rng = np.random.default_rng(0)
    log_det = {name: 2400 + noise * rng.normal(size=200) for name in log_pz}
    axes = plots.decomposition(log_pz, log_det, "FashionMNIST").axes[1]
    assert not axes.patches
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "FashionMNIST: mean 2,400, constant",
        "MNIST: mean 2,400, constant",
    ]
    for line in axes.lines:
        np.testing.assert_allclose(line.get_xdata(), 2400, rtol=1e-6)
    low, high = axes.get_xlim()
    assert low < 2399 < 2401 < high


@pytest.mark.parametrize("value", [0.0, -5.0])
def test_one_image_or_equal_images_do_not_crash(value):
    figure = plots.likelihood_histograms({"a": [value], "b": [value] * 3}, 4, "a")
    figure.draw_without_rendering()


def test_training_curves_set_in_distribution_apart(figures):
    thick, thin = figures["training"].axes[0].lines
    assert thick.get_linewidth() > thin.get_linewidth()
    assert legend_texts(figures["training"]) == ["in (in-distribution)", "out (out-of-distribution)"]
    assert "bits/dim" in figures["training"].axes[0].get_ylabel()


def test_bits_by_time_has_a_ring_at_the_end_of_each_curve():
    runs = {"long": ([60, 600], {"in": [5, 3], "out": [4, 2]}), "short": ([30, 60], {"in": [6, 5]})}
    axes = plots.bits_by_time(runs, "in").axes[0]
    rings = {tuple(np.ravel(line.get_xydata())) for line in axes.lines if line.get_marker() == "o"}
    assert rings == {(10, 3), (10, 2), (1, 5)}
    assert axes.get_xscale() == "log"
    assert "minutes" in axes.get_xlabel()


def test_a_training_curve_takes_one_step_and_gaps():
    plots.training_curve([0], {"a": [3.0]}, ["a"], seconds=[2.0]).draw_without_rendering()
    plots.training_curve([0, 1, 2], {"a": [3.0, np.nan, 2.0]}, ["a"]).draw_without_rendering()


@pytest.mark.parametrize("num_channels", [1, 3])
def test_a_grid_holds_every_image_unchanged(num_channels):
    array = images(7, num_channels)
    (axes,) = plots.image_grid(array, 3, "seven").axes
    grid = np.asarray(axes.images[0].get_array()).reshape(28, 28, num_channels)  # 3 rows of 8 pixels, 2 between
    for n, image in enumerate(array):
        row, column = 10 * (n // 3), 10 * (n % 3)
        np.testing.assert_array_equal(grid[row : row + 8, column : column + 8], image)
    assert (grid[20:, 10:] == 255).all()
    assert axes.get_title(loc="left") == "seven"


def test_scored_images_stand_beside_their_bits_per_dim():
    figure = plots.scored_images(
        {"least": (images(3), np.array([7.123, 6.5, 6.0])), "most": (images(2), np.ones(2))}, 2
    )
    figure.draw_without_rendering()
    assert [part.get_suptitle() for part in figure.subfigs] == ["least", "most"]
    shown = [axes for part in figure.subfigs for axes in part.axes if axes.images]
    assert [axes.get_title() for axes in shown] == ["7.12", "6.50", "6.00", "1.00", "1.00"]
    np.testing.assert_array_equal(np.asarray(shown[1].images[0].get_array()), images(3)[1, ..., 0])


def test_a_gap_by_part_has_a_bar_with_its_error_for_each_part():
    gaps = {"MNIST": {"scale 1, prior": (200.0, 3.0), "scale 1, volume": (-50.0, 2.0), "total": (150.0, 4.0)}}
    axes = plots.gap_by_part(gaps).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [200, -50, 150]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(gaps["MNIST"])
    (bars,) = [lines for lines in axes.collections if len(lines.get_segments()) == 3]
    np.testing.assert_allclose([np.ptp(segment[:, 0]) / 4 for segment in bars.get_segments()], [3, 2, 4])
    assert "[nats]" in axes.get_xlabel()


def test_samples_show_one_grid_a_title():
    figure = plots.samples({"real": images(), "temperature 0.7": images(3)}, 4)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["real", "temperature 0.7"]


def test_roc_curves_show_the_given_auroc_and_the_direction():
    low, high = np.arange(20.0), np.arange(20.0) + 10
    metrics = {"out": detection_metrics(low, high, num_resamples=5)}
    figure = plots.roc_curves(low, {"out": high}, metrics)
    assert legend_texts(figure) == [f"out\n{metrics['out'].auroc}", "chance\n0.5"]
    assert "higher score = more\nout-of-distribution" in figure.legends[0].get_title().get_text()
    curve = figure.axes[0].lines[0]
    assert np.trapezoid(curve.get_ydata(), curve.get_xdata()) == pytest.approx(metrics["out"].auroc.value)


def test_means_show_intervals_and_only_the_published_numbers_of_their_sets(figures):
    axes = figures["means"].axes[0]
    assert sum(isinstance(container, ErrorbarContainer) for container in axes.containers) == 2
    (paper,) = [line for line in axes.lines if line.get_label() == "paper"]
    assert list(paper.get_xdata()) == [1.833]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["FashionMNIST", "MNIST"]


class Pair(NamedTuple):
    mean: float
    sem: float


def test_save_writes_a_picture_and_its_data(tmp_path, figures):
    data = {
        "nats": np.array([[1.5, np.nan], [np.inf, 2.0]]),
        "jax": jnp.arange(2),
        "pair": Pair(1.0, np.float32(0.5)),
        "count": np.int64(3),
        "text": ("MNIST", None, True),
    }
    png = plots.save(figures["roc"], tmp_path / "new" / "figure-1.5", data)
    assert png == tmp_path / "new" / "figure-1.5.png"
    with Image.open(png) as picture:
        assert picture.size == (975, 540)  # 6.5 x 3.6 inches at 150 dots an inch
    assert json.loads((tmp_path / "new" / "figure-1.5.json").read_text()) == {
        "nats": [[1.5, None], [None, 2.0]],
        "jax": [0, 1],
        "pair": {"mean": 1.0, "sem": 0.5},
        "count": 3,
        "text": ["MNIST", None, True],
    }


def test_save_refuses_what_json_cannot_hold(tmp_path, figures):
    with pytest.raises(InputError, match="holds a set"):
        plots.save(figures["roc"], tmp_path / "figure", {"names": {"a", "b"}})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("plot", "message"),
    [
        (lambda: plots.likelihood_histograms(log_likelihoods(), 4, "MNISt"), "did you mean 'MNIST'"),
        (lambda: plots.likelihood_histograms({"a": []}, 4, "a"), "'a' holds 0 numbers"),
        (lambda: plots.likelihood_histograms({"a": [1.0]}, 4, "a", references={"b": [np.nan]}), "1 of them not finite"),
        (lambda: plots.decomposition({"a": [1.0, np.nan]}, {"a": [1.0]}, "a"), "1 of them not finite"),
        (lambda: plots.bits_by_time({"run": ([60], {"b": [4]})}, "a"), "Unknown in-distribution set 'a'"),
        (lambda: plots.training_curve([0, 1], {"a": [1.0]}, ["a"]), "'a' holds 1 numbers for 2 steps"),
        (lambda: plots.training_curve([0], {"a": [1.0]}, "mnist"), "Unknown in-distribution set"),
        (lambda: plots.image_grid(images().astype(np.float32)), "float32 of shape"),
        (lambda: plots.image_grid(images()[0]), r"shape \(8, 8, 1\)"),
        (lambda: plots.scored_images({"a": (images(2), np.ones(3))}), "'a' has 2 images and 3 scores"),
        (lambda: plots.image_grid(images(), 0), "num_columns is 0"),
        (lambda: plots.roc_curves([1.0], {"a": [2.0]}, {"b": None}), "Unknown set of metrics 'a'"),
        (lambda: plots.bits_per_dim_means({"a": None}, "b"), "Unknown in-distribution set 'b'"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(plot, message):
    with pytest.raises(InputError, match=message):
        plot()
