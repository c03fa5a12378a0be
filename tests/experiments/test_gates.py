"""Gates are set on validation images alone, and their numbers are what they say."""

import numpy as np
import pytest

from experiments.classifier import Predicted
from experiments.gates import Answered, scores, thresholds


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
