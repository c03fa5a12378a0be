"""What is particular to single layers."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from layers_under_test import CONV, IMAGE, STEP

from glowjax import nvp_glow
from glowjax.analysis import hessian_trace, hvp, location_spread_gap
from glowjax.checks import InputError
from glowjax.layers import (
    ActNorm,
    AdditiveCoupling,
    AffineCoupling,
    Chain,
    Conv1x1,
    FullConv1x1,
    Inverse,
    MultiScale,
    PixelScaling,
    Repeat,
    Split,
    SplitPrior,
    Squeeze,
)
from glowjax.layers.repeat import MEMORY
from glowjax.networks.conditioners import ConvConditioner, HighwayConditioner
from glowjax.testing import assert_invertible, assert_log_det_matches_jacobian


def batch(seed=0, shape=(32, *IMAGE)):
    return 3 + 2 * jax.random.normal(jax.random.key(seed), shape)


def randomized(params, seed=1, scale=0.3):
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(seed), len(leaves))
    return jax.tree.unflatten(
        structure,
        [leaf + scale * jax.random.normal(k, leaf.shape) for leaf, k in zip(leaves, keys, strict=True)],
    )


def test_actnorm_standardises_the_first_batch():
    x = batch()
    y, _ = ActNorm().forward(ActNorm().init(jax.random.key(0), x), x)
    np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(y.std((0, 1, 2)), 1, atol=1e-5)


def test_actnorm_survives_a_constant_channel():
    x = batch().at[..., 0].set(5.0)
    y, log_det = ActNorm().forward(ActNorm().init(jax.random.key(0), x), x)
    assert np.isfinite(y).all()
    assert np.isfinite(log_det).all()


def test_conv1x1_starts_as_a_rotation():
    params = Conv1x1().init(jax.random.key(3), batch(shape=(1, 2, 2, 12)))
    weight = Conv1x1().weight(params)
    np.testing.assert_allclose(weight @ weight.T, np.eye(12), atol=1e-5)
    np.testing.assert_allclose(params["log_diagonal"].sum(), 0, atol=1e-5)


def test_conv1x1_mixes_the_channels_of_each_pixel_by_its_weight():
    x = batch(shape=(2, 3, 2, 5))
    params = randomized(Conv1x1().init(jax.random.key(3), x), scale=0.05)
    y, log_det = Conv1x1().forward(params, x)
    weight = np.asarray(Conv1x1().weight(params))
    np.testing.assert_allclose(y, np.einsum("oc,nhwc->nhwo", weight, x), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(log_det, 6 * np.linalg.slogdet(weight)[1], rtol=1e-4)


def test_squeeze_gathers_each_block_in_a_pixel():
    x = jnp.arange(2 * 4 * 6 * 3.0).reshape(2, 4, 6, 3)
    y, _ = Squeeze().forward({}, x)
    assert y.shape == (2, 2, 3, 12)
    for c, i, j in [(0, 0, 0), (1, 0, 1), (2, 1, 0), (2, 1, 1)]:
        np.testing.assert_array_equal(y[..., 4 * c + 2 * i + j], x[:, i::2, j::2, c])


def test_pixel_scaling_counts_its_volume():
    x = jnp.array([0.0, 128.0, 255.0]).reshape(1, 3, 1)
    y, log_det = PixelScaling().forward({}, x)
    np.testing.assert_allclose(y.ravel(), [-0.5, 0.0, 255 / 256 - 0.5])
    np.testing.assert_allclose(log_det, -3 * np.log(256), rtol=1e-6)


@pytest.mark.parametrize("coupling", [AffineCoupling(CONV), AdditiveCoupling(CONV)])
def test_a_couplings_jacobian_is_block_triangular(coupling):
    x = batch(shape=(2, 2, 4))
    params = randomized(coupling.init(jax.random.key(0), x[None]))
    jacobian = jax.jit(jax.jacobian(lambda x: coupling.forward(params, x)[0]))(x)
    kept, changed = np.s_[:, :, :2], np.s_[:, :, 2:]
    np.testing.assert_array_equal(
        jacobian[kept + kept].reshape(8, 8), np.eye(8), err_msg="the kept half passes unchanged"
    )
    assert not jacobian[kept + changed].any()
    block = np.asarray(jacobian[changed + changed].reshape(8, 8))
    np.testing.assert_array_equal(block, np.diag(np.diag(block)))
    assert jacobian[changed + kept].any()


def test_an_affine_couplings_scale_is_bounded_for_any_input():
    coupling = AffineCoupling(CONV)
    params = randomized(coupling.init(jax.random.key(0), batch()), scale=3.0)
    x = 1e4 * batch()
    log_det = coupling.forward(params, x)[1] / np.prod((4, 2, 2))
    assert np.log(0.5) <= log_det.min() + 1e-6
    assert log_det.max() < 0


def test_a_split_priors_scale_is_bounded_for_any_input():
    split = SplitPrior(CONV)
    params = randomized(split.init(jax.random.key(0), batch()), scale=3.0)
    log_det = split.forward(params, 1e4 * batch())[1]
    assert np.isfinite(log_det).all()
    assert np.abs(log_det).max() <= 3.0 * 4 * 2 * 2


def test_a_split_prior_gives_the_density_of_a_conditional_normal():
    split = SplitPrior(CONV)
    x = batch(shape=(3, *IMAGE))
    params = randomized(split.init(jax.random.key(0), x), scale=0.1)
    (x_a, latent), log_det = split.forward(params, x)
    mean, one_above = (split.inverse(params, (x_a, jnp.full_like(latent, z)))[0][..., 2:] for z in (0, 1))
    expected = jax.scipy.stats.norm.logpdf(x[..., 2:], mean, one_above - mean).sum((1, 2, 3))
    actual = jax.scipy.stats.norm.logpdf(latent).sum((1, 2, 3)) + log_det
    assert np.ptp(one_above - mean) > 0.1
    np.testing.assert_allclose(actual, expected, rtol=1e-4)


@pytest.mark.parametrize("memory", MEMORY)
def test_repeat_equals_the_unrolled_chain(memory):
    repeat = Repeat(STEP, 3, memory)
    params = randomized(repeat.init(jax.random.key(0), batch()), scale=0.1)
    unrolled = tuple(jax.tree.map(lambda leaf, i=i: leaf[i], params) for i in range(3))
    x = batch(1)
    chex.assert_trees_all_close(
        repeat.forward(params, x), Chain((STEP,) * 3).forward(unrolled, x), rtol=1e-4, atol=1e-4
    )


def test_a_permutation_survives_weight_decay_and_averages():
    layer, x = Conv1x1(), batch()
    params = layer.init(jax.random.key(0), x)
    noise = 0.1 * jax.random.normal(jax.random.key(1), params["signed_permutation"].shape)
    shrunk = params | {"signed_permutation": 1e-3 * (params["signed_permutation"] + noise)}
    np.testing.assert_array_equal(layer.weight(shrunk), layer.weight(params))
    assert_invertible(layer, shrunk, x)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_half_precision_keeps_its_log_dets_in_float32(dtype):
    x = batch(shape=(2, 64, 64, 4)).astype(dtype)
    coupling = AffineCoupling(CONV)
    params = coupling.init(jax.random.key(0), x)
    narrow = ActNorm(), {"log_scale": jnp.full(4, 4.6, dtype), "shift": jnp.zeros(4, dtype)}  # 75,000 nats
    mixing = Conv1x1().init(jax.random.key(0), x)
    mixing = Conv1x1(), jax.tree.map(lambda array: array.astype(dtype), mixing | {"log_diagonal": jnp.full(4, 4.6)})
    for layer, layer_params in ((PixelScaling(), {}), (coupling, params), narrow, mixing):
        precise = jax.tree.map(lambda array: array.astype(jnp.float32), layer_params)
        expected = layer.forward(precise, x.astype(jnp.float32))[1]
        assert np.isfinite(expected).all()
        _, log_det = layer.forward(layer_params, x)
        assert log_det.dtype == jnp.float32
        np.testing.assert_allclose(log_det, expected, rtol=3e-3)
    np.testing.assert_allclose(PixelScaling().forward({}, x)[1], -64 * 64 * 4 * np.log(256), rtol=1e-6)


@pytest.mark.parametrize("layer", [Conv1x1(), FullConv1x1()])
@pytest.mark.parametrize("size", [4, 48])
def test_no_device_may_round_the_products_of_a_1x1_convolution(layer, size):
    """Asked of what JAX hands to the compiler: on a CPU the rounding of other devices does not show."""
    x = jnp.ones((1, 2, 2, size))
    params = layer.init(jax.random.key(0), x)
    for one_way in (layer.forward, layer.inverse):
        program = str(jax.make_jaxpr(one_way)(params, x))
        assert program.count("dot_general[") == program.count("HIGHEST") / 2 > 0


@pytest.mark.parametrize("bound", [100.0, float("inf")])
def test_a_coupling_without_a_bound_stays_finite(bound):
    layer = AffineCoupling(CONV, bound)
    params = randomized(layer.init(jax.random.key(0), batch()), scale=1.0)
    _, log_scale = layer.shift_and_log_scale(params, 30 * batch()[..., :2])
    assert np.isfinite(log_scale).all()
    assert log_scale.min() < -60  # far below what the default bound allows


def test_a_subclass_with_a_map_of_its_own_is_reversed_by_its_own_inverse():
    class Free(AffineCoupling):
        def forward(self, params, x):
            x_a, x_b = jnp.split(x, 2, axis=-1)
            shift, log_scale = self.shift_and_log_scale(params, x_a)
            return jnp.concatenate([x_a, x_b * jnp.exp(log_scale) + shift], axis=-1), log_scale.sum((-3, -2, -1))

        def inverse(self, params, y):
            y_a, y_b = jnp.split(y, 2, axis=-1)
            shift, log_scale = self.shift_and_log_scale(params, y_a)
            return jnp.concatenate([y_a, (y_b - shift) * jnp.exp(-log_scale)], axis=-1), -log_scale.sum((-3, -2, -1))

    x = batch(shape=(4, *IMAGE))
    layers = [Repeat(Free(CONV), 2, memory) for memory in ("store", "invert")]
    params = randomized(layers[0].init(jax.random.key(0), x), scale=0.1)

    def loss(layer, params):
        y, log_det = layer.forward(params, x)
        return jnp.sum(jnp.sin(y)) + jnp.sum(log_det**2)

    stored, inverted = (jax.grad(functools.partial(loss, layer))(params) for layer in layers)
    chex.assert_trees_all_close(stored, inverted, rtol=1e-3, atol=1e-2)


def test_a_lone_pixel_keeps_its_scale():
    x = batch(shape=(1, 1, 1, 4))
    params = ActNorm().init(jax.random.key(0), x)
    np.testing.assert_array_equal(params["log_scale"], 0)
    np.testing.assert_array_equal(ActNorm().forward(params, x)[0], 0)


def test_lists_of_layers_become_tuples():
    assert Chain([ActNorm(), Conv1x1()]) == Chain((ActNorm(), Conv1x1()))
    assert hash(MultiScale([ActNorm()], Split())) == hash(MultiScale((ActNorm(),), Split()))


def test_repeat_initialises_each_step_with_what_comes_before_it():
    x = batch()
    layer = Chain((ActNorm(), Conv1x1(), AffineCoupling(CONV), ActNorm()))
    y, _ = Repeat(layer, 3).forward(Repeat(layer, 3).init(jax.random.key(0), x), x)
    np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(y.std((0, 1, 2)), 1, atol=1e-4)


@pytest.mark.parametrize("memory", ["remat", "invert"])
@pytest.mark.parametrize("step", [STEP, ActNorm(), Chain((ActNorm(), FullConv1x1(), AdditiveCoupling(CONV)))])
def test_memory_modes_have_the_same_gradients_by_params_and_input(memory, step):
    params = randomized(Repeat(step, 3).init(jax.random.key(0), batch()), scale=0.1)

    def gradients(layer):
        def loss(params, x):
            y, log_det = layer.forward(params, x)
            return (jnp.sin(y) * y).sum() + (log_det**2).sum()

        return jax.jit(jax.grad(loss, argnums=(0, 1)))(params, batch(1))

    with jax.enable_x64(True):
        params = jax.tree.map(jnp.float64, params)
        chex.assert_trees_all_close(
            gradients(Repeat(step, 3, memory)), gradients(Repeat(step, 3)), rtol=1e-4, atol=1e-4
        )


def test_the_inverting_mode_keeps_no_activation():
    """The compiled gradient's memory, 24 steps over 6: other modes grow."""

    def temporary_bytes(memory, num_steps):
        layer = Repeat(STEP, num_steps, memory)
        params = Repeat(STEP, num_steps).init(jax.random.key(0), batch())
        x = jnp.tile(batch(), (16, 1, 1, 1))
        gradient = jax.jit(jax.grad(lambda params, x: (layer.forward(params, x)[0] ** 2).sum(), argnums=1))
        return gradient.lower(params, x).compile().memory_analysis().temp_size_in_bytes

    growth = {memory: temporary_bytes(memory, 24) / temporary_bytes(memory, 6) for memory in MEMORY}
    assert growth["invert"] < 1.3
    assert growth["invert"] < growth["remat"] < growth["store"]


