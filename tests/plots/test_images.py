"""Images are shown pixel for pixel."""

import numpy as np
import pytest

from glowjax import plots
from glowjax.checks import InputError


def images(num=7, num_channels=1, size=8):
    return np.random.default_rng(0).integers(0, 256, (num, size, size, num_channels), np.uint8)


@pytest.mark.parametrize("num_channels", [1, 3])
def test_a_grid_holds_every_image_unchanged(num_channels):
    array = images(7, num_channels)
    axes, other = plots.samples({"seven": array, "three": array[:3]}, 3).axes
    assert [a.get_title(loc="left") for a in (axes, other)] == ["seven", "three"]
    grid = np.asarray(axes.images[0].get_array()).reshape(28, 28, num_channels).copy()  # 3 rows of 8, 2 between
    for n, image in enumerate(array):
        cell = grid[10 * (n // 3) :, 10 * (n % 3) :][:8, :8]
        np.testing.assert_array_equal(cell, image)
        cell[:] = 255
    assert (grid == 255).all()  # white all around


def test_scored_images_have_their_bits_per_dim_above():
    array = images(3)
    figure = plots.scored_images({"least": (array, np.array([7.123, 6.5, 6.0])), "most": (array[:2], np.ones(2))}, 2)
    figure.draw_without_rendering()
    assert [part.get_suptitle() for part in figure.subfigs] == ["least", "most"]
    shown = [axes for part in figure.subfigs for axes in part.axes if axes.images]
    assert [axes.get_title() for axes in shown] == ["7.12", "6.50", "6.00", "1.00", "1.00"]
    np.testing.assert_array_equal(np.asarray(shown[1].images[0].get_array()), array[1, ..., 0])


def test_a_table_of_images_names_rows_and_columns_where_they_are():
    rows = {"first": images(3, size=8), "a longer name": images(3, size=8)[::-1]}
    (axes,) = plots.image_table(rows, ["x", "y", "z"]).axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == list(rows)
    grid = np.asarray(axes.images[0].get_array()).reshape(18, 28)
    for place, row in zip(axes.get_yticks(), rows.values(), strict=True):
        for column, image in zip(axes.get_xticks(), row, strict=True):
            top, left = round(place - 3.5), round(column - 3.5)
            np.testing.assert_array_equal(grid[top : top + 8, left : left + 8], image[..., 0])


@pytest.mark.parametrize(
    ("plot", "message"),
    [
        (lambda: plots.samples({"": images().astype(np.float32)}), "float32 of shape"),
        (lambda: plots.samples({"": images()[0]}), r"shape \(8, 8, 1\)"),
        (lambda: plots.samples({"": images()}, 0), "num_columns must be a positive whole number"),
        (lambda: plots.image_table({"a": images(2)}, ["x"]), "'a' has 2 images for 1 columns"),
        (lambda: plots.scored_images({"a": (images(2), np.ones(3))}), "'a' has 2 images and 3 scores"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(plot, message):
    with pytest.raises(InputError, match=message):
        plot()
