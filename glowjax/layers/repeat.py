"""A repetition of one layer as a scan, with a choice of what its backward pass stores.

In the mode "invert" no activation is stored: the backward pass walks from the last step's output to the first step's
input, computes each layer's input by its inverse, and there pulls the gradient back (the reversible networks of Gomez
et al. 2017, for layers that have an inverse of their own). Memory does not grow with depth, except for the params and
their gradients. It is a `jax.custom_vjp`, which JAX refuses to differentiate in forward mode (forward-over-reverse, as
in a Hessian-vector product, is fine): for analysis, give the same params to a flow with another mode.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any, Literal

import jax

from glowjax.checks import InputError, check_count, unknown
from glowjax.layers.base import Layer, Visit, pull_back, visit
from glowjax.layers.coupling import CONDITIONED
from glowjax.typing import Array, Continuous, Key, LogDet, Params

Memory = Literal["store", "remat", "invert"]

PRODUCTS = jax.checkpoint_policies.save_from_both_policies(
    jax.checkpoint_policies.dots_saveable, jax.checkpoint_policies.save_only_these_names(CONDITIONED)
)
"""This policy keeps the results of matrix products and convolutions. For a conditioner's last convolution it keeps only
the sum over shifts, because the product before it is nine times as large."""

OUTPUTS = jax.checkpoint_policies.save_only_these_names(CONDITIONED)
"""This policy keeps the outputs of conditioners, as small as an image. Otherwise the backward pass would repeat their
last convolutions for them alone."""


def _scan(
    step: Callable[[Params, Array], tuple[Array, LogDet]], params: Params, x: Array, *, reverse: bool = False
) -> tuple[Array, LogDet]:
    """The last step's output and the sum of the log-determinants, for `params` with a leading axis of steps."""
    y, log_dets = jax.lax.scan(lambda x, step_params: step(step_params, x), x, params, reverse=reverse)
    return y, log_dets.sum(axis=0)


def _store(layer: Layer, params: Params, x: Array) -> tuple[Array, LogDet]:
    # Recomputing shifts and activations is cheaper than storing them in the scan's residuals.
    return _scan(jax.checkpoint(layer.forward, policy=PRODUCTS, prevent_cse=False), params, x)


def _rematerialize(layer: Layer, params: Params, x: Array) -> tuple[Array, LogDet]:
    return _scan(jax.checkpoint(layer.forward, policy=OUTPUTS, prevent_cse=False), params, x)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _invert(layer: Layer, params: Params, x: Array) -> tuple[Array, LogDet]:
    return _scan(layer.forward, params, x)


def _invert_forward(layer: Layer, params: Params, x: Array) -> tuple[tuple[Array, LogDet], tuple[Params, Array]]:
    y, log_det = _scan(layer.forward, params, x)
    return (y, log_det), (params, y)


def _invert_backward(
    layer: Layer, residuals: tuple[Params, Array], cotangents: tuple[Array, LogDet]
) -> tuple[Params, Array]:
    params, y = residuals
    y_bar, log_det_bar = cotangents

    def body(carry: tuple[Array, Array], step_params: Params) -> tuple[tuple[Array, Array], Params]:
        y, y_bar = carry
        x, params_bar, x_bar = pull_back(layer, step_params, y, y_bar, log_det_bar)
        return (x, x_bar), params_bar

    (_, x_bar), params_bar = jax.lax.scan(body, (y, y_bar), params, reverse=True)
    return params_bar, x_bar


_invert.defvjp(_invert_forward, _invert_backward)

MEMORY: dict[Memory, Callable[[Layer, Params, Array], tuple[Array, LogDet]]] = {
    "store": _store,
    "remat": _rematerialize,
    "invert": _invert,
}
"""The implementation of each mode of `Repeat`."""


@dataclasses.dataclass(frozen=True)
class Repeat:
    """`num_steps` copies of one layer with their own arrays, as a scan: traced and compiled once, whatever the depth.

    `params` is the layer's pytree with a leading axis of length `num_steps`. The modes of `memory` share params and
    results and differ only in what the backward pass keeps.

    Attributes:
        layer: a layer that keeps the shape of its input.
        num_steps: number of copies, at least 1.
        memory: "remat" (keep each step's input and conditioner output, recompute the rest; the fastest on a CPU);
            "store" (keep the results of products and convolutions, recompute what is cheap); or "invert" (keep the last
            output, reconstruct the rest by the inverses: memory does not grow with depth, gradients carry the rounding
            of the inverse, and forward-mode differentiation is refused).
    """

    layer: Layer
    num_steps: int
    memory: Memory = "remat"

    def __post_init__(self) -> None:
        check_count("num_steps", self.num_steps)
        if self.memory not in MEMORY:
            raise unknown("memory mode", self.memory, MEMORY)

    def init(self, key: Key, x: Continuous) -> Params:
        """Each step's arrays, stacked; step k is initialized with the output of the steps before it for `x`."""

        def body(x: Array, key: Key) -> tuple[Array, Params]:
            params = self.layer.init(key, x)
            return self.layer.forward(params, x)[0], params

        keys = jax.random.split(key, self.num_steps)
        y, _ = jax.eval_shape(body, x, keys[0])
        if (y.shape, y.dtype) != (x.shape, x.dtype):
            raise InputError(
                f"Repeat takes a layer that keeps the shape and dtype of its input, but this one makes {y.dtype} "
                f"{list(y.shape)} of {x.dtype} {list(x.shape)}."
            )
        return jax.lax.scan(body, x, keys)[1]

    def forward(self, params: Params, x: Continuous) -> tuple[Continuous, LogDet]:
        """The last step's output and the sum of the log-determinants."""
        return MEMORY[self.memory](self.layer, params, x)

    def inverse(self, params: Params, y: Continuous) -> tuple[Continuous, LogDet]:
        """The first step's input and the sum of the inverses' log-determinants."""
        return _scan(self.layer.inverse, params, y, reverse=True)

    def visit(self, params: Params, x: Continuous) -> Iterator[Visit]:
        """See `glowjax.layers.base.visit`."""
        for index in range(self.num_steps):
            step_params = jax.tree.map(lambda leaf, i=index: leaf[i], params)
            for step in visit(self.layer, step_params, x):
                yield step._replace(name=f"step {index + 1}, {step.name}")
            x = step.y


def with_memory(layer: Any, memory: Memory) -> Any:
    """`layer`, with this mode of memory in each `Repeat` that it holds, at any depth; the same params fit it."""
    if isinstance(layer, tuple):
        return tuple(with_memory(part, memory) for part in layer)
    if not (isinstance(layer, Layer) and dataclasses.is_dataclass(layer)):
        return layer
    fields = {field.name: getattr(layer, field.name) for field in dataclasses.fields(layer)}
    changed = {name: with_memory(value, memory) for name, value in fields.items()}
    if isinstance(layer, Repeat):
        changed["memory"] = memory
    return layer if changed == fields else dataclasses.replace(layer, **changed)
