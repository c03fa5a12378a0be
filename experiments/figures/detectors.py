"""Detectors in front of a classifier: scores of models and of the classifier itself, and the images they accept.

Every detector has a score, higher for more out-of-distribution images, and rejects images above a threshold. What a
score learns, it learns from training images, and its threshold is a quantile of its scores of validation images. No OOD
image is used.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import jax
import numpy as np
from jaxtyping import Bool, Float

from experiments.figures.classifier import Classifier
from experiments.report.trained import Trained
from glowjax import ood, stats
from glowjax.checks import InputError
from glowjax.data import ImageSet
from glowjax.ood import Entry, Fitted, Reference, Statistics
from glowjax.plots.selection import Detector

ACCEPTED, AND_WRONG = "accepted", "accepted_and_confidently_wrong"
MINUS_CLASSIFIER = {ACCEPTED: "accepted_minus_classifier", AND_WRONG: "accepted_and_confidently_wrong_minus_classifier"}
"""The names of the differences of these shares from those of the classifier's confidence, paired by image."""

CLASSIFIER, IMAGES = "classifier", "images alone"
"""The sources of statistics besides the models."""

CONFIDENCE: Detector = (CLASSIFIER, "confidence")
OF_CLASSIFIER = tuple(name for name, entry in ood.SCORES.items() if entry.group == CLASSIFIER)


class Source(Protocol):
    """A source of statistics."""

    def statistics(self, images: ImageSet) -> Statistics:
        """The statistics of `images`."""

    def reference(self, images: ImageSet) -> Reference:
        """Those of training images."""


@dataclasses.dataclass(frozen=True)
class ModelSource:
    """Statistics of images under a model, or of images alone.

    Attributes:
        trained: the model; None for images alone.
        families: the families of statistics.
        options: options of the families.
        seed: seed of the noise, the same for all models and sets.
    """

    trained: Trained | None
    families: tuple[str, ...]
    options: ood.Options
    seed: int

    def statistics(self, images: ImageSet) -> Statistics:
        """The statistics of `images`."""
        model, params = (self.trained.model, self.trained.params) if self.trained else (None, None)
        key = jax.random.key(self.seed)
        return ood.statistics(model, params, key, images, self.families, options=self.options)

    def reference(self, images: ImageSet) -> Reference:
        """Those of training images."""
        return self.statistics(images).as_reference()


def chosen(names: Sequence[str]) -> list[Entry]:
    """The scores of images that names of scores and groups stand for, without the classifier's, which are always there.

    Raises InputError for unknown names, and for scores that cannot decide on a single image.
    """
    for name in names:
        if name in ood.SCORES and (count := ood.SCORES[name].score.per_batch) > 1:
            raise InputError(
                f"'{name}' is a score of {count} images together, and a detector decides on each image; choose another "
                "score."
            )
    return [one for one in ood.entries(names) if one.score.per_batch == 1 and one.group != CLASSIFIER]


@dataclasses.dataclass(frozen=True)
class Detectors:
    """Fitted scores, by the source of their statistics.

    Attributes:
        sources: {title: the source}.
        fitted: {(title, score): the fitted score}.
        lacking: {(title, score): why there is none}.
    """

    sources: Mapping[str, Source]
    fitted: Mapping[Detector, Fitted]
    lacking: Mapping[Detector, str]

    def statistics(self, images: ImageSet) -> dict[str, Statistics]:
        """{title of a source: its statistics of `images`}."""
        return {title: source.statistics(images) for title, source in self.sources.items()}

    def scores(self, statistics: Mapping[str, Statistics]) -> dict[Detector, Float[np.ndarray, " N"]]:
        """{detector: [N] its scores} from the statistics by source."""
        return {(title, name): fitted(statistics[title]) for (title, name), fitted in self.fitted.items()}


