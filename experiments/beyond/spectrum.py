"""Extreme eigenvalues of the Hessian of log p at the mean image, and the variance of each set along them.

    python -m experiments spectrum --run-dir runs/fashion --out-dists mnist

Along a direction of curvature -c a set loses c/2 nats per unit of its variance there. The mean image is that of the
images themselves, at the middle of their grey levels, without noise. The extreme eigenvalues are also computed at means
of resampled images, which are as good. Expect for an NVP-Glow on FashionMNIST that these differ by factors, with the
lowest eigenvalues at a few pixels of the border. Expect none above zero for a CV-Glow with ReLU.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from experiments.report.options import OneModel
from experiments.report.page import Figure, Number, Result, Section, Table
from experiments.report.progress import shown
from experiments.report.scoring import image_sets
from experiments.report.trained import heading, load_flow, title
from glowjax import analysis as an
from glowjax import plots, stats
from glowjax.data import ImageSet
from glowjax.likelihood import dequantize

QUESTION = (
    "Along which directions does log p curve, and do the sets differ there? This page shows the directions of the "
    "lowest and of the highest eigenvalues of its Hessian as images, with the variance of each set along them."
)
TEXT = (
    "By the second-order explanation, variance along a direction with a negative eigenvalue lowers the mean log p of a "
    "set, and along one with a positive eigenvalue it raises it. Half the eigenvalue times the difference of the two "
    "variances, summed over all directions, is the covariance term of the second-order gap."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpectrumConfig(OneModel):
    """Options of the spectrum; the run must be one of a Glow.

    Attributes:
        num_low: number of lowest eigenvalues, the most negative ones.
        num_high: number of highest eigenvalues.
        num_resamples: number of means of resampled test images (or of groups such as photos) at which to compute the
            lowest and the highest eigenvalue again.
    """

    num_images: int | None = 5_000
    num_low: int = 8
    num_high: int = 8
    num_resamples: int = 10


def main(config: SpectrumConfig) -> Result:
    """Computes eigenpairs at the mean test image, and the variance of every set along the eigenvectors."""
    trained = load_flow(config.run_dir)
    test, others = image_sets(trained, config.out_dists, config)
    key = jax.random.key(config.seed)
    points = {
        images.name: np.asarray(dequantize(key, np.asarray(images.images)), np.float64) for images in (test, *others)
    }
    center = resampled_means(test, np.ones((1, test.num_images)))[0]
    log_prob = functools.partial(trained.model.log_prob, trained.params)
    pairs = an.extreme_eigenpairs(log_prob, center, config.num_low, config.num_high)
    again = extremes_at_resampled_means(log_prob, test, config)
    trace = float(an.laplacian(log_prob, center))
    directions = pairs.vectors.reshape(len(pairs.values), -1).astype(np.float64)
    variances = {title(name): (x.reshape(len(x), -1) @ directions.T).var(axis=0) for name, x in points.items()}
    numbers = {"eigenvalues": pairs.values.tolist(), "trace": trace, "at_resampled_means": again} | {
        f"variance along, {name}": values.tolist() for name, values in variances.items()
    }
    lowest, highest = ([min(ends), max(ends)] for ends in zip(*again, strict=True)) if again else ([], [])
    figure = Figure(
        "spectrum",
        plots.spectrum(pairs.values, pairs.vectors, variances, config.num_low, heading(trained)),
        numbers,
        "Top: eigenvalues of the Hessian at the mean test image. Middle: the variance of each set along the "
        "eigenvectors. Bottom: the eigenvectors as images: grey is zero, each scaled to its own peak.",
        "Eigenvalues, variances along the eigenvectors, and these as images",
    )
    summary = (
        f"At the mean {title(test.name)} image the Hessian of log p has eigenvalues from {pairs.values[0]:.3g} to "
        f"{pairs.values[-1]:.3g} nats per squared grey level, and trace {trace:.4g}."
    )
    if again:
        summary += (
            f" At {len(again)} means of resampled images the lowest is {lowest[0]:.3g} to {lowest[1]:.3g}, and the "
            f"highest {highest[0]:.3g} to {highest[1]:.3g}."
        )
    return Result(
        f"Spectrum of the Hessian after training on {title(trained.name)}",
        QUESTION,
        summary,
        [Section("Extreme directions", TEXT, [_table(pairs, variances, config.num_low)], [figure])],
        numbers,
    )


def resampled_means(images: ImageSet, times: np.ndarray) -> np.ndarray:
    """[R, H, W, C] means of images that each count `times` [R, N] times, at the middle of their grey levels."""
    sums = np.tensordot(times, np.asarray(images.images, np.float64), axes=1)
    return (sums / times.sum(axis=1)[:, None, None, None] + 0.5).astype(np.float32)


def extremes_at_resampled_means(
    log_prob: an.LogProb, test: ImageSet, config: SpectrumConfig
) -> list[tuple[float, float]]:
    """The lowest and the highest eigenvalue at each mean of resampled images, or of resampled groups of these."""
    codes = stats.group_codes(test.groups, test.num_images)
    times = stats.resample(np.random.default_rng(config.seed), codes, (config.num_resamples,))
    found = []
    with shown("Spectra at resampled means", "mean") as report:
        for mean in resampled_means(test, times):
            low, high = an.extreme_eigenpairs(log_prob, jnp.asarray(mean), 1, 1).values.tolist()
            found.append((low, high))
            report(len(found), len(times))
    return found


def _table(pairs: an.Eigenpairs, variances: dict[str, np.ndarray], num_low: int) -> Table:
    count, num_all = len(pairs.values), pairs.vectors[0].size
    return Table(
        f"The {num_low} lowest and the {count - num_low} highest of {num_all:,} eigenvalues, in nats per squared grey "
        "level; variances in squared grey levels",
        ["index", "eigenvalue", *(f"variance of {name}" for name in variances)],
        [
            [
                f"{n + 1 if n < num_low else num_all - count + n + 1}",
                Number(float(value), ".4g"),
                *(Number(float(values[n]), ",.1f") for values in variances.values()),
            ]
            for n, value in enumerate(pairs.values)
        ],
    )
