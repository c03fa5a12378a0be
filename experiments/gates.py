"""Gates: rules that refuse images before a classifier sees them, set on held-out images of the training kind.

Every rule is a score, higher for more out-of-distribution, and refuses above a threshold: a quantile of the scores of
validation images. Nothing of a foreign set is used.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from scipy import stats

from experiments.classifier import Predicted
from glowjax.ood.metrics import CONFIDENCE, Interval, mean_with_interval

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


def share(values: np.ndarray, groups: np.ndarray | None = None) -> Interval:
    """The share of [N] booleans with its 95 % interval: Wilson's, or over groups where there are some."""
    if groups is not None:
        mean = mean_with_interval(values.astype(float), groups)
        return Interval(mean.mean, max(0.0, mean.low), min(1.0, mean.high))
    count = int(values.sum())
    interval = stats.binomtest(count, len(values)).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(count / len(values), interval.low, interval.high)


def risk_coverage(score: np.ndarray, wrong: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coverage [N] and risk [N] as ever more images are accepted, the lowest score first.

    Risk is the share of wrong answers among the accepted ones. Images of one score are accepted together.
    """
    order = np.argsort(score, kind="stable")
    ranked, mistakes = score[order], np.cumsum(wrong[order])
    last_of_equals = np.searchsorted(ranked, ranked, side="right") - 1
    accepted = last_of_equals + 1
    return accepted / len(score), mistakes[last_of_equals] / accepted


def area_under_risk(score: np.ndarray, wrong: np.ndarray, num_resamples: int = 200, seed: int = 0) -> Interval:
    """Mean risk over all coverages, with a 95 % bootstrap interval over images; a blind gate's is the overall risk."""

    def area(indices: np.ndarray) -> float:
        return float(risk_coverage(score[indices], wrong[indices])[1].mean())

    rng = np.random.default_rng(seed)
    resampled = [area(rng.integers(len(score), size=len(score))) for _ in range(num_resamples)]
    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(area(np.arange(len(score))), float(low), float(high))


def numbers(images: Answered, validation: Answered, kept: tuple[float, ...], level: float) -> dict[str, Any]:
    """What the classifier says of a set, and what passes each gate, as JSON has it."""
    wrong = images.confidently_wrong(level)
    of_gates: dict[str, Any] = {}
    for limit in kept:
        limits = thresholds(validation, limit)
        for (model, rule), values in scores(images, validation).items():
            passing = values <= limits[model, rule]
            of_gates.setdefault(f"{model}, {rule}", {})[f"{limit:g}"] = {
                "passing": share(passing, images.groups)._asdict(),
                "passing_and_confidently_wrong": share(passing & wrong, images.groups)._asdict(),
            }
    confidence = mean_with_interval(images.predicted.confidence, images.groups)
    return {
        "num_images": len(images.right),
        "accuracy": share(images.right, images.groups)._asdict(),
        "confidence": confidence._asdict(),
        "confidently_wrong": share(wrong, images.groups)._asdict(),
        "gates": of_gates,
    }
