"""A repetition of one layer as a scan, and what its backward pass keeps."""

import dataclasses
from collections.abc import Callable
from typing import Literal

import jax

from glowjax.checks import InputError, unknown
from glowjax.layers.base import Layer
from glowjax.layers.coupling import CONDITIONED
from glowjax.layers.reversal import reversible_scan
from glowjax.layers.scanning import init_steps, scan_steps
from glowjax.typing import Array, Key, LogDet, Params

Memory = Literal["store", "remat", "invert"]


def _stored(layer: Layer, params: Params, x: Array) -> tuple[Array, LogDet]:
    # Shifts, activations and masks cost less to compute again than to keep: a scan's stack is written three times.
    return scan_steps(jax.checkpoint(layer.forward, policy=PRODUCTS, prevent_cse=False), params, x)


PRODUCTS = jax.checkpoint_policies.save_from_both_policies(
    jax.checkpoint_policies.dots_saveable, jax.checkpoint_policies.save_only_these_names(CONDITIONED)
)
"""Keep the results of matrix products and convolutions; of a conditioner's last one, whose shifted parts make a product
nine times as large, what the coupling reads."""


def _rematerialised(layer: Layer, params: Params, x: Array) -> tuple[Array, LogDet]:
    return scan_steps(jax.checkpoint(layer.forward), params, x)


MEMORY: dict[Memory, Callable[[Layer, Params, Array], tuple[Array, LogDet]]] = {
    "store": _stored,
    "remat": _rematerialised,
    "invert": reversible_scan,
}
"""What the backward pass of a repetition keeps: every product, one image a step, or the last output alone."""


@dataclasses.dataclass(frozen=True)
class Repeat:
    """`num_steps` copies of one layer with their own arrays, as a scan: traced and compiled once, whatever the depth.

    `params` is the layer's pytree with a leading axis of length `num_steps`. The modes of `memory` share params and
    results and differ only in what the backward pass keeps.

    Attributes:
        layer: a layer that keeps the shape of its input.
        num_steps: how many copies, at least 1.
        memory: "store" (the results of products and convolutions; recompute what is cheap); "remat" (keep each step's
            input, recompute the rest in the backward pass); or "invert" (keep the last output, reconstruct the rest by
            the inverses: memory does not grow with depth, and gradients carry the rounding of the inverse; refused by
            forward-mode differentiation).
    """

    layer: Layer
    num_steps: int
    memory: Memory = "store"

    def __post_init__(self) -> None:
        """Raises InputError for a `num_steps` below 1 or an unknown `memory`."""
        if self.num_steps < 1:
            raise InputError(f"Repeat needs at least one step, but num_steps is {self.num_steps}.")
        if self.memory not in MEMORY:
            raise unknown("memory mode", self.memory, MEMORY)

    def init(self, key: Key, x: Array) -> Params:
        """Each step's arrays, stacked; step k is initialised with what the steps before it make of `x`.

        Raises InputError where the layer changes the shape or dtype of its input.
        """
        return init_steps(self.layer.init, self.layer.forward, jax.random.split(key, self.num_steps), x)

    def forward(self, params: Params, x: Array) -> tuple[Array, LogDet]:
        """The last step's output and the sum of the log-determinants."""
        return MEMORY[self.memory](self.layer, params, x)

    def inverse(self, params: Params, y: Array) -> tuple[Array, LogDet]:
        """The first step's input and the sum of the inverses' log-determinants."""
        return scan_steps(self.layer.inverse, params, y, reverse=True)
