"""log p(x) by scale: the parts sum to it, and each is what it is called."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.densities import init
from scipy import stats

from glowjax.analysis import scale_terms
from glowjax.checks import InputError
from glowjax.models import cv_glow, nvp_glow

pytestmark = pytest.mark.usefixtures("float64")

FLOWS = {"nvp": nvp_glow(2, 1, 4), "cv": cv_glow(2, 1, 4)}
X = np.random.default_rng(2).uniform(0, 256, (3, 4, 4, 1))


@functools.cache
def params_of(name):
    return init(FLOWS[name], X.shape[1:], noise=0.2)


@functools.cache
def terms_of(name):
    return scale_terms(FLOWS[name], params_of(name), X)


@pytest.mark.parametrize("name", FLOWS)
def test_the_parts_sum_to_log_p_and_to_the_flows_own_terms(name):
    terms = terms_of(name)
    assert terms.log_pz.shape == terms.split.shape == terms.steps.shape == (3, 2)
    own = FLOWS[name].terms(params_of(name), X)
    np.testing.assert_allclose(terms.total.sum(-1), own.log_pz + own.log_det, rtol=1e-12)
    np.testing.assert_allclose(terms.prior, own.log_pz_by_scale + terms.split, rtol=1e-12)
    np.testing.assert_allclose(terms.split + terms.steps, own.log_det_by_scale, rtol=1e-12)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
def test_images_of_less_precision_than_the_params_are_taken_as_log_prob_takes_them(dtype):
    x = jnp.asarray(X, dtype)
    terms = scale_terms(FLOWS["nvp"], params_of("nvp"), x)
    assert terms.total.dtype == jnp.float64
    np.testing.assert_allclose(terms.total.sum(-1), FLOWS["nvp"].log_prob(params_of("nvp"), x), rtol=1e-12)


def test_the_steps_are_the_volume_of_the_scales_layers():
    flow, params = FLOWS["nvp"], params_of("nvp")

    def first_scale(x):
        return flow.layer.scales[0].forward(params.arrays["scales"][0], x)[0].ravel()

    jacobians = jax.jit(jax.vmap(jax.jacfwd(first_scale)))(X).reshape(3, 16, 16)
    np.testing.assert_allclose(terms_of("nvp").steps[:, 0], jnp.linalg.slogdet(jacobians)[1], rtol=1e-10)


def test_the_prior_of_a_scale_is_the_normal_density_of_what_leaves_given_what_stays():
    flow, params = FLOWS["nvp"], params_of("nvp")
    h, _ = flow.layer.scales[0].forward(params.arrays["scales"][0], X)
    split, split_params = flow.layer.split, params.arrays["splits"][0]
    (kept, latent), _ = split.forward(split_params, h)
    mean, above = (split.inverse(split_params, (kept, jnp.full_like(latent, z)))[0][..., 2:] for z in (0.0, 1.0))
    expected = stats.norm.logpdf(h[..., 2:], mean, above - mean).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(terms_of("nvp").prior[:, 0], expected, rtol=1e-10)


def test_a_flow_of_constant_volume_has_no_split_term_and_the_same_steps_for_every_image():
    terms = terms_of("cv")
    np.testing.assert_array_equal(terms.split, 0)
    np.testing.assert_allclose(terms.steps, terms.steps[:1].repeat(3, axis=0), rtol=1e-12)
    assert np.ptp(terms.prior[:, 0]) > 0


def test_images_of_another_shape_are_refused():
    with pytest.raises(InputError, match=r"initialized for images of shape \[4, 4, 1\]"):
        scale_terms(FLOWS["nvp"], params_of("nvp"), jnp.zeros((8, 8, 1)))
