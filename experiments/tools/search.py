"""Compares architectures and schedules of a Glow at equal training time.

    python -m experiments search --preset small-28 --minutes 3 --output-dir results/search-28

A candidate changes a few options of a preset. First a training step of every candidate is timed, in turn, and its
median says how many steps fit into the given minutes. Then each candidate is trained for that many steps, its whole
schedule, so load on the machine changes how long the search takes, but not its result. Differences from the first
candidate are paired by image. The same command resumes. Expect differences below 0.15 bits/dim to be seed noise: take
--seeds 0 1 2.
"""

import dataclasses
import re
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import jax

from experiments import train
from experiments.presets import TrainConfig, preset_named, train_command
from experiments.report.options import Data
from experiments.report.page import Number, Result, Section, Table, over_seeds
from experiments.report.scoring import Scored, score
from experiments.report.trained import load
from experiments.stages import keep, recall
from glowjax.checks import InputError, unknown
from glowjax.data import ImageSet, batch_indices, resolve, training_and_validation
from glowjax.data.stored import AnyImages
from glowjax.stats import Estimate
from glowjax.train import compiled_step, make_state, step_devices

NUM_EVALUATIONS = 4
"""Evaluations during each training."""

STEPS_PER_ROUND = 3
"""Training steps in a round of timing."""

QUESTION = (
    "Which architecture and schedule reach the fewest bits per dimension in a given time on this machine? Every "
    "candidate changes some options of the first one and gets the same time, at its own speed. Small models and high "
    "learning rates are ahead at first: the best candidate after a few minutes need not be the best after hours."
)

Candidate = Mapping[str, Mapping[str, Any]]
"""The options of `model` and of `training` that differ from the preset."""

