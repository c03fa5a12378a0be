"""Likelihoods of several data sets under one model (figures 1, 2, 4 and 5a, and the tables of bits/dim).

    python -m experiments likelihoods --run-dir runs/fashion --out-dists mnist:train

Histograms of log P(image); the two terms of a flow's log density (figure 4); bits/dim during training (figure 5b);
samples. Expect for a Glow trained for two hours on FashionMNIST about 3.10 bits/dim on its own test images and 1.82 on
MNIST, an AUROC near 0.09, and a gap that comes from log |det dz/dx| rather than from the latents.
"""

import dataclasses
from typing import Any

import jax
import numpy as np

from experiments.report import histograms
from experiments.report.experiment import OneModel, References
from experiments.report.page import Cell, Figure, Number, Result, Section, Table
from experiments.report.scoring import Evaluation, FlowDetails, Scored, evaluate
from experiments.report.trained import Trained, load, title
from glowjax import plots

NUM_SHOWN = 20
"""Number of images of each set in the figure that shows them."""

TEMPERATURES = (1.0, 0.7)
UNIFORM_CODE = 8.0
"""Bits/dim of 8-bit images without any model."""

BITS_PER_DIM: dict[str, dict[str, float]] = {
    "fashion_mnist": {"fashion_mnist:train": 2.902, "fashion_mnist:test": 2.958, "mnist:test": 1.833},
    "mnist": {"mnist:test": 1.262},
    "cifar10": {"cifar10:train": 3.386, "cifar10:test": 3.464, "svhn:test": 2.389},
    "svhn": {"svhn:test": 2.057},
}
"""{trained on: {evaluated on: bits/dim}} of the paper's Glow, as read in the paper or its authors' slides."""

QUESTION = (
    "Does the model find likely what it was trained on, and unlikely what it never saw? This page shows its "
    "likelihoods of both, the term of the density from which they come, their course during training, and samples of "
    "the model."
)

