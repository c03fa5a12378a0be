"""Times a Glow beside its peers: a training step, a likelihood pass and sampling, each at three sizes.

    python -m benchmarks.glow

Peers are a plain PyTorch Glow (also by torch.compile, with `--compile-torch`) and one of normflows' blocks; a peer that
is not installed is left out with a line. Before anything is timed, each takes our arrays and must give our
log densities, in float64, to 1e-3 nats. A step is loss, gradient and Adam update with one draw of the noise; ours also
clips the gradient, averages the params and guards against NaN. The ways run in turn.

Ratios are a way's seconds over those of "glowjax" in the same round, so that above 1 ours is the faster. "glowjax" is
what the experiments do: the presets' memory mode, a step over all devices (of a CPU, its cores), likelihoods and
samples in batches side by side, one for each core. "library call" is `model.log_likelihood` or `model.sample` for all
images. "one device" and "one batch" are a program over the whole batch, as inside of jit.
`limit_s` and `fraction` are those of benchmarks/arithmetic.py: the seconds of the matrix products of "glowjax" alone,
without those that a backward pass repeats to save memory, and what part of the row's seconds they are.
If other work shares the machine, read benchmarks/curvature.py about CPU seconds.
"""

import dataclasses
import functools
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from benchmarks.arithmetic import limit, step_limit
from benchmarks.timing import OURS, Row, Runs, in_turn, run_parts
from glowjax import nvp_glow
from glowjax.cores import num_side_by_side
from glowjax.layers.repeat import MEMORY, Memory
from glowjax.models import Flow, FlowParams, GlowConfig, ImageModel
from glowjax.train import (
    compiled_step,
    log_likelihoods,
    make_optimizer,
    make_state,
    samples,
    step_devices,
)
from glowjax.typing import Params

Part = Literal["step", "likelihood", "sampling"]

NOISE = 0.02
"""The standard deviation of the noise that is added to every learned array, so that none has its initial value."""
NUM_IMAGES = 64
"""The number of images of a likelihood pass and of sampling."""


@dataclasses.dataclass(frozen=True)
class GlowCase:
    """An `nvp_glow`, its images and its batch."""

    size: int
    channels: int
    num_scales: int
    num_steps: int
    width: int
    batch_size: int

    def __str__(self) -> str:
        """A short description such as "32x32x3, 3 x 8, width 128"."""
        return f"{self.size}x{self.size}x{self.channels}, {self.num_scales} x {self.num_steps}, width {self.width}"

    def model(self, memory: Memory = GlowConfig.memory, **options: Any) -> Flow:
        """The flow, in a memory mode."""
        return nvp_glow(self.num_scales, self.num_steps, self.width, memory=memory, **options)

    def images(self, count: int) -> np.ndarray:
        """[count, H, W, C] uint8, uniform."""
        shape = (count, self.size, self.size, self.channels)
        return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    def params(self) -> FlowParams:
        """Learned arrays, none of which has its initial value."""
        leaves, tree = jax.tree.flatten(self.model().init(jax.random.key(0), self.images(32)))
        keys = jax.random.split(jax.random.key(1), len(leaves))
        return jax.tree.unflatten(
            tree, [a + NOISE * jax.random.normal(key, a.shape) for key, a in zip(keys, leaves, strict=True)]
        )


CASES = (GlowCase(32, 3, 3, 8, 128, 32), GlowCase(28, 1, 2, 8, 64, 64), GlowCase(32, 3, 3, 32, 64, 32))


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig:
    """The options of the benchmark.

    Attributes:
        parts: the parts to run.
        cases: the numbers of the sizes to run, from 0.
        compile_torch: time torch.compile's programs too, which takes minutes and needs a C++ compiler.
        repeats: timed runs of each implementation.
        output: the JSON file.
    """

    parts: tuple[Part, ...] = ("step", "likelihood", "sampling")
    cases: tuple[int, ...] = (0, 1, 2)
    compile_torch: bool = False
    repeats: int = 7
    output: Path = Path("results/benchmarks/glow.json")


def main(config: BenchmarkConfig) -> dict[str, Any]:
    """Prints a table for each part, writes all of them as JSON and returns them."""
    for name in missing():
        print(f"{name} is not installed, or JAX not on the CPU: no comparison with it.")
    return run_parts(PARTS, config)


def missing() -> list[str]:
    """The peers that cannot be compared with: not installed, or on another device than JAX."""
    return [
        name
        for name in ("torch", "normflows")
        if importlib.util.find_spec(name) is None or jax.default_backend() != "cpu"
    ]


