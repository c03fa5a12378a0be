"""Step after step of one layer as a scan: traced and compiled once, whatever the number."""

from collections.abc import Callable

import jax

from glowjax.checks import InputError
from glowjax.typing import Array, Key, LogDet, Params

Step = Callable[[Params, Array], tuple[Array, LogDet]]


def scan_steps(step: Step, params: Params, x: Array, *, reverse: bool = False) -> tuple[Array, LogDet]:
    """The last step's output and the sum of the log-determinants, for `params` with a leading axis of steps."""
    y, log_dets = jax.lax.scan(lambda x, step_params: step(step_params, x), x, params, reverse=reverse)
    return y, log_dets.sum(axis=0)


def init_steps(init: Callable[[Key, Array], Params], forward: Step, keys: Key, x: Array) -> Params:
    """Each step's arrays, stacked; step k is initialised with what the steps before it make of `x`.

    Raises InputError where a step changes the shape or dtype of its input.
    """

    def body(x: Array, key: Key) -> tuple[Array, Params]:
        step_params = init(key, x)
        return forward(step_params, x)[0], step_params

    y, _ = jax.eval_shape(body, x, keys[0])
    if (y.shape, y.dtype) != (x.shape, x.dtype):
        raise InputError(
            f"Repeat takes a layer that keeps the shape and dtype of its input, but this one makes {y.dtype} "
            f"{list(y.shape)} of {x.dtype} {list(x.shape)}."
        )
    return jax.lax.scan(body, x, keys)[1]
