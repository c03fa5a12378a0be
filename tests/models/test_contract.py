"""The properties that every image model has: its likelihood, its loss, its samples, and the input that it refuses."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from layers_under_test import perturb
from models.test_flow import noise, structured

from glowjax import ImageModel, PixelCNN, conv_vae, cv_glow, nvp_glow
from glowjax.checks import InputError
from glowjax.likelihood import bits_per_dim
from glowjax.models import LogisticMixture
from glowjax.noise import draw
from glowjax.train import fit

KEY = jax.random.key(0)
MODELS = {
    "nvp": nvp_glow(2, 1, 4),
    "cv": cv_glow(2, 1, 4),
    "pixelcnn": PixelCNN(1, 4),
    "vae": conv_vae(3, 4),
    "logistic vae": conv_vae(3, 4, pixels=LogisticMixture(1)),
}
every_model = pytest.mark.parametrize("name", MODELS)


@functools.cache
def initial(name):
    return MODELS[name].init(KEY, structured())


@functools.cache
def perturbed(name):
    return perturb(initial(name), 0.1)


@every_model
def test_the_loss_is_the_mean_bits_of_one_draw_and_has_finite_gradients(name):
    model, params = MODELS[name], perturbed(name)
    assert isinstance(model, ImageModel)
    loss, gradient = jax.value_and_grad(model.loss)(params, KEY, structured())
    expected = bits_per_dim(model.log_likelihood(params, KEY, structured()), 64).mean()
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        assert np.isfinite(leaf).all()
        assert np.any(leaf) or "signed_permutation" in jax.tree_util.keystr(path)


@pytest.mark.parametrize("num_draws", [1, 3])
@every_model
def test_the_noise_of_an_image_depends_on_its_own_key_alone(name, num_draws):
    model, params, images = MODELS[name], perturbed(name), structured()
    keys = jax.random.split(KEY, len(images))
    together = model.log_likelihood(params, keys, images, num_draws)
    alone = [model.log_likelihood(params, keys[n : n + 1], images[n : n + 1], num_draws)[0] for n in (0, 5)]
    np.testing.assert_allclose(together[np.array([0, 5])], alone, rtol=1e-5)
    if name != "pixelcnn":
        same_keys = keys[np.zeros(len(images), int)]
        assert np.abs(together - model.log_likelihood(params, same_keys, images, num_draws))[1:].min() > 1e-4
    np.testing.assert_allclose(
        model.loss(params, keys, images),
        bits_per_dim(model.log_likelihood(params, keys, images), 64).mean(),
        rtol=1e-5,
    )


@every_model
def test_no_model_compresses_uniform_noise(name):
    """The cross entropy of any model with the uniform distribution is at least its 8 bits."""
    for params in (initial(name), perturbed(name)):
        bits = bits_per_dim(MODELS[name].log_likelihood(params, KEY, noise(100), num_draws=4), 64)
        assert np.isfinite(bits).all()
        assert bits.mean() >= 8 - 4 * bits.std() / 10 - 1e-4


@pytest.mark.parametrize("name", ["pixelcnn", "vae"])
def test_a_fresh_softmax_model_spends_8_bits_on_any_value(name):
    log_likelihood = MODELS[name].log_likelihood(initial(name), KEY, structured(), 100)
    assert bits_per_dim(log_likelihood, 64).mean() == pytest.approx(8, abs=0.01)


@every_model
def test_samples_are_images_and_a_function_of_key_and_temperature(name):
    sample = functools.partial(MODELS[name].sample, perturbed(name))
    first, again, other = (sample(jax.random.key(seed), 3) for seed in (0, 0, 1))
    assert first.shape == (3, 8, 8, 1)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first[0] != first[1]).any()
    np.testing.assert_array_equal(sample(KEY, 3, jnp.float32(0.7)), sample(KEY, 3, temperature=0.7))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, p: m.init(KEY, structured()[0]), r"shape \[8, 8, 1\].* of shape \[N, H, W, C\]"),
        (lambda m, p: m.init(KEY, structured() * 0.5), r"are float64 of shape .* between .* expected uint8"),
        (lambda m, p: m.log_likelihood(p, KEY, structured() * 0.5), "expected uint8 grey levels"),
        (lambda m, p: m.log_likelihood(p, KEY, structured(4, (16, 16, 1))), r"shape \[8, 8, 1\], but got \[4, 16, 16"),
        (lambda m, p: m.log_likelihood(p, KEY, structured(), 0), "num_draws must be a positive whole number"),
        (lambda m, p: m.sample(p, KEY, 0), "num_images must be a positive whole number"),
        (lambda m, p: m.sample(p, KEY, 1, -1.0), "temperature must be 0 or more, but is -1"),
    ],
)
@every_model
@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_refused(name, call, message):
    with pytest.raises(InputError, match=message):
        call(MODELS[name], initial(name))


@dataclasses.dataclass(frozen=True)
class Lossy:
    """A model with a loss of its own."""

    function: Callable[[Any, Any, Any], Any]

    def init(self, key, images):
        return {"offset": jnp.ones(images.shape[1:])}

    def log_likelihood(self, params, key, images, num_draws=1):
        return -jnp.full(len(images), params["offset"].sum())

    def loss(self, params, key, images):
        return self.function(params["offset"], key, images)

    def sample(self, params, key, num_images, temperature=1.0):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda offset, key, images: jax.random.normal(key, images.shape).mean() * offset.mean(), "array of keys"),
        (
            lambda offset, key, images: jax.random.uniform(jax.random.fold_in(key, 1)) + offset.sum(),
            "array of keys, one per image",
        ),
        (lambda offset, key, images: offset[0, 0], r"the shape \[1\], but training minimizes a scalar"),
    ],
)
def test_a_loss_that_does_not_fit_training_is_refused_before_the_first_step(loss, message):
    with pytest.raises(InputError, match=f"The loss of Lossy .*{message}"):
        fit(Lossy(loss), structured(), key=KEY, num_steps=1, batch_size=2)


def test_a_loss_with_an_error_of_its_own_is_not_said_to_lack_keys():
    with pytest.raises(ZeroDivisionError):
        fit(Lossy(lambda offset, key, images: 1 / 0), structured(), key=KEY, num_steps=1, batch_size=2)
    with pytest.raises(TypeError, match="has no len"):
        fit(Lossy(lambda offset, key, images: len(3)), structured(), key=KEY, num_steps=1, batch_size=2)


def test_a_loss_draws_by_noise_draw_or_not_at_all():
    for loss in (
        lambda offset, key, images: (offset[None] * draw(jax.random.normal, key, images.shape[:1], (8, 8, 1))).mean(),
        lambda offset, key, images: offset.mean(),
    ):
        fit(Lossy(loss), structured(), key=KEY, num_steps=1, batch_size=2)