def time_part(part: Part, runs_of: Callable[[GlowCase, BenchmarkConfig], Runs], config: BenchmarkConfig) -> list[Row]:
    """Each implementation of a step, a likelihood pass or sampling, at each size, run in turn."""
    rows = []
    for case in (CASES[number] for number in config.cases):
        timed = in_turn(runs_of(case, config), config.repeats, limit=limit_of(part, case))
        rows += [{"flow": str(case)} | row for row in timed]
    return rows


def limit_of(part: Part, case: GlowCase) -> Callable[[], Any]:
    """The products of a part alone, without recomputation, divided among devices or cores as ours is."""
    model, params = case.model("store"), case.params()
    if part == "step":
        images = case.images(case.batch_size)
        return step_limit(model, params, images, len(step_devices(len(images))))
    count = num_side_by_side()
    share = -(-NUM_IMAGES // count)
    if part == "likelihood":
        return limit(model.log_likelihood, params, jax.random.key(2), case.images(share), workers=count)
    return limit(lambda params, key: model.sample(params, key, share), params, jax.random.key(2), workers=count)


def step_runs(case: GlowCase, config: BenchmarkConfig) -> Runs:
    """A training step in each memory mode, and the peers'."""
    params, images = case.params(), case.images(case.batch_size)
    modes = [GlowConfig.memory, *(mode for mode in MEMORY if mode != GlowConfig.memory)]
    ours: Runs = {
        f"{OURS}, {mode}" if number else OURS: our_step(case.model(mode), params, images)
        for number, mode in enumerate(modes)
    }
    ours[f"{OURS}, one device"] = our_step(case.model(), params, images, jax.local_devices()[:1])
    return ours | peers(case, params, images, config, "step")


def our_step(
    model: ImageModel, params: Params, images: np.ndarray, devices: Sequence[jax.Device] = ()
) -> Callable[[], Any]:
    """A training step, as in training, over `devices` or those that training would use."""
    optimizer = make_optimizer("adam", learning_rate=1e-4, num_steps=1_000, warmup_steps=10)
    state = make_state(jax.tree.map(jnp.copy, params), optimizer)  # a step donates its arguments
    step = compiled_step(model, optimizer, devices or step_devices(len(images)))

    def run() -> Any:
        nonlocal state
        state, metrics = step(state, jax.random.key(3), images)
        return state, metrics

    return run


def likelihood_runs(case: GlowCase, config: BenchmarkConfig) -> Runs:
    """The log-likelihoods of 64 images, without gradient."""
    params, images = case.params(), case.images(NUM_IMAGES)
    given = case.model(), params, jax.random.key(2), images
    ours: Runs = {
        OURS: functools.partial(log_likelihoods, *given, batch_size=-(-NUM_IMAGES // num_side_by_side())),
        f"{OURS}, library call": functools.partial(case.model().log_likelihood, *given[1:]),
        f"{OURS}, one batch": functools.partial(log_likelihoods, *given, batch_size=NUM_IMAGES),
    }
    return ours | peers(case, params, images, config, "likelihood")


def sampling_runs(case: GlowCase, config: BenchmarkConfig) -> Runs:
    """64 samples."""
    params = case.params()
    given = case.model(), params, jax.random.key(2), NUM_IMAGES
    ours: Runs = {
        OURS: functools.partial(samples, *given, batch_size=-(-NUM_IMAGES // num_side_by_side())),
        f"{OURS}, library call": functools.partial(case.model().sample, *given[1:]),
        f"{OURS}, one batch": functools.partial(samples, *given, batch_size=NUM_IMAGES),
    }
    return ours | peers(case, params, case.images(NUM_IMAGES), config, "sampling")


def peers(case: GlowCase, params: FlowParams, images: np.ndarray, config: BenchmarkConfig, part: Part) -> Runs:
    """The installed peers' implementations of a part, each checked against our log-likelihoods first."""
    absent = missing()
    if "torch" in absent:
        return {}
    from benchmarks import torch_glow_runs

    return torch_glow_runs.runs(
        case.model(), params, images, part, compiled=config.compile_torch, with_normflows="normflows" not in absent
    )


PARTS: dict[Part, Callable[[BenchmarkConfig], list[Row]]] = {
    "step": functools.partial(time_part, "step", step_runs),
    "likelihood": functools.partial(time_part, "likelihood", likelihood_runs),
    "sampling": functools.partial(time_part, "sampling", sampling_runs),
}


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig, description=__doc__))
