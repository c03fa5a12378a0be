import functools

import jax
import numpy as np
import pytest
from analysis.densities import GLOWS, glow_density, grey_levels, init, numbers, perturbed, points
from jax.flatten_util import ravel_pytree

from glowjax import Flow, cv_glow
from glowjax.analysis import constant_volume, constant_volume_gap, second_order_gap
from glowjax.analysis.constant_volume import FORMS
from glowjax.checks import InputError
from glowjax.layers import ActNorm, Chain, Conv1x1, FullConv1x1, MultiScale, PixelScaling, Split, Squeeze

pytestmark = pytest.mark.usefixtures("float64")

every_form = pytest.mark.parametrize("form", FORMS)
COLOR = (4, 2, 3)
RELU = GLOWS["cv-relu"]


def two_sets(shape=(4, 4, 1)):
    """Grey levels whose variances and covariances between channels differ."""
    in_dist, out_dist = grey_levels(12, shape), grey_levels(12, shape, seed=1)
    return in_dist, 60 + 0.6 * out_dist + points(12, shape, scale=8.0)


def gap_value(flow, params, sets, form, **options):
    return constant_volume_gap(flow, params, *sets, form=form, **options).value


def covariance_difference(in_dist, out_dist):
    p, q = (np.cov(images.reshape(len(images), -1).T, bias=True) for images in (in_dist, out_dist))
    return q - p


def dense_jacobian(flow, params, x):
    """[D, D] of all latents."""
    jacobian = jax.jit(jax.jacfwd(lambda x: ravel_pytree(flow.encode(params, x))[0]))(x)
    return np.asarray(jacobian).reshape(x.size, x.size)


def dense_gap(flow, params, in_dist, out_dist):
    jacobian = dense_jacobian(flow, params, in_dist.mean(axis=0))
    return -0.5 * np.trace(jacobian @ covariance_difference(in_dist, out_dist) @ jacobian.T)


def two_convolutions(convolution=None):
    """A flow of a single scale without squeeze, so that the published formula is one for each channel."""
    layer = convolution or Conv1x1()
    flow = Flow(MultiScale((Chain((layer, ActNorm(), layer)),), Split()))
    return flow, init(flow, COLOR, noise=0.2)


def test_each_form_has_a_name_of_its_own():
    params, sets = init(RELU, noise=0.2), two_sets()
    for form in FORMS:
        named = getattr(constant_volume, f"{form}_gap")(RELU, params, *sets)
        np.testing.assert_array_equal(numbers(named), numbers(constant_volume_gap(RELU, params, *sets, form=form)))


def test_couplings_that_add_nothing_make_all_exact_forms_equal():
    params, sets = init(RELU), two_sets()  # zero-initialized convolutions
    expected = second_order_gap(functools.partial(RELU.log_prob, params), *sets, center="in_dist").covariance
    for form in ("linear", "jacobian"):
        found = constant_volume_gap(RELU, params, *sets, form=form, center="in_dist")
        np.testing.assert_allclose(numbers(found), numbers(expected), rtol=1e-9)


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_the_jacobian_form_is_exact_for_relu_couplings(covariance):
    sets, params = two_sets(), perturbed("cv-relu")
    how = {"center": grey_levels(1, seed=7)[0], "covariance": covariance, "chunk_size": 4}
    found = constant_volume_gap(RELU, params, *sets, **how)
    expected = second_order_gap(glow_density("cv-relu"), *sets, **how).covariance
    np.testing.assert_allclose(numbers(found), numbers(expected), rtol=1e-9)
    assert abs(gap_value(RELU, params, sets, "linear", covariance=covariance) / found.value - 1) > 0.01


def test_the_jacobian_form_lacks_what_the_gates_of_a_highway_bend():
    flow, sets = cv_glow(1, 1, 4, conditioner="highway"), two_sets()
    params = init(flow, noise=0.5)
    whole = second_order_gap(functools.partial(flow.log_prob, params), *sets, center="in_dist").covariance
    assert abs(gap_value(flow, params, sets, "jacobian", center="in_dist") / whole.value - 1) > 1e-6


def test_the_jacobian_form_takes_the_jacobian_of_smooth_couplings_at_the_center():
    flow, params, sets = GLOWS["cv-tanh"], perturbed("cv-tanh"), two_sets()
    found = gap_value(flow, params, sets, "jacobian", center="in_dist")
    np.testing.assert_allclose(found, dense_gap(flow, params, *sets), rtol=1e-9)


