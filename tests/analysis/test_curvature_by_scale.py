import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.densities import nonlinear, numbers, points, quadratic, symmetric, two_sets

from glowjax.analysis import curvature_by_scale, likelihood_gap, location_spread_gap
from glowjax.analysis.density import check_points
from glowjax.analysis.mean_images import mean_curve
from glowjax.checks import InputError

pytestmark = pytest.mark.usefixtures("float64")

KEY = jax.random.key(0)


def test_for_a_quadratic_every_share_is_exact_and_the_curve_constant():
    bowl, (in_dist, out_dist) = quadratic(symmetric() - 3 * np.eye(6), slope=1.0), two_sets(240, 240)
    found = curvature_by_scale(bowl, in_dist, out_dist, KEY)
    np.testing.assert_allclose(found.predicted_gap.value, np.full(6, found.gap.value), rtol=1e-8)
    np.testing.assert_allclose(numbers(found.gap), numbers(likelihood_gap(bowl, in_dist, out_dist)), rtol=0.01)
    for side, images in ((found.in_dist, in_dist), (found.out_dist, out_dist)):
        trace = np.trace((symmetric() - 3 * np.eye(6)) @ np.cov(images.T, bias=True)) / 2
        np.testing.assert_allclose(side.predicted.value, np.full(6, trace), rtol=1e-8)
        np.testing.assert_allclose(side.predicted.sem, np.full(6, side.spread.sem), rtol=1e-8)
        assert np.all(np.abs(side.curve.value - trace) < 3 * side.curve.sem)
        assert side.curve.sem[0] < 0.1 * abs(trace)
    assert list(found.in_dist.size) == [1, 1.875, 5, 10, 20, 48, 120, 240]  # of equal parts


def quartic(x):
    return -jnp.sum(x**2) - jnp.sum(x**4)


def test_for_a_quartic_the_parabolas_and_the_curve_have_closed_forms():
    """-s^4 at 0, t/2 and t makes -t^2 (7 - 3t) / 4 at 1; E of the fourth power of a mean of n is 3 / n^2."""
    half = points(1000, (2,), seed=3)
    symmetric_set = np.concatenate([half, -half])
    t = np.array([0.1, 0.5, 1.0])
    sets = symmetric_set, symmetric_set + 0.1
    found = curvature_by_scale(quartic, *sets, KEY, shares=t, sizes=(1, 2, 10, 100), num_paths=1000)
    moments = np.mean(np.sum(half**2, axis=1)), np.mean(np.sum(half**4, axis=1))
    np.testing.assert_allclose(
        found.in_dist.predicted.value, -moments[0] - moments[1] * t**2 * (7 - 3 * t) / 4, rtol=1e-6
    )
    np.testing.assert_allclose(found.in_dist.spread.value, -sum(moments), rtol=1e-6)
    side = found.in_dist
    assert np.all(np.abs(side.curve.value - (-2 - 6 / side.size)) < 3 * side.curve.sem)
    assert np.all(side.curve.sem[:3] < 0.6)
    assert side.curve.value[0] + 4 < -4 * side.curve.sem[0]  # not the constant of a quadratic


def test_sizes_are_those_of_the_parts():
    density, images = check_points(quartic, points(200, (2,)), "images")
    curve = mean_curve(density, images, np.arange(200), KEY, [200 / 3, 5.0, 4.5, 1.0], "images", chunk_size=None)
    np.testing.assert_allclose(curve.size, 200 / curve.ratio[0])


def test_errors_are_the_spread_over_fresh_samples_also_through_the_mean():
    rng = np.random.default_rng(0)
    in_sets, out_sets = rng.normal(size=(100, 60, 2)), 0.5 + 0.7 * rng.normal(size=(100, 60, 2))

    @jax.jit
    def predict(in_dist, out_dist, key):
        return curvature_by_scale(quartic, in_dist, out_dist, key, shares=(0.2, 0.5), sizes=(1, 5, 20))

    keys = jax.random.split(jax.random.key(0), 100)
    found = jax.lax.map(lambda arguments: predict(*arguments), (in_sets, out_sets, keys))
    for estimate in (found.gap, found.predicted_gap, found.out_dist.spread, found.out_dist.predicted):
        np.testing.assert_allclose(estimate.sem.mean(axis=0), estimate.value.std(axis=0), rtol=0.25)
    ratio = found.out_dist.curve.sem.mean(axis=0) / found.out_dist.curve.value.std(axis=0)
    assert np.all((ratio > 0.8) & (ratio < 2.2))


def test_the_spread_and_the_gap_are_those_of_the_images_with_paths():
    in_dist, out_dist = two_sets()
    found = curvature_by_scale(nonlinear, in_dist, out_dist, KEY, shares=(1,), num_paths=12, sizes=(1,))
    mean = in_dist.mean(axis=0)
    np.testing.assert_allclose(found.in_dist.spread.value, jax.vmap(nonlinear)(in_dist[:12]).mean() - nonlinear(mean))
    np.testing.assert_allclose(found.predicted_gap.value, [found.gap.value])
    whole = curvature_by_scale(nonlinear, in_dist, out_dist, KEY, shares=(1,), sizes=(1,))
    exact = location_spread_gap(nonlinear, in_dist, out_dist, KEY, num_nodes=1, num_resamples=2000)
    np.testing.assert_allclose(numbers(whole.gap), numbers(exact.gap), rtol=1e-8)
    np.testing.assert_allclose(whole.in_dist.spread.value, exact.spread_in.value.value, rtol=1e-8)
    np.testing.assert_allclose(whole.in_dist.spread.sem, exact.spread_in.value.sem, rtol=0.15)


def test_whole_groups_stay_together():
    in_dist, out_dist = two_sets(64, 64)
    copied, labels = np.repeat(in_dist, 3, axis=0), np.repeat(np.arange(64), 3)
    few = {"shares": (0.5,), "sizes": (1, 8)}
    single = curvature_by_scale(nonlinear, in_dist, out_dist, KEY, **few)
    grouped = curvature_by_scale(nonlinear, copied, out_dist, KEY, groups_in=labels, **few)
    alone = curvature_by_scale(nonlinear, copied, out_dist, KEY, **few)
    for one, other in zip(jax.tree.leaves(single), jax.tree.leaves(grouped), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-9)
    assert alone.in_dist.curve.sem[0] < 0.75 * grouped.in_dist.curve.sem[0]
    assert np.all(alone.in_dist.predicted.sem < 0.75 * grouped.in_dist.predicted.sem)
    unequal = np.sort(np.random.default_rng(0).integers(0, 20, 64))
    found = curvature_by_scale(nonlinear, in_dist, out_dist, KEY, groups_in=unequal, **few)
    assert np.all(np.isfinite(np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(found)])))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shares": ()}, "shares is"),
        ({"shares": (0, 0.5)}, "above 0 and up to 1"),
        ({"sizes": (0,)}, "from 1 to 24"),
        ({"sizes": (25,)}, "from 1 to 24"),
        ({"num_paths": 1}, "num_paths is 1"),
        ({"groups_out": np.arange(24) // 6}, "out_dist has 4 images or groups; a curve needs 8"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(InputError, match=message):
        curvature_by_scale(nonlinear, *two_sets(), KEY, **options)
