"""Likelihood as images lose contrast: measured, and as the second-order expansion predicts.

    python -m experiments.contrast --run-dir runs/fashion --out-dists mnist

Each image is shrunk by factors from 1 (unchanged) to 0 (flat), rounded to 8 bits and dequantised: towards its own mean,
channel by channel, towards middle grey and towards black. Which it is matters where a background is black, as that of
clothes and digits, which stays black in the last case only. The prediction expands log p around the mean of the model's
own test set. Writes report.html, report.md, results.json and the figure below the run's folder.
"""

import dataclasses
import functools
import json
from pathlib import Path
from typing import Literal

import jax
import numpy as np
import tyro

from experiments import old_report as report
from experiments.command_line import command, run
from experiments.old_report import Picture, Section, Table
from experiments.report.published import title
from experiments.report.trained import load_flow
from experiments.scoring import image_sets
from glowjax import analysis as an
from glowjax import plots, stats
from glowjax.analysis.taylor import log_probs
from glowjax.checks import writable_directory
from glowjax.data import ImageSet
from glowjax.data.generated import generate
from glowjax.likelihood import dequantize
from glowjax.typing import Array

QUESTION = (
    "Is it contrast that makes images likely or unlikely? Nalisnick and colleagues found that images of less contrast "
    "get higher likelihoods, and explained it by curvature. Here the images lose contrast step by step, and what the "
    "model says is set beside what the curvature at the mean image predicts."
)


@dataclasses.dataclass(frozen=True)
class ContrastConfig:
    """Which run to look at, and with which images.

    Attributes:
        run_dir: the folder of a run of experiments.train.
        out_dists: data sets to shrink beside the model's own test set.
        num_images: at most how many images of each set.
        factors: contrasts, 1 for the images as they are.
        towards: what the images shrink towards: "mean" (of each one), "grey", "black".
        data_dir: a folder of .npz archives or of image folders; default GLOWJAX_DATA_DIR.
        output_dir: default: "contrast" below run_dir.
        seed: chooses images and noise.
    """

    run_dir: Path
    out_dists: tuple[str, ...] = ()
    num_images: int = 500
    factors: tuple[float, ...] = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0)
    towards: tuple[Literal["mean", "grey", "black"], ...] = ("mean", "grey", "black")
    data_dir: Path | None = None
    output_dir: Path | None = None
    seed: int = 0


Curve = list[dict[str, float]]
"""At each factor: "factor", the "mean" of log p with its "sem", and the mean that the expansion has "predicted"."""

IN_WORDS = {"mean": "towards its own mean", "grey": "towards middle grey", "black": "towards black"}


def main(config: ContrastConfig) -> dict[str, dict[str, Curve]]:
    """Shrinks, evaluates and reports; returns the curves by what the images shrink towards, and by data set."""
    trained = load_flow(config.run_dir)
    folder = writable_directory(config.output_dir or config.run_dir / "contrast")
    sets = image_sets(trained, config.out_dists, config.data_dir, config.num_images, config.seed)
    test = sets[0]
    key = jax.random.key(config.seed)
    center = dequantize(key, test.images).mean(axis=0)
    log_prob = functools.partial(trained.model.log_prob, trained.params)
    results: dict[str, dict[str, Curve]] = {
        towards: {
            images.name: [_at_factor(log_prob, center, images, factor, towards, key) for factor in config.factors]
            for images in sets
        }
        for towards in dict.fromkeys(config.towards)
    }
    lead = _in_words(test.name, results)
    text = (
        "If images that lose contrast become likelier, it is variance that the model makes them pay for rather than "
        "content, of which less is left. The dashed curves are what the gradient and the Hessian at the mean test "
        "image predict; log p at that image is a constant in them, so compare what changes."
    )
    tables = [_table(IN_WORDS[towards], sets) for towards, sets in results.items()]
    page = report.write(
        folder,
        f"Likelihood and contrast after training on {title(trained.name)}",
        QUESTION,
        lead,
        [Section("Contrast", text, tables, [_picture(config.factors, results, trained.kind_and_data, folder)])],
        command("contrast", config),
    )
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(lead, f"The report is {page}.", sep="\n")
    return results


def _at_factor(
    log_prob: an.LogProb, center: Array, images: ImageSet, factor: float, towards: str, key: Array
) -> dict[str, float]:
    """Mean log p of the images at one contrast, its standard error, and the expansion's mean."""
    name = f"contrast-{factor}" + ("" if towards == "mean" else f"-to-{towards}")
    x = dequantize(key, generate(name, images).images)
    values = stats.mean(log_probs(log_prob, x, images.name, None), images.groups)
    along = an.profile(log_prob, center, x, np.zeros(0))
    predicted = along.center + along.slope_at_center + along.curvature_at_center / 2
    return {
        "factor": factor,
        "mean": float(values.value),
        "sem": float(values.sem),
        "predicted": float(predicted.mean()),
    }


def _in_words(test: str, results: dict[str, dict[str, Curve]]) -> str:
    sentences = []
    for towards, sets in results.items():
        first, last = sets[test][0], sets[test][-1]
        sentences.append(
            f"When each of the {title(test)} images is shrunk {IN_WORDS[towards]}, the mean log p goes from "
            f"{first['mean']:,.0f} nats at contrast {first['factor']:g} to {last['mean']:,.0f} at {last['factor']:g}, "
            f"a change of {last['mean'] - first['mean']:+,.0f}; to second order it would be one of "
            f"{last['predicted'] - first['predicted']:+,.0f}."
        )
    return " ".join(sentences)


def _picture(
    factors: tuple[float, ...], results: dict[str, dict[str, Curve]], trained_on: str, folder: Path
) -> Picture:
    measured = {
        IN_WORDS[towards]: {
            title(name): [stats.Estimate(row["mean"], row["sem"], 2) for row in rows] for name, rows in sets.items()
        }
        for towards, sets in results.items()
    }
    predicted = {
        IN_WORDS[towards]: {title(name): [row["predicted"] for row in rows] for name, rows in sets.items()}
        for towards, sets in results.items()
    }
    figure = plots.contrast_curves(factors, measured, predicted, trained_on)
    data = {"factors": factors, "measured": measured, "predicted": predicted}
    return Picture(
        plots.save(figure, folder / "contrast", data),
        "Mean log p against contrast: measured, with two standard errors, and by the second-order expansion around the "
        "mean test image (dashed).",
        "Curves of log p against contrast",
    )


def _table(towards: str, sets: dict[str, Curve]) -> Table:
    header = ["contrast"] + [f"{title(name)}, {what}" for name in sets for what in ("measured", "second order")]
    rows = [
        [f"{curves[0]['factor']:g}"]
        + [text for row in curves for text in (f"{row['mean']:,.0f} ± {row['sem']:,.0f}", f"{row['predicted']:,.0f}")]
        for curves in zip(*sets.values(), strict=True)
    ]
    return Table(f"Contrast lost {towards}: mean log p in nats, with its standard error", header, rows)


if __name__ == "__main__":
    run(main, lambda arguments: tyro.cli(ContrastConfig, args=arguments, description=__doc__))
