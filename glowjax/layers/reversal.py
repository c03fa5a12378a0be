"""Gradients through a repetition of invertible steps that stores no activation: they are reconstructed on the way back.

The backward pass walks from the last step's output to the first step's input. At each layer it computes the layer's
input by its inverse, and there pulls the gradient back (the reversible networks of Gomez et al. 2017, for layers that
have an inverse of their own). Memory does not grow with depth, but for the params and their gradients.

It is a `jax.custom_vjp`, which JAX refuses to differentiate in forward mode (a gradient may be, as in a
Hessian-vector product): for analysis, give the same params to a flow that stores.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from glowjax.layers.base import Layer
from glowjax.layers.compose import Chain
from glowjax.layers.coupling import AdditiveCoupling, AffineCoupling, split_channels
from glowjax.layers.scanning import scan_steps
from glowjax.typing import Array, LogDet, Params

Gradient = tuple[Params, Array]
"""By the params, and by the input."""

Pulled = tuple[Array, Params, Array]
"""A layer's input, and the gradient by its params and by its input."""


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def reversible_scan(layer: Layer, params: Params, x: Array) -> tuple[Array, LogDet]:
    """The last step's output and the sum of the log-determinants, for `params` with a leading axis of steps."""
    return _forward(layer, params, x)[0]


def _forward(layer: Layer, params: Params, x: Array) -> tuple[tuple[Array, LogDet], tuple[Params, Array]]:
    y, log_det = scan_steps(layer.forward, params, x)
    return (y, log_det), (params, y)


def _backward(layer: Layer, kept: tuple[Params, Array], cotangents: tuple[Array, LogDet]) -> Gradient:
    params, y = kept
    y_bar, log_det_bar = cotangents

    def body(carry: tuple[Array, Array], step_params: Params) -> tuple[tuple[Array, Array], Params]:
        y, y_bar = carry
        x, step_bar, x_bar = pull_back(layer, step_params, y, y_bar, log_det_bar)
        return (x, x_bar), step_bar

    (_, x_bar), params_bar = jax.lax.scan(body, (y, y_bar), params, reverse=True)
    return params_bar, x_bar


reversible_scan.defvjp(_forward, _backward)


def pull_back(layer: Layer, params: Params, y: Array, y_bar: Array, log_det_bar: LogDet) -> Pulled:
    """A layer's input x, reconstructed from its output, and the gradient by its params and by x."""
    return RULES.get(type(layer), _by_inverse)(layer, params, y, y_bar, log_det_bar)


def _by_inverse(layer: Layer, params: Params, y: Array, y_bar: Array, log_det_bar: LogDet) -> Pulled:
    x = layer.inverse(params, y)[0]
    params_bar, x_bar = jax.vjp(layer.forward, params, x)[1]((y_bar, log_det_bar))
    return x, params_bar, x_bar


def _of_chain(layer: Chain, params: Params, y: Array, y_bar: Array, log_det_bar: LogDet) -> Pulled:
    gradients = []
    for part, part_params in zip(reversed(layer.layers), reversed(params), strict=True):
        y, part_bar, y_bar = pull_back(part, part_params, y, y_bar, log_det_bar)
        gradients.append(part_bar)
    return y, tuple(reversed(gradients)), y_bar


# A coupling's network is evaluated once for both: its input is the half that the coupling keeps.


def _of_affine(layer: AffineCoupling, params: Params, y: Array, y_bar: Array, log_det_bar: LogDet) -> Pulled:
    (y_a, y_b), (a_bar, b_bar) = split_channels(y), split_channels(y_bar)
    (shift, log_scale), pull = jax.vjp(layer.shift_and_log_scale, params, y_a)
    x_b_bar = b_bar * jnp.exp(log_scale)  # of y_b = (x_b + shift) exp(log_scale)
    log_scale_bar = b_bar * y_b + log_det_bar[..., None, None, None].astype(y_b.dtype)
    params_bar, from_network = pull((x_b_bar, log_scale_bar))
    x = jnp.concatenate([y_a, y_b * jnp.exp(-log_scale) - shift], axis=-1)
    return x, params_bar, jnp.concatenate([a_bar + from_network, x_b_bar], axis=-1)


def _of_additive(layer: AdditiveCoupling, params: Params, y: Array, y_bar: Array, log_det_bar: LogDet) -> Pulled:
    del log_det_bar
    (y_a, y_b), (a_bar, b_bar) = split_channels(y), split_channels(y_bar)
    shift, pull = jax.vjp(layer.shift, params, y_a)
    params_bar, from_network = pull(b_bar)
    return (
        jnp.concatenate([y_a, y_b - shift], axis=-1),
        params_bar,
        jnp.concatenate([a_bar + from_network, b_bar], axis=-1),
    )


RULES: dict[type, Callable[[Any, Params, Array, Array, LogDet], Pulled]] = {
    Chain: _of_chain,
    AffineCoupling: _of_affine,
    AdditiveCoupling: _of_additive,
}
"""By exact type: a subclass may map differently, and goes by its own inverse."""
