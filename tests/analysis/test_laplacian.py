"""The forward Laplacian is the trace of `jax.hessian`, for whatever a density is made of."""

import functools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.densities import GLOW_POINT, dense_glow_hessian, glow_density, points
from jax import lax

from glowjax.analysis import laplacian
from glowjax.analysis.jets import RULES
from glowjax.cores import side_by_side

pytestmark = pytest.mark.usefixtures("float64", "promotion")

DIM = 5
A, B = points(2, (DIM, DIM))
STEPS = 0.5 * points(3, (DIM, DIM), seed=1)


def ordered(x):
    chosen = jnp.where(x > 0, x**2, jnp.exp(x)).sum() + jnp.max(x) ** 2
    return jnp.sort(x**3) @ jnp.arange(float(DIM)) + chosen + x[jnp.argsort(x)][1] ** 3


def indexed(x):
    return (x[jnp.array([0, 1, 1, 3])] ** 3).sum() + jnp.zeros(3).at[jnp.array([0, 0, 1])].add(x[:3] ** 2).sum() ** 2


def decompositions(x):
    m = A @ A.T + 8 * np.eye(DIM) + jnp.outer(x, x)
    return jnp.linalg.slogdet(m)[1] + jnp.linalg.solve(m, x) @ x + jnp.linalg.cholesky(m)[2, 1] ** 2


def fourier(x):
    powers = jnp.abs(jnp.fft.fft(x)) ** 2
    return jnp.sum(powers * jnp.arange(float(DIM))) + jnp.fft.rfft(jnp.sin(x))[1].real ** 2


def scanned(x):
    """The carry, its integer part and what is stacked all reach the result, and the inputs depend on x."""

    def body(carry, inputs):
        (h, count), (weight, row) = carry, inputs
        h = jnp.tanh(weight @ h + row)
        count = count + (h[0] > 0).astype(count.dtype)
        return (h, count), (count.astype(h.dtype) * jnp.sum(h**2), h, count)

    start = (x, jnp.asarray(1))
    (h, count), (sums, hs, counts) = lax.scan(body, start, (STEPS, jnp.outer(x, jnp.sin(x))[:3]))
    return h.sum() + sums @ jnp.arange(3.0) + jnp.sum(hs**3) + (count + counts.sum()).astype(x.dtype) * jnp.sum(x**2)


def scanned_backwards(x):
    """The carry starts as a constant, and only what the body closes over depends on x."""

    def body(carry, weight):
        carry = 0.5 * carry + jnp.sin(weight @ x).sum()
        return carry, carry**2

    carry, squares = lax.scan(body, 1.0, STEPS, reverse=True, unroll=2)
    return carry * squares.sum()


def branches(x):
    chosen = lax.switch(jnp.argmax(x) % 3, [jnp.sum, jnp.prod, lambda x: x[0] * x[1]], x**2)
    return chosen + lax.cond(x[0] > 0, lambda x: jnp.sum(x**3), jnp.prod, x)


def open_loop(x):
    """Forward mode alone passes through it."""

    def body(state):
        n, y = state
        return n + 1, jnp.sin(y) + 0.1 * y**2

    return lax.while_loop(lambda state: (state[0] < 4) & (jnp.sum(state[1] ** 2) < 100), body, (0, x))[1].sum()


def custom_derivatives(x):
    smooth = jax.nn.softplus(x).sum() + jax.nn.log_sigmoid(A @ x).sum() + jax.nn.gelu(x) @ x
    return smooth + (jax.nn.relu(B @ x) ** 2).sum() + jax.nn.elu(x).sum() + jax.nn.relu6(x) @ x


def integers(x):
    positive, order = jnp.sum(x > 0).astype(x.dtype), jnp.argsort(x).astype(x.dtype)
    return positive * x[0] ** 2 + jnp.sum(x**2 * order) + jnp.floor(x[1]) * x[2] ** 2 + lax.stop_gradient(x[1]) * x[1]


def bilinear(x):
    return jnp.tanh(A @ x) @ jnp.sin(B @ x)


ZOO = {
    "elementwise": lambda x: jnp.sum(jnp.sin(x) * jnp.exp(-(x**2)) + (1 + x**2) ** x),
    "bilinear": bilinear,
    "logsumexp": lambda x: jax.nn.logsumexp(A @ x),
    "cumulative": lambda x: (
        jnp.sum(jnp.cumsum(x) ** 3) + jnp.prod(jnp.cumsum(jnp.cos(x))) + jnp.cumprod(1 + x**2).sum()
    ),
    "ordered": ordered,
    "indexed": indexed,
    "decompositions": decompositions,
    "fourier": fourier,
    "scanned": scanned,
    "scanned_backwards": scanned_backwards,
    "branches": branches,
    "counted_loop": lambda x: lax.fori_loop(0, 3, lambda n, y: jnp.tanh(A @ y) + n.astype(x.dtype) * x, x).sum(),
    "open_loop": open_loop,
    "jitted": jax.jit(lambda x: jax.jit(lambda y: jnp.sin(y) @ y)(x * x)),
    "checkpointed": jax.checkpoint(lambda x: jnp.sum(jnp.tanh(A @ x) ** 2)),
    "custom_derivatives": custom_derivatives,
    "mapped": lambda x: jax.vmap(lambda row: jnp.tanh(row @ x) ** 2)(A).sum(),
    "mapped_in_a_loop": lambda x: lax.map(lambda a: jnp.cos(a) * jnp.sum(x), x).sum(),
    "differentiated": lambda x: jnp.sum(jax.grad(lambda y: jnp.sum(jnp.sin(y) * y))(x) ** 2),
    "integers": integers,
    "densities": lambda x: (jax.scipy.stats.norm.logpdf(x) + jax.scipy.stats.t.logpdf(x, 3.0)).sum() + lax.erf(x) @ x,
    "random_weights": lambda x: jax.random.normal(jax.random.key(0), (DIM,)) @ x**2,
    "linear": lambda x: x @ A[0],
    "constant": lambda x: jnp.sum(x.shape[0] * jnp.ones(2)),
}


