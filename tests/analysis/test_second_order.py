"""The gap, its second order and the remainder: closed forms, identities between them, and their errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.densities import DIM, kinked, nonlinear, numbers, points, quadratic, symmetric, two_sets, undifferentiable

from glowjax import stats
from glowjax.analysis import (
    derivatives,
    expand,
    hessian_trace,
    likelihood_gap,
    log_probs,
    moments,
    remainder,
    second_order_gap,
    second_order_terms,
)
from glowjax.analysis.expansion import expand_at
from glowjax.checks import InputError

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


def bent(x):
    """Curves so much that the Hessian changes within the error of a mean of some hundred points."""
    rng = np.random.default_rng(5)
    slopes, shifts, sizes = rng.normal(size=(40, DIM)), 1.5 * rng.normal(size=40), rng.normal(size=40) / 20**0.5
    return -x @ x / 2 + 2 * jnp.asarray(sizes) @ jnp.tanh(jnp.asarray(slopes) @ x + jnp.asarray(shifts))


def jagged(x):
    """Squares of ReLU: the Hessian jumps many times within the error of a mean, and is constant between jumps."""
    rng = np.random.default_rng(5)
    slopes, shifts, signs = 5 * rng.normal(size=(200, DIM)), rng.normal(size=200), rng.choice([-1.0, 1.0], size=200)
    return jnp.asarray(signs) @ jnp.square(jax.nn.relu(jnp.asarray(slopes) @ x + jnp.asarray(shifts)))


def draws(count, size, scale):
    rng = np.random.default_rng(0)
    return scale * rng.normal(size=(count, size, DIM)), 0.3 + 0.3 * rng.normal(size=(count, size, DIM))


def assert_errors_are_spreads(found, rtol=0.35):
    """Of estimates over many draws, the errors are the standard deviation of the values, and 0 if that is 0."""
    for values, sems in numbers(found):
        np.testing.assert_allclose(sems.mean(), values.std(), rtol=rtol)


@both_covariances
@every_center
def test_errors_are_the_spread_over_fresh_samples(center, covariance):
    """Each term of 100 draws varies as much as one draw says it does, with the center that each draw has.

    Without third derivatives the errors of the covariance term would be 0.2 to 0.5 times the spread.
    """

    @jax.jit
    def terms(in_dist, out_dist):
        return second_order_gap(bent, in_dist, out_dist, center=center, covariance=covariance)

    assert_errors_are_spreads(jax.lax.map(lambda sets: terms(*sets), draws(100, 300, 1.2)))


@every_center
def test_errors_of_the_remainder_are_the_spread_over_fresh_samples(center):
    terms = jax.jit(lambda p, q: remainder(bent, p, q, center=center, num_nodes=1).total)
    found = jax.lax.map(lambda sets: terms(*sets), draws(100, 300, 1.2))
    np.testing.assert_allclose(found.sem.mean(), found.value.std(), rtol=0.35)


def test_the_parts_of_a_computed_center_are_booked_under_the_terms_that_it_moves():
    """Of x'Ax / 2 both terms of the means are functions of the means alone, with derivatives in closed form."""
    in_dist, out_dist = two_sets(30, 20)
    matrix, mean_in, mean_out = symmetric(), in_dist.mean(axis=0), out_dist.mean(axis=0)
    slopes = {  # of each term by the mean of in_dist and of out_dist
        "midpoint": {"first_order": (-mean_in, mean_out), "mean_curvature": (0 * mean_in, 0 * mean_out)},
        "in_dist": {
            "first_order": (mean_out - 2 * mean_in, mean_in),
            "mean_curvature": (mean_in - mean_out, mean_out - mean_in),
        },
    }
    for center, terms in slopes.items():
        gap = second_order_gap(quadratic(matrix), in_dist, out_dist, center=center)
        for name, slope in terms.items():
            errors = [
                np.std(images @ matrix @ one, ddof=1) / len(images) ** 0.5
                for images, one in zip((in_dist, out_dist), slope, strict=True)
            ]
            np.testing.assert_allclose(getattr(gap, name).sem, np.hypot(*errors), rtol=1e-10)


def test_the_mean_curvature_is_zero_at_the_midpoint_whatever_the_images():
    for exact in (True, False):
        gap = second_order_gap(nonlinear, *two_sets(30, 20), exact=exact)
        np.testing.assert_array_equal(numbers(gap.mean_curvature), 0)
        assert gap.first_order.sem > 0


def test_a_bootstrap_of_the_center_sees_that_the_hessian_jumps():
    in_sets, out_sets = draws(100, 100, 0.6)
    whole = jax.jit(lambda p, q: second_order_gap(jagged, p, q, center="in_dist").covariance)
    spread = numbers(jax.lax.map(lambda sets: whole(*sets), (in_sets, out_sets)))[0].std()
    delta, resampled = (
        [
            second_order_gap(jagged, p, q, center="in_dist", key=jax.random.key(n), num_resamples=num).covariance.sem
            for n, (p, q) in enumerate(zip(in_sets[:4], out_sets[:4], strict=True))
        ]
        for num in (0, 15)
    )
    assert np.mean(delta) < 0.8 * spread < np.mean(resampled) < 1.8 * spread


