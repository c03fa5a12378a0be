"""Detectors are set on validation images alone, and their shares are what they say."""

import numpy as np
import pytest

from experiments.figures.detectors import Answers, shares_of
from glowjax.data import ImageSet


def answers(log_likelihood, correct=None, confidence=None):
    size = len(log_likelihood)
    images = ImageSet("images", np.zeros((size, 2, 2, 1), np.uint8))
    confidence = np.full(size, 0.8) if confidence is None else np.asarray(confidence)
    known = np.ones(size, bool) if correct is None else np.asarray(correct, bool)
    return Answers(images, confidence, known, {"model": np.asarray(log_likelihood)})


VALIDATION = answers(np.random.default_rng(0).normal(-100, 10, 2_000), confidence=np.linspace(0.5, 1, 2_000))


def test_every_detector_keeps_its_share_of_validation_images():
    detectors = shares_of(VALIDATION, VALIDATION, (0.95, 0.99), 0.9)["detectors"]
    assert len(detectors) == 3
    for by_kept in detectors.values():
        assert [one["accepted"].value for one in by_kept.values()] == pytest.approx([0.95, 0.99], abs=1e-3)


@pytest.mark.parametrize(("log_likelihood", "by_likelihood"), [(0.0, 1), (-200.0, 0)], ids=["likely", "unlikely"])
def test_likelihood_accepts_images_that_are_too_likely_and_typicality_rejects_them(log_likelihood, by_likelihood):
    detectors = shares_of(answers(np.full(5, log_likelihood)), VALIDATION, (0.99,), 0.9)["detectors"]
    assert detectors["model", "likelihood"][0.99]["accepted"].value == by_likelihood
    assert detectors["model", "typicality"][0.99]["accepted"].value == 0


def test_confidently_wrong_needs_both():
    images = answers(np.full(4, -100.0), correct=[1, 1, 0, 0], confidence=[0.95, 0.5, 0.95, 0.5])
    outcome = shares_of(images, VALIDATION, (0.95,), 0.9)
    assert outcome["confidently_wrong"].value == 0.25
    assert outcome["accuracy"].value == 0.5
    assert outcome["detectors"]["model", "likelihood"][0.95]["accepted_and_confidently_wrong"].value == 0.25
