"""The tables and figures that compare image sets under one trained model, as sections of a report."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments import flow_page, histograms
from experiments.old_report import Picture, Section, Table
from experiments.report.published import BITS_PER_DIM, title
from experiments.report.trained import Trained
from experiments.scoring import Sets, detection, mean_as_dict
from glowjax import plots

SCORE = "score: bits/dim; out-of-distribution is the positive class, so an AUROC below 0.5 means inverted"
NUM_SHOWN = 20  # images of each set in the picture of them
TEMPERATURES = (1.0, 0.7)
UNIFORM_CODE = 8.0  # bits/dim without any model


def in_words(trained: Trained, sets: Sets) -> str:
    """The result in a few sentences."""
    (name, test), *others = sets.items()
    sentences = [
        f"The {trained.kind} that was trained on {title(trained.name)} spends {test.mean().value:.2f} bits per "
        f"dimension on {title(name)} images."
    ]
    for other, scored in others:
        if not trained.learned(scored.images):
            bits = f"{scored.mean().value:.2f}"
            if scored.mean().interval[1] < test.mean().interval[0]:
                sentences.append(f"On {title(other)} it spends only {bits}: to the model they are more likely.")
            else:
                sentences.append(f"On {title(other)} it spends {bits}.")
    return " ".join(sentences)


def summary(trained: Trained, sets: Sets) -> dict[str, Any]:
    """The numbers of every table, by data set, as JSON has them."""
    test = next(iter(sets.values()))
    published = BITS_PER_DIM.get(trained.name, {}) if trained.kind == "NVP-Glow" else {}
    return {
        name: {
            "num_images": scored.images.num_images,
            "bits_per_dim": mean_as_dict(scored.mean()),
            "published_bits_per_dim": published.get(name),
            "detection": detection(test, scored).as_dict(),
            "source": scored.images.source,
            **flow_page.numbers(scored),
        }
        for name, scored in sets.items()
    }


def sections(trained: Trained, sets: Sets, numbers: dict[str, Any], num_draws: int, folder: Path) -> list[Section]:
    """Tables and figures, the latter saved below `folder`, with a sentence on how to read each."""
    return [
        _tables(trained, sets, numbers, num_draws),
        _histograms(trained, sets, folder),
        *flow_page.sections(trained.kind_and_data, trained.kind, sets, folder),
        _along_training(trained, folder),
        _images(trained, sets, folder),
    ]


def _tables(trained: Trained, sets: Sets, numbers: dict[str, Any], num_draws: int) -> Section:
    likelihoods = [
        [
            title(name),
            scored.count(),
            f"{scored.mean():,.3f[]}",
            f"{numbers[name]['published_bits_per_dim'] or ''}",
            scored.images.source,
        ]
        for name, scored in sets.items()
    ]
    test = next(iter(sets.values()))
    against = [
        [
            title(name) + (" (control)" if trained.learned(scored.images) else ""),
            *(f"{metric:,.3f[]}" for metric in vars(detection(test, scored)).values()),
        ]
        for name, scored in list(sets.items())[1:]
    ]
    return Section(
        f"{trained.kind}: the likelihoods",
        f"The model: {trained.summarize()}.\n\nBits per dimension are -log2 P(image) divided by the number of pixel "
        "values, for 8-bit images: 8 is what a coder without a model spends, and fewer bits mean a higher likelihood. "
        f"{trained.architecture.likelihood(num_draws)}",
        [
            Table(
                "Bits per dimension: means with 95 % intervals over images, not over training runs",
                ["evaluated on", "images", "bits/dim", "paper, bits/dim", "source"],
                likelihoods,
            ),
            Table(
                f"Detection against {title(next(iter(sets)))} ({SCORE}): 95 % bootstrap intervals",
                ["set", "AUROC", "AUPR, out positive", "AUPR, in positive", "FPR at 95 % TPR"],
                against,
            ),
        ],
    )


def _histograms(trained: Trained, sets: Sets, folder: Path) -> Section:
    text = (
        "A foreign set that lies to the right of the test images is more likely, though the model never saw it; the "
        "training set is the control."
    )
    picture = histograms.picture(sets, trained.num_dims, trained.kind_and_data, folder / "log-likelihoods")
    return Section(f"{trained.kind}: log-likelihoods", text, figures=[picture])


def _along_training(trained: Trained, folder: Path) -> Section:
    steps = [record["step"] for record in trained.history]
    seconds = [record["seconds"] for record in trained.history]
    sets = ["validation", *trained.watched]
    named = {"validation": f"{title(trained.name)} validation"} | {name: title(name) for name in sets[1:]}
    curves = {named[name]: trained.curve(name) for name in sets}
    shown = {name: curve for name, curve in curves.items() if curve[-1] < UNIFORM_CODE or name == named["validation"]}
    figure = plots.training_curve(steps, shown, [named["validation"]], seconds=seconds, title=trained.kind_and_data)
    picture = Picture(
        plots.save(figure, folder / "training", {"steps": steps, "seconds": seconds, "bits_per_dim": curves}),
        "Mean bits per dimension of each set along training, with the averaged params. Sets that end above 8 bits/dim, "
        "what a uniform code spends, are left out; training.json holds their numbers.",
        "Bits per dimension against training steps",
    )
    text = "Where a foreign set takes fewer bits than the validation images from early on, stopping early is no cure."
    return Section(f"{trained.kind}: along training", text, figures=[picture])


def _images(trained: Trained, sets: Sets, folder: Path) -> Section:
    tiles = {
        title(name): scored.images.images[:NUM_SHOWN]
        for name, scored in sets.items()
        if not trained.learned(scored.images)
    }
    for temperature in TEMPERATURES:
        samples = trained.model.sample(trained.params, jax.random.key(0), NUM_SHOWN, temperature)
        tiles[f"samples of the {trained.kind}, temperature {temperature:g}"] = np.asarray(samples)
    picture = Picture(
        plots.save(plots.samples(tiles), folder / "samples", {"temperatures": TEMPERATURES}),
        "Images of each set, and samples of the model at two temperatures.",
        "Rows of images and of samples",
    )
    return Section(
        f"{trained.kind}: images and samples", "What the model was asked about, and what it draws.", figures=[picture]
    )