def fit(
    classifier: Classifier,
    models: Mapping[str, Trained],
    entries: Sequence[Entry],
    training: ImageSet,
    options: ood.Options,
    seed: int,
) -> Detectors:
    """Fits the classifier's own scores, and those of `entries` for every model that can give them, to training images.

    Scores that need images alone are fitted once.
    """
    sources: dict[str, Source] = {CLASSIFIER: classifier}
    scores = {CLASSIFIER: [ood.SCORES[name] for name in OF_CLASSIFIER]}
    lacking: dict[Detector, str] = {}
    by_title: dict[str, Trained | None] = {**models, IMAGES: None}
    for title, trained in by_title.items():
        wanted = [one for one in entries if bool(_lack(None, one)) == (title in models)]
        reasons = {one.name: _lack(trained, one) for one in wanted}
        lacking |= {(title, name): reason for name, reason in reasons.items() if reason}
        if able := [one for one in wanted if not reasons[one.name]]:
            families = ood.needed([one.name for one in able])
            sources[title], scores[title] = ModelSource(trained, families, options, seed), able
    fitted: dict[Detector, Fitted] = {}
    for title, source in sources.items():
        reference = source.reference(training)
        fitted |= {(title, one.name): one.score.fit(reference) for one in scores[title]}
    return Detectors(sources, fitted, lacking)


def _lack(trained: Trained | None, entry: Entry) -> str:
    """Why a model cannot give a score; "" if it can."""
    if entry.others:
        return f"it needs other models ({', '.join(entry.others)})"
    return next(iter(ood.missing(trained and trained.model, entry.score.needs).values()), "")


@dataclasses.dataclass(frozen=True)
class Answers:
    """An image set under the classifier and the detectors.

    Attributes:
        images: the set.
        confidence: [N] the probability of the class that the classifier answers, its highest one.
        correct: [N] whether each answer is the image's class; never for OOD images.
        scores: {detector: [N] its score, higher for more out-of-distribution images}.
    """

    images: ImageSet
    confidence: Float[np.ndarray, " N"]
    correct: Bool[np.ndarray, " N"]
    scores: Mapping[Detector, Float[np.ndarray, " N"]]


def answers(detectors: Detectors, images: ImageSet, has_classes: bool) -> Answers:
    """The answers to `images`, whose labels are the classifier's classes only if `has_classes`."""
    labels = images.labels if has_classes else np.full(images.num_images, -1)
    if labels is None:
        raise InputError(f"'{images.name}' has no labels, so the classifier cannot be judged; use a set with classes.")
    statistics = detectors.statistics(images)
    scores = detectors.scores(statistics)
    answered = statistics[CLASSIFIER]["classifier.logits"].argmax(axis=1)
    return Answers(images, 1 - scores[CONFIDENCE], answered == labels, scores)


def shares_of(answers: Answers, validation: Answers, kept: Sequence[float], confident: float) -> dict[str, Any]:
    """The numbers of a set: accuracy, mean confidence, the share of confident wrong answers, and shares by detector.

    For each detector and each share `kept` of validation images that it accepts, "detectors" holds the share of images
    that it accepts, the share that it accepts and that is then answered wrongly with confidence, and the differences of
    both from the shares of the classifier's own confidence on the same images.
    """
    groups = answers.images.groups
    wrong = ~answers.correct & (answers.confidence >= confident)
    detectors: dict[Detector, dict[float, Any]] = {}
    for detector in answers.scores:
        detectors[detector] = {}
        for share in kept:
            by_classifier, accepted = (
                answers.scores[one] <= np.quantile(validation.scores[one], share) for one in (CONFIDENCE, detector)
            )
            flags = {ACCEPTED: (accepted, by_classifier), AND_WRONG: (accepted & wrong, by_classifier & wrong)}
            detectors[detector][share] = {what: stats.share(one, groups) for what, (one, _) in flags.items()} | {
                MINUS_CLASSIFIER[what]: stats.share_difference(*pair, groups) for what, pair in flags.items()
            }
    return {
        "num_images": len(answers.correct),
        "accuracy": stats.share(answers.correct, groups),
        "confidence": stats.mean(answers.confidence, groups, name=answers.images.name),
        "confidently_wrong": stats.share(wrong, groups),
        "detectors": detectors,
    }
