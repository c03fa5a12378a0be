"""The contract of an invertible layer, in words and as a protocol.

A layer is a frozen, hashable dataclass of hyperparameters with three pure methods. The learned arrays are a
pytree that `init` returns and the other two receive, so jit, pmap, grad, hessian, optimisers and checkpoints see
plain pytrees, and the layer itself can be a static argument.

Direction: `forward` goes from data to latent (the normalising direction). Several libraries call the opposite
direction forward; wrap a layer in `Inverse` to turn it round.

Shapes: `x` is floating-point, [..., H, W, C] with any number of leading axes, none included, and `log_det` is [...] in
nats, in float32 or better: half precision cannot tell thousands of nats apart. No layer mixes the images of a batch,
except in `init`.
"""

import math
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from glowjax.checks import InputError
from glowjax.typing import Array, Key, LogDet, Params


@runtime_checkable
class Layer(Protocol):
    """An invertible map of images, with the log-determinant of its Jacobian."""

    def init(self, key: Key, x: Array) -> Params:
        """Learned arrays for inputs like `x` [N, H, W, C], whose statistics a data-dependent layer uses."""
        ...

    def forward(self, params: Params, x: Array) -> tuple[Any, LogDet]:
        """Latent-side `y` (an array; a tuple of latents at the end of a flow) and log |det dy/dx| [...] in nats."""
        ...

    def inverse(self, params: Params, y: Any) -> tuple[Array, LogDet]:
        """Data-side `x` with `forward(params, x)[0] == y`, and log |det dx/dy| [...]: minus forward's."""
        ...


def per_image(value: Array | float, x: Array) -> LogDet:
    """`value`, which is the same for every image, as one number an image of `x` [..., H, W, C], in float32 or better.

    Raises InputError unless `x` is floating-point.
    """
    return jnp.broadcast_to(jnp.asarray(value, log_det_dtype(x)), x.shape[:-3])


def sum_per_image(values: Array) -> LogDet:
    """The sum of `values` [..., H, W, C] over each image, [...], in float32 or better."""
    return jnp.sum(values, axis=(-3, -2, -1), dtype=log_det_dtype(values))


def log_det_dtype(x: Array) -> jnp.dtype:
    """What the log-determinants of `x` are counted in. Raises InputError unless `x` is floating-point."""
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise InputError(f"A layer maps floating-point images, but got {x.dtype}: dequantise 8-bit images first.")
    return jnp.promote_types(x.dtype, jnp.float32)


def soft_clip(values: Array, bound: float) -> Array:
    """`values` pressed smoothly into (-bound, bound): with slope 1 near zero, and as they are without a bound."""
    return values if math.isinf(bound) else bound * jax.nn.tanh(values / bound)
