import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.densities import points

from glowjax.analysis import chunking, curvature
from glowjax.analysis.chunking import check_chunk_size, chunk_size_for, live_bytes, map_chunks
from glowjax.checks import InputError


def bytes_of(function, *shapes):
    return live_bytes(jax.make_jaxpr(function)(*(jax.ShapeDtypeStruct(s, jnp.float32) for s in shapes)).jaxpr)


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 7, 100, None])
@pytest.mark.parametrize("count", [1, 7, 12])
def test_results_are_stacked_in_order_whatever_the_chunks(count, chunk_size):
    items = jnp.asarray(points(count, (2, 3)))
    found = map_chunks(lambda item: {"sum": item.sum(), "pair": (item**2, item[0])}, items, chunk_size)
    np.testing.assert_allclose(found["sum"], items.sum(axis=(1, 2)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["pair"][0], items**2)
    np.testing.assert_allclose(found["pair"][1], items[:, 0])


@pytest.mark.parametrize("chunk_size", [1, 3, 5, 12, 40])
def test_no_more_than_a_chunk_is_computed_at_a_time(chunk_size):
    closed = jax.make_jaxpr(lambda items: map_chunks(lambda x: jnp.outer(x, x).sum(), items, chunk_size))(
        jnp.ones((12, 50))
    )
    # The outer products, 10,000 bytes each; they are by far the largest.
    assert live_bytes(closed.jaxpr) < 2.5 * min(chunk_size, 12) * 50 * 50 * 4 + 5 * 12 * 50 * 4


@pytest.mark.parametrize("chunk_size", [0, -1, 2.0, "8", True])
def test_a_chunk_size_that_is_no_positive_whole_number_is_refused(chunk_size):
    with pytest.raises(InputError, match=r"chunk_size must be a positive whole number, but is .* 512 MiB"):
        check_chunk_size(chunk_size)


def test_live_bytes_count_what_is_needed_at_once():
    # x; then x and sin(x); then sin(x) and cos(sin(x)): never three at once.
    assert bytes_of(lambda x: jnp.cos(jnp.sin(x)), (1000,)) == 8000
    # Here sin(x) waits for the end.
    assert bytes_of(lambda x: jnp.cos(jnp.sin(x)) * jnp.sin(x), (1000,)) >= 12000


@pytest.mark.parametrize(
    "function",
    [
        lambda x: jnp.sum(jnp.tanh(x) ** 2),
        jax.jit(lambda x: jnp.sum(jnp.tanh(x) ** 2)),
        lambda x: jax.lax.scan(lambda c, row: (c + jnp.sin(row).sum(), c), 0.0, x)[0],
        jax.grad(lambda x: jnp.sum(jnp.tanh(x) ** 2)),
    ],
    ids=["plain", "jit", "scan", "grad"],
)
def test_live_bytes_are_positive_and_grow_with_the_size(function):
    small, large = bytes_of(function, (10, 100)), bytes_of(function, (10, 100_000))
    assert small >= 10 * 100 * 4
    assert 900 < large / small <= 1000


def test_chunks_fill_the_budget_and_no_more():
    item = jnp.ones(1000)

    def function(x):
        return jnp.cos(jnp.sin(x)).sum()

    budget = chunking.MEMORY_BUDGET // bytes_of(function, (1000,))
    assert chunk_size_for(function, item, 10**9) == budget
    assert chunk_size_for(function, item, 10**9, copies=2) == budget // 2
    assert chunk_size_for(function, item, 5) == 5
    assert chunk_size_for(function, jnp.ones(10), 10**9, copies=10**9) == 1


def test_a_smaller_chunk_takes_less_memory():
    dim, width = 64, 512
    a, b = jnp.asarray(points(width, (dim,)), jnp.float32), jnp.asarray(points(width, (width,), seed=1), jnp.float32)

    def log_prob(x):
        return -jnp.sum(jnp.tanh(b @ jnp.tanh(a @ x)) ** 2)

    def temporary_bytes(chunk_size):
        lowered = jax.jit(lambda x: curvature.diagonal_at(log_prob, x, jnp.arange(dim), chunk_size=chunk_size)).lower(
            jnp.ones(dim)
        )
        return lowered.compile().memory_analysis().temp_size_in_bytes

    assert 0 < 2 * temporary_bytes(8) < temporary_bytes(dim)