@pytest.mark.parametrize("convolution", [Conv1x1(), FullConv1x1()], ids=["triangular", "full"])
def test_the_published_form_is_the_papers_formula(convolution):
    flow, params = two_convolutions(convolution)
    in_dist, out_dist = two_sets(COLOR)
    first, norm, second = params.arrays["scales"][0]
    # W is [to, from]; the paper's u_kcj goes from channel c to channel j.
    u1, u2 = (np.asarray(convolution.weight(p)) for p in (first, second))
    differences = out_dist.var(axis=0) - in_dist.var(axis=0)
    expected = 0.0
    for c in range(3):
        product = sum(u1[j, c] for j in range(3)) * np.exp(norm["log_scale"][c]) * sum(u2[j, c] for j in range(3))
        expected += -0.5 * product**2 * differences[:, :, c].sum()
    for covariance in ("full", "diagonal"):
        found = gap_value(flow, params, (in_dist, out_dist), "published", covariance=covariance)
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_the_linear_form_has_the_exact_weights_with_and_without_covariances():
    (flow, params), sets = two_convolutions(), two_sets(COLOR)
    w, difference = dense_jacobian(flow, params, np.zeros(COLOR)), covariance_difference(*sets)
    found = gap_value(flow, params, sets, "linear")
    np.testing.assert_allclose(found, -0.5 * np.trace(w @ difference @ w.T), rtol=1e-9)
    diagonal = gap_value(flow, params, sets, "linear", covariance="diagonal")
    np.testing.assert_allclose(diagonal, -0.5 * np.trace(w @ np.diag(np.diag(difference)) @ w.T), rtol=1e-9)
    assert abs(gap_value(flow, params, sets, "published") / found - 1) > 0.01


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
    np.testing.assert_allclose(gap_value(flow, params, (in_dist, out_dist), "published"), expected, rtol=1e-9)
    expected = dense_gap(flow, params, in_dist, out_dist)
    np.testing.assert_allclose(gap_value(flow, params, (in_dist, out_dist), "linear"), expected, rtol=1e-9)


@every_form
def test_params_may_be_traced(form):
    flow, params = two_convolutions()
    gap = functools.partial(constant_volume_gap, flow, form=form)
    sets = two_sets(COLOR)
    np.testing.assert_allclose(numbers(jax.jit(gap)(params, *sets)), numbers(gap(params, *sets)), rtol=1e-10)


class Own(ActNorm):
    """A layer whose volume depends on the image, of a type that the library does not know."""

    def forward(self, params, x):
        y, log_det = super().forward(params, x)
        return y, log_det + 1e-3 * x.sum(axis=(-3, -2, -1))


@every_form
def test_a_flow_whose_volume_depends_on_the_image_is_refused(form):
    with pytest.raises(InputError, match="AffineCoupling, whose volume depends on the image"):
        gap_value(GLOWS["nvp-relu"], perturbed("nvp-relu"), two_sets(), form)
    flow = Flow(MultiScale((Own(),), Split()))
    with pytest.raises(InputError, match=r"log \|det dz/dx\| is .* nats on these images; the closed forms"):
        gap_value(flow, init(flow, COLOR), two_sets(COLOR), form)


def test_what_does_not_serve_is_refused_in_a_sentence():
    flow, params = two_convolutions()
    in_dist, out_dist = two_sets(COLOR)
    with pytest.raises(InputError, match="'diagnoal'; did you mean 'diagonal'"):
        constant_volume_gap(flow, params, in_dist, out_dist, covariance="diagnoal")
    with pytest.raises(InputError, match="Unknown form 'liner'; did you mean 'linear'"):
        constant_volume_gap(flow, params, in_dist, out_dist, form="liner")
    with pytest.raises(InputError, match=r"in_dist are float64 of shape \[4, 2, 3\] and those of out_dist"):
        constant_volume_gap(flow, params, in_dist, out_dist[..., :2])
    with pytest.raises(InputError, match="two points or more"):
        constant_volume_gap(flow, params, in_dist[:1], out_dist)
    inverting = cv_glow(1, 1, 4, memory="invert")
    with pytest.raises(InputError, match="with_memory"):
        constant_volume_gap(inverting, init(inverting), *two_sets())
