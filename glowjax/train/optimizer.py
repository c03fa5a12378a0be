"""The optimiser: optax's pieces, put together as flows need them."""

import optax

from glowjax.checks import InputError, unknown

OPTIMIZERS = {"adamax": optax.adamax, "adam": optax.adam, "rmsprop": optax.rmsprop}
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
    """An optimiser with warm-up, decay and gradient clipping that leaves params alone at a non-finite gradient.

    Args:
        name: "adamax" (the reference Glow's), "adam" or "rmsprop" (the paper's).
        learning_rate: the highest rate, reached after the warm-up.
        num_steps: training steps in all; where the decay ends.
        warmup_steps: steps over which the rate rises linearly from 0; cures NaN early in training.
        schedule: "cosine" decays to 0; "halving" halves at 80 % and at 90 % of training, as the paper does.
        clip_norm: largest global norm of a gradient (of the loss in bits per dimension).

    Raises:
        InputError: for an unknown name or schedule, or numbers that are not positive.
    """
    if name not in OPTIMIZERS:
        raise unknown("optimizer", name, OPTIMIZERS)
    if not (learning_rate > 0 and num_steps > 0 and clip_norm > 0):  # so written, it refuses NaN too
        raise InputError(
            f"Learning rate, number of steps and clip norm must be positive, but are {learning_rate:g}, "
            f"{num_steps} and {clip_norm:g}."
        )
    if warmup_steps < 0:
        raise InputError(f"The number of warm-up steps must not be negative, but is {warmup_steps}; 0 means none.")
    rate = _schedule(schedule, learning_rate, num_steps, min(warmup_steps, num_steps // 2))
    chain = optax.chain(optax.clip_by_global_norm(clip_norm), OPTIMIZERS[name](rate))
    # It counts the non-finite gradients in a row; the loop reads the count and stops, so no number ends the skipping.
    return optax.apply_if_finite(chain, max_consecutive_errors=2**30)


def _schedule(name: str, learning_rate: float, num_steps: int, warmup_steps: int) -> optax.Schedule:
    if name not in SCHEDULES:
        raise unknown("schedule", name, SCHEDULES)
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
