import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from benchmarks.coverage.detection import truths
from glowjax.checks import InputError
from glowjax.ood import detection_metrics

SIDES = ("groups_in", "groups_out")


def normal_scores(shift=1.0, num_in=300, num_out=200, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=num_in), rng.normal(size=num_out) + shift


@pytest.mark.parametrize("decimals", [8, 0], ids=["continuous", "ties"])
def test_values_equal_those_of_scikit_learn(decimals):
    """Average precision has the weight 1/N for each in-distribution image and 1/M for each OOD image."""
    in_scores, out_scores = (np.round(s, decimals) for s in normal_scores())
    scores, is_out = np.r_[in_scores, out_scores], np.r_[np.zeros(300), np.ones(200)]
    metrics, weights = detection_metrics(in_scores, out_scores), np.where(is_out, 1 / 200, 1 / 300)
    fpr, tpr, _ = roc_curve(is_out, scores, drop_intermediate=False)
    expected = average_precision_score(is_out, scores, sample_weight=weights)
    expected_in = average_precision_score(1 - is_out, -scores, sample_weight=weights)
    np.testing.assert_allclose(metrics.auroc.value, roc_auc_score(is_out, scores))
    np.testing.assert_allclose((metrics.aupr_out.value, metrics.aupr_in.value), (expected, expected_in))
    np.testing.assert_allclose(metrics.fpr_at_95_tpr.value, fpr[tpr >= 0.95].min())


def test_chance_is_one_half_whatever_the_sizes_of_the_sets():
    metrics = detection_metrics(np.zeros(2000), np.zeros(40))
    np.testing.assert_allclose([metrics.auroc.value, metrics.aupr_out.value, metrics.aupr_in.value], 0.5)
    assert metrics.aupr_out.low == metrics.aupr_out.high  # a constant score has these values for any images
    assert metrics.fpr_at_95_tpr.low > 0.99
    few, many = (detection_metrics(*normal_scores(0, 2000, num_out)).aupr_in for num_out in (40, 2000))
    assert few.low < 0.5 < few.high
    assert many.low < 0.5 < many.high


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
    assert detection_metrics(in_scores, out_scores).auroc.value == pytest.approx(expected)


def test_fpr_is_taken_where_at_least_95_percent_of_out_is_flagged():
    out_scores = np.arange(20) + 0.5  # 19 of 20, exactly 95 %, reach 1.5
    in_scores = np.array([0.0, 1.0, 1.5, 2.0, 30.0])  # of which three reach it, the tie included
    assert detection_metrics(in_scores, out_scores).fpr_at_95_tpr.value == pytest.approx(3 / 5)


def test_fpr_is_found_on_a_straight_stretch_of_the_curve():
    same = np.arange(100.0)  # the curve is the diagonal, whose inner points a thinned curve would drop
    assert detection_metrics(same, same).fpr_at_95_tpr.value == pytest.approx(0.95)


def test_perfect_orders_leave_room_for_images_that_were_not_drawn():
    """30 images that agree exclude a share of 3 / 30 by the rule of three."""
    best = detection_metrics(np.arange(30.0), np.arange(30.0) + 100)
    worst = detection_metrics(np.arange(30.0) + 100, np.arange(30.0))
    np.testing.assert_allclose([one.value for one in vars(best).values()], [1, 1, 1, 0])
    for one in (best.auroc, best.aupr_out, best.aupr_in, worst.fpr_at_95_tpr):
        assert 0.85 < one.low < 0.93
        assert one.high == pytest.approx(1)
    assert worst.auroc.low == best.fpr_at_95_tpr.low == 0
    assert 0.07 < worst.auroc.high < 0.15
    assert best.fpr_at_95_tpr.high > 0.5  # the quantile of 5 % is below all 30 OOD images with a probability of 0.2
    assert worst.aupr_out.low == pytest.approx(1 - np.log(2))
    assert worst.aupr_out.high > 0.35


def test_swapping_the_sets_and_negating_the_scores_swaps_the_classes():
    in_scores, out_scores = normal_scores()
    one, other = detection_metrics(in_scores, out_scores), detection_metrics(-out_scores, -in_scores)
    for name, swapped in (("auroc", "auroc"), ("aupr_out", "aupr_in"), ("aupr_in", "aupr_out")):
        a, b = getattr(one, name), getattr(other, swapped)
        np.testing.assert_allclose((a.value, a.sem, *a.interval), (b.value, b.sem, *b.interval))


