"""Heavy tails are noticed, light ones are not, and robust gaps are those of the images without the outlier."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from glowjax import analysis as an
from glowjax import stats
from glowjax.checks import InputError
from glowjax.stats.tails import fit_pareto

DRAWS = {
    "gaussian": lambda rng, shape: rng.normal(size=shape),
    "log-normal": lambda rng, shape: -np.exp(rng.normal(size=shape) / 2),
    "t": lambda rng, shape: rng.standard_t(3, shape),
    "index 1.6": lambda rng, shape: -1 - rng.pareto(1.6, shape),
    "index 0.8": lambda rng, shape: -1 - rng.pareto(0.8, shape),
}


def warns(values, *groups):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        stats.mean(values, *groups, name="the test set")
    return [str(one.message) for one in caught]


@pytest.mark.parametrize(
    ("name", "num", "least", "most"),
    [
        ("gaussian", 50, 0, 0.01),
        ("gaussian", 2000, 0, 0),
        ("log-normal", 100, 0, 0.06),
        ("log-normal", 2000, 0, 0.01),
        ("t", 200, 0, 0.2),
        ("index 1.6", 200, 0.6, 1),
        ("index 1.6", 2000, 0.75, 1),
        ("index 0.8", 200, 0.93, 1),
    ],
)
def test_the_warning_is_given_as_often_as_its_docstring_says(name, num, least, most):
    samples = DRAWS[name](np.random.default_rng(0), (200, num))
    assert least <= np.mean([bool(warns(one)) for one in samples]) <= most


def test_the_warning_names_the_image_its_share_and_the_set_once_per_call():
    values = np.random.default_rng(0).normal(size=500)
    values[123] = -1000.0
    (sentence,) = warns(values)
    assert "mean of the test set is not valid, because image 123 (-1,000) makes up 100% of its variance" in sentence
    assert sentence.count(". ") == 0
    light, less = np.sort(values)[1:], np.append(values[200:], -30.0)
    with pytest.warns(stats.HeavyTailWarning, match=r"out_dist\['b'\]") as caught:
        stats.gap({"a": light, "b": less}, {"a": light, "b": values})
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_an_outlier_within_a_group_is_named_by_its_image():
    values, groups = np.random.default_rng(0).normal(size=400), np.arange(400) // 4
    values[301] = 300.0
    (sentence,) = warns(values, groups)
    assert "image 301" in sentence


def test_a_part_that_is_nothing_but_rounding_is_not_warned_about():
    values = np.random.default_rng(0).normal(size=100)
    outlier = np.where(np.arange(100) == 7, 1.0, 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stats.mean(1e-6 * outlier, beside=values)
        stats.gap({"whole": values, "part": 1e-6 * outlier}, {"whole": values, "part": 1e-6 * values})
    with pytest.warns(stats.HeavyTailWarning, match="image 7"):
        stats.mean(outlier, beside=values)


def test_traced_values_and_few_of_them_are_not_warned_about():
    values = np.zeros(500)
    values[3] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jax.jit(stats.mean)(jnp.asarray(values))
        stats.mean(values[:20])
        stats.mean(np.zeros(500))
        stats.share(values > 0)  # whose interval is not Student's


def test_a_tail_index_is_that_of_the_distribution():
    rng = np.random.default_rng(0)
    for index in (0.8, 1.6, 3.0):
        found = stats.robust_gap(rng.pareto(index, 20_000), np.zeros(9) + rng.normal(size=9)).in_dist.index
        low, high = found.interval
        assert low < index < high < 2 * low
    gaussian = stats.robust_gap(rng.normal(size=5000), np.arange(9)).in_dist
    assert gaussian.index.interval[1] == np.inf
    assert gaussian.index.interval[0] > 4
    excesses = np.sort(rng.exponential(size=50_000)) * 7
    np.testing.assert_allclose(fit_pareto(excesses), [0, 7], atol=0.15)


def test_groups_widen_the_interval_of_a_tail_index_as_far_as_their_images_come_together():
    values, codes = np.random.default_rng(0).pareto(1.6, 500), np.arange(500)
    alone = stats.robust_gap(values, values).in_dist.index.interval
    thrice = stats.robust_gap(np.repeat(values, 4), values, groups_in=np.repeat(codes, 4)).in_dist.index
    ignored = stats.robust_gap(np.repeat(values, 4), values).in_dist.index.interval
    assert np.diff(thrice.interval) > 1.5 * np.diff(ignored)
    assert np.diff(thrice.interval) < 2.5 * np.diff(alone)


def test_an_outlier_does_not_move_the_robust_gap():
    rng = np.random.default_rng(0)
    p, q = rng.normal(size=400), rng.normal(size=300) + 2
    light = stats.robust_gap(p, q)
    assert [light.median.value, light.trimmed.value, light.mean.value] == pytest.approx([2, 2, 2], abs=0.3)
    p[7] = -1e9
    heavy = stats.robust_gap(p, q)
    assert heavy.in_dist.largest == 7
    assert heavy.in_dist.largest_share == pytest.approx(1, abs=0.01)
    assert heavy.mean.value > 1e6
    for one, other in ((light.median, heavy.median), (light.trimmed, heavy.trimmed)):
        np.testing.assert_allclose([one.value, *one.interval], [other.value, *other.interval], atol=0.05)


@pytest.mark.parametrize("groups", [None, np.arange(240) // 4])
@pytest.mark.parametrize("name", ["gaussian", "index 0.8"])
def test_the_intervals_of_medians_and_trimmed_means_cover(name, groups):
    rng, truth = np.random.default_rng(1), -3.0
    found = []
    for _ in range(250):
        p, q = DRAWS[name](rng, 240 if groups is None else 60), DRAWS[name](rng, 120) + truth
        one = stats.robust_gap(p if groups is None else p[groups], q, groups_in=groups)
        found.append([low <= truth <= high for low, high in (one.median.interval, one.trimmed.interval)])
    assert np.mean(found, axis=0) == pytest.approx(0.955, abs=0.045)


def test_bad_input_is_refused_in_a_sentence():
    with pytest.raises(InputError, match=r"trim is 0\.5"):
        stats.robust_gap(np.arange(9), np.arange(9), trim=0.5)
    with pytest.raises(InputError, match="in_dist is traced"):
        jax.jit(lambda x: stats.robust_gap(x, x).median.value)(jnp.arange(9.0))


def test_few_images_are_told_and_many_are_not():
    def normal(x):
        return -x @ x / 2

    draws = jax.random.normal(jax.random.key(0), (70, 3))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        an.second_order_gap(normal, draws, draws + 1)
        assert not caught
        an.remainder(normal, draws, draws[:40] + 1)
        an.second_order_gap(normal, draws, draws + 1, groups_in=np.arange(70) // 4)
    sentences = [str(one.message) for one in caught]
    assert "40 independent images of out_dist" in sentences[0]
    assert "18 independent groups of in_dist" in sentences[1]
    assert [one.filename for one in caught] == [__file__] * 2
