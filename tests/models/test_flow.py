"""Flows: densities, latents, samples, and the errors for bad input."""

import functools

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from layers_under_test import perturb

from glowjax import Flow, cv_glow, dequantize, nvp_glow
from glowjax.checks import InputError
from glowjax.layers import ActNorm, AffineCoupling, Chain, Conv1x1, MultiScale, PixelScaling, SplitPrior
from glowjax.likelihood import log_mean_exp
from glowjax.networks.conditioners import ConvConditioner
from glowjax.train import compiled_step, make_optimizer, make_state

KEY = jax.random.key(0)
SHAPE = (8, 8, 1)
NUM_DIMS = 64
MODELS = {"nvp": nvp_glow(2, 1, 4), "cv": cv_glow(2, 1, 4), "nvp-3-scales": nvp_glow(3, 1, 4)}
every_model = pytest.mark.parametrize("name", MODELS)


def structured(num_images=32, shape=SHAPE, seed=0):
    """Ramps of random contrast with a little noise, uint8."""
    rng = np.random.default_rng(seed)
    ramps = np.linspace(0, 1, shape[1])[None, None, :, None] * rng.uniform(50, 200, (num_images, 1, 1, 1))
    return np.clip(ramps + rng.normal(0, 10, (num_images, *shape)), 0, 255).astype(np.uint8)


def noise(num_images=16, shape=SHAPE, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (num_images, *shape), dtype=np.uint8)


@functools.cache
def initial(name):
    return MODELS[name].init(jax.random.key(0), structured())


@functools.cache
def perturbed(name):
    return perturb(initial(name), 0.1)


def continuous(num_images=4):
    return dequantize(jax.random.key(3), structured(num_images, seed=5))


