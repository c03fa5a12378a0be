"""Scores of ensembles: by hand, by sign, and of which members they accept."""

import numpy as np
import pytest

from glowjax import InputError, ood

RNG = np.random.default_rng(0)


def member(log_prob, digest="a"):
    about = {"set": "mine:train", "digest": digest, "seconds": {"log_prob": 0.1}, "options": {"log_prob": {"k": 1}}}
    return ood.Statistics({"log_prob": np.asarray(log_prob, np.float32)}, about)


def scores(score, log_probs):
    return score.fit(REFERENCE)(ood.ensemble([member(one) for one in log_probs]))


REFERENCE = ood.ensemble([member([0.0]), member([1.0])]).as_reference()


def test_waic_and_the_variance_by_hand():
    """Log p of two images by three members: 1, 2, 3 (mean 2, variance 1) and 10, 10, 16 (mean 12, variance 12)."""
    log_probs = [[1.0, 10.0], [2.0, 10.0], [3.0, 16.0]]
    np.testing.assert_allclose(scores(ood.WAIC(), log_probs), [1 - 2, 12 - 12])
    np.testing.assert_allclose(scores(ood.MemberVariance(), log_probs), [1, 12])


def test_unlikely_images_and_those_that_members_disagree_about_have_higher_scores():
    likely, unlikely, disputed = RNG.normal(0, 1, (5, 100)), RNG.normal(-9, 1, (5, 100)), RNG.normal(0, 9, (5, 100))
    for score, larger in [(ood.WAIC(), unlikely), (ood.WAIC(), disputed), (ood.MemberVariance(), disputed)]:
        assert ood.detection_metrics(scores(score, likely), scores(score, larger)).auroc.value > 0.95


def test_large_log_probs_keep_their_differences():
    """In float32, log probs near -10,000 have steps of 0.001, and their squares steps of 8."""
    log_probs = np.float32(-10_000) + RNG.normal(0, 1, (5, 20)).astype(np.float32)
    np.testing.assert_allclose(scores(ood.MemberVariance(), log_probs), log_probs.astype(float).var(axis=0, ddof=1))


def test_an_ensemble_has_several_members_of_the_same_images_and_joins_the_statistics_of_a_model():
    one, other = member([0.0, 1.0]), member([2.0, 3.0])
    joined = one.joined(ood.ensemble([one, other]))
    assert joined["members.log_prob"].tolist() == [[0, 2], [1, 3]]
    assert joined.about["seconds"] == {"log_prob": 0.1, "members.log_prob": pytest.approx(0.2)}
    assert joined.about["options"]["members.log_prob"] == {"k": 1}
    with pytest.raises(InputError, match="two members or more, but got 1"):
        ood.ensemble([one])
    with pytest.raises(InputError, match="Members 0 and 1 are about different images"):
        ood.ensemble([one, member([0.0, 1.0], "b")])


def test_a_score_says_how_members_are_added():
    with pytest.raises(
        InputError, match=r"WAIC needs .* 'members.log_prob', but got 'log_prob'; add them by .*ensemble"
    ):
        ood.WAIC().fit(member([0.0]).as_reference())
