import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.densities import GLOWS, glow_density, grey_levels, init, numbers, perturbed, points
from jax.flatten_util import ravel_pytree

from glowjax import Flow, cv_glow
from glowjax.analysis import second_order_gap
from glowjax.analysis.constant_volume import jacobian_gap, linear_gap, published_gap
from glowjax.checks import InputError
from glowjax.layers import ActNorm, Chain, Conv1x1, FullConv1x1, MultiScale, PixelScaling, Split, Squeeze
from glowjax.stats import mean

pytestmark = pytest.mark.usefixtures("float64")

GAPS = {"published": published_gap, "linear": linear_gap, "jacobian": jacobian_gap}
COLOUR = (4, 2, 3)


def two_sets(shape=(4, 4, 1)):
    """Grey levels whose variances and covariances between channels differ."""
    in_dist, out_dist = grey_levels(12, shape), grey_levels(12, shape, seed=1)
    return in_dist, 60 + 0.6 * out_dist + points(12, shape, scale=8.0)


def covariance_difference(in_dist, out_dist):
    p, q = (np.cov(images.reshape(len(images), -1).T, bias=True) for images in (in_dist, out_dist))
    return q - p


def dense_gap(flow, params, in_dist, out_dist):
    """-1/2 Tr(J (S_q - S_p) J') with the dense Jacobian of all latents."""
    jacobian = jax.jit(jax.jacfwd(lambda x: ravel_pytree(flow.encode(params, x))[0]))(in_dist.mean(axis=0))
    flat = np.asarray(jacobian).reshape(in_dist[0].size, -1)
    return -0.5 * np.trace(flat @ covariance_difference(in_dist, out_dist) @ flat.T)


def two_convolutions(convolution=None):
    """A flow of a single scale without squeeze, so that the published formula is one for each channel."""
    layer = convolution or Conv1x1()
    flow = Flow(MultiScale((Chain((layer, ActNorm(), layer)),), Split()))
    return flow, init(flow, COLOUR, noise=0.2)


def test_couplings_that_add_nothing_make_all_exact_forms_equal():
    flow, (in_dist, out_dist) = GLOWS["cv-relu"], two_sets()
    params = init(flow)  # zero-initialised convolutions
    log_prob = functools.partial(flow.log_prob, params)
    expected = second_order_gap(log_prob, in_dist, out_dist, center="in_dist").covariance
    np.testing.assert_allclose(numbers(linear_gap(flow, params, in_dist, out_dist)), numbers(expected), rtol=1e-9)
    np.testing.assert_allclose(
        numbers(jacobian_gap(flow, params, in_dist, out_dist, center="in_dist")), numbers(expected), rtol=1e-9
    )


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_the_jacobian_form_is_exact_for_relu_couplings(covariance):
    in_dist, out_dist = two_sets()
    flow, params = GLOWS["cv-relu"], perturbed("cv-relu")
    center, how = grey_levels(1, seed=7)[0], {"covariance": covariance, "chunk_size": 4}
    found = jacobian_gap(flow, params, in_dist, out_dist, center=center, **how)
    expected = second_order_gap(glow_density("cv-relu"), in_dist, out_dist, center=center, **how).covariance
    np.testing.assert_allclose(numbers(found), numbers(expected), rtol=1e-9)
    assert abs(linear_gap(flow, params, in_dist, out_dist, **how).value / found.value - 1) > 0.01


def test_the_jacobian_form_lacks_what_the_gates_of_a_highway_bend():
    in_dist, out_dist = two_sets()
    flow = cv_glow(1, 1, 4, conditioner="highway")
    params = init(flow, noise=0.5)
    log_prob = functools.partial(flow.log_prob, params)
    whole = second_order_gap(log_prob, in_dist, out_dist, center="in_dist").covariance
    assert abs(jacobian_gap(flow, params, in_dist, out_dist, center="in_dist").value / whole.value - 1) > 1e-6


def test_an_unknown_covariance_is_refused():
    flow, params = two_convolutions()
    with pytest.raises(InputError, match="'diagnoal'; did you mean 'diagonal'"):
        linear_gap(flow, params, *two_sets(COLOUR), covariance="diagnoal")


def test_the_jacobian_form_takes_the_jacobian_of_smooth_couplings_at_the_center():
    in_dist, out_dist = two_sets()
    flow, params = GLOWS["cv-tanh"], perturbed("cv-tanh")
    found = jacobian_gap(flow, params, in_dist, out_dist, center="in_dist")
    np.testing.assert_allclose(found.value, dense_gap(flow, params, in_dist, out_dist), rtol=1e-9)


@pytest.mark.parametrize("convolution", [Conv1x1(), FullConv1x1()], ids=["triangular", "full"])
def test_the_published_form_is_the_papers_formula(convolution):
    flow, params = two_convolutions(convolution)
    in_dist, out_dist = two_sets(COLOUR)
    first, norm, second = params.arrays["scales"][0]
    # W is [to, from]; the paper's u_kcj goes from channel c to channel j.
    u1, u2 = (np.asarray(convolution.weight(p)) for p in (first, second))
    differences = out_dist.var(axis=0) - in_dist.var(axis=0)
    expected = 0.0
    for c in range(3):
        product = sum(u1[j, c] for j in range(3)) * np.exp(norm["log_scale"][c]) * sum(u2[j, c] for j in range(3))
        expected += -0.5 * product**2 * differences[:, :, c].sum()
    np.testing.assert_allclose(published_gap(flow, params, in_dist, out_dist).value, expected, rtol=1e-9)


