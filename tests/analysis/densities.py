"""Densities small enough for a dense Hessian, and points at which the tests look at them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from glowjax import cv_glow, nvp_glow
from glowjax.stats import Estimate

DIM = 6
IMAGE = (4, 4, 1)

GLOWS = {
    "nvp-relu": nvp_glow(1, 1, 4),
    "nvp-tanh": nvp_glow(1, 1, 4, activation=jnp.tanh),
    "nvp-swish": nvp_glow(2, 1, 4, activation=jax.nn.swish),
    "nvp-remat": nvp_glow(1, 2, 4, memory="remat"),
    "cv-relu": cv_glow(1, 2, 4),
    "cv-tanh": cv_glow(1, 1, 4, activation=jnp.tanh),
}


def symmetric(dim=DIM, seed=0):
    a = np.random.default_rng(seed).normal(size=(dim, dim))
    return (a + a.T) / 2


def quadratic(matrix, slope=0.0, constant=0.0):
    """constant + slope.x + x' matrix x / 2 of the values of x, whatever their shape; its Hessian is the matrix."""

    def log_prob(x):
        flat = x.ravel()
        a, b = jnp.asarray(matrix, x.dtype), jnp.broadcast_to(jnp.asarray(slope, x.dtype), flat.shape)
        return constant + b @ flat + flat @ a @ flat / 2

    return log_prob


def nonlinear(x):
    """Smooth, not separable, with a Hessian that changes from place to place."""
    flat = x.ravel()
    a = jnp.asarray(np.random.default_rng(1).normal(size=(flat.size, flat.size)), x.dtype)
    return -jax.nn.logsumexp(jnp.sin(a @ flat)) - jnp.sum(jnp.cosh(flat / 2)) + flat[0] ** 2 * flat[-1] / 4


@jax.custom_jvp
def undifferentiable(x):
    """The same as `nonlinear`, but no derivative can be taken."""
    return nonlinear(x)


@undifferentiable.defjvp
def _(primals, tangents):
    raise AssertionError("differentiated")


def numbers(found):
    """[2, ...] values and standard errors of an estimate, or of every one in a result: [estimates, 2, ...]."""
    if isinstance(found, Estimate):
        return np.array([found.value, found.sem])
    return np.array([numbers(one) for one in jax.tree.leaves(found, is_leaf=lambda part: isinstance(part, Estimate))])


EDGE = 0.3


def kinked(x):
    """-|x_0 - EDGE| - |x|^2: its Hessian is -2 I wherever it exists."""
    flat = x.ravel()
    return -jnp.abs(flat[0] - EDGE) - flat @ flat


def points(num, shape=(DIM,), seed=0, scale=1.0, shift=0.0):
    return shift + scale * np.random.default_rng(seed).normal(size=(num, *shape))


def two_sets(num_in=24, num_out=24):
    """Sets of other means and spreads."""
    return points(num_in, seed=1), points(num_out, seed=2, scale=0.6, shift=0.4)


def grey_levels(num, shape=IMAGE, seed=0):
    """Float images with structure: ramps of random contrast and noise."""
    rng = np.random.default_rng(seed)
    ramps = np.linspace(0.2, 1, shape[1])[None, None, :, None] * rng.uniform(50, 200, (num, 1, 1, 1))
    return np.clip(ramps + rng.normal(0, 10, (num, *shape)), 1, 255)


def two_image_sets():
    """Images of little contrast: a path between two crosses kinks of ReLU, but tanh is smooth on it for few nodes."""
    return 100 + 0.2 * grey_levels(6), 104 + 0.14 * grey_levels(6, seed=1)


def init(flow, shape=IMAGE, noise=0.0):
    """A flow's params in float64, away from where zero-initialized convolutions hide errors by `noise`."""
    params = flow.init(jax.random.key(0), grey_levels(32, shape).astype(np.uint8))
    leaves, structure = jax.tree.flatten(params)
    rng = np.random.default_rng(0)
    noisy = [np.asarray(leaf, np.float64) + noise * rng.normal(size=leaf.shape) for leaf in leaves]
    return jax.tree.unflatten(structure, noisy)


@functools.cache
def perturbed(name):
    return init(GLOWS[name], noise=0.2)


@functools.cache
def glow_density(name):
    """The same function object for every test, so that what one test compiles serves the next."""
    return functools.partial(GLOWS[name].log_prob, perturbed(name))


def dense_hessian(log_prob_fn, x):
    """[D, D] by `jax.hessian`, which nothing in glowjax.analysis calls."""
    return np.asarray(jax.jit(jax.hessian(log_prob_fn))(x)).reshape(x.size, x.size)


GLOW_POINT = grey_levels(1, seed=1)[0]


@functools.cache
def dense_glow_hessian(name):
    """[16, 16], at GLOW_POINT."""
    return dense_hessian(glow_density(name), jnp.asarray(GLOW_POINT))
