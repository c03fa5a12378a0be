"""The state of a training run: everything that the next step depends on, besides the data and the key."""

import flax.struct
import jax
import jax.numpy as jnp
import optax

from glowjax.typing import Array, Params


@flax.struct.dataclass
class TrainState:
    """A pytree that a step maps to the next.

    Attributes:
        step: [] int32, steps taken.
        params: the model's learned arrays.
        opt_state: the optimiser's arrays, with the count of non-finite gradients in a row.
        ema_params: an exponential moving average of `params`, with which the model is evaluated.
    """

    step: Array
    params: Params
    opt_state: optax.ApplyIfFiniteState
    ema_params: Params


def make_state(params: Params, optimizer: optax.GradientTransformation) -> TrainState:
    """The state before the first step."""
    ema_params = jax.tree.map(jnp.copy, params)  # buffers of its own: a step donates both
    return TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(params), ema_params)
