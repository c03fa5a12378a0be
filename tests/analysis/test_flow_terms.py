import dataclasses
import functools
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.densities import GLOW_POINT, GLOWS, dense_glow_hessian, glow_density, init, perturbed
from jax.flatten_util import ravel_pytree

from glowjax import cv_glow, nvp_glow
from glowjax.analysis import curvature_terms, laplacian
from glowjax.checks import InputError

pytestmark = pytest.mark.usefixtures("float64")

X = GLOW_POINT
DIM = X.size


@functools.cache
def dense_terms(name):
    return [np.asarray(t).reshape(DIM, DIM) for t in curvature_terms(GLOWS[name], perturbed(name), X, chunk_size=5)]


def flat_latents(name):
    params = perturbed(name)  # here, since a first call inside of a trace would be traced
    return lambda x: ravel_pytree(GLOWS[name].encode(params, x))[0]


@pytest.mark.parametrize("name", ["nvp-relu", "nvp-tanh", "cv-relu", "cv-tanh"])
def test_the_three_terms_sum_to_the_hessian(name):
    """An additive flow has no volume term, and with ReLU no residual."""
    terms = dense_terms(name)
    scale = max(np.abs(term).max() for term in terms)
    np.testing.assert_allclose(sum(terms), dense_glow_hessian(name), atol=1e-11 * scale)
    assert np.abs(terms[0]).max() > 0
    for term, vanishes in ((terms[1], name == "cv-relu"), (terms[2], name.startswith("cv"))):
        assert np.all(term == 0) if vanishes else np.abs(term).max() > 1e-3 * scale


@pytest.mark.parametrize("name", ["nvp-relu", "cv-tanh"])
def test_the_gauss_newton_term_is_minus_the_square_of_the_jacobian(name):
    jacobian = np.asarray(jax.jit(jax.jacfwd(flat_latents(name)))(X)).reshape(DIM, DIM)
    expected = -jacobian.T @ jacobian
    gauss_newton = dense_terms(name)[0]
    np.testing.assert_allclose(gauss_newton, expected, atol=1e-11 * np.abs(expected).max())
    assert np.linalg.eigvalsh(gauss_newton).max() <= 1e-12 * np.abs(expected).max()


@pytest.mark.parametrize("name", ["cv-relu", "cv-tanh"])
def test_the_laplacian_of_an_additive_flow_is_that_of_its_latents(name):
    """Tr H = -(|J|^2 + sum_i z_i Lap z_i), by dense derivatives of the latents alone."""
    latents = flat_latents(name)
    z, jacobian, second = jax.jit(lambda x: (latents(x), jax.jacfwd(latents)(x), jax.jacfwd(jax.jacfwd(latents))(x)))(X)
    laplacians = np.trace(np.asarray(second).reshape(DIM, DIM, DIM), axis1=1, axis2=2)
    expected = -(np.sum(jacobian**2) + z @ laplacians)
    np.testing.assert_allclose(laplacian(glow_density(name), X), expected, rtol=1e-10)


def test_the_gates_of_a_highway_have_a_residual_whatever_the_activation():
    flow = cv_glow(1, 1, 4, conditioner="highway")
    params = init(flow, noise=0.5)
    gauss_newton, residual, volume = curvature_terms(flow, params, X)
    assert np.abs(residual).max() > 1e-6 * np.abs(gauss_newton).max()
    np.testing.assert_array_equal(volume, 0)


@dataclasses.dataclass(frozen=True)
class Counting:
    """A flow that counts how often its encoding is traced."""

    flow: Any
    encoded: ClassVar[list[str]] = []

    def encode(self, params, x):
        self.encoded.append("traced")
        return self.flow.encode(params, x)

    def terms(self, params, x):
        return self.flow.terms(params, x)


def test_another_image_is_not_compiled_for_again():
    flow, params = Counting(GLOWS["cv-tanh"]), perturbed("cv-tanh")
    curvature_terms(flow, params, X)
    traced = len(flow.encoded)
    assert traced > 0
    other = curvature_terms(flow, params, X + 1)
    assert len(flow.encoded) == traced
    assert np.abs(other[0] - dense_terms("cv-tanh")[0].reshape(other[0].shape)).max() > 0


def test_params_may_be_traced():
    flow, params = GLOWS["cv-tanh"], perturbed("cv-tanh")
    traced = jax.jit(lambda params, x: curvature_terms(flow, params, x))(params, X)
    for one, other in zip(traced, dense_terms("cv-tanh"), strict=True):
        np.testing.assert_allclose(one.reshape(DIM, DIM), other, atol=1e-12 * np.abs(other).max())


def test_what_does_not_serve_is_refused_in_a_sentence():
    flow, params = GLOWS["cv-tanh"], perturbed("cv-tanh")
    with pytest.raises(InputError, match=r"above the limit of 0\.00 GiB"):
        curvature_terms(flow, params, X, limit=100)
    with pytest.raises(InputError, match=r"index \[0, 1, 0\]"):
        curvature_terms(flow, params, jnp.asarray(X).at[0, 1, 0].set(jnp.nan))
    with pytest.raises(InputError, match="a point without batch axes"):
        curvature_terms(flow, params, X[None])
    inverting = nvp_glow(1, 1, 4, memory="invert")
    with pytest.raises(InputError, match="with_memory"):
        curvature_terms(inverting, init(inverting), X)
