"""The gap, its second order and the remainder: closed forms, identities between them, and their errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.densities import (
    DIM,
    EDGE,
    glow_density,
    kinked,
    nonlinear,
    numbers,
    points,
    quadratic,
    symmetric,
    two_image_sets,
    two_sets,
)

from glowjax import stats
from glowjax.analysis import (
    hessian_trace,
    likelihood_gap,
    log_probs,
    moments,
    remainder,
    second_order_gap,
    second_order_terms,
)

pytestmark = pytest.mark.usefixtures("float64")

CENTERS = {"midpoint": "midpoint", "in_dist": "in_dist", "elsewhere": points(1, seed=9)[0]}
every_center = pytest.mark.parametrize("center", CENTERS.values(), ids=CENTERS)
both_covariances = pytest.mark.parametrize("covariance", ["full", "diagonal"])


def covariance_of(images):
    return np.cov(images.T, bias=True)


def maximum_likelihood_gaussian(in_dist):
    """What a linear flow becomes when it is fitted to in_dist."""
    mean, covariance = in_dist.mean(axis=0), covariance_of(in_dist)
    return lambda x: jax.scipy.stats.multivariate_normal.logpdf(x, mean, covariance)


def test_the_likelihood_gap_is_the_difference_of_means_with_its_error():
    in_dist, out_dist = two_sets(30, 20)
    p, q = (np.array([nonlinear(x) for x in images]) for images in (in_dist, out_dist))
    gap = likelihood_gap(nonlinear, in_dist, out_dist, chunk_size=7)
    np.testing.assert_allclose(gap.value, q.mean() - p.mean(), rtol=1e-10)
    np.testing.assert_allclose(gap.sem, np.hypot(p.std(ddof=1) / np.sqrt(30), q.std(ddof=1) / np.sqrt(20)), rtol=1e-10)


@every_center
def test_a_fitted_linear_flow_has_the_gap_of_the_closed_form(center):
    in_dist, out_dist = two_sets()
    log_prob = maximum_likelihood_gaussian(in_dist)
    precision, shift = np.linalg.inv(covariance_of(in_dist)), out_dist.mean(axis=0) - in_dist.mean(axis=0)
    expected = (DIM - np.trace(precision @ covariance_of(out_dist)) - shift @ precision @ shift) / 2
    prediction = second_order_gap(log_prob, in_dist, out_dist, center=center)
    np.testing.assert_allclose(prediction.total.value, expected, rtol=1e-6)
    np.testing.assert_allclose(
        numbers(prediction.total), numbers(likelihood_gap(log_prob, in_dist, out_dist)), rtol=1e-6
    )
    np.testing.assert_allclose(
        numbers(remainder(log_prob, in_dist, out_dist, center=center, num_nodes=3)), 0, atol=1e-6
    )


@every_center
@both_covariances
def test_terms_are_those_of_the_formula_and_sum_to_the_total(center, covariance):
    in_dist, out_dist = two_sets(30, 20)
    matrix, slope = symmetric(), points(1, seed=3)[0]
    means = [images.mean(axis=0) for images in (in_dist, out_dist)]
    x0 = {"midpoint": sum(means) / 2, "in_dist": means[0]}[center] if isinstance(center, str) else center
    gap = second_order_gap(quadratic(matrix, slope), in_dist, out_dist, center=center, covariance=covariance)
    curvatures = [(mean - x0) @ matrix @ (mean - x0) / 2 for mean in means]
    difference = covariance_of(out_dist) - covariance_of(in_dist)
    difference = difference if covariance == "full" else np.diag(np.diag(difference))
    np.testing.assert_allclose(gap.first_order.value, (slope + matrix @ x0) @ (means[1] - means[0]), rtol=1e-10)
    np.testing.assert_allclose(gap.mean_curvature.value, curvatures[1] - curvatures[0], atol=1e-12)
    np.testing.assert_allclose(gap.covariance.value, np.trace(matrix @ difference) / 2, rtol=1e-10)
    terms = gap.first_order.value + gap.mean_curvature.value + gap.covariance.value
    np.testing.assert_allclose(gap.total.value, terms, rtol=1e-12)


@both_covariances
def test_equal_means_keep_the_covariance_term_alone(covariance):
    in_dist, out_dist = two_sets()
    whole, kept = (
        second_order_gap(nonlinear, in_dist, out_dist, center="in_dist", covariance=covariance, equal_means=equal)
        for equal in (False, True)
    )
    np.testing.assert_allclose(numbers(kept.covariance), numbers(whole.covariance))
    np.testing.assert_allclose(numbers(kept.total), numbers(whole.covariance))
    np.testing.assert_array_equal(numbers([kept.first_order, kept.mean_curvature]), 0)


def test_the_images_as_probes_give_the_trace_with_their_covariance():
    in_dist, out_dist = two_sets()
    gap = second_order_gap(nonlinear, in_dist, out_dist, center="midpoint", chunk_size=4)
    x0 = (in_dist.mean(axis=0) + out_dist.mean(axis=0)) / 2
    p, q = (
        hessian_trace(nonlinear, x0, factor=moments(images, rank=DIM).covariance_factor)
        for images in (in_dist, out_dist)
    )
    np.testing.assert_allclose(gap.covariance.value, (q - p) / 2, rtol=1e-9)


def test_the_diagonal_covariance_is_the_trace_weighted_by_variances():
    in_dist, out_dist = two_sets()
    gap = second_order_gap(nonlinear, in_dist, out_dist, center="in_dist", covariance="diagonal", chunk_size=4)
    weights = moments(out_dist).variance - moments(in_dist).variance
    assert np.ptp(weights) > 0.1
    expected = hessian_trace(nonlinear, in_dist.mean(axis=0), weights=weights) / 2
    np.testing.assert_allclose(gap.covariance.value, expected, rtol=1e-10)


@pytest.mark.parametrize("log_prob", [nonlinear, kinked], ids=["smooth", "kinked"])
@every_center
def test_the_gap_is_the_second_order_and_its_remainder(center, log_prob):
    in_dist, out_dist = two_sets()
    gap = likelihood_gap(log_prob, in_dist, out_dist)
    prediction = second_order_gap(log_prob, in_dist, out_dist, center=center)
    missed = remainder(log_prob, in_dist, out_dist, center=center, num_nodes=2)
    assert abs(missed.total.value) > 0.01
    np.testing.assert_allclose(prediction.total.value + missed.total.value, gap.value, rtol=1e-10)


def test_errors_are_the_spread_over_fresh_samples():
    """With the centre held fixed, each term of 150 draws varies as much as one draw says it does."""
    bowl, center = quadratic(symmetric(), slope=1.0), jnp.asarray(CENTERS["elsewhere"])
    rng = np.random.default_rng(0)
    in_sets, out_sets = rng.normal(size=(150, 60, DIM)), 0.5 + 0.7 * rng.normal(size=(150, 40, DIM))
    for covariance in ("full", "diagonal"):

        @jax.jit
        def terms(in_dist, out_dist, covariance=covariance):
            return second_order_gap(bowl, in_dist, out_dist, center=center, covariance=covariance)

        for mean, sem in numbers(jax.lax.map(lambda sets: terms(*sets), (in_sets, out_sets))):
            np.testing.assert_allclose(sem.mean(), mean.std(), rtol=0.25)


def test_the_gap_is_the_difference_of_the_means_of_terms_per_point():
    in_dist, out_dist = two_sets(9, 12)
    labels, center = np.arange(9) // 2, CENTERS["elsewhere"]
    p, q = (second_order_terms(nonlinear, center, images, chunk_size=4) for images in (in_dist, out_dist))
    found = second_order_gap(nonlinear, in_dist, out_dist, center=center, groups_in=labels)
    np.testing.assert_allclose(numbers(stats.gap(p, q, groups_in=labels)), numbers(found), rtol=1e-12)
    measured = [log_probs(nonlinear, images) for images in (in_dist, out_dist)]
    np.testing.assert_allclose(numbers(stats.gap(*measured)), numbers(likelihood_gap(nonlinear, in_dist, out_dist)))


def parts_sum_to_total(found, rtol=1e-10):
    total = found.smooth.value + found.kink.value - found.quadrature.value
    np.testing.assert_allclose(total, found.total.value, rtol=rtol, atol=rtol)


@every_center
def test_a_quadratic_leaves_no_remainder(center):
    found = remainder(quadratic(symmetric(), slope=1.0), *two_sets(), center=center, num_nodes=2)
    np.testing.assert_allclose(numbers(found), 0, atol=1e-12)


@every_center
def test_a_smooth_density_has_a_smooth_remainder_only(center):
    found = remainder(nonlinear, *two_sets(), center=center)
    parts_sum_to_total(found)
    assert abs(found.total.value) > 0.1
    np.testing.assert_allclose(numbers([found.kink, found.quadrature]), 0, atol=1e-5 * abs(found.total.value))
    np.testing.assert_allclose(numbers(found.smooth), numbers(found.total), rtol=1e-5)


def test_too_few_nodes_show_in_the_quadrature():
    few, many = (remainder(nonlinear, *two_sets(), num_nodes=number) for number in (1, 24))
    parts_sum_to_total(few)
    np.testing.assert_allclose(numbers(few.total), numbers(many.total), rtol=1e-12)
    assert abs(few.quadrature.value) > 1e3 * abs(many.quadrature.value)


def test_the_kink_of_a_kinked_density_is_its_whole_remainder():
    in_dist, out_dist = two_sets()
    center = np.zeros(6)
    kinks = [np.where(images[:, 0] > EDGE, -2 * (images[:, 0] - EDGE), 0) for images in (in_dist, out_dist)]
    expected = kinks[1].mean() - kinks[0].mean()
    found = remainder(kinked, in_dist, out_dist, center=center, num_nodes=200)
    parts_sum_to_total(found)
    np.testing.assert_allclose(found.total.value, expected, rtol=1e-10)
    np.testing.assert_allclose(found.total.sem, np.hypot(*(np.std(k, ddof=1) / len(k) ** 0.5 for k in kinks)))
    np.testing.assert_allclose(numbers(found.smooth), 0, atol=1e-12)
    np.testing.assert_allclose(found.kink.value, expected, atol=4 * found.quadrature.sem + 1e-3)


def test_a_relu_glow_has_kinks_and_a_tanh_glow_has_none():
    relu, smooth = (remainder(glow_density(name), *two_image_sets()) for name in ("cv-relu", "cv-tanh"))
    for found in (relu, smooth):
        parts_sum_to_total(found, rtol=1e-9)
    assert abs(relu.kink.value) > 5 * abs(relu.quadrature.value)
    assert abs(smooth.kink.value) < 1e-8 * abs(smooth.total.value)
