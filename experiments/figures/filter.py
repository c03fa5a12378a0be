"""Generative models that reject inputs of a classifier, on clean, rotated and OOD images (the paper's introduction).

    python -m experiments filter --run-dirs runs/nvp runs/cv runs/pixelcnn runs/vae --out-dists mnist

Louizos and Welling's rotated images fool a confident classifier, and a density model was proposed to reject them. A
small classifier is trained on the data set of the runs; its answers are counted with and without detectors in front of
it. Expect for FashionMNIST that the likelihood rejects no MNIST image at all, while the classifier is confidently wrong
on a third of them.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

import jax
import numpy as np

from experiments.figures.detectors import (
    ACCEPTED,
    AND_WRONG,
    CLASSIFIER,
    LIKELIHOOD,
    MINUS_CLASSIFIER,
    TYPICALITY,
    Answers,
    Classifier,
    shares_of,
    train_classifier,
)
from experiments.figures.model_classes import load_alike
from experiments.report.options import Seeded, SeveralModels
from experiments.report.page import Cell, Figure, Number, Result, Section, Table
from experiments.report.scoring import image_sets, num_draws
from experiments.report.trained import Trained, title
from glowjax import ood, plots
from glowjax.checks import InputError
from glowjax.data import ImageSet, resolve, training_and_validation
from glowjax.plots.selection import Detector
from glowjax.stats import Estimate
from glowjax.train import log_likelihoods

Outcomes: TypeAlias = Mapping[str, dict[str, Any]]
"""{set: its numbers, as `shares_of` returns them}."""

NUM_POINTS = 200
"""Number of points of a risk-coverage curve in the figure."""

QUESTION = (
    "Would a density model in front of a classifier have kept it from wrong answers? A classifier answers OOD and "
    "rotated images too, often with confidence; a detector that rejects unlikely images is meant to prevent that."
)
RULES = (
    "The threshold of each detector is a quantile of its scores of validation images: no OOD image is used. Likelihood "
    "rejects images whose log-likelihood lies below a threshold. Typicality rejects images whose log-likelihood is "
    "further than a threshold from the validation mean, in either direction. If both accept the same images, the lower "
    "tail of the validation images alone sets the threshold of typicality, and no image is likely enough to be "
    "rejected for that. Confidence is the classifier's own highest probability."
)
RISK_TEXT = (
    "Half of the images are clean test images, half are OOD, to which every answer is wrong. Images are accepted in "
    "the order of each detector's score. A detector that recognizes OOD images accepts the clean ones first: its "
    "risk stays low until half of the images are accepted."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FilterConfig(SeveralModels, Seeded):
    """Options of the filter; the data set of the runs must have labels.

    Attributes:
        angles: rotations of the test images, in degrees.
        kept: shares of validation images that the detectors accept.
        confident: the confidence from which an answer counts as confident.
        classifier_steps: training steps of the classifier.
    """

    num_images: int | None = 1_000
    num_latent_draws: int = 50
    angles: tuple[float, ...] = (30, 60, 90, 120, 150, 180)
    kept: tuple[float, ...] = (0.95, 0.99)
    confident: float = 0.9
    classifier_steps: int = 1_500


def main(config: FilterConfig) -> Result:
    """Trains the classifier, and asks it and every model about clean, rotated and OOD images."""
    _check(config)
    models = load_alike(config.run_dirs)
    trained = next(iter(models.values()))
    test, others = image_sets(trained, config.out_dists, config)
    clean = {0.0: test} | {angle: resolve(f"rotated-{angle:g}", test) for angle in config.angles}
    ood_sets = [images for images in others if images.name not in {one.name for one in clean.values()}]
    if not ood_sets:
        raise InputError(
            f"--out-dists is {' '.join(config.out_dists)}: these are the test images, possibly rotated; name an OOD "
            "set too."
        )
    training, validation = training_and_validation(resolve(f"{trained.in_dist}:train", data_dir=config.data_dir))
    classifier = train_classifier(training, config.classifier_steps, config.seed)
    held_out = answer(config, models, classifier, validation.take(config.num_images, config.seed), True)
    rotated = {angle: answer(config, models, classifier, images, True) for angle, images in clean.items()}
    ood_answers = {images.name: answer(config, models, classifier, images, False) for images in ood_sets}
    rotated_names = {clean[angle].name for angle in config.angles}
    every = {answers.images.name: answers for answers in (*rotated.values(), *ood_answers.values())}
    outcomes = {name: shares_of(one, held_out, config.kept, config.confident) for name, one in every.items()}
    return Result(
        f"Generative models in front of a classifier of {title(trained.name)}",
        QUESTION,
        summarize(test.name, list(ood_answers), outcomes, config.kept[0]),
        [
            Section("The models", "\n\n".join(f"{trained.summarize()}." for trained in models.values())),
            _classifier(outcomes, config.confident),
            Section("The detectors", RULES),
            *(_detectors(outcomes, kept, config.confident, rotated_names) for kept in config.kept),
            _rotated({angle: outcomes[one.images.name] for angle, one in rotated.items()}, config.kept[0]),
            _risk_coverage(rotated[0.0], ood_answers, held_out),
        ],
        dict(outcomes),
    )


def _check(config: FilterConfig) -> None:
    if not config.out_dists or not config.kept or not all(0 < kept < 1 for kept in config.kept):
        raise InputError(
            f"out_dists is {config.out_dists} and kept {config.kept}; name at least one data set, and shares between "
            "0 and 1."
        )


def answer(
    config: FilterConfig, models: Mapping[str, Trained], classifier: Classifier, images: ImageSet, has_classes: bool
) -> Answers:
    """The answers to `images`, whose labels are the classifier's classes only if `has_classes`."""
    probabilities = classifier(images.images)
    labels = images.labels if has_classes else np.full(images.num_images, -1)
    if labels is None:
        raise InputError(f"'{images.name}' has no labels, so the classifier cannot be judged; use a set with classes.")
    key = jax.random.key(config.seed)
    log_likelihood = {
        name: log_likelihoods(trained.model, trained.params, key, images.images, num_draws(trained, config))
        for name, trained in models.items()
    }
    return Answers(images, probabilities.max(axis=1), probabilities.argmax(axis=1) == labels, log_likelihood)


