"""Where a number first stops being finite, in words: for the sentence with which a failing run stops."""

import functools
from collections.abc import Iterator

import jax
import jax.numpy as jnp

from glowjax.layers import Chain, Layer, MultiScale, Repeat
from glowjax.likelihood import dequantize
from glowjax.models.base import ImageModel
from glowjax.models.flow import Flow
from glowjax.train.step import loss_and_gradient
from glowjax.typing import Array, Images, Key, Params

Visit = tuple[str, Array, Array]
"""A layer's name, and its output and log-determinant."""


def first_nonfinite(model: ImageModel, params: Params, key: Key, images: Images) -> str | None:
    """The place at which the first NaN or infinity of a step arises: of the params, the forward pass, the gradient.

    None where all of the step is finite.
    """
    leaf = _first_nonfinite_leaf(params)
    if leaf:
        return f"in the parameter {leaf}"
    if isinstance(model, Flow):
        for name, y, log_det in visit(model.layer, params.layer, dequantize(jax.random.split(key, 1)[0], images)):
            if not (jnp.isfinite(y).all() and jnp.isfinite(log_det).all()):
                return f"in the output of {name}"
    loss, gradient = loss_and_gradient(model, params, key, images)
    if not jnp.isfinite(loss):
        return "in the loss, although the output of every layer is finite"
    leaf = _first_nonfinite_leaf(gradient)
    return f"in the gradient by {leaf}" if leaf else None


def _first_nonfinite_leaf(tree: Params) -> str | None:
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if not jnp.isfinite(leaf).all():
            return jax.tree_util.keystr(path)
    return None


@functools.singledispatch
def visit(layer: Layer, params: Params, x: Array) -> Iterator[Visit]:
    """Every elementary layer's name, output and log-determinant at `x`, in the order of the forward pass."""
    yield type(layer).__name__, *layer.forward(params, x)


@visit.register
def _(layer: Chain, params: Params, x: Array) -> Iterator[Visit]:
    for part, part_params in zip(layer.layers, params, strict=True):
        for name, y, log_det in visit(part, part_params, x):
            yield name, y, log_det
        x = y


@visit.register
def _(layer: Repeat, params: Params, x: Array) -> Iterator[Visit]:
    for index in range(layer.num_steps):
        step_params = jax.tree.map(lambda leaf, i=index: leaf[i], params)
        for name, y, log_det in visit(layer.layer, step_params, x):
            yield f"step {index + 1}, {name}", y, log_det
        x = y


@visit.register
def _(layer: MultiScale, params: Params, x: Array) -> Iterator[Visit]:
    for index, (scale, scale_params) in enumerate(zip(layer.scales, params["scales"], strict=True)):
        for name, y, log_det in visit(scale, scale_params, x):
            yield f"scale {index + 1}, {name}", y, log_det
        x = y
        if index < len(params["splits"]):
            (x, latent), log_det = layer.split.forward(params["splits"][index], x)
            yield f"scale {index + 1}, {type(layer.split).__name__}", latent, log_det
