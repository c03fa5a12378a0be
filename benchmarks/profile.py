"""Profiles a training step with jax.profiler: the time of the compiled program's operations, in groups.

    python -m benchmarks.profile --model nvp --memory store
    python -m benchmarks.profile --model pixelcnn

An operation's milliseconds are those of its thunk, summed over the calls of a step; operations run at the same time on
several cores, so that their sum exceeds the step. Also prints the page faults of a step: a program's memory is new to
the operating system at each call where it is large. CPU only: on other devices operations have other names.
"""

import collections
import dataclasses
import gzip
import json
import re
import resource
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
import tyro

from benchmarks.glow import CASES, GlowCase, our_step
from benchmarks.networks import Case, problem
from benchmarks.timing import Row, run_parts, seconds
from glowjax.layers.repeat import Memory
from glowjax.models import GlowConfig, ImageModel, cv_glow
from glowjax.typing import Params

Part = Literal["operations", "page_faults"]

GLOWS = ("nvp", "cv")
NETWORK = Case("small-28", size=28, channels=1)

GROUPS = {
    "matrix products": r"dot|ynn_fusion|matmul|convolution|conv_general",
    "filling of a scan's stacks": r"wrapped_broadcast|broadcast\.",
    "writing and reading of stacks": r"dynamic|copy",
    "shifts of convolutions": r"pad|concatenate|slice",
    "triangular solves": r"triangular",
    "activations": r"tanh|exponential|logistic|maximum|divide",
}
"""An operation belongs to the first group whose pattern its name contains; loops contain others and are left out."""


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig:
    """The options of the profile.

    Attributes:
        parts: the parts to run.
        model: the kind of model: a Glow (nvp, cv) of the size of `case`, or the small preset of a network.
        case: the size of a Glow, and of its batch.
        network: the preset of a PixelCNN or VAE, and the size of its images.
        memory: what a Glow's backward pass keeps.
        repeats: profiled steps.
        output: the JSON file.
    """

    parts: tuple[Part, ...] = ("operations", "page_faults")
    model: Literal["nvp", "cv", "pixelcnn", "vae"] = "nvp"
    case: GlowCase = CASES[0]
    network: Case = NETWORK
    memory: Memory = GlowConfig.memory
    repeats: int = 5
    output: Path = Path("results/benchmarks/profile.json")


def main(config: BenchmarkConfig) -> dict[str, Any]:
    """Prints a table for each part, writes all of them as JSON and returns them."""
    return run_parts(PARTS, config)


def operations(config: BenchmarkConfig) -> list[Row]:
    """Milliseconds and calls per step of each group of operations, the slowest first."""
    step = warm_step(config)
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            for _ in range(config.repeats):
                jax.block_until_ready(step())
        (trace,) = Path(folder).rglob("*.trace.json.gz")
        events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    spent, calls = collections.Counter[str](), collections.Counter[str]()
    for event in events:
        name = event.get("name", "")
        if "hlo_op" in event.get("args", {}) and not name.startswith(("while", "call")):
            group = next((group for group, pattern in GROUPS.items() if re.search(pattern, name)), "other")
            spent[group] += event["dur"] / 1e3 / config.repeats
            calls[group] += 1
    return [
        {"operations": group, "ms_per_step": value, "calls_per_step": calls[group] // config.repeats}
        for group, value in spent.most_common()
    ]


def page_faults(config: BenchmarkConfig) -> list[Row]:
    """The pages per step that the operating system had to provide, with its CPU seconds."""
    step = warm_step(config)
    before = resource.getrusage(resource.RUSAGE_SELF)
    wall = [seconds(step)[0] for _ in range(config.repeats)]
    after = resource.getrusage(resource.RUSAGE_SELF)
    return [
        {
            "model": config.model,
            "memory": config.memory if config.model in GLOWS else "",
            "fastest_s": min(wall),
            "page_faults": (after.ru_minflt - before.ru_minflt) // config.repeats,
            "system_s": (after.ru_stime - before.ru_stime) / config.repeats,
            "user_s": (after.ru_utime - before.ru_utime) / config.repeats,
        }
    ]


def warm_step(config: BenchmarkConfig) -> Callable[[], Any]:
    """A training step that has run twice."""
    step = our_step(*subject(config), jax.local_devices()[:1])
    for _ in range(2):
        jax.block_until_ready(step())
    return step


def subject(config: BenchmarkConfig) -> tuple[ImageModel, Params, np.ndarray]:
    """The model, its learned arrays and a batch of images."""
    case = config.case
    if config.model == "nvp":
        return case.model(config.memory), case.params(), case.images(case.batch_size)
    if config.model == "cv":
        images = case.images(case.batch_size)
        model = cv_glow(case.num_scales, case.num_steps, case.width, memory=config.memory)
        return model, model.init(jax.random.key(0), images), images
    given = problem(config.model, config.network)
    return given.model, given.params, given.images


PARTS: dict[Part, Callable[[BenchmarkConfig], list[Row]]] = {"operations": operations, "page_faults": page_faults}


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig, description=__doc__))
