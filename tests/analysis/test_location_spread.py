import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.densities import (
    EDGE,
    glow_density,
    kinked,
    nonlinear,
    numbers,
    quadratic,
    symmetric,
    two_image_sets,
    two_sets,
)

from glowjax.analysis import hessian_trace, likelihood_gap, location_spread_gap

pytestmark = pytest.mark.usefixtures("float64")

KEY = jax.random.key(0)
ROUTES = ("gradient", "smooth", "kink", "at_mean", "quadrature")


def test_the_gap_is_location_and_spreads_exactly():
    in_dist, out_dist = two_sets(30, 20)
    found = location_spread_gap(kinked, in_dist, out_dist, KEY, num_nodes=2, num_resamples=2)
    parts = found.location.value + found.spread_out.value.value - found.spread_in.value.value
    np.testing.assert_allclose(parts, found.gap.value, rtol=1e-12)
    np.testing.assert_allclose(numbers(found.gap), numbers(likelihood_gap(kinked, in_dist, out_dist)), rtol=1e-10)
    location = kinked(out_dist.mean(axis=0)) - kinked(in_dist.mean(axis=0))
    np.testing.assert_allclose(found.location.value, location, rtol=1e-10)


def test_for_a_smooth_density_every_route_to_the_spread_agrees():
    in_dist, out_dist = two_sets()
    found = location_spread_gap(nonlinear, in_dist, out_dist, KEY, num_resamples=2, chunk_size=7)
    for spread, images in ((found.spread_in, in_dist), (found.spread_out, out_dist)):
        value = float(spread.value.value)
        assert abs(value) > 0.05
        np.testing.assert_allclose([spread.gradient.value, spread.smooth.value], value, rtol=1e-6)
        np.testing.assert_allclose(numbers([spread.kink, spread.quadrature]), np.zeros((2, 2)), atol=1e-6 * abs(value))
        factor = (images - images.mean(axis=0)).T / np.sqrt(len(images))
        at_mean = hessian_trace(nonlinear, images.mean(axis=0), factor=factor) / 2
        np.testing.assert_allclose(spread.at_mean.value, at_mean, rtol=1e-10)


def test_the_kink_of_a_kinked_density_is_known_and_no_hessian_sees_it():
    found = location_spread_gap(kinked, *two_sets(), KEY, num_nodes=200, num_resamples=2)
    for spread, images in zip((found.spread_in, found.spread_out), two_sets(), strict=True):
        mean, first = images.mean(axis=0), images[:, 0]
        across = (first > EDGE) != (mean[0] > EDGE)
        kink = np.mean(np.where(across, -2 * np.abs(first - EDGE), 0))
        assert kink < -0.1
        smooth = -np.sum(images.var(axis=0))
        np.testing.assert_allclose(spread.smooth.value, smooth, rtol=1e-10)
        np.testing.assert_allclose(spread.at_mean.value, smooth, rtol=1e-10)
        np.testing.assert_allclose(spread.value.value, smooth + kink, rtol=1e-10)
        np.testing.assert_allclose(spread.kink.value, kink, atol=5 * spread.quadrature.sem)
        np.testing.assert_allclose(spread.kink.value, kink, rtol=0.02)
        np.testing.assert_allclose(spread.gradient.value, spread.value.value, rtol=0.01)
        np.testing.assert_allclose(spread.quadrature.value, spread.gradient.value - spread.value.value, atol=1e-12)


@pytest.mark.parametrize(("name", "has_kinks"), [("cv-relu", True), ("cv-tanh", False)])
def test_a_tanh_glow_has_no_kinks_and_a_relu_glow_has(name, has_kinks):
    found = location_spread_gap(glow_density(name), *two_image_sets(), KEY, num_resamples=2)
    for spread in (found.spread_in, found.spread_out):
        if has_kinks:
            assert abs(spread.kink.value) > 5 * abs(spread.quadrature.value)
            np.testing.assert_allclose(spread.gradient.value, spread.value.value, rtol=0.05)
        else:
            np.testing.assert_allclose([spread.gradient.value, spread.smooth.value], spread.value.value, rtol=1e-8)


def test_errors_are_the_spread_over_fresh_samples():
    """Of each part over 100 draws of two small sets, and of a single draw by its own account."""
    bowl, rng = quadratic(symmetric(2) - np.eye(2), slope=1.0), np.random.default_rng(0)
    in_sets, out_sets = rng.normal(size=(100, 80, 2)), 0.5 + 0.7 * rng.normal(size=(100, 60, 2))

    @jax.jit
    def split(in_dist, out_dist, key):
        return location_spread_gap(bowl, in_dist, out_dist, key, num_nodes=2)

    keys = jax.random.split(jax.random.key(0), 100)
    found = jax.lax.map(lambda arguments: split(*arguments), (in_sets, out_sets, keys))
    spreads = (found.spread_in, found.spread_out)
    for estimate in (found.gap, found.location, *(getattr(s, r) for s in spreads for r in ("value", "gradient"))):
        np.testing.assert_allclose(estimate.sem.mean(), estimate.value.std(), rtol=0.25)
    mean_in, mean_out = np.zeros(2), np.full(2, 0.5)
    for estimate, expected in (
        (found.bias, np.trace(symmetric(2) - np.eye(2)) / 2 * (0.49 / 60 - 1 / 80)),  # Tr(H S) / 2N
        (found.corrected_location, bowl(mean_out) - bowl(mean_in)),
    ):
        np.testing.assert_allclose(estimate.value.mean(), expected, atol=0.3 * estimate.value.std())
        assert 0.8 < estimate.sem.mean() / estimate.value.std() < 2.5


