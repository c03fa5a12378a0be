"""Measures image sets that are larger than memory: memory and time for a small and a large set, and reading speed.

    python -m benchmarks.input --gigabytes 0.25 8

A file of random images is written to a temporary folder (TMPDIR chooses the disk). For each size, a new process loads
the set, holds out images for validation, trains a minimal model and scores every image; the table has the peak of its
memory. Then batches are read, and training steps are taken, from an array, from a file in the page cache of the system,
and from a file that the system must fetch from disk.
"""

import contextlib
import dataclasses
import json
import math
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
import tyro

import glowjax as gj
from benchmarks.timing import Row, Runs, in_turn, resident_mib, run_parts
from glowjax.data import StoredImages, npy, read_ahead, training_and_validation
from glowjax.data.stored import AnyImages
from glowjax.layers import ActNorm, Chain, PixelScaling, Squeeze
from glowjax.models import Flow
from glowjax.train import compiled_step, fit, log_likelihoods, make_optimizer
from glowjax.train.parallel import step_devices
from glowjax.train.step import make_state

Part = Literal["memory", "reading", "training"]

MINIMAL = Flow(Chain((PixelScaling(), Squeeze(), ActNorm())))
"""A model that takes little time, so that reading shows."""

IN_MEMORY = "array in memory"

_CHUNK = 1_000  # images that are made at a time


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig:
    """The options of the benchmark.

    Attributes:
        parts: the parts to run.
        gigabytes: sizes of the sets whose use of memory is measured.
        read_gigabytes: size of the set that is read beside an array.
        size: height and width of the images, which have three channels.
        batch_size: images per step.
        num_steps: training steps in each run.
        repeats: timed runs of each way to read.
        output: the JSON file.
    """

    parts: tuple[Part, ...] = ("memory", "reading", "training")
    gigabytes: tuple[float, ...] = (0.25, 2.0)
    read_gigabytes: float = 1.0
    size: int = 64
    batch_size: int = 64
    num_steps: int = 200
    repeats: int = 7
    output: Path = Path("results/benchmarks/input.json")


def main(config: BenchmarkConfig) -> dict[str, Any]:
    """Prints a table for each part, writes all of them as JSON and returns them."""
    return run_parts(PARTS, config)


def memory(config: BenchmarkConfig) -> list[Row]:
    """The peak of memory and the seconds of a process that trains on a set and scores it, for each size of the set."""
    rows = []
    for gigabytes in config.gigabytes:
        with image_file(gigabytes, config) as file:
            code = f"from benchmarks import input; input.use({str(file)!r}, {config.num_steps}, {config.batch_size})"
            process = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
        rows.append({"gigabytes": gigabytes} | json.loads(process.stdout.splitlines()[-1]))
    for row in rows:
        row["more_mib"] = row["peak_mib"] - rows[0]["peak_mib"]
    return rows


def use(file: str, num_steps: int, batch_size: int) -> None:
    """Loads the set in a file, splits it, trains, scores it, and prints the seconds and the peak of memory as JSON."""
    warnings.simplefilter("ignore", UserWarning)  # few images are held out of a tiny set
    times = [time.perf_counter()]
    images = gj.data.load(file, "all")
    training, validation = training_and_validation(images)
    times.append(time.perf_counter())
    trained = fit(
        MINIMAL,
        training,
        key=jax.random.key(0),
        num_steps=num_steps,
        batch_size=batch_size,
        validation=validation,
        progress=False,
    )
    times.append(time.perf_counter())
    log_likelihoods(MINIMAL, trained.params, jax.random.key(1), images.images)
    times.append(time.perf_counter())
    seconds = dict(zip(("split_s", "train_s", "score_s"), np.diff(times).tolist(), strict=True))
    place = "disk" if isinstance(images.images, StoredImages) else "memory"
    print(json.dumps({"num_images": images.num_images, "on": place, **seconds, "peak_mib": resident_mib("VmHWM")}))


def reading(config: BenchmarkConfig) -> list[Row]:
    """Images per second if nothing else is done."""
    return _in_turn(config, lambda batches: sum(len(batch) for batch in batches))


def training(config: BenchmarkConfig) -> list[Row]:
    """Images per second in training steps of the minimal model."""
    optimizer = make_optimizer("adam", learning_rate=1e-4, num_steps=1_000, warmup_steps=10)
    step = compiled_step(MINIMAL, optimizer, step_devices(config.batch_size))

    def train(batches: Iterator[np.ndarray]) -> Any:
        first = next(batches)
        state, key = make_state(MINIMAL.init(jax.random.key(0), first), optimizer), jax.random.key(1)
        for batch in batches:
            state, _ = step(state, key, batch)
        return state

    return _in_turn(config, train)


def _in_turn(config: BenchmarkConfig, consume: Callable[[Iterator[np.ndarray]], Any]) -> list[Row]:
    """Times `consume` on the batches of a run, read from an array and from a file with the same images."""

    def run(images: AnyImages, file: Path | None = None) -> Callable[[], Any]:
        def read() -> Any:
            if file is not None:
                forget(file)
            return consume(read_ahead(images, 0, config.batch_size, 0, config.num_steps))

        return read

    with image_file(config.read_gigabytes, config) as file:
        stored = StoredImages(npy.open_array(file))
        ways = (run(np.asarray(stored)), run(stored), run(stored, file))
        runs: Runs = dict(zip((IN_MEMORY, "file, page cache", "file, disk"), ways, strict=True))
        rows = in_turn(runs, config.repeats, reference=IN_MEMORY)
    return [row | {"images_per_s": config.num_steps * config.batch_size / row["median_s"]} for row in rows]


@contextlib.contextmanager
def image_file(gigabytes: float, config: BenchmarkConfig) -> Iterator[Path]:
    """A temporary NumPy file of random images."""
    shape = (config.size, config.size, 3)
    num_images = max(2 * config.batch_size, int(gigabytes * 2**30) // math.prod(shape))
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "images.npy"
        with file.open("wb") as stream:
            header = {"descr": "|u1", "fortran_order": False, "shape": (num_images, *shape)}
            np.lib.format.write_array_header_1_0(stream, header)
            for start in range(0, num_images, _CHUNK):
                stream.write(rng.bytes(min(_CHUNK, num_images - start) * math.prod(shape)))
            os.fsync(stream.fileno())  # otherwise `forget` could not drop its pages
        yield file


def forget(file: Path) -> None:
    """Takes a file out of the system's page cache."""
    with file.open("rb") as stream:
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


PARTS: dict[Part, Callable[[BenchmarkConfig], list[Row]]] = {"memory": memory, "reading": reading, "training": training}


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig, description=__doc__))
