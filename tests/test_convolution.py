"""The matrix-product form is a convolution: XLA's own is the independent reference."""

import jax
import numpy as np
import pytest

from glowjax.convolution import CONVOLUTIONS

SIZES = [(1, 5, 7), (3, 2, 9), (3, 9, 2), (3, 4, 4)]


@pytest.mark.parametrize("lone", [False, True], ids=["batch", "lone image"])
@pytest.mark.parametrize(("size", "channels", "features"), SIZES)
def test_the_product_form_equals_xlas_convolution_with_its_gradients(size, channels, features, lone):
    x_key, kernel_key = jax.random.split(jax.random.key(0))
    x = jax.random.normal(x_key, (5, 4, channels) if lone else (channels, 2, 5, 4))
    kernel = jax.random.normal(kernel_key, (size, size, channels, features))

    def value_and_gradients(convolve):
        return jax.value_and_grad(lambda *args: (convolve(*args) ** 3).sum(), argnums=(0, 1))(x, kernel)

    value, gradients = value_and_gradients(CONVOLUTIONS["product"])
    expected, expected_gradients = value_and_gradients(CONVOLUTIONS["xla"])
    np.testing.assert_allclose(value, expected, rtol=1e-3)
    for ours, theirs in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("form", CONVOLUTIONS.values(), ids=CONVOLUTIONS.keys())
@pytest.mark.parametrize(("size", "channels", "features"), SIZES)
def test_a_lone_image_is_convolved_as_in_a_batch(form, size, channels, features):
    x_key, kernel_key = jax.random.split(jax.random.key(0))
    batch = jax.random.normal(x_key, (channels, 2, 5, 4))
    kernel = jax.random.normal(kernel_key, (size, size, channels, features))
    lone = jax.vmap(form, in_axes=(0, None))(batch.transpose(1, 2, 3, 0), kernel)
    np.testing.assert_allclose(lone.transpose(3, 0, 1, 2), form(batch, kernel), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("form", CONVOLUTIONS.values(), ids=CONVOLUTIONS.keys())
def test_a_one_at_one_place_gives_the_kernel_turned_round(form):
    kernel = jax.random.normal(jax.random.key(0), (3, 3, 1, 1))
    x = np.zeros((1, 1, 5, 5), np.float32)
    x[0, 0, 2, 2] = 1
    np.testing.assert_allclose(form(x, kernel)[0, 0, 1:4, 1:4], kernel[::-1, ::-1, 0, 0], rtol=1e-6)
