"""Detectors are set on validation images alone, and their shares are what they say."""

import numpy as np
import pytest

from experiments.figures.detectors import Answers, count
from glowjax.data import ImageSet


def answers(log_likelihood, correct=None, confidence=None):
    size = len(log_likelihood)
    images = ImageSet("images", np.zeros((size, 2, 2, 1), np.uint8))
    confidence = np.full(size, 0.8) if confidence is None else np.asarray(confidence)
    known = np.ones(size, bool) if correct is None else np.asarray(correct, bool)
    return Answers(images, confidence, known, {"model": np.asarray(log_likelihood)})


VALIDATION = answers(np.random.default_rng(0).normal(-100, 10, 2_000), confidence=np.linspace(0.5, 1, 2_000))


def test_every_detector_keeps_its_share_of_validation_images():
    outcome = count(VALIDATION, VALIDATION, (0.95, 0.99), 0.9)
    for kept, shares in outcome.accepted.items():
        assert len(shares) == 3
        assert [share.value for share in shares.values()] == pytest.approx([kept] * 3, abs=1e-3)


@pytest.mark.parametrize(("log_likelihood", "by_likelihood"), [(0.0, 1), (-200.0, 0)], ids=["likely", "unlikely"])
def test_likelihood_accepts_images_that_are_too_likely_and_typicality_rejects_them(log_likelihood, by_likelihood):
    shares = count(answers(np.full(5, log_likelihood)), VALIDATION, (0.99,), 0.9).accepted[0.99]
    assert shares["model", "likelihood"].value == by_likelihood
    assert shares["model", "typicality"].value == 0


def test_confidently_wrong_needs_both():
    images = answers(np.full(4, -100.0), correct=[1, 1, 0, 0], confidence=[0.95, 0.5, 0.95, 0.5])
    outcome = count(images, VALIDATION, (0.95,), 0.9)
    assert outcome.confidently_wrong.value == 0.25
    assert outcome.accuracy.value == 0.5
    assert outcome.accepted_and_confidently_wrong[0.95]["model", "likelihood"].value == 0.25
