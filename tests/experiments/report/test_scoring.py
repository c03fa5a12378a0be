"""Models that diverged are refused or named, and sets that would look alike are refused."""

import dataclasses

import jax
import numpy as np
import pytest

import glowjax as gj
from experiments.figures.likelihoods import LikelihoodsConfig
from experiments.report import scoring
from experiments.report.scoring import evaluate, image_sets, score
from experiments.report.trained import TITLES, load
from glowjax.checks import InputError


@pytest.fixture
def trained(trained_run):
    return load(trained_run())


@pytest.fixture
def config(trained_run, folder):
    return LikelihoodsConfig(run_dir=trained_run(), num_images=20, data_dir=folder)


def test_a_model_whose_params_are_not_finite_is_neither_scored_nor_saved(trained, config, tmp_path):
    diverged = dataclasses.replace(trained, params=jax.tree.map(lambda leaf: leaf * np.float32(np.nan), trained.params))
    test, _ = image_sets(trained, (), config)
    with pytest.raises(
        InputError, match="log P is not finite for 20 of the 20 images of ramps test: the model diverged"
    ):
        score(diverged, test, 1, 0)
    with pytest.raises(InputError, match="numbers of the params are not finite"):
        gj.save(diverged, tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_model_that_needs_more_bits_than_no_model_is_named(trained, config, monkeypatch):
    nats = -9 * np.log(2) * trained.num_dims
    monkeypatch.setattr(scoring, "log_likelihoods", lambda *_: np.linspace(0.99 * nats, 1.01 * nats, 20))
    with pytest.warns(UserWarning, match=r"needs 9\.0 bits/dim .* its training diverged"):
        evaluate(trained, (), config)


def test_two_sets_of_one_title_are_refused(trained, config, monkeypatch):
    monkeypatch.setitem(TITLES, "others", "ramps")
    with pytest.raises(InputError, match="'others' would be called 'ramps test' in tables"):
        image_sets(trained, ("others",), config)
