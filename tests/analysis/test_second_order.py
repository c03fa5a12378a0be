"""The gap, its second order and the remainder: closed forms, identities between them, and their errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.densities import DIM, kinked, nonlinear, numbers, points, quadratic, symmetric, two_sets

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


def test_the_likelihood_gap_is_the_difference_of_means_with_its_error():
    in_dist, out_dist = two_sets(30, 20)
    p, q = (np.array([nonlinear(x) for x in images]) for images in (in_dist, out_dist))
    gap = likelihood_gap(nonlinear, in_dist, out_dist, chunk_size=7)
    np.testing.assert_allclose(gap.value, q.mean() - p.mean(), rtol=1e-10)
    np.testing.assert_allclose(gap.sem, np.hypot(p.std(ddof=1) / np.sqrt(30), q.std(ddof=1) / np.sqrt(20)), rtol=1e-10)


@every_center
def test_a_fitted_linear_flow_has_the_gap_of_the_closed_form_and_no_remainder(center):
    in_dist, out_dist = two_sets()
    mean, covariance = in_dist.mean(axis=0), covariance_of(in_dist)

    def log_prob(x):
        return jax.scipy.stats.multivariate_normal.logpdf(x, mean, covariance)

    precision, shift = np.linalg.inv(covariance), out_dist.mean(axis=0) - mean
    expected = (DIM - np.trace(precision @ covariance_of(out_dist)) - shift @ precision @ shift) / 2
    total, measured = (
        second_order_gap(log_prob, in_dist, out_dist, center=center).total,
        likelihood_gap(log_prob, in_dist, out_dist),
    )
    np.testing.assert_allclose(total.value, expected, rtol=1e-6)
    np.testing.assert_allclose(numbers(total), numbers(measured), rtol=1e-6)
    missed = numbers(remainder(log_prob, in_dist, out_dist, center=center, num_nodes=3))
    np.testing.assert_allclose(missed, np.zeros((4, 2)), atol=1e-10)


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


@both_covariances
def test_the_covariance_term_is_a_trace_at_the_center(covariance):
    in_dist, out_dist = two_sets()
    gap = second_order_gap(nonlinear, in_dist, out_dist, center="in_dist", covariance=covariance, chunk_size=4)
    x0, of_in, of_out = in_dist.mean(axis=0), moments(in_dist, rank=DIM), moments(out_dist, rank=DIM)
    if covariance == "diagonal":
        expected = hessian_trace(nonlinear, x0, weights=of_out.variance - of_in.variance)
    else:
        p, q = (hessian_trace(nonlinear, x0, factor=each.covariance_factor) for each in (of_in, of_out))
        expected = q - p
    assert abs(expected) > 0.1
    np.testing.assert_allclose(gap.covariance.value, expected / 2, rtol=1e-9)


@pytest.mark.parametrize("log_prob", [nonlinear, kinked], ids=["smooth", "kinked"])
@every_center
def test_the_gap_is_the_second_order_and_its_remainder(center, log_prob):
    in_dist, out_dist = two_sets()
    gap = likelihood_gap(log_prob, in_dist, out_dist)
    prediction = second_order_gap(log_prob, in_dist, out_dist, center=center)
    missed = remainder(log_prob, in_dist, out_dist, center=center, num_nodes=2)
    assert abs(missed.total.value) > 0.01
    np.testing.assert_allclose(prediction.total.value + missed.total.value, gap.value, rtol=1e-10)
    parts = missed.smooth.value + missed.kink.value - missed.quadrature.value
    np.testing.assert_allclose(parts, missed.total.value, rtol=1e-10)


def test_errors_are_the_spread_over_fresh_samples():
    """With the center held fixed, each term of 150 draws varies as much as one draw says it does."""
    bowl, center = quadratic(symmetric(), slope=1.0), jnp.asarray(CENTERS["elsewhere"])
    rng = np.random.default_rng(0)
    in_sets, out_sets = rng.normal(size=(150, 60, DIM)), 0.5 + 0.7 * rng.normal(size=(150, 40, DIM))
    for covariance in ("full", "diagonal"):

        @jax.jit
        def terms(in_dist, out_dist, covariance=covariance):
            return second_order_gap(bowl, in_dist, out_dist, center=center, covariance=covariance)

        for mean, sem in numbers(jax.lax.map(lambda sets: terms(*sets), (in_sets, out_sets))):
            np.testing.assert_allclose(sem.mean(), mean.std(), rtol=0.25)


@both_covariances
def test_the_gap_is_the_difference_of_the_means_of_terms_per_point(covariance):
    in_dist, out_dist = two_sets(9, 12)
    labels, how = np.arange(9) // 2, {"covariance": covariance, "chunk_size": 4}
    center = CENTERS["elsewhere"]
    p, q = (second_order_terms(nonlinear, center, images, **how) for images in (in_dist, out_dist))
    found = second_order_gap(nonlinear, in_dist, out_dist, center=center, groups_in=labels, **how)
    np.testing.assert_allclose(numbers(stats.gap(p, q, groups_in=labels)), numbers(found), rtol=1e-12)
    measured = [log_probs(nonlinear, images) for images in (in_dist, out_dist)]
    np.testing.assert_allclose(numbers(stats.gap(*measured)), numbers(likelihood_gap(nonlinear, in_dist, out_dist)))


@every_center
def test_a_smooth_density_has_a_smooth_remainder_only(center):
    found = remainder(nonlinear, *two_sets(), center=center)
    assert abs(found.total.value) > 0.1
    kinks = numbers([found.kink, found.quadrature])
    np.testing.assert_allclose(kinks, np.zeros((2, 2)), atol=1e-5 * abs(found.total.value))
    np.testing.assert_allclose(numbers(found.smooth), numbers(found.total), rtol=1e-5)


def test_too_few_nodes_show_in_the_quadrature():
    few, many = (remainder(nonlinear, *two_sets(), num_nodes=number) for number in (1, 24))
    np.testing.assert_allclose(numbers(few.total), numbers(many.total), rtol=1e-12)
    assert abs(few.quadrature.value) > 1e3 * abs(many.quadrature.value)
