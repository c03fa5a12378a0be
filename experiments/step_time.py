"""How long a training step of several configurations takes, in turn, measured once and kept."""

import dataclasses
import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.presets import TrainConfig
from glowjax.data import batch_indices
from glowjax.train import compiled_step, make_state, step_devices

STEPS_A_ROUND = 3


def timed_once(path: Path, configs: Mapping[str, TrainConfig], images: np.ndarray, num_rounds: int) -> dict[str, float]:
    """Seconds a step of each candidate; those that `path` has of the same options are not measured again.

    A resumed search hence trains for as many steps as before.
    """
    kept = json.loads(path.read_text()) if path.is_file() else {}
    options = {name: _options(one) for name, one in configs.items()}
    missing = {name: one for name, one in configs.items() if kept.get(name, {}).get("options") != options[name]}
    for name, seconds in seconds_a_step(missing, images, num_rounds).items() if missing else ():
        kept[name] = {"seconds": seconds, "options": options[name]}
    path.write_text(json.dumps(kept, indent=1) + "\n")
    return {name: kept[name]["seconds"] for name in configs}


def _options(one: TrainConfig) -> dict[str, Any]:
    """What a step's time depends on, as JSON has it."""
    model, training = dataclasses.asdict(one.model), dataclasses.asdict(one.training)
    num_devices = len(step_devices(one.training.batch_size))
    return {"in_dist": one.in_dist, "num_devices": num_devices, "model": model, "training": training}


def seconds_a_step(configs: Mapping[str, TrainConfig], images: np.ndarray, num_rounds: int) -> dict[str, float]:
    """Median seconds of a training step of each configuration, in turn."""
    steps = {name: _stepper(one, images) for name, one in configs.items()}
    for step in steps.values():
        step()
    rounds = [{name: _seconds(step) / STEPS_A_ROUND for name, step in steps.items()} for _ in range(num_rounds)]
    return {name: statistics.median(one[name] for one in rounds) for name in steps}


def _stepper(config: TrainConfig, images: np.ndarray) -> Callable[[], None]:
    """A few training steps of a new model, as training takes them."""
    model, optimizer = config.model.build(), config.training.make_optimizer()
    batch = images[batch_indices(0, 0, len(images), config.training.batch_size)]
    state = make_state(model.init(jax.random.key(0), batch), optimizer)
    step = compiled_step(model, optimizer, step_devices(config.training.batch_size))

    def run_steps() -> None:
        nonlocal state
        for _ in range(STEPS_A_ROUND):
            state, metrics = step(state, jax.random.key(1), batch)
        jax.block_until_ready((state, metrics))

    return run_steps


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
