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

from experiments.report.experiment import OneModel
from experiments.report.page import Figure, Number, Result, Section, Table
from experiments.report.scoring import image_sets
from experiments.report.trained import load_flow, title
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

    num_images: int = 500
    factors: tuple[float, ...] = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0)
    towards: tuple[Literal["mean", "grey", "black"], ...] = ("mean", "grey", "black")


@dataclasses.dataclass(frozen=True)
class Point:
    """A set at one contrast, in nats.

    Attributes:
        factor: the contrast.
        measured: the mean of log p.
        change: the mean change of log p from the first contrast, paired by image.
        predicted: the mean of the second-order expansion.
    """

    factor: float
    measured: Estimate
    change: Estimate
    predicted: float


Curves = dict[str, dict[str, list[Point]]]
"""{"mean" | "grey" | "black": {set: a point per factor}}."""


def main(config: ContrastConfig) -> Result:
    """Lowers the contrast of every set, and evaluates log p and its expansion."""
    trained = load_flow(config.run_dir)
    test, others = image_sets(trained, config.out_dists, config.data_dir, config.num_images, config.seed)
    key = jax.random.key(config.seed)
    center = dequantize(key, test.images).mean(axis=0)
    log_prob = functools.partial(trained.model.log_prob, trained.params)
    curves: Curves = {
        towards: {
            images.name: _points(log_prob, center, images, config.factors, towards, key) for images in (test, *others)
        }
        for towards in dict.fromkeys(config.towards)
    }
    tables = [_table(towards, sets) for towards, sets in curves.items()]
    return Result(
        f"Likelihood and contrast after training on {title(trained.name)}",
        QUESTION,
        summarize(test.name, curves),
        [Section("Contrast", TEXT, tables, [_figure(config.factors, curves, trained.kind_and_data)])],
        {
            towards: {name: list(map(_plain, points)) for name, points in sets.items()}
            for towards, sets in curves.items()
        },
    )


def _points(
    log_prob: an.LogProb, center: Array, images: ImageSet, factors: tuple[float, ...], towards: str, key: Array
) -> list[Point]:
    """Mean log p of the images and the mean of its expansion at each contrast."""
    points, first = [], None
    for factor in factors:
        name = f"contrast-{factor}" + ("" if towards == "mean" else f"-to-{towards}")
        x = dequantize(key, generate(name, images).images)
        values = np.asarray(an.log_probs(log_prob, x))
        first = values if first is None else first
        along = an.paths.log_prob_along(log_prob, center, x, np.zeros(0))
        predicted = along.center + along.slope_at_center + along.curvature_at_center / 2
        measured, change = (stats.mean(v, images.groups) for v in (values, values - first))
        points.append(Point(factor, measured, change, float(predicted.mean())))
    return points


def summarize(test: str, curves: Curves) -> str:
    """The result in a sentence."""
    changes = [
        f"by {sets[test][-1].change:+,.0f} nats {LABELS[towards]} (to second order: "
        f"{sets[test][-1].predicted - sets[test][0].predicted:+,.0f})"
        for towards, sets in curves.items()
    ]
    first, *_, last = next(iter(curves.values()))[test]
    return (
        f"As the contrast of {title(test)} images goes from {first.factor:g} to {last.factor:g}, the mean log p "
        f"changes {', '.join(changes)}."
    )


def _figure(factors: tuple[float, ...], curves: Curves, heading: str) -> Figure:
    measured = {
        LABELS[towards]: {title(name): [point.measured for point in points] for name, points in sets.items()}
        for towards, sets in curves.items()
    }
    predicted = {
        LABELS[towards]: {title(name): [point.predicted for point in points] for name, points in sets.items()}
        for towards, sets in curves.items()
    }
    return Figure(
        "contrast",
        plots.contrast_curves(factors, measured, predicted, heading),
        {"factors": factors, "measured": measured, "predicted": predicted},
        "Mean log p against contrast: measured, with two standard errors, and by the second-order expansion around the "
        "mean test image (dashed).",
        "Curves of log p against contrast",
    )


def _table(towards: str, sets: dict[str, list[Point]]) -> Table:
    header = ["contrast"] + [f"{title(name)}, {what}" for name in sets for what in ("measured", "second order")]
    rows = [
        [f"{points[0].factor:g}"]
        + [cell for p in points for cell in (Number(p.measured, ",.0f"), Number(p.predicted, ",.0f"))]
        for points in zip(*sets.values(), strict=True)
    ]
    return Table(f"Contrast lost {LABELS[towards]}: mean log p in nats, ± standard error", header, rows)


def _plain(point: Point) -> dict[str, float]:
    mean = point.measured
    return {"factor": point.factor, "mean": float(mean.value), "sem": float(mean.sem), "predicted": point.predicted}
