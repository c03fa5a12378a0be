"""Properties of single layers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from layers_under_test import CONV, IMAGE, perturb

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
from glowjax.networks.conditioners import ConvConditioner, HighwayConditioner
from glowjax.testing import assert_invertible

KEY = jax.random.key(0)


def batch(seed=0, shape=(32, *IMAGE)):
    return 3 + 2 * jax.random.normal(jax.random.key(seed), shape)


def test_actnorm_standardizes_the_first_batch_except_for_constant_channels():
    x = batch().at[..., 0].set(5.0)
    y, log_det = ActNorm().forward(ActNorm().init(KEY, x), x)
    np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(y.std((0, 1, 2)), [0, 1, 1, 1], atol=1e-5)
    assert np.isfinite(log_det).all()


def test_actnorm_keeps_the_scale_of_a_single_pixel():
    x = batch(shape=(1, 1, 1, 4))
    params = ActNorm().init(KEY, x)
    np.testing.assert_array_equal(params["log_scale"], 0)
    np.testing.assert_array_equal(ActNorm().forward(params, x)[0], 0)


def test_conv1x1_starts_as_a_rotation():
    params = Conv1x1().init(jax.random.key(3), batch(shape=(1, 2, 2, 12)))
    weight = Conv1x1().weight(params)
    np.testing.assert_allclose(weight @ weight.T, np.eye(12), atol=1e-5)
    np.testing.assert_allclose(params["log_diagonal"].sum(), 0, atol=1e-5)


def test_conv1x1_mixes_the_channels_of_each_pixel_by_its_weight():
    x = batch(shape=(2, 3, 2, 5))
    params = perturb(Conv1x1().init(jax.random.key(3), x), scale=0.05)
    y, log_det = Conv1x1().forward(params, x)
    weight = np.asarray(Conv1x1().weight(params))
    np.testing.assert_allclose(y, np.einsum("oc,nhwc->nhwo", weight, x), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(log_det, 6 * np.linalg.slogdet(weight)[1], rtol=1e-4)


def test_a_permutation_survives_weight_decay_and_averages():
    layer, x = Conv1x1(), batch()
    params = layer.init(KEY, x)
    noise = 0.1 * jax.random.normal(jax.random.key(1), params["signed_permutation"].shape)
    shrunk = params | {"signed_permutation": 1e-3 * (params["signed_permutation"] + noise)}
    np.testing.assert_array_equal(layer.weight(shrunk), layer.weight(params))
    assert_invertible(layer, shrunk, x)


@pytest.mark.parametrize("layer", [Conv1x1(), FullConv1x1()])
@pytest.mark.parametrize("size", [4, 48])
def test_no_device_may_round_the_products_of_a_1x1_convolution(layer, size):
    """The program for the compiler says so; on a CPU the rounding of other devices does not show."""
    x = jnp.ones((1, 2, 2, size))
    params = layer.init(KEY, x)
    for direction in (layer.forward, layer.inverse):
        program = str(jax.make_jaxpr(direction)(params, x))
        assert program.count("dot_general[") == program.count("HIGHEST") / 2 > 0


def test_squeeze_gathers_each_block_in_a_pixel():
    x = jnp.arange(2 * 4 * 6 * 3.0).reshape(2, 4, 6, 3)
    y, _ = Squeeze().forward({}, x)
    assert y.shape == (2, 2, 3, 12)
    for c, i, j in [(0, 0, 0), (1, 0, 1), (2, 1, 0), (2, 1, 1)]:
        np.testing.assert_array_equal(y[..., 4 * c + 2 * i + j], x[:, i::2, j::2, c])


def test_pixel_scaling_counts_its_volume():
    y, log_det = PixelScaling().forward({}, jnp.array([0.0, 128.0, 255.0]).reshape(1, 3, 1))
    np.testing.assert_allclose(y.ravel(), [-0.5, 0.0, 255 / 256 - 0.5])
    np.testing.assert_allclose(log_det, -3 * np.log(256), rtol=1e-6)


@pytest.mark.parametrize("coupling", [AffineCoupling(CONV), AdditiveCoupling(CONV)])
def test_a_couplings_jacobian_is_block_triangular(coupling):
    x = batch(shape=(2, 2, 4))
    params = perturb(coupling.init(KEY, x[None]))
    jacobian = np.asarray(jax.jit(jax.jacobian(lambda x: coupling.forward(params, x)[0]))(x))
    kept, changed = np.s_[:, :, :2], np.s_[:, :, 2:]
    np.testing.assert_array_equal(jacobian[kept + kept].reshape(8, 8), np.eye(8))
    assert not jacobian[kept + changed].any()
    block = jacobian[changed + changed].reshape(8, 8)
    np.testing.assert_array_equal(block, np.diag(np.diag(block)))
    assert jacobian[changed + kept].any()


@pytest.mark.parametrize(
    ("layer", "lowest", "highest"), [(AffineCoupling(CONV), np.log(0.5), 0), (SplitPrior(CONV), -3, 3)]
)
def test_scales_are_bounded_for_any_input(layer, lowest, highest):
    params = perturb(layer.init(KEY, batch()), scale=3.0)
    per_value = layer.forward(params, 1e4 * batch())[1] / (4 * 2 * 2)
    assert lowest - 1e-6 <= per_value.min() < per_value.max() <= highest


@pytest.mark.parametrize("bound", [100.0, float("inf")])
def test_a_coupling_without_a_bound_stays_finite(bound):
    layer = AffineCoupling(CONV, bound)
    params = perturb(layer.init(KEY, batch()), scale=1.0)
    _, _, log_scale = layer.shift_and_scale(params, 30 * batch()[..., :2])
    assert np.isfinite(log_scale).all()
    assert log_scale.min() < -60  # far below what the default bound allows


def test_a_split_prior_gives_the_density_of_a_conditional_normal():
    split, x = SplitPrior(CONV), batch(shape=(3, *IMAGE))
    params = perturb(split.init(KEY, x), scale=0.1)
    (x_a, latent), log_det = split.forward(params, x)
    mean, one_above = (split.inverse(params, (x_a, jnp.full_like(latent, z)))[0][..., 2:] for z in (0, 1))
    expected = jax.scipy.stats.norm.logpdf(x[..., 2:], mean, one_above - mean).sum((1, 2, 3))
    assert np.ptp(one_above - mean) > 0.1
    np.testing.assert_allclose(jax.scipy.stats.norm.logpdf(latent).sum((1, 2, 3)) + log_det, expected, rtol=1e-4)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_half_precision_keeps_its_log_dets_in_float32(dtype):
    x = batch(shape=(2, 64, 64, 4)).astype(dtype)
    mixing = Conv1x1().init(KEY, batch()) | {"log_diagonal": jnp.full(4, 4.6)}  # 75,000 nats, beyond float16
    norm = {"log_scale": jnp.full(4, 4.6), "shift": jnp.zeros(4)}
    coupling = AffineCoupling(CONV).init(KEY, x)
    for layer, params in (
        (PixelScaling(), {}),
        (AffineCoupling(CONV), coupling),
        (ActNorm(), norm),
        (Conv1x1(), mixing),
    ):
        params = jax.tree.map(lambda leaf: leaf.astype(dtype), params)
        precise = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), params)
        expected, log_det = layer.forward(precise, x.astype(jnp.float32))[1], layer.forward(params, x)[1]
        assert np.isfinite(expected).all()
        assert log_det.dtype == jnp.float32
        np.testing.assert_allclose(log_det, expected, rtol=3e-3)


def test_lists_of_layers_become_tuples():
    assert Chain([ActNorm(), Conv1x1()]) == Chain((ActNorm(), Conv1x1()))
    assert hash(MultiScale([ActNorm()])) == hash(MultiScale((ActNorm(),), Split()))


@pytest.mark.parametrize("conditioner", [ConvConditioner(6), HighwayConditioner(6, num_layers=2)])
def test_a_conditioner_starts_at_zero_with_normalized_features(conditioner):
    x = batch()
    params = conditioner.init(KEY, x, 5)
    output, state = conditioner.apply(params, x, 5, capture_intermediates=True)
    features = state["intermediates"]["NormalizedConv_0"]["__call__"][0]
    assert not output.any()
    np.testing.assert_allclose(features.mean((1, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(features.std((1, 2, 3)), 1, atol=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: ActNorm().forward(ActNorm().init(KEY, x[..., :1]), x), r"scales of shape \[1\], but got 4 channels"),
        (lambda x: ActNorm().init(KEY, x[:0]), "initialized from the first batch, but this one is empty"),
        (lambda x: Repeat(Squeeze(), 2).init(KEY, x), "keeps the shape and dtype of its input"),
        (lambda x: Inverse(Chain((Squeeze(), ActNorm()))).init(KEY, x), "initialize the layer itself"),
        (lambda x: PixelScaling().forward({}, x.astype(jnp.uint8)), "floating-point images, but got uint8"),
        (lambda x: MultiScale(()), "at least one scale"),
        (lambda x: Chain(()), "at least one layer"),
        (lambda x: Squeeze().forward({}, x[:, :3]), r"divisible by 2\^num_scales"),
        (lambda x: Squeeze().inverse({}, x[..., :3]), "4 channels, but got 3"),
        (lambda x: AffineCoupling(CONV).init(KEY, x[..., :3]), "two halves, but got 3 channels"),
        (lambda x: Split().init(KEY, x[..., :3]), "two halves, but got 3 channels"),
        (lambda x: Repeat(ActNorm(), 0), "num_steps must be a positive whole number, but is 0"),
        (lambda x: Repeat(ActNorm(), 2, "stor"), "did you mean 'store'"),
        (lambda x: ConvConditioner(0), "width must be a positive whole number, but is 0"),
        (lambda x: ConvConditioner(4, convolution="prodct"), "did you mean 'product'"),
        (lambda x: ConvConditioner(4, "tahn"), "Unknown activation 'tahn'; did you mean 'tanh'"),
        (lambda x: MultiScale((ActNorm(), ActNorm())).inverse({}, (x,)), "2 scales has 2 latents, but got 1"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call(batch(shape=(2, 4, 4, 4)))
