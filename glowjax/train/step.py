"""One step of training, as pure functions."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from glowjax.models.base import ImageModel
from glowjax.train.state import TrainState
from glowjax.typing import Array, Images, Key, Params

EMA_DECAY = 0.999


class StepMetrics(NamedTuple):
    """What a step reports: the loss in bits per dimension, and the gradient's norm before clipping."""

    bits_per_dim: Array
    gradient_norm: Array


def train_step(
    model: ImageModel, optimizer: optax.GradientTransformation, state: TrainState, key: Key, images: Images
) -> tuple[TrainState, StepMetrics]:
    """The state after one step on uint8 `images` [N, H, W, C], and its metrics.

    `key` is the run's: it is folded with the step, so that a step's noise is a function of seed and step alone. A
    non-finite gradient changes neither params nor their average; the optimiser's state counts it.
    """
    loss, gradient = loss_and_gradient(model, state.params, jax.random.fold_in(key, state.step), images)
    return apply_gradient(optimizer, state, loss, gradient)


def loss_and_gradient(model: ImageModel, params: Params, key: Key, images: Images) -> tuple[Array, Params]:
    """The model's loss [] in bits per dimension, and its gradient by `params`."""
    return jax.value_and_grad(model.loss)(params, key, images)


def apply_gradient(
    optimizer: optax.GradientTransformation, state: TrainState, loss: Array, gradient: Params
) -> tuple[TrainState, StepMetrics]:
    """The state after a step along `gradient`, and the step's metrics."""
    updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    step = state.step + 1
    decay = jnp.minimum(EMA_DECAY, step / (step + 10.0))  # early on, average over the few steps that there are
    decay = jnp.where(opt_state.last_finite, decay, 1.0)
    ema_params = optax.incremental_update(params, state.ema_params, 1 - decay)
    return TrainState(step, params, opt_state, ema_params), StepMetrics(loss, optax.tree.norm(gradient))
