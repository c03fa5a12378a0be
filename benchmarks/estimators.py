"""Seconds until an estimate of the trace of the Hessian has a standard error of 1 %, beside the exact trace.

`benchmarks.curvature` runs this as its part "estimators", under trained flows at test images. Hutchinson's error falls
with the square root of the number of probes, so its number and its seconds are extrapolated from `PILOT` probes. The
probes of XTrace are doubled until its standard error is small enough; at half the number of values it is exact. For the
exact trace, the column of probes has the number of its directions.
"""

import dataclasses
import functools
import statistics
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

import glowjax as gj
from benchmarks.timing import Row, seconds
from glowjax import data
from glowjax.analysis import LogProb, hessian_trace, hessian_trace_estimate
from glowjax.checks import InputError
from glowjax.likelihood import dequantize
from glowjax.typing import Array

PILOT = 128
"""Probes from which Hutchinson's error is extrapolated."""

FIRST_PROBES = 16
"""The smallest number of probes of XTrace."""


@dataclasses.dataclass(frozen=True)
class EstimatorConfig:
    """The flows and images of the part.

    Attributes:
        grey: the trained run for 28 x 28 x 1; FashionMNIST's test images are scored.
        color: the images for 32 x 32 x 3; without them on the machine, only 28 x 28 x 1 is measured.
        num_steps: steps for which the flow for them is trained here.
        num_images: images of each set.
        relative_error: standard error divided by the trace.
    """

    grey: str = "pretrained:fashion-mnist"
    color: str = "cifar10"
    num_steps: int = 200
    num_images: int = 5
    relative_error: float = 0.01


def time_estimators(config: EstimatorConfig, flow: gj.Flow) -> list[Row]:
    """The exact trace and both estimators under the grey run, and under `flow` after its training on color images."""
    rows = []
    for name, log_prob, points in cases(config, flow):
        exact = [seconds_of(functools.partial(hessian_trace, log_prob, x)) for x in points]
        errors = [config.relative_error * abs(float(trace)) for trace, _ in exact]
        found = {"exact": [(x.size, wall) for x, (_, wall) in zip(points, exact, strict=True)]}
        for way in (hutchinson, xtrace):
            found[way.__name__] = [way(log_prob, x, error) for x, error in zip(points, errors, strict=True)]
        for label, measured in found.items():
            probes, walls = zip(*measured, strict=True)
            row: Row = {"images": name, "way": label, "probes": statistics.median(probes)}
            row |= {"median_s": statistics.median(walls), "fastest_s": min(walls), "slowest_s": max(walls)}
            ratios = [wall / other for wall, (_, other) in zip(walls, exact, strict=True)]
            rows.append(row | {"ratio_to_exact": statistics.median(ratios)})
            print(rows[-1], flush=True)
    return rows


def cases(config: EstimatorConfig, flow: gj.Flow) -> Iterator[tuple[str, LogProb, list[Array]]]:
    """For each kind of images: a name, a trained log density, and points."""
    grey = gj.load(config.grey)
    images = data.load("fashion_mnist", "test").images[: config.num_images]
    yield "28x28x1", functools.partial(grey.model.log_prob, grey.params), points_of(images)
    try:
        train = data.load(config.color, "train")
    except InputError as error:
        print(f"No estimates for 32x32x3: {error}")
        return
    color = gj.train.fit(flow, train, key=jax.random.key(0), num_steps=config.num_steps, batch_size=32, progress=False)
    images = data.load(config.color, "test").images[: config.num_images]
    yield "32x32x3", functools.partial(color.model.log_prob, color.params), points_of(images)


def points_of(images: Any) -> list[Array]:
    """The images, dequantized."""
    return [dequantize(jax.random.key(number), np.asarray(image)) for number, image in enumerate(images)]


def hutchinson(log_prob: LogProb, x: Array, error: float) -> tuple[int, float]:
    """Probes and seconds until the standard error is `error`."""
    pilot, wall = seconds_of(functools.partial(hessian_trace_estimate, log_prob, x, jax.random.key(1), PILOT))
    probes = max(2, int(np.ceil(PILOT * (float(pilot.sem) / error) ** 2)))
    return probes, wall * probes / PILOT


def xtrace(log_prob: LogProb, x: Array, error: float) -> tuple[int, float]:
    """Probes, as powers of two, and seconds until the standard error is at most `error`."""
    probes = FIRST_PROBES
    while True:
        estimate = functools.partial(
            hessian_trace_estimate, log_prob, x, jax.random.key(1), min(probes, x.size // 2), method="xtrace"
        )
        if float(estimate().sem) <= error or 2 * probes >= x.size:
            return min(probes, x.size // 2), seconds_of(estimate)[1]
        probes *= 2


def seconds_of(work: Any) -> tuple[Any, float]:
    """The result of `work` and the seconds of its second call."""
    result = work()
    return result, seconds(work)[0]
