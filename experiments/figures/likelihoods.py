"""Likelihoods of several data sets under one model (figures 1, 2, 4 and 5a, and the tables of bits/dim).

    python -m experiments likelihoods --run-dir runs/fashion --out-dists mnist:train

Histograms of log P(image); the two terms of a flow's log density (figure 4); bits/dim during training (figure 5b);
samples. Expect for a Glow trained for two hours on FashionMNIST about 3.10 bits/dim on its own test images and 1.82 on
MNIST, an AUROC near 0.09, and a gap that comes from log |det dz/dx| rather than from the latents.
"""

import dataclasses
from typing import Any

import numpy as np

from experiments.report import histograms
from experiments.report.keys import key_for
from experiments.report.options import Draws, OneModel, References
from experiments.report.page import Cell, Figure, Number, Result, Section, Table
from experiments.report.scoring import Evaluation, evaluate
from experiments.report.trained import Trained, compressed, curves, described, heading, load, title
from glowjax import plots

NUM_SHOWN = 20
"""Number of images of each set in the figure that shows them."""

TEMPERATURES = (1.0, 0.7)

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
UNITS_TEXT = (
    "Bits per dimension are -log2 P(image) divided by the number of pixel values, for 8-bit images: 8 is the cost "
    "without a model, and fewer bits mean a higher likelihood."
)
TERMS_TEXT = (
    "log p(z) + log |det dz/dx| is the log density in nats. The first term says how typical the latents are, the "
    "second how much the flow stretches space around the image. OOD images can be likely without typical latents, if "
    "the volume term is large. In a constant-volume flow the right panel is a line, and the whole difference lies in "
    "the latents."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LikelihoodsConfig(OneModel, References, Draws):
    """Options of the likelihood report."""


def main(config: LikelihoodsConfig) -> Result:
    """Evaluates the test set, the training set (the control) and the others."""
    trained = load(config.run_dir)
    evaluation = evaluate(trained, (f"{trained.in_dist}:train", *config.out_dists, *config.references), config)
    numbers = _numbers(trained, evaluation)
    histogram = histograms.one_model(evaluation, trained.num_dims, heading(trained), "log-likelihoods")
    text = (
        "An OOD set that lies to the right of the test images is more likely, although the model never saw it. The "
        "training set is the control."
    )
    tables = [_likelihoods(evaluation, numbers), _detection(trained, evaluation, numbers)]
    return Result(
        f"Likelihoods after training on {title(trained.name)}",
        QUESTION,
        summarize(trained, evaluation),
        [
            Section("Likelihoods", f"{UNITS_TEXT}\n\n{described(trained, config.num_draws)}", tables),
            Section("Log-likelihoods", text, figures=[histogram]),
            *_decomposition(trained, evaluation),
            *_during_training(trained),
            Section("Images and samples", figures=[_images(trained, evaluation)]),
        ],
        numbers,
    )


def summarize(trained: Trained, evaluation: Evaluation) -> str:
    """The result in a few sentences."""
    sentences = [
        f"The {heading(trained)} needs {evaluation.test.mean().value:.2f} bits per dimension for "
        f"{title(evaluation.test.images.name)} images."
    ]
    for name, scored in evaluation.others.items():
        if not trained.learned(scored.images):
            bits = f"{scored.mean().value:.2f}"
            more_likely = evaluation.likelihood(name) == "more"
            verdict = f"only {bits}: these are more likely under the model." if more_likely else f"{bits}."
            sentences.append(f"For {title(name)} it needs {verdict}")
    return " ".join(sentences)


def _numbers(trained: Trained, evaluation: Evaluation) -> dict[str, Any]:
    """{data set: its numbers}."""
    published = BITS_PER_DIM.get(trained.name, {}) if trained.title == "NVP-Glow" else {}
    result = {}
    for name, scored in evaluation.sets.items():
        result[name] = {
            "num_images": scored.images.num_images,
            "bits_per_dim": scored.mean(),
            "source": scored.images.source,
            "published_bits_per_dim": published.get(name),
            "detection": evaluation.detection(name) if name in evaluation.others else None,
        }
        if scored.flow:
            result[name] |= {
                "log_pz_nats": scored.mean(scored.flow.terms.log_pz),
                "log_det_nats": scored.mean(scored.flow.terms.log_det),
                "largest_inversion_error_grey_levels": float(scored.flow.inversion_error.max()),
            }
    return result


def _likelihoods(evaluation: Evaluation, numbers: dict[str, Any]) -> Table:
    return Table(
        "Bits per dimension: means with 95 % intervals over images, not over training runs",
        ["evaluated on", "images", "bits/dim", "paper, bits/dim", "source"],
        [
            [
                title(name),
                scored.count(),
                Number(scored.mean(), ".3f[]"),
                str(numbers[name]["published_bits_per_dim"] or ""),
                scored.images.source,
            ]
            for name, scored in evaluation.sets.items()
        ],
    )


def _detection(trained: Trained, evaluation: Evaluation, numbers: dict[str, Any]) -> Table:
    rows: list[list[Cell]] = []
    for name, scored in evaluation.others.items():
        found = numbers[name]["detection"]
        estimates = (found.auroc, found.aupr_out, found.aupr_in, found.fpr_at_95_tpr)
        label = title(name) + (" (control)" if trained.learned(scored.images) else "")
        rows.append([label, *(Number(estimate, ".3f[]") for estimate in estimates)])
    return Table(
        f"Detection against {title(evaluation.test.images.name)} with bits/dim as the score: 95 % intervals. OOD is "
        "the positive class, so an AUROC below 0.5 means that the order is inverted. Chance is 0.5 for the AUPR too, "
        "which gives both sets the same weight; a perfectly inverted order has 0.31",
        ["set", "AUROC", "AUPR, OOD positive", "AUPR, in-distribution positive", "FPR at 95 % TPR"],
        rows,
    )


def _decomposition(trained: Trained, evaluation: Evaluation) -> list[Section]:
    """The two terms of the log density (figure 4); nothing for a model that is not a flow."""
    details = {name: scored.flow for name, scored in evaluation.sets.items() if scored.flow}
    if not details:
        return []
    log_pz = {title(name): flow.terms.log_pz for name, flow in details.items()}
    log_det = {title(name): flow.terms.log_det for name, flow in details.items()}
    plot = plots.decomposition(
        log_pz,
        log_det,
        next(iter(log_pz)),
        heading(trained),
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
    rows: list[list[Cell]] = []
    for name, flow in details.items():
        means = (evaluation.sets[name].mean(term) for term in (flow.terms.log_pz, flow.terms.log_det))
        error = Number(float(flow.inversion_error.max()), ".4f")
        rows.append([title(name), *(Number(mean, ",.0f[]") for mean in means), error])
    table = Table(
        "The two terms of the log density, means with 95 % intervals over images, and the error of the flow's inverse "
        "in float32",
        ["set", "log p(z) [nats]", "log |det dz/dx| [nats]", "largest |decode(encode(x)) - x| [grey levels]"],
        rows,
    )
    return [Section("Where the difference comes from", TERMS_TEXT, [table], [figure])]


def _during_training(trained: Trained) -> list[Section]:
    """Bits/dim of the validation set and of the watched sets (figure 5b); nothing for a pretrained model."""
    if not all("seconds" in record for record in trained.history):
        return []
    steps, seconds = ([record[what] for record in trained.history] for what in ("step", "seconds"))
    own = f"{title(trained.name)} validation"
    bits = curves(trained, own)
    figure = Figure(
        "training",
        plots.training_curve(steps, compressed(bits), [own], seconds=seconds, title=heading(trained)),
        {"steps": steps, "seconds": seconds, "bits_per_dim": bits},
        "Mean bits per dimension of each set during training, under the averaged params. Sets that never need "
        "fewer than 8 bits/dim, the cost without a model, are left out; training.json holds their numbers.",
        "Bits per dimension against training steps",
    )
    text = "If an OOD set needs fewer bits than the validation images from early on, stopping early does not help."
    return [Section("During training", text, figures=[figure])]


def _images(trained: Trained, evaluation: Evaluation) -> Figure:
    tiles = {
        title(name): scored.images.images[:NUM_SHOWN]
        for name, scored in evaluation.sets.items()
        if not trained.learned(scored.images)
    }
    for temperature in TEMPERATURES:
        samples = trained.model.sample(trained.params, key_for("samples", 0), NUM_SHOWN, temperature)
        tiles[f"samples of the {trained.title}, temperature {temperature:g}"] = np.asarray(samples)
    return Figure(
        "samples",
        plots.samples(tiles),
        {"temperatures": TEMPERATURES},
        "Images of each set, and samples of the model at two temperatures.",
        "Rows of images and of samples",
    )
