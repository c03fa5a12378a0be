"""Means and variances of the pixel values of two data sets (figure 5).

    python -m experiments moments --in-dist cifar10:train --out-dist svhn

The published explanation of the likelihood gap needs one set to lie inside the other. Expect variances, summed over
positions, near 62 / 60 / 68 for CIFAR-10 and near 53 / 56 / 57 for SVHN (by channel; black is 0 and white is 1), and
68.2 for FashionMNIST against 52.7 for MNIST. Intervals are over images, or over photos: with SVHN digits from few
photos they are wide.
"""

import dataclasses
from typing import Any

import numpy as np

from experiments.report.options import Data
from experiments.report.page import Cell, Figure, Number, Result, Section, Table
from experiments.report.trained import title
from glowjax import plots, stats
from glowjax.checks import InputError
from glowjax.data import ImageSet, resolve
from glowjax.likelihood import NUM_LEVELS
from glowjax.stats import Estimate

SUMMED_VARIANCES: dict[str, list[float]] = {"cifar10": [61.9, 59.2, 68.1], "svhn": [49.6, 52.7, 53.6]}
"""The paper's variances of pixel values by channel, summed over positions; known at second hand, without splits.

They agree with ours if white is 1, that is, if grey levels are divided by 255.
"""

WHITE = NUM_LEVELS - 1
NUM_RESAMPLES = 200
BATCH = 1_000

QUESTION = (
    "Does one set lie inside the other? The published explanation of the likelihood gap makes two assumptions about "
    "pixel values: the means of both sets are nearly equal, and the OOD set varies less around them."
)
TEXT = (
    "The moments are those of 8-bit images divided by 255, so that white is 1. Dequantization adds a variance of 1/12 "
    "squared grey level."
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
    smaller = share_of_smaller(first, second, config.seed)
    numbers = {images.name: _numbers(images, moments[images.name][0]) for images in (first, second)}
    shown = {title(name): pair for name, pair in moments.items()}
    figure = Figure(
        "moments",
        plots.pixel_moments(shown, f"{title(first.name)} and {title(second.name)}"),
        {name: {"mean": mean, "variance": variance} for name, (mean, variance) in shown.items()},
        "Histograms over pixels and channels of each set's mean and variance.",
        "Two overlaid pairs of histograms",
    )
    summary = (
        f"{title(second.name)} varies less than {title(first.name)} at {smaller:.0%[]} of the pixel values. If log "
        "p curves downwards everywhere, less variance means a higher mean of log p, other things being equal."
    )
    return Result(
        f"Is {title(second.name)} inside {title(first.name)}?",
        QUESTION,
        summary,
        [Section("Means and variances", TEXT, [_table(numbers)], [figure])],
        numbers | {"share_at_which_the_second_varies_less": smaller},
    )


def _moments(images: ImageSet) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance [H, W, C] of pixel values in [0, 1]."""
    times = np.ones((1, images.num_images))
    mean, variance = (part[0].reshape(images.shape) for part in _weighted_moments(images, times))
    return mean, variance


def _weighted_moments(images: ImageSet, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and variances [R, D] of pixel values, over images that each count `times` [R, N] times.

    Sums are those of whole numbers, without rounding: a constant pixel has a variance of exactly 0.
    """
    sums = np.zeros((2, len(times), int(np.prod(images.shape))))
    for start in range(0, images.num_images, BATCH):
        batch = np.asarray(images.images[start : start + BATCH], np.float64).reshape(-1, sums.shape[-1])
        weights = times[:, start : start + BATCH]
        sums += weights @ batch, weights @ batch**2
    count = times.sum(axis=1, keepdims=True)
    return sums[0] / count / WHITE, (count * sums[1] - sums[0] ** 2) / (count * WHITE) ** 2


def share_of_smaller(first: ImageSet, second: ImageSet, seed: int) -> Estimate:
    """The share of pixel values at which `second` varies less, with a bootstrap interval over groups of both sets."""
    rng = np.random.default_rng(seed)
    own, other = (
        _weighted_moments(
            one,
            np.concatenate(
                [
                    np.ones((1, one.num_images)),
                    stats.resample(rng, stats.group_codes(one.groups, one.num_images), (NUM_RESAMPLES,)),
                ]
            ),
        )[1]
        for one in (first, second)
    )
    share, *resampled = np.mean(other < own, axis=1)
    low, high = np.quantile(resampled, (0.025, 0.975))
    return Estimate(share, np.std(resampled, ddof=1), min(first.num_images, second.num_images), low, high)


def summed_variance(images: ImageSet, mean: np.ndarray) -> list[Estimate]:
    """By channel, the variance of pixel values summed over positions, with its error over groups of images.

    It is a mean over images of their squared distance from the mean image. To first order, the mean image adds no
    error.
    """
    squares = np.concatenate(
        [
            np.sum((images.images[start : start + BATCH] / WHITE - mean) ** 2, axis=(1, 2))
            for start in range(0, images.num_images, BATCH)
        ]
    )
    return [stats.mean(values, images.groups) for values in squares.T]


def _numbers(images: ImageSet, mean: np.ndarray) -> dict[str, Any]:
    return {
        "num_images": images.num_images,
        "mean_by_channel": mean.mean(axis=(0, 1)).tolist(),
        "summed_variance_by_channel": summed_variance(images, mean),
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
            variance = Number(row["summed_variance_by_channel"][channel], ".1f[]")
            paper = [str(published[channel]) if published else ""] if is_published else []
            rows.append([label, f"{row['num_images']:,}", Number(mean, ".3f"), variance, *paper])
    header = ["set", "images", "mean", "summed variance", *(["paper, summed variance"] if is_published else [])]
    note = "; the paper's, known at second hand, are for splits that it does not name" if is_published else ""
    return Table(
        f"In units in which white is 1; variances are sums over positions, with 95 % intervals over images{note}",
        header,
        rows,
    )
