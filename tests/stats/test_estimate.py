"""Means, differences and shares with their errors: against SciPy, against bootstraps, and by how often they cover."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats as scipy_stats

from glowjax.checks import InputError
from glowjax.stats import Estimate, Result, difference, gap, mean, share, share_difference

LABELS = np.repeat(np.arange(30), np.random.default_rng(0).integers(1, 8, 30))


def clustered(seed, labels=LABELS):
    """Values that are alike within a group and zero on average."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=labels.max() + 1)[labels] + 0.3 * rng.normal(size=len(labels))


@pytest.mark.parametrize("array", [np.asarray, jnp.asarray, list])
def test_a_mean_has_the_usual_standard_error_and_t_interval(float64, array):
    values = np.random.default_rng(0).normal(3, 0.5, 50)
    estimate = mean(array(values))
    np.testing.assert_allclose([estimate.value, estimate.sem], [values.mean(), scipy_stats.sem(values)])
    expected = scipy_stats.t.interval(0.95, 49, loc=values.mean(), scale=scipy_stats.sem(values))
    np.testing.assert_allclose(estimate.interval, expected)


def test_a_million_float32_values_with_a_large_offset_are_averaged_exactly():
    values = (1e5 + np.random.default_rng(0).normal(size=1_000_000)).astype(np.float32)
    exact, sem = values.astype(np.float64).mean(), scipy_stats.sem(values.astype(np.float64))
    assert abs(float(values.mean()) - exact) > 1e-4  # NumPy and JAX alike, in float32
    for one in (mean(jnp.asarray(values)), gap(jnp.zeros(2), jnp.asarray(values))):
        np.testing.assert_allclose([one.value, one.sem], [exact, sem], rtol=1e-12)
    traced = jax.jit(mean)(jnp.asarray(values))
    np.testing.assert_allclose(traced.value, exact, rtol=1e-7)  # half a unit in the last place of the result
    np.testing.assert_allclose(traced.sem, sem, rtol=1e-3)


def test_the_error_of_equal_groups_is_that_of_their_means():
    values = np.random.default_rng(0).normal(size=(12, 5)) + np.arange(12)[:, None]
    expected = scipy_stats.sem(values.mean(axis=1))
    np.testing.assert_allclose(mean(values.ravel(), np.repeat(np.arange(12), 5)).sem, expected)


