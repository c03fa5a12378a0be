"""The Hessian of log p with respect to the image: its trace and its extreme eigenvalues, at several levels of noise."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Float

from glowjax import analysis
from glowjax.analysis.curvature import forms_at
from glowjax.models import Flow
from glowjax.ood.density_of_states import DensityOfStates
from glowjax.ood.families import Parts, Subject, View, family
from glowjax.ood.gradients import by_noise_level, input_gradients, squared_norms
from glowjax.ood.one_statistic import OneSided
from glowjax.ood.scores import entry
from glowjax.typing import Array, Key

EXACT_SIZE = 1024
"""Up to this number of values per image, the trace is exact; for more, it is estimated from `NUM_PROBES` probes."""

NUM_PROBES = 32
"""The number of random signs of a Hutchinson estimate of the trace."""

NUM_STEPS = 12
"""Steps of Lanczos for the extreme eigenvalues: the found range lies within the true one, and its ends are close."""

HIGHEST = jax.lax.Precision.HIGHEST

DEQUANTIZATION = 1 / 12
"""The variance of the dequantization noise, in squared grey levels."""


@family("laplacian", "density", "1 Laplacian and 1 gradient per noise level", batch_size=2, options=("noise_levels",))
def laplacian(view: View) -> Parts:
    """Three parts, [N, L] each, at the images with noise.

    `laplacian.trace` is the trace of the Hessian of log p, in nats per squared grey level: exact for images of up to
    1,024 values, and a mean over 32 random probes for larger ones. `laplacian.squared_gradient` is the squared norm of
    the gradient. `laplacian.flipd` is D + s^2 (trace + squared_gradient), with s^2 the variance of all noise in the
    point, from dequantization and from the level. It is FLIPD's local intrinsic dimension (arXiv 2406.03537) for a
    density of data with that noise; the density of a flow is one of data with the dequantization noise alone.
    """
    subject = smooth(view.subject)
    size = view.x[0].size

    def at(x: Float[Array, "N ..."]) -> tuple[Array, Array]:
        keys = jax.random.split(view.key_for("probes"), len(x))
        traces = jax.lax.map(lambda pair: trace(one_point(subject), *pair), (x, keys))
        return traces, squared_norms(input_gradients(subject, x))

    traces, squares = by_noise_level(view, at)
    levels = jnp.asarray(view.options.noise_levels, view.x.dtype)
    own = 0.0 if jnp.issubdtype(view.images.dtype, jnp.floating) else DEQUANTIZATION
    flipd = size + (levels**2 + own)[None] * (traces + squares)
    return {"trace": traces, "squared_gradient": squares, "flipd": flipd}


@family(
    "curvature",
    "density",
    f"{NUM_STEPS} Hessian-vector products per noise level",
    batch_size=10,
    options=("noise_levels",),
)
def curvature(view: View) -> Parts:
    """`curvature.lowest`, `curvature.highest` [N, L]: the extreme eigenvalues of the Hessian of log p, by Lanczos.

    In nats per squared grey level, at the images with noise. The lowest, most negative one belongs to the direction
    along which log p falls off fastest.
    """
    subject = smooth(view.subject)
    start = jax.random.normal(view.key_for("start"), view.x.shape, view.x.dtype)

    def at(x: Float[Array, "N ..."]) -> tuple[Array, Array]:
        times = jax.linearize(lambda x: input_gradients(subject, x), x)[1]
        found = extreme_eigenvalues(times, start, min(NUM_STEPS, x[0].size))
        return found[:, 0], found[:, -1]

    lowest, highest = by_noise_level(view, at)
    return {"lowest": lowest, "highest": highest}


def smooth(subject: Subject) -> Subject:
    """The subject with a flow whose mode of memory allows every derivative."""
    is_flow = isinstance(subject.model, Flow)
    return subject.replace(model=subject.model.with_memory("store")) if is_flow else subject


def one_point(subject: Subject) -> Callable[[Array], Float[Array, ""]]:
    """The log density of one point."""
    return lambda x: subject.log_prob(x[None])[0]


def trace(log_prob: Callable[[Array], Float[Array, ""]], x: Array, key: Key) -> Float[Array, ""]:
    """The trace of the Hessian at one point, exact or estimated."""
    if x.size <= EXACT_SIZE:
        return analysis.laplacian(log_prob, x)
    probes = jax.random.rademacher(key, (NUM_PROBES, *x.shape), x.dtype)
    return forms_at(log_prob, x, probes, chunk_size=None).mean()


def extreme_eigenvalues(
    times: Callable[[Array], Array], start: Float[Array, "N ..."], num_steps: int
) -> Float[Array, "N K"]:
    """K = `num_steps` Ritz values of N symmetric matrices, ascending, by Lanczos with full reorthogonalization.

    All lie within the range of the eigenvalues, and the outer ones come close to its ends first. It is written by hand
    because matfree's `tridiag_sym` gives NaN for a zero matrix, and values outside of the range for multiples of the
    identity, where the Krylov space ends early.

    Args:
        times: the products of the matrices with one vector each, [N, *shape] -> [N, *shape].
        start: the first vectors, which need no unit length.
        num_steps: at most the size of a vector.
    """
    count = len(start)
    vectors = start.reshape(count, -1)
    vectors = vectors / jnp.linalg.norm(vectors, axis=1, keepdims=True)
    basis = jnp.zeros((count, num_steps, vectors.shape[1]), vectors.dtype)

    def project(basis: Array, images: Array) -> Array:
        return jnp.einsum("nkd,nd->nk", basis, images, precision=HIGHEST)

    def step(carry: tuple[Array, Array], index: Array) -> tuple[tuple[Array, Array], Array]:
        basis, vectors = carry
        basis = basis.at[:, index].set(vectors)
        images = times(vectors.reshape(start.shape)).reshape(count, -1)
        row = project(basis, images)
        for _ in range(3):  # what rounding left of the basis is removed from a vector of unit length
            images = images - jnp.einsum("nk,nkd->nd", project(basis, images), basis, precision=HIGHEST)
            length = jnp.linalg.norm(images, axis=1, keepdims=True)
            images = images / jnp.where(length > 0, length, 1)
        return (basis, images), row

    (basis, _), rows = jax.lax.scan(step, (basis, vectors), jnp.arange(num_steps))
    lower = jnp.tril(jnp.moveaxis(rows, 0, 1))  # row k holds the products with the first k + 1 vectors
    is_left_out = jnp.all(basis == 0, axis=2)  # after the Krylov space is exhausted; any value in the range does
    lower = lower + jax.vmap(jnp.diag)(jnp.where(is_left_out, lower[:, :1, 0], 0))
    matrices = lower + jnp.swapaxes(jnp.tril(lower, -1), 1, 2)
    return jnp.linalg.eigvalsh(matrices)


entry(
    "laplacian",
    "derivatives",
    OneSided("laplacian.trace[0]", -1),
    "Kamkari et al. 2024",
    "-tr Hess log p(x + noise), the first half of FLIPD",
)
entry(
    "flipd",
    "derivatives",
    OneSided("laplacian.flipd[0]", -1),
    "Kamkari et al. 2024",
    "-[D + s^2 (tr Hess log p + |grad log p|^2)] at x + noise, s^2 the variance of the noise",
)
entry(
    "largest-curvature",
    "derivatives",
    OneSided("curvature.highest[0]"),
    "Shoushtari et al. 2025",
    "the highest eigenvalue of Hess log p(x + noise), as that of Cov[x | x + noise]",
)
entry(
    "density-of-curvatures",
    "density of states",
    DensityOfStates(("laplacian.trace[0]", "curvature.lowest[0]", "curvature.highest[0]")),
    "Morningstar et al. 2021",
    "-sum of log KDEs of the trace, the lowest and the highest eigenvalue of Hess log p(x + noise)",
)
