"""Steps and likelihoods over 1, 2, 4, ... of the local devices, with as many images on each."""

import functools
from collections.abc import Iterable, Iterator
from typing import Any

import jax

from benchmarks.accelerator.cases import Case, optimizer
from benchmarks.accelerator.device import seconds_per_call
from benchmarks.accelerator.report import Job
from benchmarks.timing import Row
from glowjax.train.parallel import compiled_step
from glowjax.train.step import make_state


def counts(num_devices: int) -> list[int]:
    """1, 2, 4, ... and the number of devices."""
    powers = [2**n for n in range(num_devices.bit_length()) if 2**n <= num_devices]
    return sorted({*powers, num_devices})


def jobs(cases: Iterable[Case]) -> Iterator[Job]:
    """Each case on each number of devices, one number after the other; needs two devices or more."""
    if jax.local_device_count() == 1:
        yield Job(
            "devices", "one device", lambda: [{"failed": "This machine has one device, so none share a batch."}], 1
        )
        return
    for place, case in enumerate(cases):
        yield Job("devices", str(case), functools.partial(_rows, case), 45 + 20 * place)


def _rows(case: Case) -> Iterator[Row]:
    alone = 0.0
    for count in counts(jax.local_device_count()):
        rate = _images_per_second(case, jax.local_devices()[:count])
        alone = alone or rate
        row: Row = {"model": str(case), "devices": count, "images": count * case.batch_size}
        yield row | {"images_per_s": rate, "efficiency": rate / (count * alone)}


def _images_per_second(case: Case, devices: list[jax.Device]) -> float:
    images, key = case.images(len(devices) * case.batch_size), jax.random.key(3)
    adam = optimizer()
    state = make_state(jax.device_put(case.params()), adam)
    step = compiled_step(case.model(), adam, devices)

    def run() -> Any:
        nonlocal state
        state, metrics = step(state, key, images)
        return metrics

    return len(images) / seconds_per_call(run)
