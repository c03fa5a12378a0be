"""The causal network of a Gated PixelCNN, as functions of its arrays (van den Oord et al. 2016b, figure 2).

No kernel is masked. Each stack's input is shifted by one row or pixel, once, at its entry; after that, every kernel
ends at the output's own position, so that it sees nothing later. The features are the last axis of all activations.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Float

from glowjax.networks.causal import causal_convolution
from glowjax.typing import Array, Key, Params

NUM_OCTAVES = 7
"""The number of frequencies in the encoding of earlier channels; the last has a period of 4 levels of 256."""

Features = Float[Array, "... F"]


def init_layer(key: Key, columns: int, num_inputs: int, width: int) -> Params:
    """A gated layer's arrays: its vertical kernel has `columns` columns and half as many rows, the middle included."""
    keys, rows = jax.random.split(key, 4), columns // 2 + 1
    return {
        "vertical": _kernel(keys[0], rows, columns, num_inputs, 2 * width),
        "vertical_bias": jnp.zeros(2 * width),
        "across": _kernel(keys[1], 2 * width, 2 * width),
        "horizontal": _kernel(keys[2], 1, rows, num_inputs, 2 * width),
        "horizontal_bias": jnp.zeros(2 * width),
        "out": _kernel(keys[3], width, width),
    }


def init_head(key: Key, channel: int, width: int, head_width: int, num_outputs: int) -> Params:
    """The arrays of the head of `channel`, counted from 0; its outputs start at zero."""
    keys, encoding = jax.random.split(key, 2), channel * (2 * NUM_OCTAVES + 1)
    earlier = {"channels": _kernel(keys[1], encoding, head_width)} if channel else {}
    return earlier | {
        "features": _kernel(keys[0], width, head_width),
        "bias": jnp.zeros(head_width),
        "out": jnp.zeros((head_width, num_outputs)),
        "out_bias": jnp.zeros(num_outputs),
    }


def _kernel(key: Key, *shape: int) -> Array:
    return jax.random.normal(key, shape) / math.sqrt(math.prod(shape[:-1]))


def dense(matrix: Float[Array, "C F"], x: Float[Array, "... C"]) -> Features:
    """`matrix` [C, F] applied to `x` [..., C]: [..., F]."""
    return (x.reshape(-1, x.shape[-1]) @ matrix).reshape(*x.shape[:-1], matrix.shape[1])


def add_bias(x: Features, bias: Float[Array, " F"]) -> Features:
    """`x` [..., F] with `bias` [F] added to every feature."""
    return x + bias.reshape(*[1] * (x.ndim - 1), -1)


def gate(x: Features) -> Float[Array, "..."]:
    """The gated unit: tanh of the first half of the features times sigmoid of the second (eq. 2)."""
    values, gates = jnp.split(x, 2, axis=-1)
    return jnp.tanh(values) * jax.nn.sigmoid(gates)


def vertical_convolution(layer: Params, x: Float[Array, "N H W C"]) -> Float[Array, "N H W F"]:
    """The vertical convolution of `x` [N, H, W, C], before its gate: a row sees itself and rows above."""
    return add_bias(causal_convolution(x, layer["vertical"], centered=True), layer["vertical_bias"])


def horizontal_output(layer: Params, x: Float[Array, "... C"], before_gate: Features) -> Float[Array, "..."]:
    """A layer's horizontal output from its convolution; the layer's input is added if it has as many features."""
    y = dense(layer["out"], gate(before_gate))
    return y + x if x.shape == y.shape else y


def head_outputs(head: Params, features: Features, earlier: Float[Array, "... c"]) -> Float[Array, "... O"]:
    """A channel's outputs [..., num_outputs] from features [..., F] and the `earlier` channels [..., c] in [-1, 1]."""
    hidden = add_bias(dense(head["features"], features), head["bias"])
    if earlier.shape[-1]:
        frequencies = jnp.pi * 2.0 ** jnp.arange(NUM_OCTAVES, dtype=earlier.dtype)
        angles = frequencies.reshape(*[1] * (earlier.ndim - 1), -1, 1) * earlier[..., None, :]
        encoded = jnp.concatenate([earlier[..., None, :], jnp.sin(angles), jnp.cos(angles)], axis=-2)
        hidden += dense(head["channels"], encoded.reshape(*earlier.shape[:-1], -1))
    return add_bias(dense(head["out"], jax.nn.relu(hidden)), head["out_bias"])


@jax.jit
def outputs(network: Params, x: Float[Array, "N H W C"]) -> tuple[Float[Array, "N H W O"], ...]:
    """Each channel's outputs [N, H, W, num_outputs] for `x` [N, H, W, C] in [-1, 1]."""
    vertical = jnp.pad(x, [(0, 0), (1, 0), (0, 0), (0, 0)])[:, :-1]
    horizontal = jnp.pad(x, [(0, 0), (0, 0), (1, 0), (0, 0)])[:, :, :-1]
    for layer in network["layers"]:
        before_gate = vertical_convolution(layer, vertical)
        vertical = gate(before_gate)
        convolved = causal_convolution(horizontal, layer["horizontal"], centered=False)
        convolved += dense(layer["across"], before_gate)
        horizontal = horizontal_output(layer, horizontal, add_bias(convolved, layer["horizontal_bias"]))
    features = jax.nn.relu(horizontal)
    return tuple(head_outputs(head, features, x[..., :channel]) for channel, head in enumerate(network["heads"]))