def test_only_the_order_of_the_scores_matters():
    in_scores, out_scores = normal_scores()
    assert detection_metrics(in_scores, out_scores) == detection_metrics(np.exp(in_scores), np.exp(out_scores))


@pytest.mark.parametrize("num", [2, 3, 5, 20, 50])
def test_no_interval_excludes_its_own_value(num):
    rng = np.random.default_rng(num)
    for shift in (-4, -2, 0, 2, 4):
        for decimals in (0, 8):
            in_scores, out_scores = (np.round(s, decimals) for s in normal_scores(shift, num, num + 3, num))
            groups = np.append([0, 1], rng.integers(0, 4, num + 1))
            for options in ({}, {"groups_out": groups}):
                for one in vars(detection_metrics(in_scores, out_scores, **options)).values():
                    assert 0 <= one.low <= one.value <= one.high <= 1


def test_intervals_narrow_with_more_images():
    few, many = (detection_metrics(*normal_scores(1.0, n, n)) for n in (100, 1600))
    for wide, narrow in zip(vars(few).values(), vars(many).values(), strict=True):
        assert narrow.high - narrow.low < 0.5 * (wide.high - wide.low)


@pytest.mark.parametrize("auroc", [0.05, 0.95])
def test_intervals_of_few_images_cover_the_truth(auroc):
    """Binomially, a coverage of 0.95 fails with a probability of 0.0004. The bootstrap's AUPR at 0.05 covered 0.00."""
    shift = np.sqrt(2) * stats.norm.ppf(auroc)
    found = [detection_metrics(*normal_scores(shift, 50, 50, seed)) for seed in range(100)]
    for name, truth in truths(shift).items():
        assert sum(getattr(one, name).low <= truth <= getattr(one, name).high for one in found) >= 87, name


def test_groups_of_one_image_change_nothing():
    in_scores, out_scores = normal_scores()
    labels = [f"photo {n:03d}" for n in range(len(in_scores))]
    assert detection_metrics(in_scores, out_scores, groups_in=labels) == detection_metrics(in_scores, out_scores)


@pytest.mark.parametrize(
    ("in_scores", "options", "message"),
    [
        ([0.0, 1.0, np.nan, np.inf], {}, r"in_scores holds 2 non-finite of 4 .*, the first \(nan\) at index 2"),
        ([0.0, 1.0], {"groups_in": [1, 2, 3]}, r"groups_in has shape \[3\] for 2 images"),
        ([0.0, 1.0], {"groups_in": ["a", "a"]}, "groups_in: all 2 images form one group"),
        ([0.0], {}, "two or more"),
    ],
)
def test_bad_scores_are_refused_in_a_sentence(in_scores, options, message):
    with pytest.raises(InputError, match=message):
        detection_metrics(in_scores, [1.0, 2.0], **options)


@pytest.mark.parametrize("side", SIDES)
def test_either_set_may_have_groups(side):
    scores = list(normal_scores(num_in=200, num_out=200))
    scores[SIDES.index(side)].sort()  # each group alike: its images count as one
    alone = detection_metrics(*scores)
    grouped = detection_metrics(*scores, **{side: np.repeat(np.arange(20), 10)})
    for name, one in vars(grouped).items():
        assert one.value == getattr(alone, name).value
        if name != "fpr_at_95_tpr" or side == "groups_in":
            assert one.high - one.low > 1.3 * (getattr(alone, name).high - getattr(alone, name).low)


@pytest.mark.parametrize("side", SIDES)
def test_unequal_groups_of_independent_images_are_as_good_as_none(side):
    """A share of OOD images that changes with the groups would make the errors of AUPR several times too large."""
    scores = normal_scores(-1.5, 594, 594)
    groups = np.repeat(np.arange(100), np.resize([1, 3, 14], 100))[:594]
    alone, grouped = detection_metrics(*scores), detection_metrics(*scores, **{side: groups})
    for name, one in vars(grouped).items():
        assert 0.75 < one.sem / getattr(alone, name).sem < 1.33


def test_many_ood_images_of_one_photo_may_share_the_lowest_score():
    out_scores, photos = np.r_[np.zeros(18), 1.0, 2.0], np.arange(20) // 2
    metrics = detection_metrics(np.linspace(-1, 0.5, 20), out_scores, groups_out=photos)
    low, high = metrics.fpr_at_95_tpr.interval
    assert low <= metrics.fpr_at_95_tpr.value == 7 / 20 <= high
