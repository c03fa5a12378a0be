"""Gates: rules that refuse images before a classifier sees them, set on held-out images of the training kind.

Every rule is a score, higher for more out-of-distribution, and refuses above a threshold: a quantile of the scores of
validation images. Nothing of a foreign set is used.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from experiments.classifier import Predicted
from experiments.scoring import mean_as_dict
from glowjax.stats import mean, share

Gate: TypeAlias = tuple[str, str]
"""(model, rule)."""

LIKELIHOOD, TYPICALITY = "likelihood", "typicality"
CLASSIFIER: Gate = ("classifier", "confidence")


@dataclasses.dataclass(frozen=True)
class Answered:
    """An image set before the gates and the classifier.

    Attributes:
        predicted: the classifier's answers.
        right: [N] whether each answer is the image's class; never on foreign images.
        log_likelihood: {model: [N] log P(image) in nats}.
        groups: [N] what the images were cut from, or None.
    """

    predicted: Predicted
    right: np.ndarray
    log_likelihood: Mapping[str, np.ndarray]
    groups: np.ndarray | None = None

    def confidently_wrong(self, level: float) -> np.ndarray:
        """[N] whether an answer is wrong with a confidence of `level` or more."""
        return ~self.right & (self.predicted.confidence >= level)


def scores(images: Answered, validation: Answered) -> dict[Gate, np.ndarray]:
    """[N] the score of each image under each gate, higher for more out-of-distribution.

    The likelihood gate's score is -log P; the two-sided gate's is |log P - mean over validation images|, in nats: an
    image that is too likely is as suspect as one that is too unlikely (Nalisnick et al. 2019, "Detecting
    out-of-distribution inputs to deep generative models using typicality", for single images). The classifier's own is
    1 - its confidence (Hendrycks and Gimpel 2017).
    """
    of_gates: dict[Gate, np.ndarray] = {CLASSIFIER: 1 - images.predicted.confidence}
    for model, log_likelihood in images.log_likelihood.items():
        of_gates[model, LIKELIHOOD] = -log_likelihood
        of_gates[model, TYPICALITY] = np.abs(log_likelihood - validation.log_likelihood[model].mean())
    return of_gates


def thresholds(validation: Answered, kept: float) -> dict[Gate, float]:
    """The score up to which each gate lets images pass, so that the share `kept` of validation images does."""
    return {gate: float(np.quantile(values, kept)) for gate, values in scores(validation, validation).items()}


def numbers(images: Answered, validation: Answered, kept: tuple[float, ...], level: float) -> dict[str, Any]:
    """What the classifier says of a set, and what passes each gate, as JSON has it."""
    wrong = images.confidently_wrong(level)
    of_gates: dict[str, Any] = {}
    for limit in kept:
        limits = thresholds(validation, limit)
        for (model, rule), values in scores(images, validation).items():
            passing = values <= limits[model, rule]
            of_gates.setdefault(f"{model}, {rule}", {})[f"{limit:g}"] = {
                "passing": share(passing, images.groups).as_dict(),
                "passing_and_confidently_wrong": share(passing & wrong, images.groups).as_dict(),
            }
    confidence = mean(images.predicted.confidence, images.groups)
    return {
        "num_images": len(images.right),
        "accuracy": share(images.right, images.groups).as_dict(),
        "confidence": mean_as_dict(confidence),
        "confidently_wrong": share(wrong, images.groups).as_dict(),
        "gates": of_gates,
    }
