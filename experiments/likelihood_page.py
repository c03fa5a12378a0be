"""The tables and figures that compare image sets under one trained flow, as sections of a report."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.published import BITS_PER_DIM, title
from experiments.report import Picture, Section, Table
from experiments.scoring import Scored, detection
from experiments.trained import Trained
from glowjax import plots
from glowjax.data.generated import is_generated

SCORE = "score: bits/dim; out-of-distribution is the positive class, so an AUROC below 0.5 means inverted"
NO_BREAK = "\u00a0"  # an interval stays on one line
NUM_SHOWN = 20  # images of each set in the picture of them
TEMPERATURES = (1.0, 0.7)
REACH = 1.5  # noise further away than so many widths of the test images would squash the histograms
UNIFORM_CODE = 8.0  # bits/dim without any model

Sets = dict[str, Scored]
"""The in-distribution test set first."""


def in_words(trained: Trained, sets: Sets) -> str:
    """The result in a few sentences."""
    (name, test), *others = sets.items()
    sentences = [
        f"The {trained.kind} that was trained on {title(trained.name)} spends {test.mean().mean:.2f} bits per "
        f"dimension on {title(name)} images."
    ]
    for other, scored in others:
        if not trained.learned(scored.images):
            bits = f"{scored.mean().mean:.2f}"
            if scored.mean().high < test.mean().low:
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
            "bits_per_dim": scored.mean()._asdict(),
            "log_pz_nats": scored.mean(scored.terms.log_pz)._asdict(),
            "log_det_nats": scored.mean(scored.terms.log_det)._asdict(),
            "published_bits_per_dim": published.get(name),
            "detection": {key: value._asdict() for key, value in detection(test, scored)._asdict().items()},
            "largest_inversion_error_grey_levels": float(scored.inversion_error.max()),
            "source": scored.images.source,
        }
        for name, scored in sets.items()
    }


def sections(trained: Trained, sets: Sets, numbers: dict[str, Any], folder: Path) -> list[Section]:
    """Tables and figures, the latter saved below `folder`, with a sentence on how to read each."""
    return [
        _tables(trained, sets, numbers),
        _histograms(trained, sets, folder),
        _decomposition(trained, sets, folder),
        _along_training(trained, folder),
        _images(trained, sets, folder),
    ]


def _interval(values: dict[str, float], digits: int) -> str:
    centre, low, high = (values.get("mean", values.get("value", np.nan)), values["low"], values["high"])
    return f"{centre:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]".replace(" ", NO_BREAK)


def _tables(trained: Trained, sets: Sets, numbers: dict[str, Any]) -> Section:
    likelihoods = [
        [
            title(name),
            scored.count(),
            _interval(numbers[name]["bits_per_dim"], 3),
            _interval(numbers[name]["log_pz_nats"], 0),
            _interval(numbers[name]["log_det_nats"], 0),
            f"{numbers[name]['published_bits_per_dim'] or ''}",
        ]
        for name, scored in sets.items()
    ]
    against = [
        [
            title(name) + (" (control)" if trained.learned(scored.images) else ""),
            *(_interval(metric, 3) for metric in numbers[name]["detection"].values()),
        ]
        for name, scored in list(sets.items())[1:]
    ]
    checks = [
        [title(name), f"{scored.inversion_error.max():.4f}", scored.images.source] for name, scored in sets.items()
    ]
    return Section(
        f"{trained.kind}: the likelihoods",
        f"The model: {trained.in_words()}.\n\nBits per dimension are -log2 P(image) divided by the number of pixel "
        "values, for 8-bit images: 8 is what a coder without a model spends, and fewer bits mean a higher likelihood. "
        "log p(z) + log |det dz/dx| is the log density in nats: the first term says how typical the latents are, the "
        "second how much the flow stretches space around the image.",
        [
            Table(
                "Bits per dimension and the two terms of the log density: means with 95 % intervals over "
                "images, not over training runs",
                ["evaluated on", "images", "bits/dim", "log p(z) [nats]", "log |det dz/dx| [nats]", "paper, bits/dim"],
                likelihoods,
            ),
            Table(
                f"Detection against {title(next(iter(sets)))} ({SCORE}): 95 % bootstrap intervals",
                ["set", "AUROC", "AUPR, out positive", "AUPR, in positive", "FPR at 95 % TPR"],
                against,
            ),
            Table(
                "How well the flow inverts each set in float32, and where its images come from",
                ["set", "largest |decode(encode(x)) - x| [grey levels]", "source"],
                checks,
            ),
        ],
    )


def _reach(sets: Sets) -> float:
    """How many widths of the test images a histogram must span to show every set that is not generated."""
    test, *others = [scored.log_likelihood for name, scored in sets.items() if not is_generated(name)]
    distances = [abs(np.median(values) - np.median(test)) for values in others]
    return max(REACH, 1.2 * max(distances) / np.ptp(np.quantile(test, [0.01, 0.99])))


def _histograms(trained: Trained, sets: Sets, folder: Path) -> Section:
    values = {title(name): scored.log_likelihood for name, scored in sets.items()}
    figure = plots.likelihood_histograms(
        values, trained.num_dims, next(iter(values)), trained.kind_and_data, reach=_reach(sets)
    )
    picture = Picture(
        plots.save(figure, folder / "log-likelihoods", values),
        "Histograms of log P(image), each scaled to its own peak.",
        "Histograms of log-likelihood by data set",
    )
    text = "A set that lies to the right of the test images is more likely under the model, which never saw it."
    return Section(f"{trained.kind}: log-likelihoods", text, figures=[picture])


def _decomposition(trained: Trained, sets: Sets, folder: Path) -> Section:
    log_pz = {title(name): scored.terms.log_pz for name, scored in sets.items()}
    log_det = {title(name): scored.terms.log_det for name, scored in sets.items()}
    figure = plots.decomposition(log_pz, log_det, next(iter(log_pz)), trained.kind_and_data, reach=_reach(sets))
    picture = Picture(
        plots.save(figure, folder / "decomposition", {"log_pz": log_pz, "log_det": log_det}),
        "Histograms of the two terms of the log density.",
        "Histograms of log p(z) and of the log-determinant",
    )
    text = (
        "The log density is the sum of the two panels. Foreign images need not have typical latents to be likely: the "
        "volume term can pay for it. In a constant-volume flow the right panel is a line, and the whole difference "
        "lies in the latents."
    )
    return Section(f"{trained.kind}: where the difference comes from", text, figures=[picture])


def _along_training(trained: Trained, folder: Path) -> Section:
    steps = [record["step"] for record in trained.history]
    seconds = [record["seconds"] for record in trained.history]
    recorded = dict.fromkeys(name for record in trained.history for name in record)
    sets = ["validation", *(name for name in recorded if name not in ("step", "seconds", "validation"))]
    named = {"validation": f"{title(trained.name)} validation"} | {name: title(name) for name in sets[1:]}
    curves = {named[name]: [record.get(name, np.nan) for record in trained.history] for name in sets}
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
