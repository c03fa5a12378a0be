"""Assertions for invertible layers, ours and a user's own, on numbers instead of trust."""

from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from glowjax.typing import Array, Params


def assert_invertible(layer: Any, params: Params, x: Array, atol: float = 1e-4) -> None:
    """Raises AssertionError unless `layer.inverse` undoes `layer.forward` at `x` and their log-dets cancel.

    Args:
        layer: anything with the methods of `glowjax.layers.Layer`.
        params: its learned arrays.
        x: [..., H, W, C], any leading axes, none included.
        atol: largest difference allowed, in the units of `x`; log-dets (nats) may differ by `atol` times the number
            of dimensions of an image.
    """
    y, log_det = layer.forward(params, x)
    back, inverse_log_det = layer.inverse(params, y)
    chex.assert_equal_shape([x, back])
    chex.assert_shape([log_det, inverse_log_det], x.shape[:-3])
    np.testing.assert_allclose(back, x, rtol=0, atol=atol, err_msg="inverse(forward(x)) differs from x")
    tolerance = atol * np.prod(x.shape[-3:])
    np.testing.assert_allclose(
        log_det,
        -inverse_log_det,
        rtol=0,
        atol=tolerance,
        err_msg="the log-dets of forward and inverse do not cancel",
    )


def assert_log_det_matches_jacobian(layer: Any, params: Params, x: Array, atol: float = 1e-3) -> None:
    """Raises AssertionError unless the log-det of `layer.forward` is log |det| of its autodiff Jacobian.

    The Jacobian of each image is formed whole, [H W C, H W C]: take small images. Arguments as for
    `assert_invertible`, with `atol` in nats.
    """
    images = x.reshape(-1, *x.shape[-3:])

    def flat_forward(flat: Array) -> Array:
        return ravel_pytree(layer.forward(params, flat.reshape(x.shape[-3:]))[0])[0]

    jacobians = jax.jit(jax.vmap(jax.jacfwd(flat_forward)))(images.reshape(len(images), -1))
    expected = jnp.linalg.slogdet(jacobians)[1].reshape(x.shape[:-3])
    log_det = layer.forward(params, x)[1]
    np.testing.assert_allclose(log_det, expected, rtol=0, atol=atol, err_msg="log_det is not that of the Jacobian")
