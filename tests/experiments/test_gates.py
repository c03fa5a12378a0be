"""Gates are set on validation images alone, and their numbers are what they say."""

import numpy as np
import pytest
from scipy import stats

from experiments.classifier import Predicted
from experiments.gates import Answered, area_under_risk, risk_coverage, scores, share, thresholds
from glowjax.ood import mean_with_interval


def answered(log_likelihood, right=None, confidence=None, groups=None):
    count = len(log_likelihood)
    predicted = Predicted(np.zeros(count, int), np.full(count, 0.8) if confidence is None else np.asarray(confidence))
    known = np.ones(count, bool) if right is None else np.asarray(right, bool)
    return Answered(predicted, known, {"model": np.asarray(log_likelihood)}, groups)


VALIDATION = answered(np.random.default_rng(0).normal(-100, 10, 2_000), confidence=np.linspace(0.5, 1, 2_000))


@pytest.mark.parametrize("kept", [0.95, 0.99])
def test_every_gate_keeps_its_share_of_validation_images(kept):
    limits = thresholds(VALIDATION, kept)
    assert len(limits) == 3
    for gate, values in scores(VALIDATION, VALIDATION).items():
        assert np.mean(values <= limits[gate]) == pytest.approx(kept, abs=1e-3)


def test_the_likelihood_gate_lets_the_too_likely_pass_and_the_two_sided_one_does_not():
    likelier, less = answered(np.full(5, 0.0)), answered(np.full(5, -200.0))
    limits = thresholds(VALIDATION, 0.99)
    for images, rule, passing in (
        (likelier, "likelihood", True),
        (likelier, "typicality", False),
        (less, "likelihood", False),
        (less, "typicality", False),
    ):
        assert np.all((scores(images, VALIDATION)["model", rule] <= limits["model", rule]) == passing)


def test_confidently_wrong_needs_both():
    images = answered(np.zeros(4), right=[1, 1, 0, 0], confidence=[0.95, 0.5, 0.95, 0.5])
    np.testing.assert_array_equal(images.confidently_wrong(0.9), [False, False, True, False])


def test_a_share_has_wilsons_interval_also_at_the_ends():
    for count in (0, 20, 50):
        interval = share(np.arange(50) < count)
        expected = stats.binomtest(count, 50).proportion_ci(0.95, method="wilson")
        assert interval == pytest.approx((count / 50, *expected), abs=1e-12)


def test_where_all_images_agree_a_share_is_known_as_well_as_there_are_groups():
    grouped = share(np.ones(200, bool), np.repeat(np.arange(10), 20))
    assert grouped == pytest.approx(share(np.ones(10, bool)))
    assert grouped.low < 0.8


def test_groups_that_are_alike_know_a_share_no_better_than_their_images_alone():
    one_in_ten = np.tile(np.arange(10) > 0, 24)
    assert share(one_in_ten, np.repeat(np.arange(24), 10)) == share(one_in_ten)


def test_a_share_of_few_groups_has_students_interval_in_the_middle():
    values, groups = np.repeat([1, 1, 0, 0, 1, 0], 500), np.repeat(np.arange(6), 500)
    mean = mean_with_interval(values, groups)
    count = 0.25 / ((mean.high - mean.mean) / stats.norm.ppf(0.975)) ** 2
    expected = stats.norm.ppf(0.975) * 0.5 / np.sqrt(count + stats.norm.ppf(0.975) ** 2)
    assert share(values, groups).high - 0.5 == pytest.approx(expected)


def test_a_share_over_groups_is_as_uncertain_as_the_groups_are_few():
    values = np.repeat(np.arange(10) % 2 == 0, 20)
    alone, grouped = share(values), share(values, np.repeat(np.arange(10), 20))
    assert grouped.value == alone.value == 0.5
    assert grouped.high - grouped.low > 3 * (alone.high - alone.low)


def test_risk_at_full_coverage_is_the_share_of_wrong_answers_and_equals_are_accepted_together():
    score, wrong = np.array([1.0, 0.0, 1.0, 2.0]), np.array([1, 0, 0, 1])
    coverage, risk = risk_coverage(score, wrong)
    np.testing.assert_allclose(coverage, [0.25, 0.75, 0.75, 1])
    np.testing.assert_allclose(risk, [0, 1 / 3, 1 / 3, 1 / 2])


def test_the_area_orders_scores_as_auroc_does_and_a_blind_one_has_the_overall_risk():
    rng = np.random.default_rng(0)
    wrong = rng.integers(0, 2, 1_000)
    good, bad, blind = wrong + rng.normal(0, 1, 1_000), -wrong + rng.normal(0, 1, 1_000), np.zeros(1_000)
    areas = [area_under_risk([(score, wrong, None)]) for score in (good, blind, bad)]
    assert areas[0].high < areas[1].low <= areas[1].high < areas[2].low
    assert areas[1].value == pytest.approx(wrong.mean())


def test_the_area_is_of_all_parts_and_as_uncertain_as_their_groups_are_few():
    rng = np.random.default_rng(1)
    scores_of, wrong = rng.normal(size=(2, 200)), rng.integers(0, 2, (2, 200)).astype(bool)
    scores_of[1] += np.repeat(rng.normal(0, 3, 10), 20)  # images of one photo score alike, and are wrong alike
    wrong[1] = np.repeat(rng.integers(0, 2, 10), 20)
    groups = np.repeat(np.arange(10), 20)
    alone = area_under_risk([(scores_of[0], wrong[0], None), (scores_of[1], wrong[1], None)])
    grouped = area_under_risk([(scores_of[0], wrong[0], None), (scores_of[1], wrong[1], groups)])
    assert alone.value == grouped.value == risk_coverage(scores_of.ravel(), wrong.ravel())[1].mean()
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)


def test_parts_are_resampled_apart_so_that_their_shares_stay():
    parts = [(np.zeros(50), np.zeros(50, bool), None), (np.zeros(50), np.ones(50, bool), None)]
    assert area_under_risk(parts) == (0.5, 0.5, 0.5)  # a blind gate: the share of wrong answers, which is fixed
