import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from glowjax.checks import InputError
from glowjax.ood import detection_metrics
from glowjax.stats import resample


def normal_scores(shift=1.0, num_in=300, num_out=200, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=num_in), rng.normal(size=num_out) + shift


@pytest.mark.parametrize("decimals", [8, 0], ids=["continuous", "ties"])
def test_values_equal_those_of_scikit_learn(decimals):
    in_scores, out_scores = (np.round(s, decimals) for s in normal_scores())
    scores, is_out = np.r_[in_scores, out_scores], np.r_[np.zeros(300), np.ones(200)]
    metrics = detection_metrics(in_scores, out_scores, num_resamples=5)
    fpr, tpr, _ = roc_curve(is_out, scores, drop_intermediate=False)
    np.testing.assert_allclose(metrics.auroc.value, roc_auc_score(is_out, scores))
    np.testing.assert_allclose(metrics.aupr_out.value, average_precision_score(is_out, scores))
    np.testing.assert_allclose(metrics.aupr_in.value, average_precision_score(1 - is_out, -scores))
    np.testing.assert_allclose(metrics.fpr_at_95_tpr.value, fpr[tpr >= 0.95].min())


def test_resampled_images_count_as_often_as_they_were_drawn():
    in_scores, out_scores = (np.round(s, 1) for s in normal_scores(num_in=40, num_out=30))
    scores, is_out = np.r_[in_scores, out_scores], np.r_[np.zeros(40), np.ones(30)]
    rng = np.random.default_rng(0)
    counts = np.stack([np.r_[resample(rng, np.arange(40)), resample(rng, np.arange(30))] for _ in range(7)])
    metrics = detection_metrics(in_scores, out_scores, num_resamples=7)
    for n, metric in enumerate((roc_auc_score, average_precision_score)):
        expected = [metric(is_out, scores, sample_weight=times) for times in counts]
        np.testing.assert_allclose(list(vars(metrics).values())[n].interval, np.quantile(expected, [0.025, 0.975]))


@pytest.mark.parametrize(
    ("in_scores", "out_scores", "expected"),
    [
        ([1, 2, 3], [2, 3, 4], (1 + 0.5 + 0 + 1 + 1 + 0.5 + 1 + 1 + 1) / 9),
        ([0, 0, 1, 5], [0, 2], (0.5 + 0.5 + 0 + 0 + 1 + 1 + 1 + 0) / 8),
        ([1, 1], [1, 1], 0.5),
        ([3, 4], [1, 2], 0.0),
    ],
)
def test_auroc_equals_a_mann_whitney_statistic_by_hand(in_scores, out_scores, expected):
    assert detection_metrics(in_scores, out_scores, num_resamples=5).auroc.value == pytest.approx(expected)


def test_fpr_is_taken_where_at_least_95_percent_of_out_is_flagged():
    out_scores = np.arange(20) + 0.5  # 19 of 20, exactly 95 %, reach 1.5
    in_scores = np.array([0.0, 1.0, 1.5, 2.0, 30.0])  # of which three reach it, the tie included
    assert detection_metrics(in_scores, out_scores, num_resamples=5).fpr_at_95_tpr.value == pytest.approx(3 / 5)


def test_fpr_is_found_on_a_straight_stretch_of_the_curve():
    same = np.arange(100.0)  # the curve is the diagonal, whose inner points a thinned curve would drop
    assert detection_metrics(same, same, num_resamples=5).fpr_at_95_tpr.value == pytest.approx(0.95)


def test_perfect_separation_gives_perfect_metrics():
    metrics = detection_metrics(np.arange(30.0), np.arange(30.0) + 100, num_resamples=20)
    found = [(metric.value, *metric.interval) for metric in vars(metrics).values()]
    np.testing.assert_allclose(found, [[1, 1, 1], [1, 1, 1], [1, 1, 1], [0, 0, 0]])


def test_swapping_the_sets_and_negating_the_scores_swaps_the_classes():
    in_scores, out_scores = normal_scores()
    one = detection_metrics(in_scores, out_scores, num_resamples=5)
    other = detection_metrics(-out_scores, -in_scores, num_resamples=5)
    assert one.auroc.value == pytest.approx(other.auroc.value)
    assert one.aupr_out.value == pytest.approx(other.aupr_in.value)
    assert one.aupr_in.value == pytest.approx(other.aupr_out.value)


def test_only_the_order_of_the_scores_matters():
    in_scores, out_scores = normal_scores()
    assert detection_metrics(in_scores, out_scores, num_resamples=5) == detection_metrics(
        np.exp(in_scores), np.exp(out_scores), num_resamples=5
    )


def test_intervals_enclose_their_value_and_narrow_with_more_images():
    few, many = (detection_metrics(*normal_scores(1.0, n, n), num_resamples=100) for n in (100, 1600))
    for wide, narrow in zip(vars(few).values(), vars(many).values(), strict=True):
        assert wide.low < wide.value < wide.high
        assert narrow.low < narrow.value < narrow.high
        assert narrow.high - narrow.low < 0.5 * (wide.high - wide.low)


def test_intervals_repeat_with_the_seed_and_change_with_it():
    scores = normal_scores()
    one, same, other = (detection_metrics(*scores, num_resamples=20, seed=seed) for seed in (0, 0, 1))
    assert one == same
    assert one != other


def test_the_interval_covers_the_true_auroc_about_95_times_in_100():
    truth = stats.norm.cdf(1 / np.sqrt(2))
    intervals = [detection_metrics(*normal_scores(1.0, 80, 80, n), num_resamples=40).auroc for n in range(50)]
    coverage = np.mean([interval.low <= truth <= interval.high for interval in intervals])
    assert coverage >= 0.83  # four standard errors of 50 trials below 0.95


def test_groups_of_one_image_change_nothing():
    in_scores, out_scores = normal_scores()
    labels = [f"photo {n:03d}" for n in range(len(in_scores))]
    assert detection_metrics(in_scores, out_scores, groups_in=labels, num_resamples=5) == detection_metrics(
        in_scores, out_scores, num_resamples=5
    )


@pytest.mark.parametrize(
    ("in_scores", "options", "message"),
    [
        ([0.0, 1.0, np.nan, np.inf], {}, r"in_scores holds 2 non-finite of 4 .*, the first \(nan\) at index 2"),
        ([0.0, 1.0], {"groups_in": [1, 2, 3]}, r"groups_in has shape \[3\] for 2 images"),
        ([0.0, 1.0], {"groups_in": ["a", "a"]}, "groups_in: all 2 images form one group"),
        ([0.0], {}, "two or more"),
        ([0.0, 1.0], {"num_resamples": 1}, "num_resamples is 1"),
    ],
)
def test_bad_scores_are_refused_in_a_sentence(in_scores, options, message):
    with pytest.raises(InputError, match=message):
        detection_metrics(in_scores, [1.0, 2.0], **options)


@pytest.mark.parametrize("side", ["groups_in", "groups_out"])
def test_either_set_may_have_groups(side):
    in_scores, out_scores = normal_scores(num_in=200, num_out=200)
    groups = {side: np.repeat(np.arange(20), 10)}
    order = np.argsort(in_scores if side == "groups_in" else out_scores)  # each group alike: its images count as one
    scores = [
        values[order] if name == side else values
        for name, values in (("groups_in", in_scores), ("groups_out", out_scores))
    ]
    alone = detection_metrics(*scores, num_resamples=200).auroc
    grouped = detection_metrics(*scores, **groups, num_resamples=200).auroc
    assert grouped.value == alone.value
    assert grouped.high - grouped.low > 1.3 * (alone.high - alone.low)
