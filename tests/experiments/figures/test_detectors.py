"""Detectors are set on validation images alone, and their shares are what they say."""

import numpy as np
import pytest

from experiments.figures.classifier import Classifier
from experiments.figures.detectors import CONFIDENCE, IMAGES, Answers, chosen, fit, shares_of
from experiments.report.trained import load
from glowjax import ood
from glowjax.checks import InputError
from glowjax.data import ImageSet, resolve

DETECTOR = ("model", "likelihood")


def answers(log_likelihood, correct=None, confidence=None):
    size = len(log_likelihood)
    images = ImageSet("images", np.zeros((size, 2, 2, 1), np.uint8))
    confidence = np.full(size, 0.8) if confidence is None else np.asarray(confidence)
    known = np.ones(size, bool) if correct is None else np.asarray(correct, bool)
    return Answers(images, confidence, known, {CONFIDENCE: 1 - confidence, DETECTOR: -np.asarray(log_likelihood)})


VALIDATION = answers(np.random.default_rng(0).normal(-100, 10, 2_000), confidence=np.linspace(0.5, 1, 2_000))


def test_every_detector_keeps_its_share_of_validation_images():
    detectors = shares_of(VALIDATION, VALIDATION, (0.95, 0.99), 0.9)["detectors"]
    assert len(detectors) == 2
    for by_kept in detectors.values():
        assert [one["accepted"].value for one in by_kept.values()] == pytest.approx([0.95, 0.99], abs=1e-3)


@pytest.mark.parametrize(("log_likelihood", "share"), [(0.0, 1), (-200.0, 0)], ids=["likely", "unlikely"])
def test_likelihood_accepts_images_that_are_too_likely(log_likelihood, share):
    detectors = shares_of(answers(np.full(5, log_likelihood)), VALIDATION, (0.99,), 0.9)["detectors"]
    assert detectors[DETECTOR][0.99]["accepted"].value == share


def test_confidently_wrong_needs_both():
    images = answers(np.full(4, -100.0), correct=[1, 1, 0, 0], confidence=[0.95, 0.5, 0.95, 0.5])
    outcome = shares_of(images, VALIDATION, (0.95,), 0.9)
    assert outcome["confidently_wrong"].value == 0.25
    assert outcome["accuracy"].value == 0.5
    assert outcome["detectors"][DETECTOR][0.95]["accepted_and_confidently_wrong"].value == 0.25


class Logits(Classifier):
    """A classifier whose logits and features are pixels."""

    def __init__(self):
        pass

    def _run(self, images):
        return images.images[:, ::2, 0, 0].astype(float), images.images[:, :, 1, 0].astype(float)


def test_a_score_is_fitted_under_every_model_that_can_give_it_and_once_if_it_needs_images_alone(trained_run, folder):
    models = {kind: load(trained_run(kind)) for kind in ("nvp", "vae")}
    training, test = (resolve(f"ramps:{split}", None, folder, 40) for split in ("train", "test"))
    training = ImageSet("ramps:train", training.images, np.arange(40) % 4)
    entries = chosen(["likelihood", "white-noise", "null-neighbor", "likelihood-ratio"])
    detectors = fit(Logits(), models, entries, training, ood.Options(num_latent_draws=2), 0)
    own = [("classifier", name) for name in ("confidence", "energy", "mahalanobis")]
    assert list(detectors.fitted) == [
        *own,
        ("nvp", "likelihood"),
        ("nvp", "white-noise"),
        ("vae", "likelihood"),
        (IMAGES, "null-neighbor"),
    ]
    assert "needs the latents of a flow" in detectors.lacking["vae", "white-noise"]
    assert detectors.lacking["nvp", "likelihood-ratio"] == "it needs other models (background)"
    scores = detectors.scores(detectors.statistics(test))
    distances = [np.sqrt(((training.images.astype(float) - one) ** 2).sum((1, 2, 3))).min() for one in test.images]
    np.testing.assert_allclose(scores[IMAGES, "null-neighbor"], distances)


def test_groups_stand_for_their_scores_of_single_images():
    names = [entry.name for entry in chosen(["likelihood", "classifier", "null models"])]
    assert names[0] == "likelihood"
    assert "null-random" in names
    assert "energy" not in names  # it is always there
    group = [entry.name for entry in chosen(["latents"])]
    assert len(group) > 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("typicality-5", "'typicality-5' is a score of 5 images together"),
        ("likelihod", "Unknown score or group 'likelihod'; did you mean 'likelihood'"),
    ],
)
def test_scores_that_cannot_decide_on_an_image_are_refused(name, message):
    with pytest.raises(InputError, match=message):
        chosen([name])
