"""The style that figures share, and how they are saved."""

import json
from typing import NamedTuple

import jax.numpy as jnp
import matplotlib
import numpy as np
import pytest
from PIL import Image

from glowjax import plots
from glowjax.checks import InputError
from glowjax.plots.style import line_styles
from glowjax.stats import Estimate


@pytest.fixture(scope="module")
def figure():
    return plots.training_curve([0, 100], {"in": [5, 3], "out": [4, 2]}, ["in"])


def test_a_data_set_has_one_color_in_every_figure():
    first = line_styles(["FashionMNIST test", "MNIST test", "discs"])
    second = line_styles(["mnist:test", "FashionMNIST", "MNIST train", "MNIST test at half contrast"])
    assert first["FashionMNIST test"]["color"] == second["FashionMNIST"]["color"]
    assert first["MNIST test"]["color"] == second["mnist:test"]["color"]
    assert first["FashionMNIST test"]["linestyle"] == second["mnist:test"]["linestyle"] == "-"


@pytest.mark.parametrize("known", [["SVHN test", "CIFAR-10 train", "SVHN train"], []])
def test_no_two_of_many_sets_look_alike(known):
    styles = line_styles([*known, *(f"set {n}" for n in range(20))])
    assert len({(style["color"], style["linestyle"]) for style in styles.values()}) == 20 + len(known)


def test_settings_of_matplotlib_stay_as_they_were():
    before = dict(matplotlib.rcParams)
    plots.training_curve([0], {"a": [3.0]}, ["a"], seconds=[2.0]).draw_without_rendering()
    assert dict(matplotlib.rcParams) == before


class Pair(NamedTuple):
    mean: float
    sem: float


def test_save_writes_a_figure_and_its_data(tmp_path, figure):
    data = {
        "nats": np.array([[1.5, np.nan], [np.inf, 2.0]]),
        "jax": jnp.arange(2),
        "pair": Pair(1.0, np.float32(0.5)),
        "estimate": Estimate(2.0, 0.5, 100, 1.0, 3.0),
        "count": np.int64(3),
        "text": ("MNIST", None, True),
    }
    png = plots.save(figure, tmp_path / "new" / "figure-1.5", data)
    assert png == tmp_path / "new" / "figure-1.5.png"
    with Image.open(png) as image:
        assert image.size == (975, 510)  # 6.5 x 3.4 inches at 150 dots per inch
    assert json.loads((tmp_path / "new" / "figure-1.5.json").read_text()) == {
        "nats": [[1.5, None], [None, 2.0]],
        "jax": [0, 1],
        "pair": {"mean": 1.0, "sem": 0.5},
        "estimate": {"value": 2.0, "sem": 0.5, "low": 1.0, "high": 3.0},
        "count": 3,
        "text": ["MNIST", None, True],
    }


def test_save_refuses_what_json_cannot_hold(tmp_path, figure):
    with pytest.raises(InputError, match="holds a set"):
        plots.save(figure, tmp_path / "figure", {"names": {"a", "b"}})
    assert not list(tmp_path.iterdir())
