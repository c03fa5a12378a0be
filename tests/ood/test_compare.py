"""Paired comparisons: two scores on the same images, against resamples of both and against unpaired errors."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from glowjax import ood
from glowjax.checks import InputError
from glowjax.ood.intervals import of_difference
from glowjax.ood.ranking import Measure


def two_scores(num=200, shift=1.0, seed=0, noise=0.2):
    """(in_a, out_a, in_b, out_b): the score b is a with noise."""
    rng = np.random.default_rng(seed)
    in_a, out_a = rng.normal(size=num), rng.normal(size=num) + shift
    return in_a, out_a, in_a + noise * rng.normal(size=num), out_a + noise * rng.normal(size=num)


def test_differences_are_those_of_the_metrics_with_an_error_many_times_smaller():
    in_a, out_a, in_b, out_b = two_scores()
    found = ood.compare(in_a, out_a, in_b, out_b)
    a, b = ood.detection_metrics(in_a, out_a), ood.detection_metrics(in_b, out_b)
    for name, difference in vars(found).items():
        assert difference.value == pytest.approx(getattr(a, name).value - getattr(b, name).value)
    assert 0 < found.auroc.sem < 0.3 * np.hypot(a.auroc.sem, b.auroc.sem)


def test_the_error_of_the_auroc_is_delongs():
    in_a, out_a, in_b, out_b = two_scores(400)

    def placements(inside, out):
        above = (out[:, None] > inside[None]).astype(float)
        return above.mean(axis=0), above.mean(axis=1)

    differences = [a - b for a, b in zip(placements(in_a, out_a), placements(in_b, out_b), strict=True)]
    expected = np.hypot(*(scipy_stats.sem(one) for one in differences))
    assert ood.compare(in_a, out_a, in_b, out_b).auroc.sem == pytest.approx(expected)


def test_intervals_cover_the_true_difference_and_follow_the_groups():
    truth = scipy_stats.norm.cdf(1 / np.sqrt(2)) - scipy_stats.norm.cdf(1 / np.sqrt(2 + 2 * 0.2**2))
    covered, ignored = [], []
    for seed in range(40):
        scores = [np.repeat(one, 4) for one in two_scores(60, seed=seed)]
        groups = np.repeat(np.arange(60), 4)
        for kept, options in ((covered, {"groups_in": groups, "groups_out": groups}), (ignored, {})):
            low, high = ood.compare(*scores, **options).auroc.interval
            kept.append(low <= truth <= high)
    assert np.mean(covered) >= 0.85
    assert np.mean(ignored) < 0.8


def test_a_skewed_difference_has_a_skewed_interval():
    """Of inverted scores, few images come first; the interval is longer on the side of those that were not drawn."""
    found = ood.compare(*two_scores(50, shift=-2.3, noise=0.5)).aupr_out
    assert found.value < 0
    assert found.value - found.low > 1.2 * (found.high - found.value)


@pytest.mark.parametrize("num", [2, 3, 5, 20])
def test_no_interval_of_a_difference_excludes_its_own_value(num):
    for shift in (-3, 0, 3):
        for noise in (0.1, 3):
            for one in vars(ood.compare(*two_scores(num, shift, num, noise))).values():
                assert -1 <= one.low <= one.value <= one.high <= 1


def test_a_skewed_interval_is_that_of_the_accelerated_bootstrap():
    """Of the squared mean of exponential numbers, which is skewed, curved and biased; both hold for any function."""
    x = np.random.default_rng(2).exponential(size=60) / 5

    def square(values, axis=-1):
        return np.mean(values, axis=axis) ** 2

    measure = Measure(lambda weights: float(square(weights * x)), 2 * x.mean() * x / 60, x.var() / 60)
    found = of_difference(measure, [np.arange(60)], is_skewed=True)
    rng = np.random.default_rng(0)
    low, high = scipy_stats.bootstrap((x,), square, n_resamples=20_000, method="BCa", rng=rng).confidence_interval
    np.testing.assert_allclose((found.low, found.high), (low, high), rtol=0.025)
    assert high - found.value > 1.5 * (found.value - low)


def test_scores_of_one_order_differ_by_nothing():
    in_a, out_a, *_ = two_scores(50)
    found = ood.compare(in_a, out_a, np.exp(in_a), np.exp(out_a))
    assert {(one.value, *one.interval) for one in vars(found).values()} == {(0, 0, 0)}


def test_two_perfect_scores_may_differ_on_images_that_were_not_drawn():
    rng = np.random.default_rng(0)
    in_a, in_b = rng.normal(size=(2, 40))
    for one in vars(ood.compare(in_a, in_a + 100, in_b, in_b + 100)).values():
        assert one.value == pytest.approx(0)
        assert one.low < -0.05
        assert one.high > 0.05


def test_scores_of_different_images_are_refused_in_a_sentence():
    in_a, out_a, in_b, out_b = two_scores(20)
    with pytest.raises(InputError, match="of 20 and 20 images, the scores b of 20 and 19"):
        ood.compare(in_a, out_a, in_b, out_b[1:])
    with pytest.raises(InputError, match="in_b holds 1 non-finite"):
        ood.compare(in_a, out_a, np.append(in_b[1:], np.nan), out_b)
    with pytest.raises(InputError, match=r"parts a have \[20\] images and the parts b \[19\]"):
        ood.compare_areas_under_risk([(in_a, in_a > 0, None)], [(in_a[1:], in_a[1:] > 0, None)])


def test_areas_under_risk_are_compared_on_the_same_images():
    in_a, out_a, in_b, out_b = two_scores()
    wrong = [np.zeros(200, bool), np.ones(200, bool)]
    a, b = (list(zip(scores, wrong, (None, None), strict=True)) for scores in ((in_a, out_a), (in_b, out_b)))
    found, one, other = ood.compare_areas_under_risk(a, b), ood.area_under_risk(a), ood.area_under_risk(b)
    assert found.value == pytest.approx(one.value - other.value)
    assert 0 < found.sem < 0.4 * np.hypot(one.sem, other.sem)
    assert ood.compare_areas_under_risk(b, a).value == -found.value