WIDTH = 0.1


def wells(x):
    return 10 * jnp.sum(jnp.exp(-((x / WIDTH) ** 2) / 2))


def in_wells(variance):
    """E wells(mean of points) in two dimensions, if `variance` is that of each coordinate of the mean, centered."""
    return 20 / np.sqrt(1 + variance / WIDTH**2)


def test_the_bias_of_the_location_is_right_within_its_error_also_if_it_does_not_fall_as_1_over_n():
    """The noise of a mean of 200 points is 0.7 times as wide as a well, so b/n alone finds half of the bias."""
    rng = np.random.default_rng(0)
    in_sets, out_sets = rng.normal(size=(40, 200, 2)), 0.5 * rng.normal(size=(40, 200, 2))

    @jax.jit
    def split(in_dist, out_dist, key):
        found = location_spread_gap(wells, in_dist, out_dist, key, num_nodes=1, num_paths=2, num_resamples=2)
        return found.bias, found.corrected_location

    keys = jax.random.split(jax.random.key(0), 40)
    bias, corrected = jax.lax.map(lambda arguments: split(*arguments), (in_sets, out_sets, keys))
    true = in_wells(0.25 / 200) - in_wells(1 / 200)
    assert true > 2
    for estimate, expected in ((bias, true), (corrected, 0.0)):
        error = np.abs(estimate.value - expected)
        assert np.mean(error < 2 * estimate.sem) > 0.9
        assert estimate.sem.mean() < 2.5 * np.sqrt(np.mean(error**2))
    assert abs(bias.value.mean() - true) < 0.35 * true


def test_too_few_images_have_no_bias():
    found = location_spread_gap(nonlinear, *two_sets(7, 24), KEY, num_nodes=2, num_resamples=2)
    assert np.isnan(found.bias.value)
    assert found.as_dict()["corrected_location"]["value"] is None


def test_paths_to_some_images_give_the_routes_of_these_around_the_mean_of_all():
    in_dist, out_dist = two_sets()
    found = location_spread_gap(nonlinear, in_dist, out_dist, KEY, num_paths=12, num_resamples=2)
    np.testing.assert_allclose(numbers(found.gap), numbers(likelihood_gap(nonlinear, in_dist, out_dist)), rtol=1e-10)
    mean, gradient = in_dist.mean(axis=0), jax.grad(nonlinear)(in_dist.mean(axis=0))
    values = jax.vmap(nonlinear)(in_dist)
    np.testing.assert_allclose(found.spread_in.value.value, values.mean() - nonlinear(mean), rtol=1e-10)
    routes = values[:12] - nonlinear(mean) - (in_dist[:12] - mean) @ gradient
    np.testing.assert_allclose(found.spread_in.gradient.value, routes.mean(), rtol=1e-5)
    np.testing.assert_allclose(found.spread_in.smooth.sem, np.std(routes, ddof=1) / np.sqrt(12), rtol=1e-5)


def test_whole_groups_are_resampled_also_of_unequal_sizes():
    in_dist, out_dist = two_sets()
    copied, labels = np.repeat(in_dist, 3, axis=0), np.repeat(np.arange(24), 3)
    single = location_spread_gap(nonlinear, in_dist, out_dist, KEY, num_nodes=2)
    grouped = location_spread_gap(nonlinear, copied, out_dist, KEY, num_nodes=2, groups_in=labels)
    alone = location_spread_gap(nonlinear, copied, out_dist, KEY, num_nodes=2)
    np.testing.assert_allclose(numbers(single), numbers(grouped), rtol=1e-8, atol=1e-10)
    assert alone.spread_in.value.sem < 0.75 * grouped.spread_in.value.sem
    assert alone.location.sem < grouped.location.sem
    labels = ["a"] * 13 + ["b"] * 2 + ["c"] * 9
    found = location_spread_gap(nonlinear, in_dist, out_dist, KEY, num_nodes=2, groups_in=labels)
    expected = likelihood_gap(nonlinear, in_dist, out_dist, groups_in=labels)
    np.testing.assert_allclose(numbers(found.gap), numbers(expected), rtol=1e-10)
    assert np.all(np.isfinite(jax.tree.leaves((found.gap, found.location, found.spread_in, found.spread_out))))


def test_the_bootstrap_is_a_function_of_the_key():
    default, again, other = (
        location_spread_gap(nonlinear, *two_sets(), key, num_nodes=2) for key in (KEY, KEY, jax.random.key(1))
    )
    assert jax.tree.leaves(default) == jax.tree.leaves(again)
    assert other.location.sem != default.location.sem
    assert other.location.value == default.location.value
    for route in ROUTES:
        assert getattr(other.spread_in, route) == getattr(default.spread_in, route)
