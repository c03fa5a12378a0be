"""Scores of log p alone, and of one statistic: against explicit loops."""

import numpy as np
import pytest
import tiny

from glowjax import InputError, ood

RNG = np.random.default_rng(0)
REFERENCE = RNG.normal(-100, 10, 301)
VALUES = np.concatenate([RNG.normal(-100, 10, 22), REFERENCE[:3], [-1e4, 1e4]])


def stats(log_prob):
    return ood.Statistics({"log_prob": np.asarray(log_prob)})


def fitted(name):
    return ood.SCORES[name].score.fit(stats(REFERENCE).as_reference())


def test_typicality_is_the_distance_of_the_mean_over_a_batch_from_the_entropy():
    entropy = -REFERENCE.mean()
    np.testing.assert_allclose(fitted("typicality")(stats(VALUES)), [abs(-v - entropy) for v in VALUES])
    for size in (2, 5, 10, 25):
        batches = [VALUES[start : start + size] for start in range(0, len(VALUES) - size + 1, size)]
        expected = [abs(-np.mean(batch) - entropy) for batch in batches]
        np.testing.assert_allclose(fitted(f"typicality-{size}")(stats(VALUES)), expected)
    with pytest.raises(InputError, match="has 25 images, but there are only 24"):
        fitted("typicality-25")(stats(VALUES[:24]))


def test_the_rank_counts_equal_values_half_and_is_largest_on_both_sides_of_the_reference():
    below = [sum((r < v) + (r == v) / 2 for r in REFERENCE) for v in VALUES]
    expected = [abs((number + 0.5) / 302 - 0.5) for number in below]
    scores = fitted("rank")(stats(VALUES))
    np.testing.assert_allclose(scores, expected)
    assert scores[-1] == pytest.approx(scores[-2])
    assert scores[-1] == scores.max()


@pytest.mark.parametrize("name", ["rank", "typicality", "density-of-log-p"])
def test_two_sided_scores_tell_nothing_from_nothing_and_a_shift_on_either_side(name):
    detector, same = fitted(name), RNG.normal(-100, 10, 4000)
    scores = detector(stats(same))
    assert tiny.auroc(scores, detector(stats(RNG.normal(-100, 10, 4000)))) == pytest.approx(0.5, abs=0.03)
    for shift in (-30, 30):
        assert tiny.auroc(scores, detector(stats(same + shift))) > 0.95


def test_one_sided_and_two_sided_scores_read_columns():
    both = ood.Statistics({"scales.log_pz": np.array([[1.0, 5], [2, 3], [4, 4]])})
    reference = both.as_reference()
    np.testing.assert_array_equal(ood.OneSided("scales.log_pz[-1]", -1).fit(reference)(both), [-5, -3, -4])
    np.testing.assert_allclose(ood.TwoSided("scales.log_pz[sum]").fit(reference)(both), [1 / 3, 4 / 3, 5 / 3])
    for name, match in (
        ("scales.log_pz", r"write it as 'scales.log_pz\[0\]'"),
        ("scales.log_pz[2]", "has 2 numbers per image"),
        ("scales.log_pz[x]", "no column"),
    ):
        with pytest.raises(InputError, match=match):
            ood.OneSided(name).fit(reference)(both)


def test_a_column_of_another_model_needs_a_family_of_that_model():
    score = ood.DensityOfStates(("log_prob", "background.scales.log_pz[sum]", "background.scales.log_det[0]"))
    assert score.needs == ("log_prob", "background.scales")
    both = ood.Statistics({"background.scales.log_pz": np.ones((3, 2)), "background.scales.log_det": np.ones((3, 2))})
    joined = stats(np.arange(3.0)).joined(both)
    scores = score.fit(joined.as_reference())(joined)
    assert scores[1] < scores[0] == pytest.approx(scores[2])
