"""Histograms of Glow, CV-Glow, PixelCNN and VAE on the same images (figure 3).

    python -m experiments model-classes --run-dirs runs/nvp runs/cv runs/pixelcnn runs/vae --out-dists mnist

All models must be trained on the same images. Expect on FashionMNIST that all four find MNIST more likely than their
own test images, with AUROCs of 0.05 to 0.11 after minutes of training (CV-Glow: 0.46); likewise on CIFAR-10 with SVHN.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from experiments.report import histograms, paired
from experiments.report.options import References, SeveralModels
from experiments.report.page import Result, Section, slug
from experiments.report.scoring import Evaluation, evaluate, num_draws
from experiments.report.trained import Trained, described, load, name_each, title
from glowjax.checks import InputError

QUESTION = (
    "Are OOD images likely only under flows, or under other models with a likelihood too? This page evaluates the same "
    "images under every model, each trained on the same set."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelClassesConfig(SeveralModels, References):
    """Options of the comparison of models."""

    num_images: int | None = 1_000


def main(config: ModelClassesConfig) -> Result:
    """Evaluates the same images under every model."""
    if not config.out_dists:
        raise InputError("--out-dists names no data set; name at least one, such as: --out-dists mnist")
    models = load_alike(config.run_dirs)
    specs = (*config.out_dists, *config.references)
    evaluations = {name: evaluate(trained, specs, config) for name, trained in models.items()}
    first, baseline = next(iter(models.values())), next(iter(models))
    compared = paired.all_differences(evaluations, baseline)
    text = "\n\n".join(described(trained, num_draws(trained, config)) for trained in models.values())
    return Result(
        f"Several models trained on {title(first.name)}",
        QUESTION,
        summarize(evaluations),
        [
            Section("The models", text),
            Section("The likelihoods", tables=[histograms.table(evaluations), *paired.table(compared, baseline)]),
            *_histograms(evaluations, first.num_dims),
        ],
        paired.with_differences({name: one.numbers() for name, one in evaluations.items()}, compared, baseline),
    )


def load_alike(run_dirs: tuple[Path, ...]) -> dict[str, Trained]:
    """The models of the runs by name; refuses runs that were trained on different images."""
    models = name_each([load(run_dir) for run_dir in run_dirs])
    names = {trained.name for trained in models.values()}
    images = {trained.description.get("images") for trained in models.values()} - {None}  # pretrained ones lack a hash
    if len(names) != 1 or len(images) > 1:
        given = [f"{trained.description['num_images']:,} images of {trained.name}" for trained in models.values()]
        raise InputError(
            f"The runs were trained on {', '.join(given) or 'nothing'}; expected one or more runs, all on the same "
            "images: compare the others separately."
        )
    return models


def summarize(evaluations: Mapping[str, Evaluation]) -> str:
    """The result in a sentence per OOD set."""
    first = next(iter(evaluations.values()))
    sentences = []
    for name in first.real:
        misled = [model for model, evaluation in evaluations.items() if evaluation.likelihood(name) == "more"]
        models = f"{len(misled)} of {len(evaluations)} models" + (f" ({', '.join(misled)})" if misled else "")
        sentences.append(
            f"Under {models} {title(name)} images are on average more likely than "
            f"{title(first.test.images.name)} images, with disjoint 95 % intervals."
        )
    return " ".join(sentences)


def _histograms(evaluations: Mapping[str, Evaluation], num_dims: int) -> list[Section]:
    """A figure for each OOD set, or one of the test set alone."""
    first = next(iter(evaluations.values()))
    sections = []
    for name in first.real or [first.test.images.name]:
        shown = {
            model: Evaluation(one.test, {k: s for k, s in one.others.items() if k == name or s.images.generated})
            for model, one in evaluations.items()
        }
        figure = histograms.several_models(shown, num_dims, f"against-{slug(name)}")
        sections.append(Section(f"Against {title(name)}", figures=[figure]))
    return sections