CANDIDATES: dict[str, Candidate] = {
    "the preset": {},
    "width 32": {"model": {"width": 32}},
    "width 64": {"model": {"width": 64}},
    "width 128": {"model": {"width": 128}},
    "4 steps per scale": {"model": {"num_steps": 4}},
    "16 steps per scale": {"model": {"num_steps": 16}},
    "swish": {"model": {"activation": "swish"}},
    "scales in (0.27, 0.993)": {"model": {"log_scale_bound": 3.0}},
    "batch 8": {"training": {"batch_size": 8}},
    "batch 16": {"training": {"batch_size": 16}},
    "batch 32": {"training": {"batch_size": 32}},
    "batch 128": {"training": {"batch_size": 128}},
    "learning rate 0.005": {"training": {"learning_rate": 5e-3}},
    "learning rate 0.02": {"training": {"learning_rate": 2e-2}},
    "Adam, 0.001": {"training": {"optimizer": "adam", "learning_rate": 1e-3}},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchConfig(Data):
    """Options of the search.

    Attributes:
        model: an NVP- or a CV-Glow.
        preset: preset of the model, which the candidates change.
        candidates: names of candidates; default: all. The others are compared with the first.
        minutes: time for the training steps of each candidate.
        in_dist: data set to train on; default: the preset's.
        num_rounds: number of rounds of timing, each of 3 steps per candidate.
        num_images: maximum number of validation images.
        seeds: random seeds of training; with several, tables show means over seeds.
    """

    model: Literal["nvp", "cv"] = "nvp"
    preset: str = "small-28"
    candidates: tuple[str, ...] = tuple(CANDIDATES)
    minutes: float = 3.0
    in_dist: str | None = None
    num_rounds: int = 7
    seeds: tuple[int, ...] = (0,)


def main(config: SearchConfig) -> Result:
    """Times each candidate, then trains and evaluates it with each seed."""
    configs = candidates(config)
    first = next(iter(configs.values()))
    images, validation = training_and_validation(resolve(f"{first.in_dist}:train", data_dir=config.data_dir))
    seconds = timed_once(config.folder / "seconds.json", configs, images.images, config.num_rounds)
    validation = validation.take(config.num_images)
    results = {}
    for seed in config.seeds:
        runs = {name: with_steps(one, config.minutes, seconds[name], seed) for name, one in configs.items()}
        scored, failed = train_each(runs, seconds, validation, config.seed)
        first_bits = next(iter(scored.values())).bits_per_dim
        trials = {
            name: _numbers(runs[name], seconds[name], one, one.mean(one.bits_per_dim - first_bits))
            for name, one in scored.items()
        }
        results[f"seed {seed}"] = _result(config.minutes, trials, failed, validation.num_images)
    return next(iter(results.values())) if len(results) == 1 else over_seeds(results)


def train_each(
    runs: Mapping[str, TrainConfig], seconds: Mapping[str, float], validation: ImageSet, seed: int
) -> tuple[dict[str, Scored], dict[str, str]]:
    """The validation images under each candidate, and {name: why not} for those that could not be trained."""
    scored: dict[str, Scored] = {}
    failed: dict[str, str] = {}
    for name, one in runs.items():
        print(f"{name}: {one.training.num_steps:,} steps of {seconds[name]:.3f} s", flush=True)
        try:
            scored[name] = score(load(train.train(one)), validation, 1, seed)
        except InputError as error:  # a rate or a bound that is too high; the search continues without it
            failed[name] = f"'{name}' is not in the table: {error}"
            print(failed[name], flush=True)
        jax.clear_caches()  # compiled programs hold memory maps, of which a process may have 65,530
    if not scored:
        raise InputError(f"No candidate could be trained. {' '.join(failed.values())}")
    return scored, failed


def _numbers(run: TrainConfig, seconds: float, scored: Scored, difference: Estimate) -> dict[str, Any]:
    """The numbers of a candidate; `difference` is from the first one, over the same images and noise."""
    assert scored.flow is not None  # candidates are Glows
    return {
        "seconds_per_step": seconds,
        "steps": run.training.num_steps,
        "bits_per_dim": scored.mean(),
        "difference": difference,
        "largest_inversion_error_grey_levels": float(scored.flow.inversion_error.max()),
        "command": train_command(run),
    }


def _result(minutes: float, trials: dict[str, Any], failed: Mapping[str, str], num_images: int) -> Result:
    order = sorted(trials, key=lambda name: trials[name]["bits_per_dim"].value)
    specs = (".3f", ",d", ".3f[]", "+.3f", ".4f")
    table = Table(
        f"Bits/dim of {num_images:,} validation images at one draw of noise; difference from '{next(iter(trials))}', "
        "paired by image, ± standard error; largest inversion error of all images in grey levels",
        ["candidate", "seconds per step", "steps", "bits/dim", "difference", "inversion error"],
        [[name, *map(Number, trials[name].values(), specs)] for name in order],
    )
    summary = (
        f"After {minutes:g} minutes of steps each, '{order[0]}' has the fewest bits per dimension on {num_images:,} "
        f"validation images: {trials[order[0]]['bits_per_dim'].value:.3f}."
    )
    section = Section("Candidates", "\n\n".join(failed.values()), [table])
    return Result("A search for architecture and schedule", QUESTION, summary, [section], trials)


def changed(preset: TrainConfig, candidate: Candidate) -> TrainConfig:
    """The preset with a candidate's options."""
    options = {name: dataclasses.replace(getattr(preset, name), **change) for name, change in candidate.items()}
    return dataclasses.replace(preset, **options)


def candidates(config: SearchConfig) -> dict[str, TrainConfig]:
    """The candidates' configurations by name."""
    preset = preset_named(config.model, config.preset)
    preset = dataclasses.replace(preset, in_dist=config.in_dist or preset.in_dist, data_dir=config.data_dir)
    chosen: dict[str, TrainConfig] = {}
    for name in config.candidates:
        if name not in CANDIDATES:
            raise unknown("candidate", name, CANDIDATES)
        one = changed(preset, CANDIDATES[name])
        try:
            one.model.build()
        except InputError as error:
            print(f"{name} is left out: {error}")
            continue
        if any((one.model, one.training) == (other.model, other.training) for other in chosen.values()):
            print(f"{name} is left out: an earlier candidate has these options under {config.preset}.")
            continue
        folder = config.folder / re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-")
        chosen[name] = dataclasses.replace(one, output_dir=folder)
    return chosen


def with_steps(one: TrainConfig, minutes: float, seconds: float, seed: int) -> TrainConfig:
    """A candidate with as many steps as fit into the minutes, in a folder of its own for each seed."""
    steps = max(1, round(60 * minutes / seconds))
    training = dataclasses.replace(
        one.training, num_steps=steps, evaluate_every=-(-steps // NUM_EVALUATIONS), seed=seed
    )
    return dataclasses.replace(one, training=training, output_dir=one.output_dir / f"seed-{seed}")


def timed_once(path: Path, configs: Mapping[str, TrainConfig], images: AnyImages, num_rounds: int) -> dict[str, float]:
    """Seconds per step of each candidate. What `path` holds for the same options is not measured again.

    A resumed search therefore trains for as many steps as before.
    """
    kept = recall(path)
    options = {name: _options(one) for name, one in configs.items()}
    missing = {name: one for name, one in configs.items() if not _is_timed(kept.get(name), options[name])}
    for name, seconds in seconds_per_step(missing, images, num_rounds).items() if missing else ():
        kept[name] = {"seconds": seconds, "options": options[name]}
    keep(path, kept)
    return {name: kept[name]["seconds"] for name in configs}


def _is_timed(kept: Any, options: dict[str, Any]) -> bool:
    return isinstance(kept, dict) and kept.get("options") == options and isinstance(kept.get("seconds"), float | int)


def _options(one: TrainConfig) -> dict[str, Any]:
    """The options on which the time of a step depends, as JSON has them."""
    model, training = dataclasses.asdict(one.model), dataclasses.asdict(one.training)
    num_devices = len(step_devices(one.training.batch_size))
    return {"in_dist": one.in_dist, "num_devices": num_devices, "model": model, "training": training}


def seconds_per_step(configs: Mapping[str, TrainConfig], images: AnyImages, num_rounds: int) -> dict[str, float]:
    """Median seconds of a training step of each configuration, in turn."""
    steps = {name: _stepper(one, images) for name, one in configs.items()}
    for step in steps.values():
        step()
    rounds = [{name: _seconds(step) / STEPS_PER_ROUND for name, step in steps.items()} for _ in range(num_rounds)]
    return {name: statistics.median(one[name] for one in rounds) for name in steps}


def _stepper(config: TrainConfig, images: AnyImages) -> Callable[[], None]:
    """A function that takes a few training steps of a new model."""
    model, optimizer = config.model.build(), config.training.make_optimizer()
    batch = images[batch_indices(0, 0, len(images), config.training.batch_size)]
    state = make_state(model.init(jax.random.key(0), batch), optimizer)
    step = compiled_step(model, optimizer, step_devices(config.training.batch_size))

    def run_steps() -> None:
        nonlocal state
        for _ in range(STEPS_PER_ROUND):
            state, metrics = step(state, jax.random.key(1), batch)
        jax.block_until_ready((state, metrics))

    return run_steps


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