def summarize(test: str, ood_sets: Sequence[str], outcomes: Outcomes, kept: float) -> str:
    """The result in a few sentences."""
    sentences = [
        f"The classifier is right on {outcomes[test]['accuracy'].value:.1%} of {title(test)} images, and confidently "
        f"wrong on {outcomes[test]['confidently_wrong'].value:.1%}."
    ]
    for name in ood_sets:
        shares = _shares(outcomes[name], ACCEPTED, kept)
        by_rule = [
            f"by {rule}: "
            + ", ".join(f"{share.value:.1%} ({model})" for (model, r), share in shares.items() if r == rule)
            for rule in (LIKELIHOOD, TYPICALITY)
        ]
        sentences.append(
            f"On {title(name)} it is confidently wrong on {outcomes[name]['confidently_wrong'].value:.1%}. Detectors "
            f"that keep {kept:.0%} of validation images accept, {'; '.join(by_rule)}; by the classifier's own "
            f"confidence: {shares[CLASSIFIER].value:.1%}."
        )
    return " ".join(sentences)


def _shares(outcome: dict[str, Any], what: str, kept: float) -> dict[Detector, Estimate]:
    return {detector: by_kept[kept][what] for detector, by_kept in outcome["detectors"].items()}


def _classifier(outcomes: Outcomes, confident: float) -> Section:
    table = Table(
        f"Shares of images with 95 % intervals; confident means a probability of {confident:g} or more",
        ["set", "images", "right", "mean confidence", "confidently wrong"],
        [
            [
                title(name),
                f"{outcome['num_images']:,}",
                Number(outcome["accuracy"], ".3f[]"),
                Number(float(outcome["confidence"].value), ".3f"),
                Number(outcome["confidently_wrong"], ".3f[]"),
            ]
            for name, outcome in outcomes.items()
        ],
    )
    text = "An OOD image has no class here: every answer to it is wrong. Rotated images keep their class."
    return Section("The classifier alone", text, [table])


def _detectors(outcomes: Outcomes, kept: float, confident: float, rotated: Collection[str]) -> Section:
    """A row per detector; a table of upright sets and one of rotated sets, for each of two shares."""
    by_kind = ([name for name in outcomes if name not in rotated], [name for name in outcomes if name in rotated])
    captions = {
        ACCEPTED: "Share of images accepted, with 95 % intervals",
        AND_WRONG: "Share of images accepted and then answered wrongly with a confidence of "
        f"{confident:g} or more, with 95 % intervals",
    }
    tables = []
    for what, caption in captions.items():
        paired = f"{caption}: minus that of the classifier's confidence, paired by image"
        for sets in filter(None, by_kind):
            header = ["detector", *map(title, sets)]
            for text, shown, spec in ((caption, what, ".3f[]"), (paired, MINUS_CLASSIFIER[what], "+.3f[]")):
                shares = [_shares(outcomes[name], shown, kept) for name in sets]
                detectors = [d for d in shares[0] if d != CLASSIFIER or shown == what]
                rows: list[list[Cell]] = [[", ".join(d), *(Number(one[d], spec) for one in shares)] for d in detectors]
                tables.append(Table(text, header, rows))
    return Section(f"Detectors that keep {kept:.0%} of validation images", tables=tables)


