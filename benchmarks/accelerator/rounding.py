"""What to expect of an accelerator: errors of the pretrained models if factors of products are rounded, on a CPU.

    python -m benchmarks.accelerator.rounding

Before each product of a convolution, both factors are rounded to the significant bits of TF32 or bfloat16, and so is
the result, since it is a factor of the products of the backward pass. Prints the largest error of the three models for
each quantity, beside the tolerance of `benchmarks.accelerator`. No other product of a Glow is rounded on a GPU or TPU.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.accelerator.correctness import (
    NAMES,
    QUANTITIES,
    TOLERANCES,
    batch_values,
    curvature_values,
    errors,
    pretrained_model,
    stored_points,
)
from benchmarks.timing import Row, table
from glowjax.networks import convolution
from glowjax.typing import Array

MANTISSA_BITS = {"float32": 23, "TF32": 10, "bfloat16": 7}
"""The bits after the leading one."""


@contextlib.contextmanager
def rounded(bits: int) -> Iterator[None]:
    """A block in which convolutions round their factors."""
    exact: Callable[..., Array] = convolution._times
    rounding: Any = functools.partial(jax.lax.reduce_precision, exponent_bits=8, mantissa_bits=bits)
    jax.clear_caches()  # what was compiled before rounds nothing
    with mock.patch.object(convolution, "_times", lambda x, matrix: rounding(exact(rounding(x), rounding(matrix)))):
        yield
    jax.clear_caches()


def main() -> None:
    """Prints the table."""
    found: dict[str, list[Row]] = {}
    for name, bits in MANTISSA_BITS.items():
        with rounded(bits):
            found[name] = [_of_model(model) for model in NAMES]
    rows = []
    for quantity in QUANTITIES:
        row: Row = {"quantity": quantity}
        for name, models in found.items():
            row |= {name: max(one[quantity] for one in models), f"{name}, tolerance": TOLERANCES[name][quantity]}
        rows.append(row)
    print(table(rows))


def _of_model(name: str) -> Row:
    model, params = pretrained_model(name)
    given = model, jax.device_put(params), jnp.asarray(stored_points(), np.float32)
    return errors(name, batch_values(*given) | curvature_values(*given))


if __name__ == "__main__":
    main()
