"""Numerical tests for invertible layers, including your own."""

from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from glowjax.layers.base import log_det_dtype
from glowjax.typing import Array, Continuous, Params


def assert_invertible(
    layer: Any, params: Params, x: Continuous, atol: float = 1e-4, atol_log_det: float = 1e-2
) -> None:
    """Raises AssertionError unless `layer.inverse` undoes `layer.forward` at `x` and their log-dets cancel.

    Args:
        layer: anything with the methods of `glowjax.layers.Layer`.
        params: its learned arrays.
        x: floating-point [..., H, W, C], with any number of leading axes.
        atol: largest difference allowed between `x` and its reconstruction, in the units of `x`.
        atol_log_det: tolerance for the sum of the two log-dets, in nats; a relative tolerance of 1e-6 is added.
    """
    log_det_dtype(x)
    y, log_det = layer.forward(params, x)
    back, inverse_log_det = layer.inverse(params, y)
    chex.assert_equal_shape([x, back])
    _assert_finite_per_image(log_det, x, "forward")
    _assert_finite_per_image(inverse_log_det, x, "inverse")
    for latent in jax.tree.leaves(y):
        _assert_finite(latent, "the output of forward")
    _assert_close(back, x, atol, 0.0, "inverse(forward(x)) differs from x")
    _assert_close(-inverse_log_det, log_det, atol_log_det, 1e-6, "the log-dets of forward and inverse do not cancel")


def assert_log_det_matches_jacobian(layer: Any, params: Params, x: Continuous, atol: float = 1e-3) -> None:
    """Raises AssertionError unless the log-det of `layer.forward` is log |det| of its autodiff Jacobian.

    The whole Jacobian of each image is formed, [H W C, H W C]: take small images. The assertion includes that images do
    not mix: the output of `forward` for a batch must equal its outputs for the single images.

    Args:
        layer: anything with the methods of `glowjax.layers.Layer`.
        params: its learned arrays.
        x: floating-point [..., H, W, C], with any number of leading axes.
        atol: largest difference allowed, in nats.
    """
    log_det_dtype(x)
    images = x.reshape(-1, *x.shape[-3:])

    def flat_forward(flat: Array) -> Array:
        return ravel_pytree(layer.forward(params, flat.reshape(x.shape[-3:]))[0])[0]

    y, log_det = layer.forward(params, x)
    _assert_finite_per_image(log_det, x, "forward")
    flat_images = images.reshape(len(images), -1)
    single = jax.jit(jax.vmap(flat_forward))(flat_images)
    batch = jnp.concatenate([part.reshape(len(images), -1) for part in jax.tree.leaves(y)], axis=-1)
    _assert_close(batch, single, 1e-4 * float(jnp.abs(single).max()), 0.0, "forward mixes the images of a batch")
    jacobians = jax.jit(jax.vmap(jax.jacfwd(flat_forward)))(flat_images)
    expected = jnp.linalg.slogdet(jacobians)[1].reshape(x.shape[:-3])
    _assert_finite(expected, "log |det| of the Jacobian (minus infinity: it is singular)")
    _assert_close(log_det, expected, atol, 0.0, "log_det is not that of the Jacobian")


def _assert_finite_per_image(log_det: Array, x: Array, direction: str) -> None:
    chex.assert_shape(log_det, x.shape[:-3])
    _assert_finite(log_det, f"the log-det of {direction}")


def _assert_finite(values: Array, name: str) -> None:
    bad = np.argwhere(~np.isfinite(np.asarray(values)))
    if len(bad):  # no assert statement, which `python -O` would drop
        raise AssertionError(f"{name} is not finite at index {bad[0].tolist()} ({len(bad)} of {values.size} values)")


def _assert_close(found: Array, expected: Array, atol: float, rtol: float, message: str) -> None:
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol, equal_nan=False, err_msg=message)
