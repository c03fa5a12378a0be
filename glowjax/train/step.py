"""One step of training, as pure functions from a state to the next, and the place where it stops being finite."""

from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, Integer

from glowjax.layers import visit
from glowjax.likelihood import dequantize
from glowjax.models.base import ImageModel
from glowjax.models.flow import Flow
from glowjax.models.parts import num_parts
from glowjax.noise import draw_keys, image_keys
from glowjax.typing import Array, Batch, Key, Keys, Params

EMA_DECAY = 0.999


class TrainState(flax.struct.PyTreeNode):
    """Everything that the next step depends on, besides the images and the key: a pytree of arrays.

    Attributes:
        step: [] int32, the number of steps taken.
        params: the model's learned arrays.
        opt_state: the `optax.ApplyIfFiniteState`, with the number of non-finite gradients in a row.
        ema_params: an exponential moving average of `params`, with which the model is evaluated.
        loss_sum: [] the sum of the losses since the last report, in bits per dimension.
        loss_count: [] int32, the number of those losses.
        gradient_norm: [] the norm of the last gradient, before clipping.
    """

    step: Any
    params: Params
    opt_state: Any
    ema_params: Params
    loss_sum: Any
    loss_count: Any
    gradient_norm: Any

    def with_no_losses(self) -> "TrainState":
        """The state after a report: a new mean of the losses begins, and no reported NaN stays in the state."""
        reported = ("loss_sum", "loss_count", "gradient_norm")
        return self.replace(**{name: jnp.zeros_like(getattr(self, name)) for name in reported})


class StepMetrics(NamedTuple):
    """Numbers about a step.

    Attributes:
        bits_per_dim: the loss in bits per dimension.
        gradient_norm: the norm of the gradient before clipping.
        signal: the largest number of the signals that the processes received before the step, or 0.
    """

    bits_per_dim: Float[Array, ""]
    gradient_norm: Float[Array, ""]
    signal: Integer[Array, ""] | int = 0


def make_state(params: Params, optimizer: optax.GradientTransformation) -> TrainState:
    """The state before the first step.

    One program computes it, which is compiled faster than one for each shape. It is freed after the call.
    """
    return jax.jit(lambda params: _first_state(params, optimizer))(params)


def _first_state(params: Params, optimizer: optax.GradientTransformation) -> TrainState:
    ema_params = jax.tree.map(jnp.copy, params)  # buffers of its own, since a step donates both
    zero = jnp.zeros((), jnp.int32)
    return TrainState(
        step=zero,
        params=params,
        opt_state=optimizer.init(params),
        ema_params=ema_params,
        loss_sum=jnp.zeros(()),
        loss_count=jnp.copy(zero),
        gradient_norm=jnp.zeros(()),
    )


def train_step(
    model: ImageModel,
    optimizer: optax.GradientTransformation,
    state: TrainState,
    key: Key,
    images: Batch,
    num_microbatches: int = 1,
) -> tuple[TrainState, StepMetrics]:
    """The state after one step on uint8 `images` [N, H, W, C], and the metrics of the step.

    `key` is the run's key. The noise of an image depends only on the key, the step and the index of the image in the
    batch. With several microbatches, the batch is divided into equal parts. Their gradients are computed one after the
    other, which needs less memory, and averaged. A non-finite gradient changes neither the params nor their average;
    the optimizer's state counts it.
    """
    keys = noise_keys(key, state.step, jnp.arange(len(images)))
    return apply_gradient(optimizer, state, *mean_gradient(model, state.params, keys, images, num_microbatches))


def noise_keys(key: Key, step: int | Integer[Array, ""], indices: Integer[Array, " N"]) -> Keys:
    """The keys [N] of the images with these indices in the batch of a step, counted from 0."""
    return image_keys(jax.random.fold_in(key, step), indices)


def mean_gradient(
    model: ImageModel, params: Params, keys: Keys, images: Batch, num_microbatches: int
) -> tuple[Float[Array, ""], Params]:
    """`loss_and_gradient` of the whole batch, computed as the mean over equal microbatches, one after the other.

    A CPU divides each microbatch further, if the model is faster in smaller parts.
    """
    num_microbatches *= num_parts(model, (len(images) // num_microbatches, *images.shape[1:]))
    if num_microbatches == 1:
        return loss_and_gradient(model, params, keys, images)

    def add(total: Params, part: tuple[Keys, Batch]) -> tuple[Params, None]:
        return jax.tree.map(jnp.add, total, loss_and_gradient(model, params, *part)), None

    parts = jax.tree.map(lambda x: jnp.reshape(x, (num_microbatches, -1, *x.shape[1:])), (keys, images))
    first = jax.tree.map(lambda x: x[0], parts)
    shapes = jax.eval_shape(lambda: loss_and_gradient(model, params, *first))
    total, _ = jax.lax.scan(add, jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes), parts)
    return jax.tree.map(lambda x: x / num_microbatches, total)


def loss_and_gradient(model: ImageModel, params: Params, keys: Keys, images: Batch) -> tuple[Float[Array, ""], Params]:
    """The model's loss [] in bits per dimension, and its gradient with respect to `params`."""
    return jax.value_and_grad(model.loss)(params, keys, images)


def apply_gradient(
    optimizer: optax.GradientTransformation, state: TrainState, loss: Float[Array, ""], gradient: Params
) -> tuple[TrainState, StepMetrics]:
    """The state after a step along `gradient`, and the metrics of the step."""
    updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    step = state.step + 1
    num_steps = step.astype(jnp.float32)
    decay = jnp.minimum(EMA_DECAY, num_steps / (num_steps + 10))  # early in training, average over the few steps so far
    decay = jnp.where(opt_state.last_finite, decay, 1.0)
    ema_params = optax.incremental_update(params, state.ema_params, 1 - decay)
    norm = optax.tree.norm(gradient)
    after = TrainState(
        step=step,
        params=params,
        opt_state=opt_state,
        ema_params=ema_params,
        loss_sum=state.loss_sum + loss.astype(state.loss_sum.dtype),
        loss_count=state.loss_count + 1,
        gradient_norm=norm.astype(state.gradient_norm.dtype),
    )
    return after, StepMetrics(loss, norm)


def first_nonfinite(model: ImageModel, params: Params, keys: Keys, images: Batch) -> str | None:
    """Where the first NaN or infinity of a step arises: in the params, the forward pass, or the gradient.

    None if the whole step is finite.
    """
    leaf = _first_nonfinite_leaf(params)
    if leaf:
        return f"in the parameter {leaf}"
    if isinstance(model, Flow):
        for name, y, log_det in visit(model.layer, params.arrays, dequantize(draw_keys(keys, 1)[0], images)):
            if not (jnp.isfinite(y).all() and jnp.isfinite(log_det).all()):
                return f"in the output of {name}"
    loss, gradient = loss_and_gradient(model, params, keys, images)
    if not jnp.isfinite(loss):
        return "in the loss, although the output of every layer is finite"
    leaf = _first_nonfinite_leaf(gradient)
    return f"in the gradient with respect to {leaf}" if leaf else None


def _first_nonfinite_leaf(tree: Params) -> str | None:
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if not jnp.isfinite(leaf).all():
            return jax.tree_util.keystr(path)
    return None
