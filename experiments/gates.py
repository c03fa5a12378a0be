"""Gates: rules that refuse images before a classifier sees them, set on held-out images of the training kind.

Every rule is a score, higher for more out-of-distribution, and refuses above a threshold: a quantile of the scores of
validation images. Nothing of a foreign set is used.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from scipy import stats

from experiments.classifier import Predicted
from glowjax.ood.metrics import CONFIDENCE, Interval, mean_with_interval, resample
from glowjax.stats.estimate import group_codes

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
    """The share of [N] booleans with Wilson's 95 % interval, of as many independent images as the groups are worth."""
    value = float(values.mean())
    count = len(values) if groups is None else _effective_count(values, groups)
    z2 = stats.norm.ppf((1 + CONFIDENCE) / 2) ** 2
    middle = (value + z2 / (2 * count)) / (1 + z2 / count)
    reach = np.sqrt(z2 * value * (1 - value) / count + (z2 / (2 * count)) ** 2) / (1 + z2 / count)
    return Interval(value, float(middle - reach), float(middle + reach))


def _effective_count(values: np.ndarray, groups: np.ndarray) -> float:
    """How many independent images know the share of [N] booleans as well: N at most; where all agree, one a group.

    That of Korn and Graubard (1998), with Student's t for the error that is known from few groups.
    """
    mean = mean_with_interval(values.astype(float), groups)
    if mean.mean in (0, 1):
        return len(np.unique(groups))
    reach, z = max(mean.high - mean.mean, np.finfo(float).eps), stats.norm.ppf((1 + CONFIDENCE) / 2)
    return min(len(values), mean.mean * (1 - mean.mean) * (z / reach) ** 2)


def risk_coverage(score: np.ndarray, wrong: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coverage [N] and risk [N] as ever more images are accepted, the lowest score first.

    Risk is the share of wrong answers among the accepted ones. Images of one score are accepted together.
    """
    order = np.argsort(score, kind="stable")
    ranked, mistakes = score[order], np.cumsum(wrong[order])
    last_of_equals = np.searchsorted(ranked, ranked, side="right") - 1
    accepted = last_of_equals + 1
    return accepted / len(score), mistakes[last_of_equals] / accepted


Part: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray | None]
"""Of what comes to a gate: scores [N], whether the answers are wrong [N], groups [N] or None."""


def area_under_risk(parts: Sequence[Part], num_resamples: int = 200, seed: int = 0) -> Interval:
    """Mean risk over all coverages of the parts together, with a 95 % bootstrap interval.

    Each part is resampled apart, by whole groups where it has some. A blind gate's area is the overall risk.
    """
    score, wrong = (np.concatenate([part[n] for part in parts]) for n in (0, 1))

    def area(counts: np.ndarray) -> float:
        indices = np.repeat(np.arange(len(score)), counts)
        return float(risk_coverage(score[indices], wrong[indices])[1].mean())

    rng = np.random.default_rng(seed)
    codes = [group_codes(groups, len(scores)) for scores, _, groups in parts]
    resampled = [area(np.concatenate([resample(rng, of_part) for of_part in codes])) for _ in range(num_resamples)]
    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(area(np.ones(len(score), int)), float(low), float(high))


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
