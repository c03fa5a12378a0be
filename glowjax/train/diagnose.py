"""Where a training step first stops being finite, for the error message of a run that fails."""

import jax
import jax.numpy as jnp

from glowjax.layers import visit
from glowjax.likelihood import dequantize
from glowjax.models.base import ImageModel
from glowjax.models.flow import Flow
from glowjax.train.step import loss_and_gradient
from glowjax.typing import Batch, Key, Params


def first_nonfinite(model: ImageModel, params: Params, key: Key, images: Batch) -> str | None:
    """Where the first NaN or infinity of a step arises: in the params, the forward pass, or the gradient.

    None if the whole step is finite.
    """
    leaf = _first_nonfinite_leaf(params)
    if leaf:
        return f"in the parameter {leaf}"
    if isinstance(model, Flow):
        for name, y, log_det in visit(model.layer, params.arrays, dequantize(jax.random.split(key, 1)[0], images)):
            if not (jnp.isfinite(y).all() and jnp.isfinite(log_det).all()):
                return f"in the output of {name}"
    loss, gradient = loss_and_gradient(model, params, key, images)
    if not jnp.isfinite(loss):
        return "in the loss, although the output of every layer is finite"
    leaf = _first_nonfinite_leaf(gradient)
    return f"in the gradient with respect to {leaf}" if leaf else None


def _first_nonfinite_leaf(tree: Params) -> str | None:
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if not jnp.isfinite(leaf).all():
            return jax.tree_util.keystr(path)
    return None