def test_the_linear_form_is_written_out_by_channels():
    flow, params = two_convolutions()
    in_dist, out_dist = two_sets(COLOUR)
    first, norm, second = params.arrays["scales"][0]
    w1, w2 = (np.asarray(Conv1x1().weight(p)) for p in (first, second))
    w = w2 @ np.diag(np.exp(norm["log_scale"])) @ w1
    difference = covariance_difference(in_dist, out_dist).reshape(8, 3, 8, 3)
    between = np.einsum("ncnd->cd", difference)  # summed over pixels
    expected = sum(np.sum(w[:, c] ** 2) * between[c, c] for c in range(3))
    expected += 2 * sum((w.T @ w)[c, d] * between[c, d] for c in range(3) for d in range(c + 1, 3))
    found = linear_gap(flow, params, in_dist, out_dist)
    np.testing.assert_allclose(found.value, -0.5 * expected, rtol=1e-9)
    variances = sum(np.sum(w[:, c] ** 2) * between[c, c] for c in range(3))
    diagonal = linear_gap(flow, params, in_dist, out_dist, covariance="diagonal")
    np.testing.assert_allclose(diagonal.value, -0.5 * variances, rtol=1e-9)
    assert abs(published_gap(flow, params, in_dist, out_dist).value / found.value - 1) > 0.01


def test_channels_that_leave_at_a_split_have_met_the_layers_before_it_only():
    """The published weights of the pixels of a 4 x 4 image through two scales, traced by hand."""
    flow = Flow(MultiScale((Chain((PixelScaling(), Squeeze(), Conv1x1())), Chain((Squeeze(), Conv1x1()))), Split()))
    params, (in_dist, out_dist) = init(flow, noise=0.2), two_sets()
    convolutions = (params.arrays["scales"][0][2], params.arrays["scales"][1][1])
    first, second = (np.asarray(Conv1x1().weight(p)).sum(axis=0) for p in convolutions)
    difference = (out_dist.var(axis=0) - in_dist.var(axis=0))[..., 0] / 256**2
    expected = 0.0
    for row in range(4):
        for column in range(4):
            channel = 2 * (row % 2) + column % 2
            weight = first[channel]
            if channel < 2:  # kept: a pixel (row // 2, column // 2) of the 2 x 2 image that is squeezed again
                weight *= second[4 * channel + 2 * (row // 2) + column // 2]
            expected += -0.5 * weight**2 * difference[row, column]
    np.testing.assert_allclose(published_gap(flow, params, in_dist, out_dist).value, expected, rtol=1e-9)
    expected = dense_gap(flow, params, in_dist, out_dist)
    np.testing.assert_allclose(linear_gap(flow, params, in_dist, out_dist).value, expected, rtol=1e-9)


def test_errors_are_over_images_or_their_groups():
    flow, params = two_convolutions()
    in_dist, out_dist = two_sets(COLOUR)
    labels = np.arange(12) // 3
    w = np.asarray(jax.jit(jax.jacfwd(lambda x: flow.encode(params, x)[0].ravel()))(jnp.zeros(COLOUR)))
    halves = [
        -0.5 * np.sum(np.tensordot(images - images.mean(axis=0), w, ((1, 2, 3), (1, 2, 3))) ** 2, axis=-1)
        for images in (in_dist, out_dist)
    ]
    expected = np.hypot(mean(jnp.asarray(halves[0]), labels).sem, mean(jnp.asarray(halves[1])).sem)
    found = linear_gap(flow, params, in_dist, out_dist, groups_in=labels)
    np.testing.assert_allclose(found.sem, expected, rtol=1e-8)


def test_params_may_be_traced():
    flow, params = two_convolutions()
    for gap in GAPS.values():
        traced = jax.jit(functools.partial(gap, flow))(params, *two_sets(COLOUR))
        np.testing.assert_allclose(numbers(traced), numbers(gap(flow, params, *two_sets(COLOUR))), rtol=1e-10)


@pytest.mark.parametrize("gap", GAPS.values(), ids=GAPS)
def test_a_flow_whose_volume_depends_on_the_image_is_refused(gap):
    with pytest.raises(InputError, match="AffineCoupling, whose volume depends on the image"):
        gap(GLOWS["nvp-relu"], perturbed("nvp-relu"), *two_sets())


@pytest.mark.parametrize("gap", GAPS.values(), ids=GAPS)
def test_a_volume_that_differs_between_images_is_refused_whatever_the_layer(gap):
    class Own(ActNorm):
        def forward(self, params, x):
            y, log_det = super().forward(params, x)
            return y, log_det + 1e-3 * x.sum(axis=(-3, -2, -1))

    flow = Flow(MultiScale((Own(),), Split()))
    with pytest.raises(InputError, match=r"log \|det dz/dx\| is .* nats on these images; the closed forms"):
        gap(flow, init(flow, COLOUR), *two_sets(COLOUR))


def test_a_flow_that_inverts_in_its_backward_pass_is_told_how_to_serve():
    flow = cv_glow(1, 1, 4, memory="invert")
    in_dist, out_dist = two_sets()
    with pytest.raises(InputError, match="build it with memory='store'"):
        jacobian_gap(flow, init(flow), in_dist, out_dist)


@pytest.mark.parametrize("gap", GAPS.values(), ids=GAPS)
def test_images_that_do_not_suit_are_refused_in_a_sentence(gap):
    flow, params = two_convolutions()
    in_dist, out_dist = two_sets(COLOUR)
    with pytest.raises(InputError, match=r"in_dist are float64 of shape \[4, 2, 3\] and those of out_dist"):
        gap(flow, params, in_dist, out_dist[..., :2])
    with pytest.raises(InputError, match="two points or more"):
        gap(flow, params, in_dist[:1], out_dist)