def _rotated(outcomes: Mapping[float, dict[str, Any]], kept: float) -> Section:
    accuracy, confidence = ([one[what] for one in outcomes.values()] for what in ("accuracy", "confidence"))
    shares = [_shares(one, ACCEPTED, kept) for one in outcomes.values()]
    accepted = {detector: [one[detector] for one in shares] for detector in shares[0]}
    by_name = {", ".join(detector): estimates for detector, estimates in accepted.items()}
    figure = Figure(
        "rotated",
        plots.acceptance_by_angle(list(outcomes), accuracy, confidence, accepted, kept),
        {"angles": list(outcomes), "accuracy": accuracy, "confidence": confidence, "accepted": by_name},
        "Left: accuracy and confidence by angle; Louizos and Welling saw the former fall faster than the latter. "
        f"Right: the share of rotated images that each detector accepts if it keeps {kept:.0%} of validation images.",
        "Accuracy and confidence by angle, and the share that each detector accepts",
    )
    return Section("Rotated images", figures=[figure])


def _halves(clean: Answers, answers: Answers, validation: Answers) -> dict[Detector, list[ood.selective.Part]]:
    """{detector: the clean half and the OOD half}, of the same size."""
    halves = (clean, answers)
    size = min(len(half.correct) for half in halves)
    groups = [None if half.images.groups is None else half.images.groups[:size] for half in halves]
    by_half = [half.scores(validation) for half in halves]
    return {
        detector: [
            (scores[detector][:size], ~half.correct[:size], own)
            for scores, half, own in zip(by_half, halves, groups, strict=True)
        ]
        for detector in by_half[0]
    }


def _area(row: str, detector: Detector, parts: Mapping[Detector, list[ood.selective.Part]]) -> list[Cell]:
    """The row of a detector: its area under the curve, and the difference from the classifier's."""
    area = Number(ood.area_under_risk(parts[detector]), ".3f[]")
    if detector == CLASSIFIER:
        return [row, area, ""]
    return [row, area, Number(ood.compare_areas_under_risk(parts[detector], parts[CLASSIFIER]), "+.3f[]")]


def _risk_coverage(clean: Answers, ood_sets: Mapping[str, Answers], validation: Answers) -> Section:
    grid = np.linspace(1 / NUM_POINTS, 1, NUM_POINTS)
    risk: dict[str, dict[Detector, np.ndarray]] = {}
    best: dict[str, np.ndarray] = {}
    by_detector: list[list[Cell]] = []
    for name, answers in ood_sets.items():
        parts = _halves(clean, answers, validation)
        wrong = np.concatenate([half[1] for half in parts[CLASSIFIER]])
        risk[title(name)] = {
            detector: np.interp(grid, *ood.risk_coverage(np.concatenate([half[0] for half in halves]), wrong))
            for detector, halves in parts.items()
        }
        by_detector += [_area(f"{title(name)}: {', '.join(detector)}", detector, parts) for detector in parts]
        rejects_wrong_first = wrong + np.arange(len(wrong)) / (2 * len(wrong))
        best[title(name)] = np.interp(grid, *ood.risk_coverage(rejects_wrong_first, wrong))
    figure = Figure(
        "risk-coverage",
        plots.risk_coverage(dict.fromkeys(risk, grid), risk, best),
        {
            name: {"coverage": grid, "best": best[name], **{", ".join(d): c for d, c in curves.items()}}
            for name, curves in risk.items()
        },
        "Lower is better; the curve of a detector that prefers OOD images starts high.",
        "Risk against coverage for each detector",
    )
    caption = (
        "Area under the risk-coverage curve, and its difference from that of the classifier's confidence, paired by "
        "image, with 95 % intervals"
    )
    header = ["half and detector", "area", "minus the classifier's"]
    return Section("Risk and coverage", RISK_TEXT, [Table(caption, header, by_detector)], [figure])