def test_storing_keeps_products_and_not_all_else():
    """The compiled gradient's memory beside that of a scan whose every residual is kept."""
    step = Chain((ActNorm(), Conv1x1(), AffineCoupling(ConvConditioner(width=32))))
    x = jnp.tile(batch(), (16, 1, 1, 1))
    params = Repeat(step, 12).init(jax.random.key(0), x)

    def temporary_bytes(forward):
        gradient = jax.jit(jax.grad(lambda params: (forward(params, x)[0] ** 2).sum()))
        return gradient.lower(params).compile().memory_analysis().temp_size_in_bytes

    def keep_all(params, x):
        return jax.lax.scan(lambda x, step_params: (step.forward(step_params, x)[0], None), x, params)

    stored, remat = (temporary_bytes(Repeat(step, 12, memory).forward) for memory in ("store", "remat"))
    assert remat < stored < 0.85 * temporary_bytes(keep_all)


def test_the_inverting_mode_refuses_forward_mode_and_the_analysis_says_what_to_do():
    model, store = nvp_glow(1, 2, 4, memory="invert"), nvp_glow(1, 2, 4)
    images = np.random.default_rng(0).integers(0, 256, (8, 4, 4, 1), dtype=np.uint8)
    x, params = images[0].astype(np.float32), model.init(jax.random.key(0), images)
    inverting, storing = (functools.partial(m.log_prob, params) for m in (model, store))
    with pytest.raises(InputError, match=r"refuses the forward-mode .* memory='invert' .* memory='store'"):
        hessian_trace(inverting, x)
    with pytest.raises(InputError, match="memory='store'"):
        location_spread_gap(inverting, images.astype(np.float32), images.astype(np.float32) + 1, jax.random.key(0))
    np.testing.assert_allclose(hvp(inverting, x, x), hvp(storing, x, x), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("conditioner", [ConvConditioner(6), HighwayConditioner(6, num_layers=2)])
def test_a_conditioner_starts_at_zero_with_normalised_features(conditioner):
    x = batch()
    params = conditioner.init(jax.random.key(0), x, 5)
    assert not conditioner.apply(params, x, 5).any()
    _, state = conditioner.apply(params, x, 5, capture_intermediates=True)
    features = state["intermediates"]["NormalizedConv_0"]["__call__"][0]
    np.testing.assert_allclose(features.mean((1, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(features.std((1, 2, 3)), 1, atol=1e-4)


def test_the_public_assertions_catch_a_wrong_layer():
    class Wrong(ActNorm):
        def forward(self, params, x):
            y, log_det = super().forward(params, x)
            return y, log_det + 0.5

    class Forgetful(ActNorm):
        def inverse(self, params, y):
            return y, super().inverse(params, y)[1]

    class Undefined(ActNorm):
        def forward(self, params, x):
            y, log_det = super().forward(params, x)
            return y, log_det * jnp.nan

        def inverse(self, params, y):
            x, log_det = super().inverse(params, y)
            return x, log_det * jnp.nan

    class Mixing(ActNorm):
        def forward(self, params, x):
            return x - x.mean(axis=0) if x.ndim > 3 else x, jnp.zeros(x.shape[:-3])

    class Singular(ActNorm):
        def forward(self, params, x):
            return x.at[..., 0].set(0.0), jnp.full(x.shape[:-3], -1e6)

    class OneForAll(PixelScaling):
        def forward(self, params, x):
            y, log_det = super().forward(params, x)
            return y, log_det[0]

    class Careless(PixelScaling):
        def inverse(self, params, y):
            x, log_det = super().inverse(params, y)
            return x, log_det + 0.1

    x = batch(shape=(4, 2, 2, 3))
    params = ActNorm().init(jax.random.key(0), x)
    for assertion in (assert_invertible, assert_log_det_matches_jacobian):
        with pytest.raises(AssertionError, match="log-det of forward is not finite at index"):
            assertion(Undefined(), params, x)
        with pytest.raises(AssertionError, match="shape"):
            assertion(OneForAll(), {}, x)
        with pytest.raises(InputError, match="floating-point images, but got uint8"):
            assertion(ActNorm(), params, x.astype(jnp.uint8))
    with pytest.raises(AssertionError, match="mixes the images of a batch"):
        assert_log_det_matches_jacobian(Mixing(), params, x)
    with pytest.raises(AssertionError, match="it is singular"):
        assert_log_det_matches_jacobian(Singular(), params, x)
    with pytest.raises(AssertionError, match="do not cancel"):
        assert_invertible(Careless(), {}, batch(shape=(2, 32, 32, 3)))
    with pytest.raises(AssertionError, match="log_det is not that of the Jacobian"):
        assert_log_det_matches_jacobian(Wrong(), params, x)
    with pytest.raises(AssertionError, match="do not cancel"):
        assert_invertible(Wrong(), params, x)
    with pytest.raises(AssertionError, match="differs from x"):
        assert_invertible(Forgetful(), params, x)


def test_bad_input_is_told_in_a_sentence():
    key, x = jax.random.key(0), batch(shape=(2, 4, 4, 4))
    with pytest.raises(InputError, match=r"scales of shape \[1\], but got 4 channels"):
        ActNorm().forward(ActNorm().init(key, x[..., :1]), x)
    with pytest.raises(InputError, match="first batch, but got an empty one"):
        ActNorm().init(key, x[:0])
    with pytest.raises(InputError, match="keeps the shape and dtype of its input"):
        Repeat(Squeeze(), 2).init(key, x)
    with pytest.raises(InputError, match="initialize the layer itself"):
        Inverse(Chain((Squeeze(), ActNorm()))).init(key, x)
    with pytest.raises(InputError, match="floating-point images, but got uint8"):
        PixelScaling().forward({}, x.astype(jnp.uint8))
    with pytest.raises(InputError, match="at least one scale"):
        MultiScale((), Split())
    with pytest.raises(InputError, match=r"divisible by 2\^num_scales"):
        Squeeze().forward({}, batch(shape=(2, 3, 4, 1)))
    with pytest.raises(InputError, match="4 channels, but got 3"):
        Squeeze().inverse({}, batch(shape=(2, 3, 4, 3)))
    for layer in (AffineCoupling(CONV), AdditiveCoupling(CONV), SplitPrior(CONV), Split()):
        with pytest.raises(InputError, match="two halves, but got 3 channels"):
            layer.init(jax.random.key(0), batch(shape=(2, 4, 4, 3)))
    with pytest.raises(InputError, match="num_steps must be a positive whole number, but is 0"):
        Repeat(ActNorm(), 0)
    with pytest.raises(InputError, match="did you mean 'store'"):
        Repeat(ActNorm(), 2, "stor")
    with pytest.raises(InputError, match="width must be a positive whole number, but is 0"):
        ConvConditioner(0)
    with pytest.raises(InputError, match="2 scales has as many latents, but got 1"):
        MultiScale((ActNorm(), ActNorm()), Split()).inverse({}, (batch(),))
