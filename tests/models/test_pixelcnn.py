"""PixelCNN: causal in every pixel and channel, normalized, exact, and sampled without waste."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from layers_under_test import perturb

from glowjax.analysis import hessian_trace
from glowjax.checks import InputError
from glowjax.models import Categorical, LogisticMixture, PixelCNN
from glowjax.models.pixels import scaled

SHAPE = (5, 4, 3)
KEY = jax.random.key(0)
MODELS = {
    "categorical": PixelCNN(2, 6, Categorical(4)),
    "mixture": PixelCNN(2, 6, LogisticMixture(2, 4)),
    "deep": PixelCNN(4, 5, Categorical(4), head_width=7, entry_size=5, kernel_size=5),
}
every_model = pytest.mark.parametrize("name", MODELS)


def few_levels(num_images=6, shape=SHAPE, num_levels=4, seed=0):
    return np.random.default_rng(seed).integers(0, num_levels, (num_images, *shape), dtype=np.uint8)


@functools.cache
def perturbed(name, shape=SHAPE):
    return perturb(MODELS[name].init(KEY, few_levels(shape=shape)), 0.3)


@every_model
def test_outputs_depend_on_what_comes_before_and_on_all_of_it(name):
    """The autodiff Jacobian by every pixel and channel: no later one, and no blind spot among the earlier ones."""
    model, params = MODELS[name], perturbed(name)

    def outputs(x):
        per_channel = model.outputs(params, x[None])
        return jnp.stack([jnp.sum(jnp.sin(o[0]), axis=-1) for o in per_channel], axis=-1).ravel()

    size = np.prod(SHAPE)
    several = jax.random.uniform(jax.random.key(3), (4, *SHAPE), minval=-1, maxval=1)  # a ReLU may be dead at one
    jacobian = sum(np.abs(jax.jacobian(outputs)(x).reshape(size, size)) for x in several)
    order = np.arange(size)
    later = order[None, :] >= order[:, None]
    assert np.all(jacobian[later] == 0)
    neighbours = [n - 1 for n in range(1, size)]
    assert np.all(jacobian[order[1:], neighbours][order[1:] % 3 != 0] > 0)  # the channel before
    if name == "deep":  # whose reach is the whole image
        assert np.all(jacobian[~later] > 0)


@pytest.mark.parametrize("pixels", [Categorical(3), LogisticMixture(2, 3)], ids=["categorical", "mixture"])
def test_the_probabilities_of_all_images_sum_to_one(pixels):
    """2 x 2 pixels of three levels, and 1 x 2 pixels of two channels: 81 images each."""
    for shape in ((2, 2, 1), (1, 2, 2)):
        images = np.array(list(itertools.product(range(3), repeat=4)), np.uint8).reshape(-1, *shape)
        model = PixelCNN(2, 6, pixels)
        params = perturb(model.init(KEY, images), 0.5)
        log_likelihood = model.log_likelihood(params, KEY, images)
        assert np.ptp(log_likelihood) > 0.5
        np.testing.assert_allclose(np.exp(log_likelihood).sum(), 1, atol=1e-5)


def test_the_likelihood_is_exact_whatever_the_key_and_the_draws():
    model, params, images = MODELS["mixture"], perturbed("mixture"), few_levels()
    one = model.log_likelihood(params, jax.random.key(1), images)
    np.testing.assert_array_equal(one, model.log_likelihood(params, jax.random.key(2), images, num_draws=7))


def test_the_likelihood_is_the_product_of_the_predictions():
    model, params, images = MODELS["deep"], perturbed("deep"), few_levels(2)
    total = 0
    for row, column, channel in np.ndindex(*SHAPE):
        hidden = images.copy()
        hidden.reshape(2, -1)[:, np.ravel_multi_index((row, column, channel), SHAPE) :] = 0
        outputs = model.outputs(params, scaled(jnp.asarray(hidden), 4))[channel][:, row, column]
        total += model.pixels.log_prob(outputs, jnp.asarray(images[:, row, column, channel]))
    np.testing.assert_allclose(model.log_likelihood(params, KEY, images), total, rtol=1e-5)


def sample_naively(model, params, key, num_images, temperature=1.0):
    """The whole image again for every value."""
    images = jnp.zeros((num_images, *params.image_shape), jnp.uint8)
    for n, (row, column, channel) in enumerate(np.ndindex(*params.image_shape)):
        outputs = model.outputs(params, scaled(images, model.pixels.num_levels))[channel][:, row, column]
        level = model.pixels.sample(jax.random.fold_in(key, n), outputs, temperature)
        images = images.at[:, row, column, channel].set(level.astype(jnp.uint8))
    return images


@pytest.mark.parametrize(("name", "temperature"), [("categorical", 1.0), ("mixture", 0.5), ("deep", 1.0)])
def test_samples_are_those_of_the_naive_loop(name, temperature):
    model, params = MODELS[name], perturbed(name)
    samples = model.sample(params, KEY, 3, temperature)
    assert samples.shape == (3, *SHAPE)
    assert samples.dtype == np.uint8
    np.testing.assert_array_equal(samples, sample_naively(model, params, KEY, 3, temperature))


def test_images_come_as_often_as_their_probability_says():
    model = PixelCNN(2, 6, Categorical(2))
    images = np.array(list(itertools.product(range(2), repeat=4)), np.uint8).reshape(-1, 2, 2, 1)
    params = perturb(model.init(KEY, images), 0.5)
    expected = np.exp(model.log_likelihood(params, KEY, images))
    codes = model.sample(params, KEY, 4_000).reshape(-1, 4).astype(int) @ np.array([8, 4, 2, 1])
    counts = np.bincount(codes, minlength=16)
    assert np.all(np.abs(counts - 4_000 * expected) < 5 * np.sqrt(4_000 * expected) + 1)


def test_a_temperature_may_be_an_array_and_is_not_compiled_for():
    model, params = MODELS["categorical"], perturbed("categorical")
    cold = jax.jit(lambda temperature: model.sample(params, KEY, 2, temperature))(jnp.float32(0.7))
    np.testing.assert_array_equal(cold, model.sample(params, KEY, 2, 0.7))
    np.testing.assert_array_equal(cold, model.sample(params, KEY, 2, jnp.float32(0.7)))


def test_the_analysis_of_a_discrete_likelihood_is_refused():
    model, params = MODELS["categorical"], perturbed("categorical")

    def log_prob_fn(x):
        return model.log_likelihood(params, KEY, x[None])[0]

    with pytest.raises(InputError, match=r"are float32 .* expected uint8 grey levels"):
        hessian_trace(log_prob_fn, few_levels()[0].astype(np.float32))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, p: m.log_likelihood(p, KEY, few_levels(num_levels=9)), "hold level 8, .* 0 to 3; quantize"),
        (lambda m, p: m.init(KEY, few_levels(num_levels=9)), "hold level 8"),
        (lambda m, p: m.outputs(p, jnp.zeros((1, 4, 4, 3))), "initialized for images of shape"),
        (lambda m, p: PixelCNN(0, 4), "num_layers must be a positive whole number"),
        (lambda m, p: PixelCNN(1, 4, head_width=-1), "head_width must be a positive"),
        (lambda m, p: PixelCNN(2, 4, entry_size=4), "entry_size must be odd, but is 4"),
        (lambda m, p: PixelCNN(2, 4, kernel_size=4), "kernel_size must be odd, but is 4"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call(MODELS["categorical"], perturbed("categorical"))
