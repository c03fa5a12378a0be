"""The arithmetic limit of a program: its matrix products and convolutions, found, counted and timed alone.

`products` reads them from the program's jaxpr. `limit` gives a function that computes plain products of the same
shapes, each as often as the program does, and nothing else: no shifts, activations, logarithms or copies. A program
with the same products cannot be faster, unless its library multiplies faster than XLA's. Convolutions count as the
products that they are (their windows gathered for free). Solves and decompositions are left out.
"""

import collections
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn

from glowjax.cores import on_default_device, side_by_side
from glowjax.models import ImageModel
from glowjax.train.step import mean_gradient
from glowjax.typing import Array, Batch, Params


class Product(NamedTuple):
    """The matrix products [batch, rows, inner] x [batch, inner, columns] in a dtype."""

    batch: int
    rows: int
    inner: int
    columns: int
    dtype: str

    @property
    def operations(self) -> int:
        """Multiplications and additions."""
        return 2 * self.batch * self.rows * self.inner * self.columns


Products: TypeAlias = collections.Counter[Product]
"""How often a program computes each product."""


def products(program: Callable[..., Any], *args: Any) -> Products:
    """The matrix products and convolutions of a program, which is traced with these arguments and not run.

    The body of a scan counts once for each of its iterations, that of a while loop of unknown length once. Of the
    branches of a condition, the one with the most operations counts.
    """
    return _within(jax.make_jaxpr(program)(*args).jaxpr)


def operations(found: Products) -> int:
    """Multiplications and additions of all products."""
    return sum(count * product.operations for product, count in found.items())


def limit(program: Callable[..., Any], *args: Any, workers: int = 1, times: int = 1) -> Callable[[], Any]:
    """A function that computes the products of `program(*args)` alone.

    Args:
        program: what one worker computes.
        args: its arguments.
        workers: the number of devices, or of threads of a CPU, that do this at the same time.
        times: how often each worker does this, for example for several batches.
    """
    found = Products({product: times * count for product, count in products(program, *args).items()})
    compiled = on_default_device(jax.jit(functools.partial(alone, found)))

    def work(_: int) -> int:
        jax.block_until_ready(compiled())
        return 0  # which processes can exchange

    return functools.partial(side_by_side, work, range(workers))


def step_limit(model: ImageModel, params: Params, images: Batch, workers: int = 1) -> Callable[[], Any]:
    """The `limit` of a training step on `images`, which `workers` devices share.

    A model that recomputes activations in its backward pass has more products than the step needs; give the same model
    without recomputation.
    """
    share = images[: len(images) // workers]
    keys = jax.random.split(jax.random.key(0), len(share))
    return limit(functools.partial(mean_gradient, model, num_microbatches=1), params, keys, share, workers=workers)


def _within(jaxpr: Jaxpr) -> Products:
    found = Products()
    for equation in jaxpr.eqns:
        for product, count in _of(equation).items():
            found[product] += count
    return found


def _of(equation: JaxprEqn) -> Products:
    """The products of one equation and of the programs that it calls."""
    name = equation.primitive.name
    if name in FOUND_IN:
        return Products([FOUND_IN[name](equation)])
    inner = [_within(jaxpr) for jaxpr in _called(equation)]
    if name == "cond":
        return max(inner, key=operations)
    times = equation.params["length"] if name == "scan" else 1
    return Products({product: times * count for product, count in sum(inner, Products()).items()})


def _called(equation: JaxprEqn) -> Iterator[Jaxpr]:
    """The jaxprs among the parameters of an equation."""
    for value in equation.params.values():
        for one in value if isinstance(value, tuple | list) else (value,):
            if isinstance(one, ClosedJaxpr | Jaxpr):
                yield one.jaxpr if isinstance(one, ClosedJaxpr) else one


def _arrays(equation: JaxprEqn) -> list[Any]:
    """The shapes and dtypes of the arguments of an equation, and of its results."""
    return [variable.aval for variable in (*equation.invars, *equation.outvars)]


def _dot(equation: JaxprEqn) -> Product:
    (contracted, _), (batched, _) = equation.params["dimension_numbers"]
    left, right = _arrays(equation)[:2]
    batch = math.prod(left.shape[axis] for axis in batched)
    inner = math.prod(left.shape[axis] for axis in contracted)
    return Product(batch, left.size // (batch * inner), inner, right.size // (batch * inner), left.dtype.name)


def _convolution(equation: JaxprEqn) -> Product:
    """A convolution as the product of its windows and its kernel; zeros between dilated entries do not count."""
    params = equation.params
    numbers, batch = params["dimension_numbers"], params["feature_group_count"] * params["batch_group_count"]
    left, kernel, out = _arrays(equation)
    columns = kernel.shape[numbers.rhs_spec[0]]
    window = math.prod(kernel.shape) // columns
    inner = -(-window // math.prod(params["lhs_dilation"]))
    return Product(batch, out.size // columns, inner, columns // batch, left.dtype.name)


FOUND_IN: dict[str, Callable[[JaxprEqn], Product]] = {"dot_general": _dot, "conv_general_dilated": _convolution}


def alone(found: Products) -> list[Array]:
    """One number of the result of each product, each computed as often as counted."""
    return [_repeated(product, count) for product, count in found.items()]


def _repeated(product: Product, count: int) -> Array:
    """A product in a loop, in which each depends on the one before, so that the compiler keeps them all."""
    batch = (product.batch,) if product.batch > 1 else ()
    left = jnp.ones((*batch, product.rows, product.inner), product.dtype)
    right = jnp.full((*batch, product.inner, product.columns), 1 / product.inner, product.dtype)

    def once(_: int, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        left = carry[0]
        result = left @ right
        corner = jax.lax.slice(result, [0] * result.ndim, [1] * result.ndim)
        return jax.lax.dynamic_update_slice(left, corner, [0] * left.ndim), result

    out = jnp.zeros((*batch, product.rows, product.columns), product.dtype)
    return jax.lax.fori_loop(0, count, once, (left, out))[1].ravel()[0]