def test_the_bootstrap_of_a_smooth_density_agrees_with_the_delta_method_term_by_term():
    in_dist, out_dist = (one[0] for one in draws(1, 200, 0.6))
    bowl = quadratic(symmetric() - np.eye(DIM), slope=1.0)
    delta = second_order_gap(bowl, in_dist, out_dist, center="in_dist")
    resampled = second_order_gap(bowl, in_dist, out_dist, center="in_dist", key=jax.random.key(0), num_resamples=60)
    errors = numbers(delta)[:, 1]
    assert np.ptp(errors) > 0.5 * errors.max()  # so that no term could stand for another
    np.testing.assert_allclose(numbers(resampled)[:, 1], errors, rtol=0.35)


def test_the_bootstrap_draws_whole_groups():
    in_dist, out_dist = two_sets(9, 12)
    how = {"center": "in_dist", "num_resamples": 5, "key": jax.random.key(0)}
    reports = []
    alone = second_order_gap(nonlinear, in_dist, out_dist, **how, on_progress=lambda *report: reports.append(report))
    copied = second_order_gap(
        nonlinear, np.repeat(in_dist, 3, axis=0), out_dist, groups_in=np.repeat(np.arange(9), 3), **how
    )
    np.testing.assert_allclose(numbers(copied), numbers(alone), rtol=1e-6)
    assert reports == [(n, 5) for n in range(1, 6)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_resamples": 1, "key": jax.random.key(0)}, "num_resamples is 1; expected 0"),
        ({"num_resamples": 9}, "num_resamples=9 needs a key"),
        ({"num_resamples": 9, "key": jax.random.key(0), "center": np.zeros(DIM)}, "but this center was given"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_a_sentence(options, message):
    with pytest.raises(InputError, match=message):
        second_order_gap(nonlinear, *two_sets(), **options)


@every_center
@both_covariances
def test_the_matrix_and_the_products_give_the_same(center, covariance):
    """With more points than values and with fewer."""
    for in_dist, out_dist in (two_sets(9, 12), (points(2, seed=1), points(3, seed=2))):
        formed, products, chosen = (
            second_order_gap(nonlinear, in_dist, out_dist, center=center, covariance=covariance, exact=exact)
            for exact in (True, False, None)
        )
        np.testing.assert_allclose(numbers(formed), numbers(products), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(numbers(chosen), numbers(formed), rtol=1e-9, atol=1e-12)


def test_the_hessian_is_formed_if_the_points_are_more_than_the_values(monkeypatch):
    formed = []
    monkeypatch.setattr(
        derivatives, "expand_at", lambda *args, **options: formed.append(len(sets[0])) or expand_at(*args, **options)
    )
    for count in (3, 4):  # of each set; the points have 6 values
        sets = two_sets(count, count)
        second_order_gap(nonlinear, *sets)
    second_order_gap(nonlinear, *sets, exact=False)
    monkeypatch.setattr(derivatives, "HESSIAN_LIMIT", 287)
    second_order_gap(nonlinear, *sets)
    assert formed == [4]
    with pytest.raises(InputError, match="above the limit"):
        second_order_gap(nonlinear, *sets, exact=True)


@both_covariances
@pytest.mark.parametrize("exact", [True, None])
def test_a_given_expansion_is_all_that_is_needed(covariance, exact):
    in_dist, out_dist = two_sets(9, 12)
    expansion = expand(nonlinear, CENTERS["elsewhere"])
    how = {"covariance": covariance, "exact": exact}
    found = second_order_gap(undifferentiable, in_dist, out_dist, center=expansion, **how)
    expected = second_order_gap(nonlinear, in_dist, out_dist, center=CENTERS["elsewhere"], covariance=covariance)
    np.testing.assert_allclose(numbers(found), numbers(expected), rtol=1e-9)
    terms = second_order_terms(undifferentiable, expansion, in_dist, **how)
    np.testing.assert_allclose(
        terms.total, second_order_terms(nonlinear, expansion, in_dist, exact=False, covariance=covariance).total
    )


def test_an_expansion_of_another_space_is_refused():
    expansion = expand(nonlinear, CENTERS["elsewhere"])
    for wrong, message in (
        (expansion._replace(hessian=expansion.hessian[0]), "expansion.hessian has shape"),
        (expansion._replace(value=np.zeros(2)), "expansion.value has shape"),
        (expansion._replace(center=np.zeros(3)), "expansion.center has shape"),
        (expansion._replace(gradient=np.full(DIM, np.nan)), "expansion.gradient is nan"),
    ):
        with pytest.raises(InputError, match=message):
            second_order_gap(nonlinear, *two_sets(), center=wrong)


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
