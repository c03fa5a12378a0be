"""Means and variances of the pixel values of two data sets (figure 5).

    python -m experiments moments --in-dist cifar10:train --out-dist svhn

The published explanation of the likelihood gap needs one set to lie inside the other. Expect variances, summed over
positions, near 61 / 59 / 68 for CIFAR-10 and near 52 / 55 / 56 for SVHN (by channel, in units of [0, 1]), and 67.7 for
FashionMNIST against 52.3 for MNIST.
"""

import dataclasses
from typing import Any

import numpy as np

from experiments.report.options import Data
from experiments.report.page import Cell, Figure, Number, Result, Section, Table
from experiments.report.trained import title
from glowjax import analysis as an
from glowjax import plots
from glowjax.checks import InputError
from glowjax.data import ImageSet, resolve
from glowjax.likelihood import NUM_LEVELS

SUMMED_VARIANCES: dict[str, list[float]] = {"cifar10": [61.9, 59.2, 68.1], "svhn": [49.6, 52.7, 53.6]}
"""Variances of each pixel value, summed over positions, by channel, in [0, 1] units; the paper does not name splits."""

QUESTION = (
    "Does one set lie inside the other? The published explanation of the likelihood gap makes two assumptions about "
    "pixel values: the means of both sets are nearly equal, and the OOD set varies less around them."
)
TEXT = (
    "The moments are those of 8-bit images divided by 256. Dequantization adds a variance of 1/12 squared grey level."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MomentsConfig(Data):
    """Options of the comparison of moments.

    Attributes:
        in_dist: data set on which a model would be trained, with its split.
        out_dist: the other data set.
    """

    in_dist: str = "fashion_mnist:train"
    out_dist: str = "mnist:train"
    num_images: int | None = None


def main(config: MomentsConfig) -> Result:
    """Computes mean and variance of every pixel value of both sets."""
    first = resolve(config.in_dist, None, config.data_dir, config.num_images, config.seed)
    second = resolve(config.out_dist, first, config.data_dir, config.num_images, config.seed)
    if first.name == second.name:
        raise InputError(
            f"Both sets are called '{first.name}'; name two different sets, or rename the file or the folder of one."
        )
    moments = {images.name: _moments(images) for images in (first, second)}
    numbers = {images.name: _numbers(images, *moments[images.name]) for images in (first, second)}
    smaller = float(np.mean(moments[second.name][1] < moments[first.name][1]))
    shown = {title(name): pair for name, pair in moments.items()}
    figure = Figure(
        "moments",
        plots.pixel_moments(shown, f"{title(first.name)} and {title(second.name)}"),
        {name: {"mean": mean, "variance": variance} for name, (mean, variance) in shown.items()},
        "Histograms over pixels and channels of each set's mean and variance.",
        "Two overlaid pairs of histograms",
    )
    summary = (
        f"{title(second.name)} varies less than {title(first.name)} at {smaller:.0%} of the pixel values. Where log p "
        "curves downwards everywhere, less variance means a higher mean of log p, other things being equal."
    )
    return Result(
        f"Is {title(second.name)} inside {title(first.name)}?",
        QUESTION,
        summary,
        [Section("Means and variances", TEXT, [_table(numbers)], [figure])],
        numbers,
    )


def _moments(images: ImageSet) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance [H, W, C] of pixel values in [0, 1]."""
    moments = an.moments(images.images)
    return np.asarray(moments.mean) / NUM_LEVELS, np.asarray(moments.variance) / NUM_LEVELS**2


def _numbers(images: ImageSet, mean: np.ndarray, variance: np.ndarray) -> dict[str, Any]:
    return {
        "num_images": images.num_images,
        "mean_by_channel": mean.mean(axis=(0, 1)).tolist(),
        "summed_variance_by_channel": variance.sum(axis=(0, 1)).tolist(),
        "published_summed_variance_by_channel": SUMMED_VARIANCES.get(images.name.partition(":")[0]),
        "source": images.source,
    }


def _table(numbers: dict[str, Any]) -> Table:
    """A row per set and channel; the paper's variances if it has any."""
    is_published = any(row["published_summed_variance_by_channel"] for row in numbers.values())
    rows: list[list[Cell]] = []
    for name, row in numbers.items():
        for channel, mean in enumerate(row["mean_by_channel"]):
            published = row["published_summed_variance_by_channel"]
            label = title(name) + (f", channel {channel + 1}" if len(row["mean_by_channel"]) > 1 else "")
            variance = Number(row["summed_variance_by_channel"][channel], ".1f")
            paper = [str(published[channel]) if published else ""] if is_published else []
            rows.append([label, f"{row['num_images']:,}", Number(mean, ".3f"), variance, *paper])
    header = ["set", "images", "mean", "summed variance", *(["paper, summed variance"] if is_published else [])]
    note = ". The paper does not state its split" if is_published else ""
    return Table(f"In units of [0, 1]; variances are sums over positions{note}", header, rows)
