"""The contract of an invertible layer.

A layer is a frozen, hashable dataclass of hyperparameters with three pure methods. The learned arrays are a
pytree that `init` returns and the other two receive, so jit, pmap, grad, hessian, optimizers and checkpoints see
plain pytrees, and the layer itself can be a static argument.

Direction: `forward` goes from data to latent (the normalizing direction). Several libraries call the opposite
direction forward; wrap a layer in `Inverse` to swap the two.

Shapes: `x` is floating-point, [..., H, W, C] with any number of leading axes (or none), and `log_det` is [...] in
nats, in float32 or better: half precision cannot resolve a few nats among thousands. No layer mixes the images of a
batch, except in `init`.

Two more methods are optional: `visit(params, x)` yields the elementary layers of a composed layer, and `pull_back` is
a cheaper version of the function of that name.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Float

from glowjax.checks import InputError
from glowjax.typing import Array, Continuous, Key, LogDet, Params


@runtime_checkable
class Layer(Protocol):
    """An invertible map of images, with the log-determinant of its Jacobian."""

    def init(self, key: Key, x: Continuous) -> Params:
        """Learned arrays for inputs like `x` [N, H, W, C], whose statistics a data-dependent layer uses."""
        ...

    def forward(self, params: Params, x: Continuous) -> tuple[Any, LogDet]:
        """Latent-side `y` (an array; a tuple of latents at the end of a flow) and log |det dy/dx| [...] in nats."""
        ...

    def inverse(self, params: Params, y: Any) -> tuple[Continuous, LogDet]:
        """Data-side `x` with `forward(params, x)[0] == y`, and log |det dx/dy| [...]: minus forward's."""
        ...


class Visit(NamedTuple):
    """One elementary layer in the forward pass: its name, output and log-determinant."""

    name: str
    y: Array
    log_det: LogDet


def visit(layer: Layer, params: Params, x: Continuous) -> Iterator[Visit]:
    """Every elementary layer of `layer` at `x`, in the order of the forward pass."""
    if hasattr(layer, "visit"):
        yield from layer.visit(params, x)
    else:
        yield Visit(type(layer).__name__, *layer.forward(params, x))


def pull_back(
    layer: Layer, params: Params, y: Continuous, y_bar: Continuous, log_det_bar: LogDet
) -> tuple[Continuous, Params, Continuous]:
    """A layer's input, from its output `y`, and the gradients with respect to the params and the input.

    `y_bar` and `log_det_bar` are the gradients with respect to the output, which is one array, and the log-determinant.
    A method `pull_back` of the layer is used, unless a subclass overrides `forward` or `inverse` and not the method.
    """
    methods = ("forward", "inverse", "pull_back")
    owner = next((cls for cls in type(layer).__mro__ if any(name in vars(cls) for name in methods)), None)
    if owner is not None and "pull_back" in vars(owner):
        return layer.pull_back(params, y, y_bar, log_det_bar)  # type: ignore[attr-defined]
    x = layer.inverse(params, y)[0]
    params_bar, x_bar = jax.vjp(layer.forward, params, x)[1]((y_bar, log_det_bar))
    return x, params_bar, x_bar


def per_image(value: Float[Array, ""] | float, x: Array) -> LogDet:
    """`value`, the same for every image, broadcast to one number per image of `x` [..., H, W, C]."""
    return jnp.broadcast_to(jnp.asarray(value, log_det_dtype(x)), x.shape[:-3])


def sum_per_image(values: Array) -> LogDet:
    """The sum of `values` [..., H, W, C] over each image, [...], in float32 or better."""
    return jnp.sum(values, axis=(-3, -2, -1), dtype=log_det_dtype(values))


def per_channel(values: Float[Array, " C"], x: Array) -> Array:
    """`values` [C] with leading axes of length 1, so that it broadcasts against `x` [..., C]."""
    return values.reshape((1,) * (x.ndim - 1) + values.shape)


def log_det_dtype(x: Array) -> jnp.dtype:
    """The dtype in which log-determinants are summed. Raises InputError unless `x` is floating-point."""
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise InputError(f"A layer maps floating-point images, but got {x.dtype}: dequantize 8-bit images first.")
    return promote_dtypes(x.dtype, jnp.dtype(jnp.float32))


def promote_dtypes(*dtypes: jnp.dtype) -> jnp.dtype:
    """The smallest dtype that holds the values of all `dtypes`."""
    with jax.numpy_dtype_promotion("standard"):
        return jnp.result_type(*dtypes)


def soft_clip(values: Array, bound: float) -> Array:
    """Bound * tanh(values / bound); the values themselves if the bound is infinite."""
    return values if math.isinf(bound) else bound * jax.nn.tanh(values / bound)
