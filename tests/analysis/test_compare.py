"""Two densities on the same points: paired differences of their gaps, and the robust gap of a density."""

import jax.numpy as jnp
import numpy as np
import pytest
from analysis.densities import two_sets

from glowjax import analysis as an
from glowjax import stats
from glowjax.checks import InputError


def near(x):
    return -jnp.sum(x**2) / 2


def like(x):
    return near(x) + 0.01 * jnp.sum(jnp.cos(x))


def test_the_difference_of_two_gaps_is_paired_by_image():
    in_dist, out_dist = two_sets(60, 40)
    groups = {"groups_in": np.arange(60) // 3}
    found = an.compare(near, like, in_dist, out_dist, **groups)
    a, b = (an.likelihood_gap(one, in_dist, out_dist, **groups) for one in (near, like))
    np.testing.assert_allclose(found.gap.value, a.value - b.value, atol=1e-4)
    np.testing.assert_allclose(found.out_dist.value - found.in_dist.value, found.gap.value, rtol=1e-9)
    assert found.gap.sem < 0.2 * a.sem
    assert found.in_dist.count == 20
    with pytest.raises(InputError, match="log_prob_fn cannot be traced"):
        an.compare(near, lambda x: float(x.sum()), in_dist, out_dist)


def test_a_robust_gap_is_that_of_the_log_densities():
    in_dist, out_dist = two_sets(60, 40)
    groups = {"groups_out": np.arange(40) // 2}
    found = an.robust_gap(near, in_dist, out_dist, trim=0.2, **groups)
    values = an.log_probs(near, in_dist), an.log_probs(near, out_dist)
    assert repr(found) == repr(stats.robust_gap(*values, trim=0.2, **groups))
    assert found.mean.value == pytest.approx(an.likelihood_gap(near, in_dist, out_dist).value)
