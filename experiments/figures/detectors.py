"""Detectors in front of a classifier: their scores and thresholds, and the shares of an image set that they accept.

Every detector has a score, higher for more out-of-distribution images, and rejects images above a threshold: a quantile
of the scores of validation images. No OOD image is used.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from experiments.figures.classifier import Prediction
from glowjax import stats
from glowjax.data import ImageSet
from glowjax.plots.selection import Detector
from glowjax.stats import Estimate

LIKELIHOOD, TYPICALITY = "likelihood", "typicality"
CLASSIFIER: Detector = ("classifier", "confidence")

Shares: TypeAlias = dict[Detector, Estimate]


@dataclasses.dataclass(frozen=True)
class Answers:
    """An image set under the classifier and the models.

    Attributes:
        images: the set.
        prediction: the classifier's answers.
        correct: [N] whether each answer is the image's class; never for OOD images.
        log_likelihood: {model: [N] log P(image) in nats}.
    """

    images: ImageSet
    prediction: Prediction
    correct: np.ndarray
    log_likelihood: Mapping[str, np.ndarray]

    def scores(self, validation: "Answers") -> dict[Detector, np.ndarray]:
        """{detector: [N] score, higher for more out-of-distribution}.

        The score of likelihood is -log P. That of typicality is |log P - its mean over validation images|, in nats: an
        image that is too likely is as suspect as one that is too unlikely (Nalisnick et al. 2019, "Detecting
        out-of-distribution inputs to deep generative models using typicality", for single images). The classifier's is
        1 - confidence (Hendrycks and Gimpel 2017).
        """
        scores: dict[Detector, np.ndarray] = {CLASSIFIER: 1 - self.prediction.confidence}
        for model, log_likelihood in self.log_likelihood.items():
            scores[model, LIKELIHOOD] = -log_likelihood
            scores[model, TYPICALITY] = np.abs(log_likelihood - validation.log_likelihood[model].mean())
        return scores

    def thresholds(self, kept: float) -> dict[Detector, float]:
        """The score up to which each detector accepts images, so that it accepts the share `kept` of this set."""
        return {detector: float(np.quantile(scores, kept)) for detector, scores in self.scores(self).items()}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Shares of an image set.

    Attributes:
        num_images: number of images.
        accuracy: share of correct answers.
        confidence: mean confidence.
        confidently_wrong: share of wrong answers among the confident ones and all others.
        accepted: {share of validation images kept: {detector: share that it accepts}}.
        accepted_and_confidently_wrong: likewise the share that it accepts and that is then answered wrongly with
            confidence.
    """

    num_images: int
    accuracy: Estimate
    confidence: Estimate
    confidently_wrong: Estimate
    accepted: dict[float, Shares]
    accepted_and_confidently_wrong: dict[float, Shares]

    def as_dict(self) -> dict[str, Any]:
        """The shares, as JSON has them."""
        detectors: dict[str, Any] = {}
        for kept, shares in self.accepted.items():
            for detector, share in shares.items():
                wrong = self.accepted_and_confidently_wrong[kept][detector]
                detectors.setdefault(", ".join(detector), {})[f"{kept:g}"] = {
                    "accepted": share.as_dict(),
                    "accepted_and_confidently_wrong": wrong.as_dict(),
                }
        alone = {name: getattr(self, name).as_dict() for name in ("accuracy", "confidence", "confidently_wrong")}
        return {"num_images": self.num_images, **alone, "detectors": detectors}


def count(answers: Answers, validation: Answers, kept: Sequence[float], confident: float) -> Outcome:
    """The shares of a set, with thresholds from the validation images."""
    groups, scores = answers.images.groups, answers.scores(validation)
    wrong = ~answers.correct & (answers.prediction.confidence >= confident)
    accepted = {
        share: {detector: scores[detector] <= limit for detector, limit in validation.thresholds(share).items()}
        for share in kept
    }

    def shares(also: Any) -> dict[float, Shares]:
        return {
            share: {detector: stats.share(flags & also, groups) for detector, flags in by_detector.items()}
            for share, by_detector in accepted.items()
        }

    return Outcome(
        len(answers.correct),
        stats.share(answers.correct, groups),
        stats.mean(answers.prediction.confidence, groups),
        stats.share(wrong, groups),
        shares(True),
        shares(wrong),
    )