def test_the_error_of_unequal_groups_agrees_with_a_bootstrap():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(200), rng.integers(1, 6, 200))
    values = clustered(0, labels)
    sums, sizes = np.bincount(labels, values), np.bincount(labels)
    drawn = rng.integers(200, size=(2000, 200))
    bootstrap = np.std(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    np.testing.assert_allclose(mean(values, labels).sem, bootstrap, rtol=0.1)


def test_neither_the_labels_nor_the_kind_of_array_change_the_error(float64):
    values, expected = clustered(0), mean(clustered(0), LABELS)
    for groups in ([f"photo {label}" for label in LABELS], -7 * LABELS, list(LABELS), LABELS.astype(object)):
        np.testing.assert_allclose(mean(jnp.asarray(values), groups).sem, expected.sem)
    alone = np.arange(len(values))[::-1]
    np.testing.assert_allclose(mean(values, alone).sem, mean(values).sem)


def test_intervals_cover_the_true_mean_of_clustered_values_about_95_times_in_100():
    drawn = jnp.stack([clustered(seed) for seed in range(200)])
    grouped = jax.jit(jax.vmap(lambda values: mean(values, LABELS)))(drawn)
    low, high = grouped.interval
    assert 0.90 <= np.mean((low <= 0) & (high >= 0)) <= 0.99
    low, high = jax.jit(jax.vmap(mean))(drawn).interval
    assert np.mean((low <= 0) & (high >= 0)) < 0.8


def test_a_difference_of_independent_means_is_welchs():
    rng = np.random.default_rng(0)
    a, b = rng.normal(5, 3, 12), rng.normal(7, 1, 40)
    expected = scipy_stats.ttest_ind(a, b, equal_var=False)
    gap = difference(mean(a), mean(b))
    assert gap.value / gap.sem == pytest.approx(expected.statistic)
    assert gap.interval == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert difference(mean([2.0, 2.0]), mean([1.0, 1.0])).interval == (1, 1)


def test_a_share_has_wilsons_interval_also_at_the_ends():
    for count in (0, 20, 50):
        expected = scipy_stats.binomtest(count, 50).proportion_ci(0.95, method="wilson")
        assert share(np.arange(50) < count).interval == pytest.approx(tuple(expected), abs=1e-12)


def test_a_share_on_which_all_images_agree_counts_the_groups():
    grouped = share(np.ones(200, bool), np.repeat(np.arange(10), 20))
    assert grouped.interval == pytest.approx(share(np.ones(10, bool)).interval)
    assert grouped.count == 10


@pytest.mark.filterwarnings("error")
def test_a_rare_flag_is_no_heavy_tail():
    assert share(np.arange(400) == 7).interval[0] > 0


def test_groups_whose_images_are_no_more_alike_than_others_change_no_share():
    one_in_ten = np.tile(np.arange(10) > 0, 24)
    assert share(one_in_ten, np.repeat(np.arange(24), 10)).interval == share(one_in_ten).interval


def test_a_share_over_few_groups_has_students_interval_in_the_middle():
    flags, groups = np.repeat(np.array([1, 1, 0, 0, 1, 0], bool), 500), np.repeat(np.arange(6), 500)
    z = scipy_stats.norm.ppf(0.975)
    reach = mean(flags.astype(float), groups).interval[1] - 0.5
    expected = z * 0.5 / np.sqrt(0.25 / (reach / z) ** 2 + z**2)
    assert share(flags, groups).interval[1] - 0.5 == pytest.approx(expected)


@pytest.mark.parametrize(
    ("estimate", "spec", "text"),
    [
        (Estimate(528.31, 130.4, 9), "", "+528 ± 130"),
        (Estimate(7959.2, 2899.1, 9), "", "+7,959 ± 2,900"),
        (Estimate(jnp.float32(-0.5), jnp.float32(0), 9), "", "-0.5 ± 0"),
        (Estimate(1234.5678, 0.1234, 9), "", "+1,234.57 ± 0.12"),
        (Estimate(1.5, float("nan"), 9), "", "+1.5 ± nan"),
        (Estimate(528.31, 130.4, 9), "+,.0f", "+528 ± 130"),
        (Estimate(528.31, 130.4, 9), ",.1f", "528.3 ± 130.4"),
        (Estimate(3.1111, 0.02, 9, 3.0726, 3.1494), ".3f[]", "3.111 [3.073, 3.149]"),
    ],
)
def test_estimates_print_with_their_error_or_interval(estimate, spec, text):
    assert format(estimate, spec) == text


class Parts(Result):
    total: Estimate
    image: np.ndarray
    inner: Result | None = None


def test_results_print_one_row_per_term_and_become_json():
    inner = Parts(Estimate(1.0, np.inf, 3), np.zeros((2, 2), np.float32))
    result = Parts(Estimate(np.float64(2.0), 0.1, 9), jnp.arange(2), inner)
    assert [row.split() for row in repr(result).splitlines()] == [
        ["Parts"],
        ["total", "+2.00", "±", "0.10"],
        ["image", "int32[2]"],
        ["inner.total", "+1", "±", "inf"],
        ["inner.image", "float32[2,", "2]"],
        ["inner.inner", "None"],
    ]
    plain = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert plain["total"]["value"] == 2
    assert plain["total"]["low"] == pytest.approx(2 - 0.1 * scipy_stats.t.ppf(0.975, 8))
    assert plain["image"] == [0, 1]
    assert plain["inner"]["total"] == {"value": 1, "sem": None, "low": None, "high": None}


@pytest.mark.parametrize(
    ("values", "groups", "message"),
    [
        ([-np.inf, 1.0, 2.0], None, r"values holds 1 non-finite of 3 .* \(-inf\) at index 0"),
        ([], None, "values is empty"),
        ([[1.0, 2.0]], None, r"values has shape \[1, 2\]"),
        ([1.0], None, "two or more"),
        ([1.0, 2.0], [1], r"groups has shape \[1\] for 2 images"),
        ([1.0, 2.0], ["a", "a"], "all 2 images form one group"),
        ([1.0, 2.0, 3.0], ["a", None, "b"], r"no label \(None\) for 1 of 3 images, the first at index 1"),
        ([1.0, 2.0, 3.0], [np.nan, 1.0, np.nan], r"no label \(nan\) for 2 of 3 images, the first at index 0"),
    ],
)
def test_bad_values_and_labels_are_refused_in_a_sentence(values, groups, message):
    with pytest.raises(InputError, match=message):
        mean(values, groups)


def test_a_difference_of_shares_is_paired_and_not_certain_if_no_image_differs():
    flags = np.random.default_rng(0).random(400) < 0.5
    others = flags.copy()
    others[:8] = ~others[:8]
    found = share_difference(flags, others)
    assert found.value == pytest.approx(flags.mean() - others.mean())
    assert np.diff(found.interval) < 0.4 * np.diff(share(flags).interval)
    same, grouped = share_difference(flags, flags), share_difference(flags, flags, np.arange(400) // 10)
    assert same.interval[0] < 0 < same.interval[1]
    assert grouped.interval == pytest.approx(share_difference(flags[:40], flags[:40]).interval)
    with pytest.raises(InputError, match="expected booleans"):
        share_difference(flags, others[1:])


def test_intervals_of_paired_shares_cover():
    rng = np.random.default_rng(0)
    covered = []
    for drawn in rng.random((300, 60)):
        low, high = share_difference(drawn < 0.3, drawn > 0.9).interval
        covered.append(low <= 0.2 <= high)
    assert np.mean(covered) == pytest.approx(0.955, abs=0.04)
