"""Mean log p as images lose contrast, measured and as the second-order expansion predicts (section 5).

    python -m experiments contrast --run-dir runs/fashion --out-dists mnist

The contrast of each image is scaled by factors from 1 (unchanged) to 0 (flat): towards its own mean by channel, towards
middle grey, or towards black. This matters for sets with a black background, which stays black only in the last case.
The prediction expands log p around the mean of the model's own test set. Expect for FashionMNIST that log p rises
steadily towards black, from -1,678 to -75 nats after two hours of training, and that the prediction has the wrong size.
"""

import dataclasses
import functools
from typing import Literal

import jax
import numpy as np

from experiments.report.options import OneModel
from experiments.report.page import Cell, Figure, Number, Result, Section, Table
from experiments.report.scoring import image_sets
from experiments.report.trained import heading, load_flow, title
from glowjax import analysis as an
from glowjax import plots, stats
from glowjax.data import ImageSet
from glowjax.data.generated import generate
from glowjax.likelihood import dequantize
from glowjax.stats import Estimate
from glowjax.typing import Array

QUESTION = (
    "Is it contrast that makes images likely or unlikely? Nalisnick and colleagues found that images of lower contrast "
    "have higher likelihoods, and explained it by curvature. This page lowers the contrast of images step by step, and "
    "compares log p with the prediction from the curvature at the mean image."
)
TEXT = (
    "If log p rises as contrast falls, the model penalizes variance rather than unfamiliar content. The dashed curves "
    "follow from the gradient and the Hessian at the mean test image; log p at that image is a constant in them, so "
    "compare changes."
)
LABELS = {"mean": "towards its own mean", "grey": "towards middle grey", "black": "towards black"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContrastConfig(OneModel):
    """Options of the contrast experiment; the run must be one of a Glow.

    Attributes:
        factors: contrasts, 1 for the unchanged images.
        towards: what the images lose contrast towards: the mean of each image, middle grey or black.
    """

    num_images: int | None = 500
    factors: tuple[float, ...] = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0)
    towards: tuple[Literal["mean", "grey", "black"], ...] = ("mean", "grey", "black")


@dataclasses.dataclass(frozen=True)
class Curve:
    """A set at each contrast, in nats.

    Attributes:
        measured: means of log p.
        predicted: means of the second-order expansion.
        change: the mean change of log p from the first contrast to the last, paired by image.
    """

    measured: list[Estimate]
    predicted: list[float]
    change: Estimate


Curves = dict[str, dict[str, Curve]]
"""{"mean" | "grey" | "black": {set: its curve}}."""


def main(config: ContrastConfig) -> Result:
    """Lowers the contrast of every set, and evaluates log p and its expansion."""
    trained = load_flow(config.run_dir)
    test, others = image_sets(trained, config.out_dists, config)
    key = jax.random.key(config.seed)
    center = dequantize(key, np.asarray(test.images)).mean(axis=0)
    log_prob = functools.partial(trained.model.log_prob, trained.params)
    curves: Curves = {
        towards: {
            images.name: _curve(log_prob, center, images, config.factors, towards, key) for images in (test, *others)
        }
        for towards in dict.fromkeys(config.towards)
    }
    tables = [_table(config.factors, towards, sets) for towards, sets in curves.items()]
    return Result(
        f"Likelihood and contrast after training on {title(trained.name)}",
        QUESTION,
        summarize(test.name, config.factors, curves),
        [Section("Contrast", TEXT, tables, [_figure(config.factors, curves, heading(trained))])],
        {
            towards: {name: _numbers(config.factors, curve) for name, curve in sets.items()}
            for towards, sets in curves.items()
        },
    )


def _curve(
    log_prob: an.LogProb, center: Array, images: ImageSet, factors: tuple[float, ...], towards: str, key: Array
) -> Curve:
    values, predicted = [], []
    for factor in factors:
        name = f"contrast-{factor}" + ("" if towards == "mean" else f"-to-{towards}")
        x = dequantize(key, np.asarray(generate(name, images).images))
        values.append(np.asarray(an.log_probs(log_prob, x)))
        along = an.paths.log_prob_along(log_prob, center, x, np.zeros(0))
        predicted.append(float(along.second_order().mean()))
    measured = [stats.mean(v, images.groups, name=title(images.name)) for v in values]
    change = stats.mean(values[-1] - values[0], images.groups, name=f"the change of {title(images.name)}")
    return Curve(measured, predicted, change)


def summarize(test: str, factors: tuple[float, ...], curves: Curves) -> str:
    """The result in a sentence."""
    changes = [
        f"by {sets[test].change:+,.0f} nats {LABELS[towards]} (to second order: "
        f"{sets[test].predicted[-1] - sets[test].predicted[0]:+,.0f})"
        for towards, sets in curves.items()
    ]
    return (
        f"As the contrast of {title(test)} images goes from {factors[0]:g} to {factors[-1]:g}, the mean log p "
        f"changes {', '.join(changes)}."
    )


def _figure(factors: tuple[float, ...], curves: Curves, heading: str) -> Figure:
    measured, predicted = (
        {
            LABELS[towards]: {title(name): getattr(curve, what) for name, curve in sets.items()}
            for towards, sets in curves.items()
        }
        for what in ("measured", "predicted")
    )
    return Figure(
        "contrast",
        plots.contrast_curves(factors, measured, predicted, heading),
        {"factors": factors, "measured": measured, "predicted": predicted},
        "Mean log p against contrast: measured, with two standard errors, and by the second-order expansion around the "
        "mean test image (dashed).",
        "Curves of log p against contrast",
    )


def _table(factors: tuple[float, ...], towards: str, sets: dict[str, Curve]) -> Table:
    header = ["contrast"] + [f"{title(name)}, {what}" for name in sets for what in ("measured", "second order")]
    columns = [column for curve in sets.values() for column in (curve.measured, curve.predicted)]
    rows: list[list[Cell]] = [
        [f"{factor:g}", *(Number(value, ",.0f") for value in values)]
        for factor, *values in zip(factors, *columns, strict=True)
    ]
    return Table(f"Contrast lost {LABELS[towards]}: mean log p in nats, ± standard error", header, rows)


def _numbers(factors: tuple[float, ...], curve: Curve) -> list[dict[str, float]]:
    return [
        {"factor": factor, "mean": float(measured.value), "sem": float(measured.sem), "predicted": predicted}
        for factor, measured, predicted in zip(factors, curve.measured, curve.predicted, strict=True)
    ]
