"""Kernel densities against SciPy, the one-class SVM against scikit-learn."""

import numpy as np
import pytest
import tiny
from scipy.stats import gaussian_kde
from sklearn.svm import OneClassSVM

from glowjax import ood
from glowjax.ood import density_of_states

RNG = np.random.default_rng(0)
NAMES = ("log_prob", "scales.log_pz[sum]")


def stats(values):
    return ood.Statistics(
        {"log_prob": values[:, 0], "scales.log_pz": np.stack([values[:, 1] - 1, np.ones(len(values))], 1)}
    )


REFERENCE = RNG.normal([-1000, 3], [50, 0.1], (300, 2))
VALUES = RNG.normal([-1000, 3], [50, 0.1], (40, 2))


@pytest.mark.parametrize("bandwidth", [1.0, 0.5])
def test_the_density_is_scipys_with_scotts_rule(bandwidth, monkeypatch):
    detector = ood.DensityOfStates(NAMES, bandwidth).fit(stats(REFERENCE).as_reference())
    factor = bandwidth * len(REFERENCE) ** -0.2
    expected = -sum(gaussian_kde(REFERENCE[:, k], factor).logpdf(VALUES[:, k]) for k in range(2))
    np.testing.assert_allclose(detector(stats(VALUES)), expected, rtol=1e-9)
    monkeypatch.setattr(density_of_states, "BLOCK", 1000)
    np.testing.assert_allclose(detector(stats(VALUES)), expected, rtol=1e-9)


def test_it_is_finite_and_rises_far_from_the_reference_and_knows_constants():
    detector = ood.DensityOfStates(NAMES).fit(stats(REFERENCE).as_reference())
    far = detector(stats(np.array([[-1000.0, 3], [-1e4, 3], [-1e12, 3], [1e12, 3]])))
    assert far[0] < far[1] < far[2] < far[3]
    constant = np.array([[-1000.0, 3]] * 5)
    detector = ood.DensityOfStates(NAMES).fit(stats(constant).as_reference())
    scores = detector(stats(np.array([[-1000.0, 3], [-1001, 3], [-1000, 3.1]])))
    assert scores[0] < scores[1] - 1e4
    assert scores[0] < scores[2] - 1e4


def test_the_svm_is_minus_the_decision_function_of_scikit_learn():
    scores = ood.OneClassSvm(NAMES, nu=0.05).fit(stats(REFERENCE).as_reference())(stats(VALUES))
    mean, scale = REFERENCE.mean(axis=0), REFERENCE.std(axis=0)
    fit = OneClassSVM(gamma=0.5, nu=0.05).fit((REFERENCE - mean) / scale)
    np.testing.assert_allclose(scores, -fit.decision_function((VALUES - mean) / scale), atol=1e-9)
    assert np.mean(fit.decision_function((VALUES - mean) / scale)) > 0 > np.mean(scores)


@pytest.mark.parametrize("name", ["density-of-states", "one-class-svm"])
def test_density_of_states_tells_another_volume_from_the_same_log_p(name):
    def of_a_flow(log_det, num=500):
        log_prob, volume = RNG.normal(-1000, 50, num), RNG.normal(log_det, 10, num)
        return ood.Statistics(
            {"log_prob": log_prob, "scales.log_pz": (log_prob - volume)[:, None], "scales.log_det": volume[:, None]}
        )

    detector = ood.SCORES[name].score.fit(of_a_flow(0).as_reference())
    inside, same, other = (detector(of_a_flow(volume)) for volume in (0, 0, 60))
    assert tiny.auroc(inside, same) == pytest.approx(0.5, abs=0.06)
    assert tiny.auroc(inside, other) > 0.95
