"""Marks networks whose output at a pixel depends on a small window of pixels, for analyses that exploit it.

The mark is the name of a compiled call in the program (jaxpr) of a density. It changes no result.
"""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax

from glowjax.typing import Array, Continuous, Params

MARK = "local_map_of_reach_"


def apply(network: nn.Module, params: Params, x: Continuous, num_outputs: int) -> Any:
    """`network(x, num_outputs)` with these params, marked if `x` is a single image and the network declares a `reach`.

    A class that sets `reach` declares for an image [H, W, C]: the output at a pixel depends on no input that is more
    rows or columns away than that, all intermediate arrays keep the pixels on their first two axes, and an operation
    that is not linear acts on each pixel alone. A subclass does not inherit the declaration.
    """
    reach = vars(type(network)).get("reach")
    if reach is None or x.ndim != 3:
        return network.apply({"params": params}, x, num_outputs)
    return _marked(network, num_outputs, reach)(params, x)


def reach_of(name: str) -> int | None:
    """The reach of a call of this name; None if it is not marked."""
    return int(name.removeprefix(MARK)) if name.startswith(MARK) else None


@functools.lru_cache(maxsize=64)
def _marked(network: nn.Module, num_outputs: int, reach: int) -> Callable[[Params, Array], Any]:
    def call(params: Params, x: Array) -> Any:
        return network.apply({"params": params}, x, num_outputs)

    call.__name__ = f"{MARK}{reach}"
    return jax.jit(call)
