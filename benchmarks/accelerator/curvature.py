"""Exact traces and Laplacians of a Glow's log density on the device, by precision and by directions at a time."""

import functools
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import numpy as np

from benchmarks.accelerator.cases import Case, shrunk
from benchmarks.accelerator.report import Job
from benchmarks.timing import Row
from glowjax.analysis import hessian_diagonal, hessian_trace_estimate, hvp, laplacian
from glowjax.models import GlowConfig
from glowjax.typing import Array

NUM_PROBES = 100
ESTIMATE = f"trace by {NUM_PROBES} random probes"
REPEATS = 5

FLOWS = (
    Case("nvp", "28 x 28, width 64", GlowConfig(num_steps=8, width=64), 28, 1, 1),
    Case("nvp", "32 x 32 x 3, width 128", GlowConfig(num_scales=3, num_steps=8, width=128), 32, 3, 1),
)

Measure = Callable[[Callable[..., Array], Array], Any]


def _estimate(log_prob: Callable[..., Array], x: Array) -> Any:
    return hessian_trace_estimate(log_prob, x, jax.random.key(5), NUM_PROBES).value


def _at_once(log_prob: Callable[..., Array], x: Array) -> Array:
    return laplacian(log_prob, x, chunk_size=x.size)


MEASURES: dict[str, Measure] = {
    "laplacian": laplacian,
    "laplacian, all directions at once": _at_once,
    "Hessian diagonal": lambda log_prob, x: hessian_diagonal(log_prob, x),
    "Hessian-vector product": lambda log_prob, x: hvp(log_prob, x, np.ones(x.shape, np.float32)),
    ESTIMATE: _estimate,
}

TINY_MEASURES = ("laplacian", ESTIMATE)


def jobs(tiny: bool) -> Iterator[Job]:
    """Each measure of each flow: as it comes, with products for convolutions, and at the highest precision."""
    others = () if tiny else ((None, "product"), ("highest", "auto"))
    for place, flow in enumerate(map(shrunk, FLOWS[:1]) if tiny else FLOWS):
        for rank, name in enumerate(TINY_MEASURES if tiny else MEASURES):
            for late, (precision, convolution) in enumerate(((None, "auto"), *others)):
                rows = functools.partial(_rows, flow, name, precision, convolution)
                about = f"{flow}, {name}, {precision or 'default'}, {convolution}"
                yield Job("curvature", about, rows, 25 + 2 * rank + place + 20 * late)


def _rows(flow: Case, name: str, precision: str | None, convolution: str) -> Iterable[Row]:
    params, x = jax.device_put(flow.params()), jax.device_put(flow.images(1)[0].astype(np.float32) + 0.5)
    model: Any = flow.model(convolution=convolution)
    measure, log_prob = MEASURES[name], functools.partial(model.log_prob, params)
    with jax.default_matmul_precision(precision):
        first = _seconds(measure, log_prob, x)
        seconds = statistics.median(_seconds(measure, log_prob, x) for _ in range(REPEATS))
    row: Row = {"flow": str(flow), "values": x.size, "what": name, "precision": precision or "default"}
    return [row | {"convolution": convolution, "first_call_s": first, "seconds": seconds}]


def _seconds(measure: Measure, log_prob: Callable[..., Array], x: Array) -> float:
    started = time.perf_counter()
    jax.block_until_ready(measure(log_prob, x))
    return time.perf_counter() - started
