"""Times a PixelCNN and a VAE: a training step and a likelihood pass beside PyTorch's, and PixelCNN's sampling.

    python -m benchmarks.networks

Both networks have the small presets' sizes and batches. If PyTorch is installed, its networks take the same arrays
and must give the same log-likelihoods (to 1e-5 of their size and 1e-2 nats) before anything is timed; then the ways run
in turn. A step is loss, gradient and Adam update with one draw of the noise; ours also clips the gradient, averages the
params and guards against NaN. Sampling is `model.sample` beside the naive loop that evaluates the whole image for each
value, which is run once, whole: it takes a minute or more. Prints a table for each part and writes all as JSON.

Ratios are a way's seconds over those of "glowjax" in the same round, so that above 1 ours is the faster. `limit_s` and
`fraction` are those of benchmarks/arithmetic.py: the seconds of our matrix products alone, and their part. If other
work shares the machine, read benchmarks/curvature.py about CPU seconds and OMP_WAIT_POLICY=passive.
"""

import dataclasses
import functools
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from benchmarks.arithmetic import limit, step_limit
from benchmarks.naive_sampling import time_sampling
from benchmarks.timing import OURS, Row, Runs, in_turn, run_parts
from experiments.presets import PRESETS
from glowjax.cores import num_side_by_side
from glowjax.models import VAE, ModelParams, PixelCNN
from glowjax.train import (
    compiled_step,
    log_likelihoods,
    make_state,
    step_devices,
)

Part = Literal["step", "likelihood", "sampling"]
Kind = Literal["pixelcnn", "vae"]


@dataclasses.dataclass(frozen=True)
class Case:
    """A preset of `experiments.presets` for networks and batch, with the height and width of its images."""

    preset: str
    size: int
    channels: int


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig:
    """The options of the benchmark.

    Attributes:
        parts: the parts to run.
        kinds: the networks to run.
        grey: the smaller case, whose PixelCNN is also sampled.
        color: the larger case.
        compile_torch: time torch.compile's programs too, which takes a minute per program and needs a C++ compiler.
        num_images: sampled images.
        repeats: timed runs of each implementation.
        output: the JSON file.
    """

    parts: tuple[Part, ...] = ("step", "likelihood", "sampling")
    kinds: tuple[Kind, ...] = ("pixelcnn", "vae")
    grey: Case = Case("small-28", size=28, channels=1)
    color: Case = Case("small-32", size=32, channels=3)
    compile_torch: bool = False
    num_images: int = 16
    repeats: int = 7
    output: Path = Path("results/benchmarks/networks.json")


@dataclasses.dataclass(frozen=True)
class Problem:
    """A network with learned arrays of which none is zero, and a batch of uint8 images [N, H, W, C]."""

    kind: Kind
    case: Case
    model: PixelCNN | VAE
    params: ModelParams
    images: np.ndarray


def main(config: BenchmarkConfig) -> dict[str, Any]:
    """Prints a table for each part, writes all of them as JSON and returns them."""
    if not has_torch():
        print("PyTorch is not installed, or JAX not on the CPU: no comparison.")
    return run_parts(PARTS, config)


def has_torch() -> bool:
    """Whether PyTorch is installed and JAX computes on the CPU, as PyTorch does here."""
    return importlib.util.find_spec("torch") is not None and jax.default_backend() == "cpu"


def problem(kind: Kind, case: Case) -> Problem:
    """A preset's network, none of whose arrays has its initial value, with one batch of uniform images."""
    preset = PRESETS[kind][case.preset]
    shape = (preset.training.batch_size, case.size, case.size, case.channels)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    model: Any = preset.model.build()
    leaves, tree = jax.tree.flatten(model.init(jax.random.key(0), images))
    keys = jax.random.split(jax.random.key(1), len(leaves))
    # Arrays of zeros change more: nearly equal logits would hide a wrong network.
    scales = [0.02 if leaf.any() else 0.2 for leaf in leaves]
    moved = [a + s * jax.random.normal(key, a.shape) for key, a, s in zip(keys, leaves, scales, strict=True)]
    return Problem(kind, case, model, jax.tree.unflatten(tree, moved), images)


def time_part(part: Part, runs_of: Callable[[Problem, bool], Runs], config: BenchmarkConfig) -> list[Row]:
    """Each implementation of a step or a likelihood pass, of each network and case, run in turn."""
    rows = []
    for kind in config.kinds:
        for case in (config.grey, config.color):
            given = problem(kind, case)
            name = {"network": kind, "preset": case.preset, "num_images": len(given.images)}
            timed = in_turn(runs_of(given, config.compile_torch), config.repeats, limit=limit_of(part, given))
            rows += [name | row for row in timed]
    return rows


def limit_of(part: Part, given: Problem) -> Callable[[], Any]:
    """The products of a step or a likelihood pass alone, divided among devices or cores as ours is."""
    if part == "step":
        return step_limit(given.model, given.params, given.images, len(step_devices(len(given.images))))
    count = num_side_by_side()
    share = given.images[: -(-len(given.images) // count)]
    return limit(given.model.log_likelihood, given.params, jax.random.key(2), share, workers=count)


def step_runs(given: Problem, compile_torch: bool) -> Runs:
    """A training step, ours first."""
    training = dataclasses.replace(PRESETS[given.kind][given.case.preset].training, optimizer="adam")
    optimizer = training.make_optimizer()
    state = make_state(jax.tree.map(jnp.copy, given.params), optimizer)  # a step donates its arguments
    step = compiled_step(given.model, optimizer, step_devices(len(given.images)))

    def run() -> Any:
        nonlocal state
        state, metrics = step(state, jax.random.key(3), given.images)
        return state, metrics

    return {OURS: run} | torch_rivals(given, training.learning_rate, compile_torch)


def likelihood_runs(given: Problem, compile_torch: bool) -> Runs:
    """The log-likelihood of the batch without gradient (of a VAE one draw of the bound), ours first."""
    batch_size = -(-len(given.images) // num_side_by_side())
    ours = (given.model, given.params, jax.random.key(2), given.images)
    run = functools.partial(log_likelihoods, *ours, batch_size=batch_size)
    return {OURS: run} | torch_rivals(given, None, compile_torch)


def torch_rivals(given: Problem, learning_rate: float | None, compile_torch: bool) -> Runs:
    """PyTorch's training step or, without a learning rate, likelihood pass; empty if PyTorch cannot be compared."""
    if not has_torch():
        return {}
    from benchmarks import torch_runs

    prepared = torch_runs.prepared(given.model, given.params, jax.random.key(2), given.images)
    return dict(torch_runs.rivals(*prepared, learning_rate, compiled=compile_torch))


def time_samples(config: BenchmarkConfig) -> list[Row]:
    """PixelCNN's sampling of the smaller images, beside the naive loop."""
    given = problem("pixelcnn", config.grey)
    assert isinstance(given.model, PixelCNN)
    return time_sampling(given.model, given.params, config.num_images, config.repeats)


PARTS: dict[Part, Callable[[BenchmarkConfig], list[Row]]] = {
    "step": functools.partial(time_part, "step", step_runs),
    "likelihood": functools.partial(time_part, "likelihood", likelihood_runs),
    "sampling": time_samples,
}


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig, description=__doc__))
