"""The lines that the README promises, and that every public name is there and explained."""

import inspect

import jax
import numpy as np

import glowjax as gj


def test_every_line_of_the_contract_works(images):
    model = gj.nvp_glow(num_scales=2, num_steps=1, width=4)
    params = model.init(jax.random.key(0), images)
    x = gj.dequantize(jax.random.key(1), images)
    log_prob = model.log_prob(params, x)
    terms = model.terms(params, x)
    np.testing.assert_allclose(terms.log_pz + terms.log_det, log_prob)
    latents = model.encode(params, x)
    np.testing.assert_allclose(model.decode(params, latents), x, rtol=0, atol=1e-2)
    log_likelihood = model.log_likelihood(params, jax.random.key(2), images, num_draws=1)
    assert log_likelihood.shape == (8,)
    assert 3 < gj.bits_per_dim(log_likelihood, num_dims=64).mean() < 9
    samples = model.sample(params, jax.random.key(3), num_images=16, temperature=0.7)
    assert samples.shape == (16, 8, 8, 1)
    layer = gj.layers.ActNorm()
    layer_params = layer.init(jax.random.key(4), x)
    gj.testing.assert_invertible(layer, layer_params, x)
    gj.testing.assert_log_det_matches_jacobian(layer, layer_params, x)


def test_every_public_name_is_there_and_has_a_docstring():
    assert len(set(gj.__all__)) == len(gj.__all__)
    for name in gj.__all__:
        value = getattr(gj, name)
        assert inspect.getdoc(value), name
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, name