TERMS_TEXT = (
    "log p(z) + log |det dz/dx| is the log density in nats. The first term says how typical the latents are, the "
    "second how much the flow stretches space around the image. OOD images can be likely without typical latents, if "
    "the volume term is large. In a constant-volume flow the right panel is a line, and the whole difference lies in "
    "the latents."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LikelihoodsConfig(OneModel, References):
    """Options of the likelihood report.

    Attributes:
        num_draws: draws of noise (Glow) or of latents (VAE: take 1000) per image, the same for every set.
    """

    num_draws: int = 1


def main(config: LikelihoodsConfig) -> Result:
    """Evaluates the test set, the training set (the control) and the others."""
    trained = load(config.run_dir)
    evaluation = evaluate_with_control(trained, config)
    return Result(
        f"Likelihoods after training on {title(trained.name)}",
        QUESTION,
        summarize(trained, evaluation),
        sections(trained, evaluation, config.num_draws),
        numbers(trained, evaluation),
    )


def evaluate_with_control(trained: Trained, config: LikelihoodsConfig) -> Evaluation:
    """The test set, then the training set, then the others."""
    specs = (f"{trained.in_dist}:train", *config.out_dists, *config.references)
    return evaluate(trained, specs, config.data_dir, config.num_images, config.num_draws, config.seed)


def summarize(trained: Trained, evaluation: Evaluation) -> str:
    """The result in a few sentences."""
    test = evaluation.test.mean()
    sentences = [
        f"The {trained.kind} trained on {title(trained.name)} needs {test.value:.2f} bits per dimension for "
        f"{title(evaluation.test.images.name)} images."
    ]
    for name, scored in evaluation.others.items():
        if not trained.learned(scored.images):
            bits = scored.mean()
            more_likely = bits.interval[1] < test.interval[0]
            sentences.append(
                f"For {title(name)} it needs {'only ' if more_likely else ''}{bits.value:.2f}"
                + (": these are more likely under the model." if more_likely else ".")
            )
    return " ".join(sentences)


def numbers(trained: Trained, evaluation: Evaluation) -> dict[str, Any]:
    """{data set: its numbers}, as JSON has them."""
    published = BITS_PER_DIM.get(trained.name, {}) if trained.kind == "NVP-Glow" else {}
    result = {}
    for name, row in evaluation.numbers().items():
        del row["auroc"]
        flow = evaluation.sets[name].flow
        result[name] = row | {
            "published_bits_per_dim": published.get(name),
            "detection": evaluation.detection(name).as_dict() if name in evaluation.others else None,
            **({} if flow is None else _flow_numbers(evaluation.sets[name], flow)),
        }
    return result


def _flow_numbers(scored: Scored, flow: FlowDetails) -> dict[str, Any]:
    return {
        "log_pz_nats": scored.mean(flow.terms.log_pz).as_dict(),
        "log_det_nats": scored.mean(flow.terms.log_det).as_dict(),
        "largest_inversion_error_grey_levels": float(flow.inversion_error.max()),
    }


def sections(trained: Trained, evaluation: Evaluation, num_draws: int) -> list[Section]:
    """Tables and figures, with a sentence on how to read each."""
    histogram = histograms.one_model(evaluation, trained.num_dims, trained.kind_and_data, "log-likelihoods")
    text = (
        "An OOD set that lies to the right of the test images is more likely, although the model never saw it. The "
        "training set is the control."
    )
    return [
        _tables(trained, evaluation, num_draws),
        Section("Log-likelihoods", text, figures=[histogram]),
        *_decomposition(trained, evaluation),
        *_during_training(trained),
        _images(trained, evaluation),
    ]


def _tables(trained: Trained, evaluation: Evaluation, num_draws: int) -> Section:
    published = BITS_PER_DIM.get(trained.name, {}) if trained.kind == "NVP-Glow" else {}
    likelihoods: list[list[Cell]] = [
        [
            title(name),
            scored.count(),
            Number(scored.mean(), ".3f[]"),
            str(published.get(name, "")),
            scored.images.source,
        ]
        for name, scored in evaluation.sets.items()
    ]
    detection: list[list[Cell]] = [
        [title(name) + (" (control)" if trained.learned(scored.images) else ""), *_metrics(evaluation, name)]
        for name, scored in evaluation.others.items()
    ]
    return Section(
        "Likelihoods",
        f"The model: {trained.summarize()}.\n\nBits per dimension are -log2 P(image) divided by the number of pixel "
        "values, for 8-bit images: 8 is the cost without a model, and fewer bits mean a higher likelihood. "
        f"{trained.likelihood(num_draws)}",
        [
            Table(
                "Bits per dimension: means with 95 % intervals over images, not over training runs",
                ["evaluated on", "images", "bits/dim", "paper, bits/dim", "source"],
                likelihoods,
            ),
            Table(
                f"Detection against {title(evaluation.test.images.name)} with bits/dim as the score: 95 % bootstrap "
                "intervals. OOD is the positive class, so an AUROC below 0.5 means that the order is inverted",
                ["set", "AUROC", "AUPR, OOD positive", "AUPR, in-distribution positive", "FPR at 95 % TPR"],
                detection,
            ),
        ],
    )


def _metrics(evaluation: Evaluation, name: str) -> list[Number]:
    metrics = evaluation.detection(name)
    values = (metrics.auroc, metrics.aupr_out, metrics.aupr_in, metrics.fpr_at_95_tpr)
    return [Number(value, ".3f[]") for value in values]


def _decomposition(trained: Trained, evaluation: Evaluation) -> list[Section]:
    """The two terms of the log density (figure 4); nothing for a model that is not a flow."""
    details = {name: scored.flow for name, scored in evaluation.sets.items() if scored.flow is not None}
    if not details:
        return []
    log_pz = {title(name): flow.terms.log_pz for name, flow in details.items()}
    log_det = {title(name): flow.terms.log_det for name, flow in details.items()}
    plot = plots.decomposition(
        log_pz,
        log_det,
        next(iter(log_pz)),
        trained.kind_and_data,
        reach=histograms.reach(evaluation),
        references=[title(name) for name in evaluation.references],
    )
    figure = Figure(
        "decomposition",
        plot,
        {"log_pz": log_pz, "log_det": log_det},
        f"Histograms of the two terms of the log density. {histograms.BELOW}",
        "Histograms of log p(z) and of the log-determinant",
    )
    table = Table(
        "The two terms of the log density, means with 95 % intervals over images, and the error of the flow's inverse "
        "in float32",
        ["set", "log p(z) [nats]", "log |det dz/dx| [nats]", "largest |decode(encode(x)) - x| [grey levels]"],
        [[title(name), *_terms(evaluation.sets[name], flow)] for name, flow in details.items()],
    )
    return [Section("Where the difference comes from", TERMS_TEXT, [table], [figure])]


def _terms(scored: Scored, flow: FlowDetails) -> list[Number]:
    means = [Number(scored.mean(term), ",.0f[]") for term in (flow.terms.log_pz, flow.terms.log_det)]
    return [*means, Number(float(flow.inversion_error.max()), ".4f")]


def _during_training(trained: Trained) -> list[Section]:
    """Bits/dim of the validation set and of the watched sets (figure 5b); nothing for a pretrained model."""
    if not all("seconds" in record for record in trained.history):
        return []
    steps = [record["step"] for record in trained.history]
    seconds = [record["seconds"] for record in trained.history]
    own = f"{title(trained.name)} validation"
    curves = {own: trained.curve("validation")} | {title(name): trained.curve(name) for name in trained.watched}
    shown = {name: curve for name, curve in curves.items() if curve[-1] < UNIFORM_CODE or name == own}
    figure = Figure(
        "training",
        plots.training_curve(steps, shown, [own], seconds=seconds, title=trained.kind_and_data),
        {"steps": steps, "seconds": seconds, "bits_per_dim": curves},
        "Mean bits per dimension of each set during training, under the averaged params. Sets that end above 8 "
        "bits/dim, the cost without a model, are left out; training.json holds their numbers.",
        "Bits per dimension against training steps",
    )
    text = "If an OOD set needs fewer bits than the validation images from early on, stopping early does not help."
    return [Section("During training", text, figures=[figure])]


def _images(trained: Trained, evaluation: Evaluation) -> Section:
    tiles = {
        title(name): scored.images.images[:NUM_SHOWN]
        for name, scored in evaluation.sets.items()
        if not trained.learned(scored.images)
    }
    for temperature in TEMPERATURES:
        samples = trained.model.sample(trained.params, jax.random.key(0), NUM_SHOWN, temperature)
        tiles[f"samples of the {trained.kind}, temperature {temperature:g}"] = np.asarray(samples)
    figure = Figure(
        "samples",
        plots.samples(tiles),
        {"temperatures": TEMPERATURES},
        "Images of each set, and samples of the model at two temperatures.",
        "Rows of images and of samples",
    )
    return Section("Images and samples", "Images that were evaluated, and samples of the model.", figures=[figure])
