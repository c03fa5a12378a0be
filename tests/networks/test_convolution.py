"""The matrix-product form is a convolution: XLA's own is the independent reference."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from glowjax.networks.convolution import CONVOLUTIONS, convolve

SIZES = [(1, 1, 5, 7), (3, 3, 2, 9), (3, 3, 9, 2), (3, 3, 4, 4), (2, 3, 4, 6), (1, 2, 6, 3)]  # rows, columns, C, F
sizes = pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
MIDDLE, LAST = (lambda size: (size[0] // 2, size[1] // 2)), (lambda size: (size[0] - 1, size[1] - 1))
origins = pytest.mark.parametrize("origin", [MIDDLE, LAST], ids=["centered", "causal"])


@pytest.mark.parametrize("lone", [False, True], ids=["batch", "lone image"])
@origins
@sizes
def test_the_product_form_equals_xlas_convolution_with_its_gradients(size, origin, lone):
    x_key, kernel_key = jax.random.split(jax.random.key(0))
    x = jax.random.normal(x_key, (5, 4, size[2]) if lone else (size[2], 2, 5, 4))
    kernel = jax.random.normal(kernel_key, size)

    def value_and_gradients(form):
        return jax.value_and_grad(lambda *args: (form(*args, origin(size)) ** 3).sum(), argnums=(0, 1))(x, kernel)

    value, gradients = value_and_gradients(CONVOLUTIONS["product"])
    expected, expected_gradients = value_and_gradients(CONVOLUTIONS["xla"])
    np.testing.assert_allclose(value, expected, rtol=1e-3)
    for ours, theirs in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("form", CONVOLUTIONS.values(), ids=CONVOLUTIONS.keys())
@sizes
def test_a_lone_image_is_convolved_as_in_a_batch(form, size):
    x_key, kernel_key = jax.random.split(jax.random.key(0))
    batch = jax.random.normal(x_key, (size[2], 2, 5, 4))
    kernel = jax.random.normal(kernel_key, size)
    lone = jax.vmap(lambda x: form(x, kernel, LAST(size)))(batch.transpose(1, 2, 3, 0))
    np.testing.assert_allclose(lone.transpose(3, 0, 1, 2), form(batch, kernel, LAST(size)), rtol=1e-4, atol=1e-4)


def test_by_default_a_one_at_one_place_gives_the_kernel_turned_round():
    kernel = jax.random.normal(jax.random.key(0), (3, 3, 1, 1))
    x = np.zeros((1, 1, 5, 5), np.float32)
    x[0, 0, 2, 2] = 1
    np.testing.assert_allclose(convolve(jnp.asarray(x), kernel)[0, 0, 1:4, 1:4], kernel[::-1, ::-1, 0, 0], rtol=1e-6)


@pytest.mark.parametrize("form", CONVOLUTIONS.values(), ids=CONVOLUTIONS.keys())
def test_with_its_origin_at_the_end_a_convolution_sees_nothing_later(form):
    kernel = jax.random.normal(jax.random.key(0), (2, 2, 1, 1))
    x = np.zeros((1, 1, 5, 5), np.float32)
    x[0, 0, 2, 2] = 1
    y = np.array(form(jnp.asarray(x), kernel, (1, 1))[0, 0])
    np.testing.assert_allclose(y[2:4, 2:4], kernel[::-1, ::-1, 0, 0], rtol=1e-6)
    y[2:4, 2:4] = 0
    assert not y.any()