def second_derivatives(function, x):
    """The diagonal of the Hessian by forward mode alone, which open loops need."""
    return np.diag(jax.jit(jax.jacfwd(jax.jacfwd(function)))(x))


@pytest.mark.parametrize("name", ZOO)
def test_the_laplacian_is_the_trace_of_the_hessian(name):
    x, weights = points(2, (DIM,), seed=3)
    expected = second_derivatives(ZOO[name], x) @ weights
    assert name in ("linear", "constant") or abs(expected) > 1e-3
    np.testing.assert_allclose(laplacian(ZOO[name], x, weights=weights, chunk_size=3), expected, rtol=1e-10)


@pytest.mark.parametrize("chunk_size", [1, 5, 100])
def test_chunks_change_nothing(chunk_size):
    x, weights = points(2, (DIM,), seed=3)
    chunked, whole = (laplacian(scanned, x, weights=weights, chunk_size=size) for size in (chunk_size, None))
    np.testing.assert_allclose(chunked, whole, rtol=1e-12)


@pytest.mark.parametrize(
    "function",
    [jax.jit(jnp.sin), jax.checkpoint(jnp.sin), lambda x: lax.scan(lambda c, y: (c + y, c), 0.0, x)],
    ids=["jit", "checkpoint", "scan"],
)
def test_calls_and_scans_are_entered(function):
    """The rule for all primitives would be right for them too, but slow."""
    assert jax.make_jaxpr(function)(jnp.ones(3)).eqns[0].primitive.name in RULES


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_the_dtype_is_that_of_x(dtype):
    def squares(x):
        return lax.scan(lambda total, value: (total + value**2, None), 0.0, x)[0]

    result = laplacian(squares, jnp.ones(3, dtype))
    assert result.dtype == dtype
    assert result == 6


@pytest.mark.parametrize("name", ["nvp-swish", "nvp-remat"])
def test_the_laplacian_of_a_glow_is_the_trace_of_its_hessian(name):
    weights = points(1, GLOW_POINT.shape)[0]
    expected = np.diag(dense_glow_hessian(name)) @ weights.ravel()
    np.testing.assert_allclose(
        laplacian(glow_density(name), GLOW_POINT, weights=weights, chunk_size=6), expected, rtol=1e-10
    )


def test_params_may_be_traced_and_the_laplacian_differentiated():
    x = points(1, (DIM,))[0]

    def of_scale(scale):
        return laplacian(lambda y: jnp.sum(jnp.sin(scale * y)), x)

    gradient = jax.jit(jax.grad(of_scale))(2.0)
    expected = np.sum(-2 * 2.0 * np.sin(2.0 * x) - 4.0 * x * np.cos(2.0 * x))
    np.testing.assert_allclose(gradient, expected, rtol=1e-12)


@pytest.fixture
def shared(monkeypatch):
    """Cores share the directions also of small problems, as they do of an image's."""
    module = sys.modules["glowjax.analysis.laplacian"]
    monkeypatch.setattr(module, "DIRECTIONS_PER_CORE", 2)
    shares = []
    monkeypatch.setattr(
        module, "side_by_side", lambda work, items: shares.append(len(items)) or side_by_side(work, items)
    )
    return shares


@pytest.mark.parametrize("chunk_size", [None, 1, 2, 4])
def test_cores_share_the_directions(shared, chunk_size):
    x, weights = points(2, (5,))
    expected = second_derivatives(bilinear, x) @ weights
    np.testing.assert_allclose(laplacian(bilinear, x, weights=weights, chunk_size=chunk_size), expected, rtol=1e-10)
    assert shared == [2]


def test_nothing_is_shared_where_the_point_or_what_the_function_closes_over_is_traced(shared):
    xs = points(3, (5,))

    def scaled(scale, x=xs[0]):
        return laplacian(lambda y: scale * bilinear(y), x)

    expected = np.asarray([second_derivatives(bilinear, x).sum() for x in xs])
    np.testing.assert_allclose(jax.vmap(functools.partial(laplacian, bilinear))(xs), expected, rtol=1e-10)
    np.testing.assert_allclose(jax.jit(functools.partial(laplacian, bilinear))(xs[0]), expected[0], rtol=1e-10)
    np.testing.assert_allclose(jax.vmap(scaled)(jnp.arange(1.0, 3)), expected[0] * np.arange(1, 3), rtol=1e-10)
    np.testing.assert_allclose(jax.grad(scaled)(2.0), expected[0], rtol=1e-10)
    np.testing.assert_allclose(jax.jit(jax.grad(scaled))(2.0), expected[0], rtol=1e-10)
    np.testing.assert_allclose(jax.jit(jax.vmap(jax.jit(scaled)))(jnp.ones(2)), expected[:1].repeat(2), rtol=1e-10)
    assert shared == []
