"""Influences, errors and biases against scikit-learn's weighted metrics: derivatives, jackknives, and by hand."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from glowjax.ood import risk_coverage
from glowjax.ood.intervals import error
from glowjax.ood.ranking import auroc, precision_area

NUM_IN, NUM_OUT = 40, 30
IS_OUT = np.repeat([0.0, 1.0], [NUM_IN, NUM_OUT])
OF_IN, OF_OUT = (1 - IS_OUT) / NUM_IN, IS_OUT / NUM_OUT
SINGLE = np.arange(NUM_IN), np.arange(NUM_OUT)
GROUPED = np.arange(NUM_IN) % 9, np.repeat(np.arange(5), [2, 4, 6, 8, 10])
STEP = 1e-3


def scores(decimals, groups=SINGLE, seed=0):
    rng = np.random.default_rng(seed)
    shared = [rng.normal(size=codes.max() + 1)[codes] for codes in groups]
    return np.round(np.concatenate(shared) + rng.normal(size=len(IS_OUT)) + IS_OUT, decimals)


def average_precision(values):
    return lambda times: average_precision_score(IS_OUT, values, sample_weight=times * (OF_IN + OF_OUT))


def directions(groups):
    """The change of all weights if one group more is drawn from a set, whose weights keep their sum."""
    for is_set, codes in ((IS_OUT == 0, groups[0]), (IS_OUT == 1, groups[1])):
        of_all = np.full(len(IS_OUT), -1)
        of_all[is_set] = codes
        for group in range(codes.max() + 1):
            yield (of_all == group) - np.mean(codes == group) * is_set


def second_derivative(function, direction):
    ends = [function(1 + step * direction) for step in (-STEP, 0, STEP)]
    return (ends[0] - 2 * ends[1] + ends[2]) / STEP**2


@pytest.mark.parametrize("decimals", [8, 0], ids=["continuous", "ties"])
@pytest.mark.parametrize("groups", [SINGLE, GROUPED], ids=["single", "groups"])
def test_the_bias_is_half_of_the_second_derivatives(groups, decimals):
    values = scores(decimals, groups)
    found = precision_area(-values, OF_OUT, OF_IN, OF_OUT, groups)
    function = average_precision(values)
    expected = sum(second_derivative(function, one) for one in directions(groups)) / 2
    assert found.value == pytest.approx(function(np.ones(len(IS_OUT))))
    assert found.bias == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("decimals", [8, 0], ids=["continuous", "ties"])
@pytest.mark.parametrize("groups", [SINGLE, GROUPED], ids=["single", "groups"])
def test_influences_are_derivatives_which_precision_has_up_to_the_weight_of_an_image(groups, decimals):
    values = scores(decimals, groups)
    area, precision = auroc(values, OF_IN, OF_OUT), precision_area(-values, OF_OUT, OF_IN, OF_OUT, groups)
    for measure, function, tolerance in (
        (area, lambda times: roc_auc_score(IS_OUT, values, sample_weight=times), 1e-6),
        (precision, average_precision(values), 0.1),
    ):
        slopes = [(function(1 + STEP * one) - function(1 - STEP * one)) / (2 * STEP) for one in directions(SINGLE)]
        parts = np.split(measure.influence, [NUM_IN])
        np.testing.assert_allclose(np.concatenate([x - x.mean() for x in parts]), slopes, atol=tolerance / NUM_OUT)


def test_errors_are_those_of_the_jackknife():
    values, errors = scores(8), {}
    for name, function, measure in (
        ("auroc", roc_auc_score, auroc(values, OF_IN, OF_OUT)),
        ("aupr", average_precision_score, precision_area(-values, OF_OUT, OF_IN, OF_OUT, SINGLE)),
    ):
        squares = 0.0
        for is_set, num in ((IS_OUT == 0, NUM_IN), (IS_OUT == 1, NUM_OUT)):
            kept = [np.arange(len(IS_OUT)) != n for n in np.flatnonzero(is_set)]
            left = [function(IS_OUT[k], values[k], sample_weight=balanced(IS_OUT[k])) for k in kept]
            squares += (num - 1) * np.var(left)
        errors[name] = (error(measure.influence, SINGLE)[0], np.sqrt(squares))
    assert errors["auroc"][0] == pytest.approx(errors["auroc"][1], rel=1e-6)
    assert errors["aupr"][0] == pytest.approx(errors["aupr"][1], rel=0.02)


def balanced(is_out):
    return np.where(is_out, 1 / is_out.sum(), 1 / (1 - is_out).sum())


def test_the_area_under_risk_is_the_mean_of_the_curve_and_its_bias_half_of_the_second_derivatives():
    values, wrong = scores(1, GROUPED), np.random.default_rng(1).random(len(IS_OUT)) < 0.3
    each = np.full(len(values), 1 / len(values))
    found = precision_area(values, wrong * each, ~wrong * each, each, GROUPED)

    def area(times):
        upto = (values[:, None] >= values) * times
        return np.sum(times * each * (upto @ wrong) / upto.sum(axis=1))

    assert found.value == pytest.approx(risk_coverage(values, wrong)[1].mean())
    expected = sum(second_derivative(area, one) for one in directions(GROUPED)) / 2
    assert found.bias == pytest.approx(expected, rel=1e-4)
