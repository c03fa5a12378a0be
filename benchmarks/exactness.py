"""Errors of the gradient in each memory mode, and of the inverse that the mode "invert" uses."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import glowjax as gj
from benchmarks.timing import Row
from glowjax.layers.repeat import MEMORY, Memory
from glowjax.models import Flow, FlowParams
from glowjax.typing import Array


def exactness(model: Callable[[Memory], Flow], params: FlowParams, images: np.ndarray) -> list[Row]:
    """For each mode, in float32, the error of the gradient of -log p(x) by the params, relative to its norm.

    The truth is the gradient in float64, with activations stored. Beside it the largest error of x as it comes back
    from its latents, in grey levels.

    Args:
        model: the flow in a memory mode.
        params: float32.
        images: [N, H, W, C] uint8.
    """
    x = np.asarray(gj.dequantize(jax.random.key(1), images))
    with jax.enable_x64(True):
        exact = _gradient(model("store"), jax.tree.map(np.float64, params), x.astype(np.float64))
    rows = []
    for mode in MEMORY:
        flow = model(mode)
        error = jax.tree.map(np.subtract, _gradient(flow, params, x), exact)
        returned = flow.decode(params, flow.encode(params, jnp.asarray(x)))
        rows.append(
            {
                "memory": mode,
                "relative_error": _norm(error) / _norm(exact),
                "reconstruction_error_grey_levels": float(np.abs(returned - x).max()),
            }
        )
    return rows


def _gradient(flow: Flow, params: FlowParams, x: np.ndarray) -> FlowParams:
    return jax.device_get(jax.jit(jax.grad(functools.partial(_negative_log_prob, flow)))(params, x))


def _negative_log_prob(flow: Flow, params: FlowParams, x: Array) -> Array:
    return -flow.log_prob(params, x).mean()


def _norm(tree: Any) -> float:
    return sum(float((leaf**2).sum()) for leaf in jax.tree.leaves(tree)) ** 0.5
