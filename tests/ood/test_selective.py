"""Risk against coverage, by hand and in the order of good, blind and bad scores."""

import numpy as np
import pytest

from glowjax.ood import area_under_risk, risk_coverage


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
    assert alone.value == grouped.value
    assert alone.value == pytest.approx(risk_coverage(scores_of.ravel(), wrong.ravel())[1].mean())
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)


def test_the_shares_of_the_parts_are_fixed():
    parts = [(np.zeros(50), np.zeros(50, bool), None), (np.zeros(50), np.ones(50, bool), None)]
    area = area_under_risk(parts)  # a blind score's is the share of wrong answers, which is fixed
    assert (area.value, area.sem, *area.interval) == pytest.approx((0.5, 0, 0.5, 0.5))


def test_no_mistake_does_not_exclude_mistakes():
    area = area_under_risk([(np.arange(50.0), np.zeros(50, bool), None)])
    assert (area.value, area.low) == (0, 0)
    assert 0.05 < area.high < 0.1
