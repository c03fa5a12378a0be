"""Distributions of a pixel value: they sum to one, sample what they say, and refuse levels that they do not have."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from glowjax.checks import InputError
from glowjax.models import Categorical, LogisticMixture

DISTRIBUTIONS = {
    "categorical": Categorical(5),
    "mixture": LogisticMixture(3, 5),
    "logistic": LogisticMixture(1, 5),
    "8 bits": LogisticMixture(2),
    "two levels": LogisticMixture(2, 2),
    "one level": Categorical(1),
}
every_distribution = pytest.mark.parametrize("pixels", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)


def outputs(pixels, scale=1.0, num=7):
    return scale * jax.random.normal(jax.random.key(0), (num, pixels.num_outputs))


@every_distribution
@pytest.mark.parametrize("scale", [0.0, 1.0, 6.0])
def test_probabilities_sum_to_one(pixels, scale):
    levels = jnp.arange(pixels.num_levels)[:, None]
    log_probs = pixels.log_prob(
        jnp.broadcast_to(outputs(pixels, scale), (len(levels), 7, pixels.num_outputs)), jnp.tile(levels, 7)
    )
    np.testing.assert_allclose(np.exp(log_probs).sum(0), 1, atol=2e-5)


def test_the_softmax_is_scipys():
    logits = outputs(Categorical(5))
    np.testing.assert_allclose(
        Categorical(5).log_prob(logits, jnp.full(7, 3)),
        special.log_softmax(np.float64(logits), axis=-1)[:, 3],
        rtol=1e-5,
    )


def test_the_mixture_is_a_difference_of_scipys_distribution_functions():
    pixels = LogisticMixture(2)
    values = np.array([[0.3], [-0.2], [0.5], [-0.4], [-2.0], [-3.0]])
    weights = np.exp(values[:2, 0]) / np.exp(values[:2, 0]).sum()
    for level in (0, 1, 100, 255):
        center = level / 127.5 - 1
        low = -np.inf if level == 0 else center - 1 / 255
        high = np.inf if level == 255 else center + 1 / 255
        mass = sum(
            w * (stats.logistic.cdf(high, m, s) - stats.logistic.cdf(low, m, s))
            for w, m, s in zip(weights, values[2:4, 0], np.exp(values[4:, 0]), strict=True)
        )
        np.testing.assert_allclose(
            pixels.log_prob(jnp.asarray(values[:, 0]), jnp.array(level)), np.log(mass), rtol=1e-4
        )


@pytest.mark.parametrize("log_scale", [-50.0, -7.0, 5.0])
def test_a_mixture_and_its_gradient_stay_finite_at_any_scale(log_scale):
    pixels = LogisticMixture(1)

    def total(outputs):
        return pixels.log_prob(outputs, jnp.arange(256)).sum()

    value, gradient = jax.value_and_grad(total)(
        jnp.stack([jnp.zeros(256), jnp.zeros(256), jnp.full(256, log_scale)], axis=-1)
    )
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@every_distribution
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_samples_come_as_often_as_their_probability_says(pixels, temperature):
    values = outputs(pixels, num=1)
    if temperature == 1:
        levels = jnp.arange(pixels.num_levels)
        expected = np.exp(pixels.log_prob(jnp.tile(values, (len(levels), 1)), levels))
    elif isinstance(pixels, Categorical):
        expected = np.asarray(jax.nn.softmax(values[0] / temperature))
    else:
        pytest.skip("a cooled mixture has no closed form here")
    num = 20_000
    drawn = pixels.sample(jax.random.key(1), jnp.tile(values, (num, 1)), temperature)
    counts = np.bincount(drawn, minlength=pixels.num_levels)
    assert counts.sum() == num
    assert len(counts) == pixels.num_levels
    spread = np.sqrt(num * expected * (1 - expected))
    assert np.all(np.abs(counts - num * expected) <= 5 * spread + 5)


def test_a_cooled_logistic_has_a_smaller_scale():
    warm = jnp.tile(jnp.asarray([0.0, 0.1, -2.0]), (5_000, 1))
    colder = warm.at[:, 2].add(np.log(0.5))
    key, pixels = jax.random.key(2), LogisticMixture(1)
    np.testing.assert_array_equal(pixels.sample(key, warm, 0.5), pixels.sample(key, colder))


def test_a_cooled_mixture_keeps_to_its_heavier_component():
    weights = jnp.log(jnp.asarray([0.7, 0.3]))
    outputs = jnp.concatenate([weights, jnp.asarray([-0.5, 0.5]), jnp.full(2, -6.0)])
    drawn = LogisticMixture(2).sample(jax.random.key(3), jnp.tile(outputs, (20_000, 1)), 0.5)
    expected = 0.7**2 / (0.7**2 + 0.3**2)
    assert abs(np.mean(drawn < 128) - expected) < 5 * np.sqrt(expected * (1 - expected) / 20_000)


def test_at_temperature_zero_the_most_probable_choice_is_sampled():
    logits = outputs(Categorical(5), num=200)
    np.testing.assert_array_equal(Categorical(5).sample(jax.random.key(1), logits, 0.0), logits.argmax(-1))
    values = jnp.tile(jnp.asarray([0.1, 0.0, 0.5, -0.4, -2.0, -3.0]), (200, 1))  # of two logistics, the first's mean
    np.testing.assert_array_equal(LogisticMixture(2).sample(jax.random.key(1), values, 0.0), round(1.5 * 127.5))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Categorical(0), "num_levels must be a positive whole number, but is 0"),
        (lambda: Categorical(257), "num_levels is 257, but 8-bit images have at most 256"),
        (lambda: LogisticMixture(0), "num_components must be a positive whole number"),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
