"""Training steps and likelihoods on one device: ways to convolve, precisions, dtypes and memory modes."""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax

from benchmarks.accelerator.cases import Case, optimizer
from benchmarks.accelerator.device import device_peak_mib, program_mib, seconds_per_call
from benchmarks.accelerator.report import Job
from benchmarks.arithmetic import operations, products
from benchmarks.timing import Row
from glowjax.train.parallel import compiled_step
from glowjax.train.step import loss_and_gradient, make_state
from glowjax.typing import Batch, Params

NUM_IN_FULL = 2
"""The number of Glows, from the most important one on, that are measured in every way early on."""


@dataclasses.dataclass(frozen=True)
class Way:
    """How a model is computed.

    Attributes:
        name: short.
        changes: of the model's configuration.
        precision: of matrix products, as `jax.default_matmul_precision` names it.
        peak: the name of the rate that the way is compared with.
    """

    name: str
    changes: dict[str, str] = dataclasses.field(default_factory=dict)
    precision: str | None = None
    peak: str = "default"


USUAL = Way("as it comes")
HIGHEST = Way("float32", precision="highest", peak="float32")
TF32 = Way("TF32", precision="tensorfloat32")
GLOW_WAYS = (
    Way("bfloat16", {"compute_dtype": "bfloat16"}, peak="bfloat16"),
    HIGHEST,
    Way("by lax.conv", {"convolution": "xla"}),
    Way("by products", {"convolution": "product"}),
    Way("bfloat16, by products", {"compute_dtype": "bfloat16", "convolution": "product"}, peak="bfloat16"),
    Way("store", {"memory": "store"}),
    Way("invert", {"memory": "invert"}),
    TF32,
)
NETWORK_WAYS = (HIGHEST, TF32)
"""PixelCNN and VAE have one way to convolve and one dtype."""


TINY_WAYS = tuple(way for way in GLOW_WAYS if way.name in ("bfloat16", "by lax.conv"))


def tiny_jobs(cases: Iterable[Case], peaks: dict[str, float]) -> Iterator[Job]:
    """A step of every case, and the first one in other ways."""
    first, *others = cases
    yield _job("likelihoods", _likelihood, first, USUAL, peaks, 40)
    for way in (USUAL, *TINY_WAYS):
        yield _job("steps", _step, first, way, peaks, 20)
    for other in others:
        yield _job("steps", _step, other, USUAL, peaks, 20)


def jobs(cases: Iterable[Case], peaks: dict[str, float]) -> Iterator[Job]:
    """Steps and likelihoods of every case: first as they come, then in other ways, those of few cases earlier."""
    num_glows = 0
    for place, case in enumerate(cases):
        num_glows += case.is_glow
        late = 0.0 if place < 6 else 40.0
        later = 0.0 if case.is_glow and num_glows <= NUM_IN_FULL else 30.0
        yield _job("steps", _step, case, USUAL, peaks, 20 + late + place / 100)
        yield _job("likelihoods", _likelihood, case, USUAL, peaks, 40 + late + place / 100)
        for rank, way in enumerate(GLOW_WAYS if case.is_glow else NETWORK_WAYS):
            after = late + later + place / 100 + rank
            yield _job("steps", _step, case, way, peaks, 30 + after)
            if "memory" not in way.changes:
                yield _job("likelihoods", _likelihood, case, way, peaks, 50 + after)


def _job(
    part: str, rows: Callable[..., Iterable[Row]], case: Case, way: Way, peaks: dict[str, float], urgency: float
) -> Job:
    return Job(part, f"{case}, {way.name}", functools.partial(rows, case, way, peaks), urgency)


def _step(case: Case, way: Way, peaks: dict[str, float]) -> list[Row]:
    """A step of training: noise, loss, gradient, clipping, Adam, and the average of the params."""
    model, images = case.model(**way.changes), jax.device_put(case.images(case.batch_size))
    adam = optimizer()
    state, key = make_state(jax.device_put(case.params()), adam), jax.random.key(3)
    step: Any = compiled_step(model, adam, jax.local_devices()[:1])
    started = time.perf_counter()
    with jax.default_matmul_precision(way.precision):
        program = step.lower(state, key, images).compile()
    compile_s = time.perf_counter() - started

    def run() -> Any:
        nonlocal state
        state, metrics = program(state, key, images)
        return metrics

    return [_row(case, way, peaks, run, program, compile_s, step_operations(case), case.batch_size)]


def _likelihood(case: Case, way: Way, peaks: dict[str, float]) -> list[Row]:
    """The log-likelihoods of a batch, without gradient; of a VAE, one draw of its bound."""
    model, params = case.model(**way.changes), jax.device_put(case.params())
    images, key = jax.device_put(case.images(case.num_images)), jax.random.key(3)

    def log_likelihood(params: Params, images: Batch) -> jax.Array:
        return model.log_likelihood(params, key, images)

    started = time.perf_counter()
    with jax.default_matmul_precision(way.precision):
        program = jax.jit(log_likelihood).lower(params, images).compile()
    compile_s = time.perf_counter() - started
    needed = likelihood_operations(case)
    return [_row(case, way, peaks, lambda: program(params, images), program, compile_s, needed, len(images))]


@functools.cache
def step_operations(case: Case) -> int:
    """The operations of the matrix products of a step's loss and gradient, without any that are repeated."""
    program = functools.partial(loss_and_gradient, _counted(case))

    def of_images(count: int) -> int:
        keys = jax.random.split(jax.random.key(0), count)
        return operations(products(program, case.shapes(), keys, case.images(count)))

    return _for_images(of_images, case.batch_size)


@functools.cache
def likelihood_operations(case: Case) -> int:
    """The operations of the matrix products of a likelihood pass."""
    model, key = _counted(case), jax.random.key(0)

    def of_images(count: int) -> int:
        images = case.images(count)
        return operations(products(lambda params: model.log_likelihood(params, key, images), case.shapes()))

    return _for_images(of_images, case.num_images)


def _for_images(operations_of: Callable[[int], int], count: int) -> int:
    """The operations for a batch, from those for one and for two images: a CPU would repeat some in a large batch."""
    one, two = operations_of(1), operations_of(2)
    return one + (count - 1) * (two - one)


def _counted(case: Case) -> Any:
    """The model, of whose program the operations are counted."""
    return case.model(memory="store", convolution="product") if case.is_glow else case.model()


def _row(
    case: Case,
    way: Way,
    peaks: dict[str, float],
    run: Callable[[], Any],
    program: Any,
    compile_s: float,
    needed: int,
    num_images: int,
) -> Row:
    before = device_peak_mib()
    seconds = seconds_per_call(run)
    after = device_peak_mib()
    row: Row = {"model": str(case), "images": num_images, "way": way.name, "compile_s": compile_s}
    row |= {"ms": 1e3 * seconds, "images_per_s": num_images / seconds}
    row |= {"gflop": needed / 1e9, "of_peak": needed / seconds / peaks[way.peak] if way.peak in peaks else None}
    return row | {"program_mib": program_mib(program), "device_peak_mib": after if after != before else None}
