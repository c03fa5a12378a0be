"""Likelihoods of whole sets: batches and padding must not show."""

import jax
import numpy as np
import pytest

from glowjax import nvp_glow
from glowjax.checks import InputError
from glowjax.train import EvaluationInterrupted, evaluate, in_batches, log_likelihoods, samples

MODEL = nvp_glow(1, 1, 4)
KEY = jax.random.key(3)


@pytest.fixture
def params(images):
    return MODEL.init(jax.random.key(0), images)


@pytest.mark.parametrize("num_draws", [1, 3])
def test_batch_i_draws_its_noise_from_the_key_folded_with_i(params, images, num_draws):
    actual = log_likelihoods(MODEL, params, KEY, images, num_draws, batch_size=4)
    batches = [(jax.random.fold_in(KEY, i), images[4 * i : 4 * i + 4]) for i in range(2)]
    expected = [MODEL.log_likelihood(params, *batch, num_draws) for batch in batches]
    np.testing.assert_allclose(actual, np.concatenate(expected), rtol=1e-6)


@pytest.mark.parametrize("num_images", [1, 5, 7])
def test_an_incomplete_last_batch_gives_its_images_the_same_values(params, images, num_images):
    whole = log_likelihoods(MODEL, params, KEY, images, batch_size=4)
    part = log_likelihoods(MODEL, params, KEY, images[:num_images], batch_size=4)
    assert part.shape == (num_images,)
    np.testing.assert_array_equal(part, whole[:num_images])


def test_samples_come_in_batches_and_as_many_as_asked_for(params):
    drawn = samples(MODEL, params, KEY, 7, 0.8, batch_size=4)
    batches = [MODEL.sample(params, jax.random.fold_in(KEY, i), 4, 0.8) for i in range(2)]
    assert drawn.dtype == np.uint8
    np.testing.assert_array_equal(drawn, np.concatenate(batches)[:7])


def test_an_evaluation_ends_between_two_batches(params, images):
    ran = []

    def work(key, batch):
        ran.append(key)
        return batch

    with pytest.raises(EvaluationInterrupted):
        in_batches(work, KEY, np.concatenate([images] * 10), 8, lambda: len(ran) >= 2)
    assert 2 <= len(ran) <= 3  # of ten batches, two of which run side by side
    with pytest.raises(EvaluationInterrupted):
        evaluate(MODEL, params, KEY, {"few": images}, lambda: True)


def test_no_images_are_refused(params, images):
    with pytest.raises(InputError, match="nothing to evaluate"):
        log_likelihoods(MODEL, params, KEY, images[:0])
    with pytest.raises(InputError, match="num_images must be a positive whole number, but is 0"):
        samples(MODEL, params, KEY, 0)
