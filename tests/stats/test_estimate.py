import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from glowjax.analysis import Estimate
from glowjax.ood.metrics import mean_with_interval
from glowjax.stats.estimate import difference, from_values

LABELS = np.repeat(np.arange(30), np.random.default_rng(0).integers(1, 8, 30))


def clustered(seed):
    """Values of groups of unequal sizes, alike within a group and zero on average."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=30)[LABELS] + 0.3 * rng.normal(size=len(LABELS))


def test_the_standard_error_of_independent_values_is_the_usual_one(float64):
    values = np.random.default_rng(0).normal(3, 0.5, 50)
    estimate = from_values(jnp.asarray(values))
    np.testing.assert_allclose(estimate, (values.mean(), stats.sem(values)))


def test_the_standard_error_of_groups_is_that_of_the_scores(float64):
    values = clustered(0)
    expected = mean_with_interval(values, LABELS)
    for groups in (LABELS, [f"photo {label}" for label in LABELS], -7 * LABELS):
        np.testing.assert_allclose(from_values(jnp.asarray(values), groups), (expected.mean, expected.sem))


def test_groups_of_one_value_change_nothing(float64):
    values = jnp.asarray(np.random.default_rng(0).normal(size=20))
    np.testing.assert_allclose(from_values(values, np.arange(20)[::-1]), from_values(values))


def test_intervals_cover_the_true_mean_of_clustered_values_about_95_times_in_100():
    drawn = jnp.stack([clustered(seed) for seed in range(200)])
    grouped = jax.vmap(lambda values: from_values(values, LABELS))(drawn)
    alone = jax.vmap(from_values)(drawn)
    coverage, wrong = (np.mean(np.abs(mean) < 1.96 * sem) for mean, sem in (grouped, alone))
    assert 0.88 <= coverage <= 0.99
    assert wrong < 0.8


def test_errors_of_independent_estimates_add_in_quadrature():
    assert difference(Estimate(5.0, 3.0), Estimate(7.0, 4.0)) == (-2.0, 5.0)


@pytest.mark.parametrize(
    ("estimate", "text"),
    [(Estimate(1234.5678, 0.1234), "+1,235 +- 0.12"), (Estimate(jnp.float32(-0.5), jnp.float32(0)), "-0.5 +- 0")],
)
def test_estimates_print_with_sign_and_error(estimate, text):
    assert str(estimate) == text