def test_a_density_integrates_to_one():
    """Over the two dimensions of a 1x1x2 image, by midpoints on a grid far wider than the mass.

    The density is smooth, hence tanh, so halving the spacing from here changes the sum by a few parts in 10^6.
    """
    conditioner = ConvConditioner(4, jnp.tanh)
    scale = Chain((PixelScaling(), ActNorm(), Conv1x1(), AffineCoupling(conditioner), Conv1x1()))
    flow = Flow(MultiScale((scale, ActNorm()), SplitPrior(conditioner)))
    spacing, num_points = 2.5, 801
    with jax.enable_x64(True):
        axis = spacing * (jnp.arange(num_points, dtype=jnp.float64) - num_points // 2)
        grid = jnp.stack(jnp.meshgrid(axis, axis), axis=-1).reshape(-1, 1, 1, 2)
        params = flow.init(jax.random.key(0), noise(16, (1, 1, 2)))
        params = perturb(jax.tree.map(jnp.float64, params), 0.1)
        density = np.exp(flow.log_prob(params, grid)).reshape(num_points, num_points)
    edge = max(density[0].max(), density[-1].max(), density[:, 0].max(), density[:, -1].max())
    assert edge < 1e-12 * density.max()
    np.testing.assert_allclose(density.sum() * spacing**2, 1.0, rtol=0, atol=1e-5)


@every_model
def test_terms_are_those_of_each_scales_own_layers_and_split_and_sum_to_log_prob(name):
    model, params, x = MODELS[name], perturbed(name), continuous()
    terms, kept = model.terms(params, x), x
    for index, (scale, latent) in enumerate(zip(model.layer.scales, model.encode(params, x), strict=True)):
        kept, steps = scale.forward(params.arrays["scales"][index], kept)
        splits = jnp.zeros(4)
        if index + 1 < len(model.layer.scales):
            (kept, _), splits = model.layer.split.forward(params.arrays["splits"][index], kept)
        log_pz = jax.scipy.stats.norm.logpdf(latent).sum((1, 2, 3))
        found = (terms.log_pz_by_scale, terms.steps_by_scale, terms.splits_by_scale)
        for parts, expected in zip(found, (log_pz, steps, splits), strict=True):
            np.testing.assert_allclose(parts[:, index], expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(terms.log_det, (terms.steps_by_scale + terms.splits_by_scale).sum(-1), rtol=1e-6)
    np.testing.assert_allclose(terms.log_pz + terms.log_det, model.log_prob(params, x), rtol=1e-6)
    np.testing.assert_allclose((terms.prior_by_scale + terms.steps_by_scale).sum(-1), terms.log_prob, rtol=1e-5)


@every_model
def test_decode_undoes_encode_on_data_noise_and_constants(name):
    model, params = MODELS[name], perturbed(name)
    images = np.concatenate([structured(4), noise(4), np.full((1, *SHAPE), 0), np.full((1, *SHAPE), 255)])
    x = jnp.asarray(images, jnp.float32)
    # Noise is tens of standard deviations from these ramps, so its latents are large; rounded, the images are the same.
    np.testing.assert_allclose(model.decode(params, model.encode(params, x)), x, rtol=0, atol=0.1)


@every_model
def test_leading_axes_are_a_batch_and_may_be_missing(name):
    model, params, x = MODELS[name], perturbed(name), continuous(6)
    together = model.log_prob(params, x)
    nested = model.log_prob(params, x.reshape(2, 3, *SHAPE))
    single = model.log_prob(params, x[4])
    chex.assert_shape(nested, (2, 3))
    chex.assert_shape(single, ())
    np.testing.assert_allclose(nested.ravel(), together, rtol=1e-5)
    np.testing.assert_allclose(single, together[4], rtol=1e-5)


def test_a_constant_volume_glow_has_one_log_det_for_all_images_and_no_gradient_of_it():
    assert not isinstance(MODELS["cv"].layer.split, SplitPrior)
    x = jnp.asarray(np.concatenate([structured(4), noise(4)]), jnp.float32)

    def log_det(name, x):
        return MODELS[name].terms(perturbed(name), x).log_det

    assert np.ptp(log_det("cv", x)) == 0
    assert not jax.grad(lambda x: log_det("cv", x).sum())(x).any()
    assert np.ptp(log_det("nvp", x)) > 0.1
    assert jax.grad(lambda x: log_det("nvp", x).sum())(x).any()


def test_the_hessian_of_one_image_is_symmetric_and_finite():
    model = nvp_glow(1, 1, 4, activation=jnp.tanh)
    params = perturb(model.init(jax.random.key(0), structured(16, (4, 4, 1))), 0.1)
    x = dequantize(jax.random.key(0), structured(1, (4, 4, 1), seed=5))[0]
    hessian = jax.jit(jax.hessian(lambda x: model.log_prob(params, x)))(x).reshape(16, 16)
    scale = np.abs(hessian).max()
    assert 0 < scale < np.inf
    np.testing.assert_allclose(hessian, hessian.T, rtol=0, atol=1e-5 * scale)


def test_log_prob_is_traced_once_for_two_calls():
    num_traces = 0

    class Counting(PixelScaling):
        def forward(self, params, x):
            nonlocal num_traces
            num_traces += 1
            return super().forward(params, x)

    flow = Flow(MultiScale((Counting(),), MODELS["cv"].layer.split))
    params = flow.init(jax.random.key(0), structured())
    before = num_traces
    for x in (continuous(), 2 * continuous()):
        flow.log_prob(params, x)
    assert num_traces == before + 1


@pytest.mark.parametrize("glow", [nvp_glow, cv_glow])
def test_equal_hyperparameters_make_equal_hashable_models(glow):
    assert glow(2, 1, 4) == glow(2, 1, 4)
    assert hash(glow(2, 1, 4)) == hash(glow(2, 1, 4))
    assert len({glow(2, 1, 4), glow(1, 1, 4), glow(2, 2, 4), glow(2, 1, 6), glow(2, 1, 4, memory="store")}) == 5


@every_model
def test_training_starts_at_sane_bits_per_dimension(name):
    """After data-dependent initialization; images spread over 8 bits, so that a model without structure has about 8."""
    assert 3 < MODELS[name].loss(initial(name), jax.random.key(4), structured(32, seed=9)) < 9


def test_the_likelihood_of_one_draw_is_the_density_of_the_dequantized_image():
    model, params, images, key = MODELS["nvp"], perturbed("nvp"), structured(4, seed=5), jax.random.key(6)
    x = dequantize(jax.random.split(key, 1)[0], images)
    likelihood = model.log_likelihood(params, key, images)
    np.testing.assert_allclose(likelihood, model.log_prob(params, x), rtol=1e-6)


def test_the_likelihood_of_several_draws_is_the_log_of_their_mean_density():
    model, params, images, key = MODELS["nvp"], perturbed("nvp"), structured(4, seed=5), jax.random.key(6)
    draws = jnp.stack([model.log_prob(params, dequantize(k, images)) for k in jax.random.split(key, 3)])
    actual = model.log_likelihood(params, key, images, num_draws=3)
    np.testing.assert_allclose(actual, log_mean_exp(draws), rtol=1e-6)


def test_more_draws_raise_the_bound_on_average():
    """By Jensen's inequality; the gain of many images exceeds its standard error many times."""
    model, params, images = MODELS["nvp"], perturbed("nvp"), structured(64, seed=5)
    one = model.log_likelihood(params, jax.random.key(0), images)
    many = model.log_likelihood(params, jax.random.key(1), images, num_draws=8)
    gain = np.asarray(many - one)
    assert gain.mean() > 4 * gain.std() / np.sqrt(len(gain))


def test_samples_at_temperature_zero_are_the_decoded_origin():
    model, params = MODELS["nvp"], perturbed("nvp")
    images = model.sample(params, jax.random.key(0), 3, temperature=0.0)
    origin = model.decode(params, tuple(jnp.zeros_like(z) for z in model.encode(params, continuous(3))))
    chex.assert_trees_all_equal(np.asarray(images), np.clip(np.floor(origin), 0, 255).astype(np.uint8))
    assert (images == images[:1]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda m, p, x: m.init(KEY, structured(4, (10, 10, 1))),
            r"\[10, 10, 1\] do not fit .* 5 x 5: .* 2\^num_scales",
        ),
        (
            lambda m, p, x: m.log_prob(p, jnp.zeros((4, 8, 8, 3))),
            r"of shape \[8, 8, 1\], but got \[4, 8, 8, 3\]",
        ),
        (lambda m, p, x: m.log_prob(p, x[0, 0]), r"x must be an array \[\.\.\., H, W, C\], but its shape is \[8, 1\]"),
        (
            lambda m, p, x: m.terms(p, jnp.asarray(structured())),
            "floating-point grey levels, but x is uint8; call dequantize",
        ),
        (lambda m, p, x: m.decode(p, m.encode(p, x)[:1]), "pass the tuple that encode returns"),
        (lambda m, p, x: nvp_glow(2, 1, 4, conditioner="con"), "Unknown conditioner 'con'; did you mean 'conv'"),
        (lambda m, p, x: cv_glow(2, 1, 4, memory="remap"), "Unknown memory mode 'remap'; did you mean 'remat'"),
        (lambda m, p, x: nvp_glow(0, 1, 4), "num_scales must be a positive whole number, but is 0"),
        (lambda m, p, x: nvp_glow(1, 1), "width must be a positive whole number, but is None"),
        (lambda m, p, x: cv_glow(1, 1, 4, conditioner=nn.Dense(3)), "give such options to Dense itself"),
        (lambda m, p, x: nvp_glow(1, 1, 4, compute_dtype="float16"), "Unknown compute dtype 'float16'"),
        (lambda m, p, x: nvp_glow(1, 1, 4, log_scale_bound=np.nan), "log_scale_bound is nan, but must be positive"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call(MODELS["nvp"], initial("nvp"), continuous())


def test_a_single_layer_is_a_flow_of_one_scale():
    layer = Chain((PixelScaling(), ActNorm()))
    flow, images = Flow(layer), structured()
    assert flow == Flow(MultiScale((layer,)))
    params = flow.init(KEY, images)
    (latents,), x = flow.encode(params, continuous()), continuous()
    np.testing.assert_array_equal(latents, layer.forward(params.arrays["scales"][0], x)[0])
    np.testing.assert_array_equal(flow.terms(params, x).splits_by_scale, 0)


@pytest.mark.parametrize("glow", [nvp_glow, cv_glow])
def test_a_glow_takes_any_linen_module_as_its_conditioner(glow):
    class Pixelwise(nn.Module):
        @nn.compact
        def __call__(self, x, num_outputs):
            return nn.Dense(num_outputs, kernel_init=nn.initializers.normal(0.1))(x)

    flow = glow(2, 1, conditioner=Pixelwise())
    params = flow.init(KEY, structured())
    np.testing.assert_allclose(flow.decode(params, flow.encode(params, continuous())), continuous(), atol=0.02)
    assert not np.array_equal(flow.log_prob(params, continuous()), MODELS["cv"].log_prob(initial("cv"), continuous()))


@pytest.mark.parametrize("name", ["nvp", "cv"])
def test_the_methods_of_convolution_give_one_density(name):
    make = {"nvp": nvp_glow, "cv": cv_glow}[name]
    auto, *forced = (make(2, 1, 4, convolution=method) for method in ("auto", "product", "xla"))
    assert len({auto, *forced}) == 3
    for model in forced:
        found, expected = (one.log_prob(perturbed(name), continuous()) for one in (model, auto))
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_known_images_may_stand_inside_a_jit_over_the_params(images):
    model = nvp_glow(1, 1, 4)
    params = model.init(jax.random.key(0), images)
    x = dequantize(jax.random.key(1), images)
    compiled = jax.jit(lambda params: model.log_prob(params, x))
    np.testing.assert_allclose(compiled(params), model.log_prob(params, x), rtol=1e-5)


@pytest.mark.parametrize("glow", [nvp_glow, cv_glow])
@pytest.mark.parametrize("num_training_steps", [0, 40])
def test_gradients_by_reconstruction_are_those_of_stored_activations_but_for_rounding(glow, num_training_steps):
    """On random and on trained params, in float32; relative to the size of the gradient."""
    store, invert = glow(2, 6, 8), glow(2, 6, 8, memory="invert")
    params = store.init(jax.random.key(0), structured())
    if num_training_steps:
        optimizer = make_optimizer(learning_rate=1e-2, num_steps=num_training_steps, warmup_steps=5)
        state, step = make_state(params, optimizer), compiled_step(store, optimizer, jax.devices()[:1])
        for seed in range(num_training_steps):
            state, _ = step(state, jax.random.key(1), structured(seed=seed))
        params = state.params
    else:
        params = perturb(params, 0.05)
    gradient, other = (jax.grad(model.loss)(params, jax.random.key(2), structured(seed=9)) for model in (store, invert))
    distance = optax.tree.norm(jax.tree.map(jnp.subtract, gradient, other))
    assert distance < 1e-3 * optax.tree.norm(gradient)


@pytest.mark.parametrize("conditioner", ["conv", "highway"])
def test_bfloat16_is_inside_the_conditioners_alone(conditioner):
    exact, rounded = (
        nvp_glow(2, 1, 4, conditioner=conditioner, compute_dtype=compute_dtype) for compute_dtype in (None, "bfloat16")
    )
    params = perturb(rounded.init(jax.random.key(0), structured()), 0.05)
    gradient = jax.grad(rounded.loss)(params, jax.random.key(1), structured())
    chex.assert_trees_all_equal_shapes_and_dtypes(params, gradient, exact.init(jax.random.key(0), structured()))
    assert {leaf.dtype for leaf in jax.tree.leaves(gradient)} == {jnp.dtype("float32")}
    x = dequantize(jax.random.key(2), structured())
    difference = np.abs(rounded.log_prob(params, x) - exact.log_prob(params, x))
    assert rounded.log_prob(params, x).dtype == jnp.float32
    assert 0 < difference.max() < 0.05 * NUM_DIMS
    np.testing.assert_allclose(rounded.decode(params, rounded.encode(params, x)), x, atol=1e-2)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_images_in_half_precision_get_densities_in_that_of_the_params(dtype):
    model, params, x = MODELS["nvp"], initial("nvp"), continuous().astype(dtype)
    log_prob = model.log_prob(params, x)
    assert log_prob.dtype == jnp.float32
    np.testing.assert_array_equal(log_prob, model.log_prob(params, x.astype(jnp.float32)))


def test_params_in_double_precision_take_images_and_draws_in_single_precision():
    model, params, images = MODELS["nvp"], initial("nvp"), structured()
    with jax.enable_x64(True):
        exact = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), params)
        assert model.log_prob(exact, continuous()).dtype == jnp.float64
        np.testing.assert_allclose(model.log_prob(exact, continuous()), model.log_prob(params, continuous()), rtol=1e-4)
        assert np.isfinite(model.loss(exact, jax.random.key(0), images))
        assert model.sample(exact, jax.random.key(0), 2).shape == (2, 8, 8, 1)


def test_an_empty_batch_has_no_densities():
    model, params = MODELS["nvp"], initial("nvp")
    assert model.log_prob(params, continuous()[:0]).shape == (0,)


def test_a_looser_bound_lets_the_volume_change_further():
    steps = [nvp_glow(1, 1, 4, log_scale_bound=bound) for bound in (2.0, 4.0)]
    params = perturb(steps[0].init(jax.random.key(0), structured()), 3.0)  # raw log-scales beyond either bound
    by_x = [np.asarray(model.terms(params, continuous(32)).log_det) for model in steps]
    assert np.ptp(by_x[1]) > 1.5 * np.ptp(by_x[0]) > 0
