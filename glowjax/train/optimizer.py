"""Optimizers with warm-up, decay and gradient clipping, which skip steps with non-finite gradients."""

from typing import Any

import jax
import optax

from glowjax.checks import InputError, unknown
from glowjax.typing import Params

OPTIMIZERS = {"adamax": optax.adamax, "adam": optax.adam, "rmsprop": optax.rmsprop}
LEARNING_RATES = {"adamax": 1e-2, "adam": 1e-3, "rmsprop": 1e-4}
"""The highest rates that `fit` uses by default."""

SCHEDULES = ("cosine", "halving")


def make_optimizer(
    name: str = "adamax",
    *,
    learning_rate: float,
    num_steps: int,
    warmup_steps: int,
    schedule: str = "cosine",
    clip_norm: float = 50.0,
) -> optax.GradientTransformationExtraArgs:
    """An optimizer that leaves the params alone if the gradient is not finite.

    Args:
        name: "adamax" (as in the reference Glow), "adam", or "rmsprop" (as in the paper).
        learning_rate: the highest rate, reached after the warm-up.
        num_steps: the number of training steps in all, at which the decay ends.
        warmup_steps: steps over which the rate rises linearly from 0; at most half of the steps. It prevents NaN early
            in training.
        schedule: "cosine" decays to 0; "halving" halves the rate after 80 % and 90 % of the steps, as in the paper.
        clip_norm: the largest global norm of a gradient (of the loss in bits per dimension).
    """
    if name not in OPTIMIZERS:
        raise unknown("optimizer", name, OPTIMIZERS)
    if not (learning_rate > 0 and num_steps > 0 and clip_norm > 0):  # written this way so that NaN fails too
        raise InputError(
            "Learning rate, number of steps and clip norm must be positive, but are "
            f"{learning_rate:g}, {num_steps} and {clip_norm:g}."
        )
    if warmup_steps < 0:
        raise InputError(f"The number of warm-up steps must not be negative, but is {warmup_steps}; 0 means none.")
    rate = make_schedule(schedule, learning_rate=learning_rate, num_steps=num_steps, warmup_steps=warmup_steps)
    return skip_nonfinite(optax.chain(optax.clip_by_global_norm(clip_norm), OPTIMIZERS[name](rate)))


def make_schedule(name: str, *, learning_rate: float, num_steps: int, warmup_steps: int) -> optax.Schedule:
    """The learning rate of each step, counted from 0; the arguments are those of `make_optimizer`."""
    if name not in SCHEDULES:
        raise unknown("schedule", name, SCHEDULES)
    warmup_steps = min(warmup_steps, num_steps // 2)
    if name == "cosine":
        return optax.warmup_cosine_decay_schedule(0.0, learning_rate, warmup_steps, num_steps)
    halvings = {int(0.8 * num_steps) - warmup_steps: 0.5, int(0.9 * num_steps) - warmup_steps: 0.5}
    return optax.join_schedules(
        [
            optax.linear_schedule(0.0, learning_rate, warmup_steps),
            optax.piecewise_constant_schedule(learning_rate, halvings),
        ],
        [warmup_steps],
    )


def skip_nonfinite(optimizer: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
    """`optimizer`, but steps with non-finite gradients are skipped; its state counts those in a row.

    The training loop reads the count and stops the run, so there is no limit here.
    """
    finite = optax.apply_if_finite(optimizer, max_consecutive_errors=2**30)

    def update(gradient: Params, state: Any, params: Params | None = None, **extra: Any) -> tuple[Params, Any]:
        # Optimizers raise floats to the power of their step count, which strict promotion refuses.
        with jax.numpy_dtype_promotion("standard"):
            return finite.update(gradient, state, params, **extra)

    return optax.GradientTransformationExtraArgs(finite.init, update)
