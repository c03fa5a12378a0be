"""Scores that reject inputs of a classifier, on clean, rotated, corrupted and OOD images (the paper's introduction).

    python -m experiments filter --run-dirs runs/nvp runs/cv runs/pixelcnn runs/vae --out-dists mnist

Louizos and Welling's rotated images fool a confident classifier, and a density model was proposed to reject them. A
small classifier is trained on the data set of the runs; its answers are counted with and without detectors in front of
it. `--scores` names scores of the models, or groups of scores; the classifier's own stand beside them. Expect for
FashionMNIST that the likelihood rejects no MNIST image at all, while the classifier is confidently wrong on a third of
them.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from experiments.figures.classifier import train_classifier
from experiments.figures.detectors import ACCEPTED, CONFIDENCE, answers, chosen, fit, shares_of
from experiments.figures.filter_sections import (
    classifier_alone,
    definitions,
    detectors_that_keep,
    risk_coverage,
    rotated_images,
    shares,
)
from experiments.figures.model_classes import load_alike
from experiments.report.options import Seeded, SeveralModels
from experiments.report.page import Result, Section
from experiments.report.scoring import image_sets
from experiments.report.trained import title
from glowjax import ood
from glowjax.checks import InputError, check_count
from glowjax.data import ImageSet, resolve, training_and_validation

Outcomes: TypeAlias = Mapping[str, dict[str, Any]]
"""{set: its numbers, as `shares_of` returns them}."""

QUESTION = (
    "Would a score in front of a classifier have kept it from wrong answers? A classifier answers OOD and rotated "
    "images too, often with confidence; a detector that rejects images is meant to prevent that."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FilterConfig(SeveralModels, Seeded):
    """Options of the filter; the data set of the runs must have labels.

    Attributes:
        scores: scores of the models by name, or groups of scores; each is a detector
            under every model that can give it. The classifier's own are always there.
        num_reference: number of training images that scores learn from.
        angles: rotations of the test images, in degrees.
        kept: shares of validation images that the detectors accept.
        confident: the confidence from which an answer counts as confident.
        classifier_steps: training steps of the classifier.
    """

    num_images: int | None = 1_000
    num_latent_draws: int = 50
    scores: tuple[str, ...] = ("likelihood", "typicality", "complexity", "sitn", "null-neighbor")
    num_reference: int = 2_000
    angles: tuple[float, ...] = (30, 60, 90, 120, 150, 180)
    kept: tuple[float, ...] = (0.95, 0.99)
    confident: float = 0.9
    classifier_steps: int = 1_500


def main(config: FilterConfig) -> Result:
    """Trains the classifier, and asks it and every detector about clean, rotated and OOD images."""
    entries = _checked(config)
    models = load_alike(config.run_dirs)
    trained = next(iter(models.values()))
    test, others = image_sets(trained, config.out_dists, config)
    rotated = {angle: resolve(f"rotated-{angle:g}", test) for angle in config.angles}
    others = _without(others, [test, *rotated.values()], config)
    training, validation = training_and_validation(resolve(f"{trained.in_dist}:train", data_dir=config.data_dir))
    classifier = train_classifier(training, config.classifier_steps, config.seed)
    options = ood.Options(num_draws=config.num_draws, num_latent_draws=config.num_latent_draws)
    reference = training.take(config.num_reference, config.seed)
    detectors = fit(classifier, models, entries, reference, options, config.seed)
    held_out = answers(detectors, validation.take(config.num_images, config.seed), True)
    clean = {angle: answers(detectors, images, True) for angle, images in {0.0: test, **rotated}.items()}
    found = {one.name: answers(detectors, one, one.derived_from == test.name) for one in others}
    every = {test.name: clean[0.0], **{rotated[a].name: clean[a] for a in rotated}, **found}
    outcomes = {name: shares_of(one, held_out, config.kept, config.confident) for name, one in every.items()}
    by_kind = [
        [test.name, *(one.name for one in others if one.derived_from != test.name)],
        [one.name for one in others if one.derived_from == test.name],
        [one.name for one in rotated.values()],
    ]
    return Result(
        f"Scores in front of a classifier of {title(trained.name)}",
        QUESTION,
        summarize(test.name, by_kind[0][1:] or list(found), outcomes, config.kept[0]),
        [
            Section("The models", "\n\n".join(f"{one.summarize()}." for one in models.values())),
            classifier_alone(outcomes, config.confident),
            definitions(detectors, entries, reference),
            risk_coverage(clean[0.0], found),
            rotated_images({angle: outcomes[one.images.name] for angle, one in clean.items()}, config.kept[0]),
            *(detectors_that_keep(outcomes, kept, config.confident, by_kind) for kept in config.kept),
        ],
        dict(outcomes),
    )


def _checked(config: FilterConfig) -> list[ood.Entry]:
    """The scores that the options name."""
    if not config.out_dists or not config.kept or not all(0 < kept < 1 for kept in config.kept):
        raise InputError(
            f"out_dists is {config.out_dists} and kept {config.kept}; name at least one data set, and shares between "
            "0 and 1."
        )
    check_count("num_reference", config.num_reference)
    return chosen(config.scores)


def _without(others: Sequence[ImageSet], clean: Sequence[ImageSet], config: FilterConfig) -> list[ImageSet]:
    """The sets that are not among the test images and their rotations."""
    names = {one.name for one in clean}
    if left := [one for one in others if one.name not in names]:
        return left
    raise InputError(
        f"--out-dists is {' '.join(config.out_dists)}: these are the test images, possibly rotated; name an OOD set "
        "too."
    )


def summarize(test: str, others: Sequence[str], outcomes: Outcomes, kept: float) -> str:
    """The result in a few sentences."""
    sentences = [
        f"The classifier is right on {outcomes[test]['accuracy'].value:.1%} of {title(test)} images, and confidently "
        f"wrong on {outcomes[test]['confidently_wrong'].value:.1%}. Detectors keep {kept:.0%} of validation images."
    ]
    for name in others:
        accepted = shares(outcomes[name], ACCEPTED, kept)
        likelihoods = [one for one in accepted if one[1] == "likelihood"]
        least = min(accepted, key=lambda one: float(accepted[one].value))
        named = [*(one for one in (*likelihoods, CONFIDENCE) if one != least), least]
        parts = [f"{accepted[one].value:.1%} by {score} ({source})" for one in named for source, score in [one]]
        sentences.append(
            f"On {title(name)} it is confidently wrong on {outcomes[name]['confidently_wrong'].value:.1%}. Of its "
            f"images, detectors accept {', '.join(parts)}, the fewest."
        )
    return " ".join(sentences)
