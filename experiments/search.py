"""Chooses an architecture and a schedule: each candidate's validation bits per dimension after equal training time.

    python -m experiments.search --preset small-28 --minutes 3 --output-dir results/search-28

A candidate changes a few options of a preset. First a training step of every candidate is timed, in turn, and its
median says how many steps fit into the minutes; then each trains that many, its whole schedule, so that other work on
the machine makes the search slower but not another one. Differences to the first candidate are paired by image. The
same command resumes. Writes report.html, report.md and results.json.
"""

import dataclasses
import json
import re
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
import tyro

from experiments import report, train
from experiments.candidates import CANDIDATES
from experiments.command_line import command, run, train_command
from experiments.presets import PRESETS, TrainConfig
from experiments.report import Section, Table
from experiments.scoring import Scored, score
from experiments.trained import load
from glowjax.data import ImageSet, batch_indices, resolve, training_and_validation
from glowjax.errors import unknown
from glowjax.ood.metrics import mean_with_interval
from glowjax.output import writable_directory
from glowjax.train import compiled_step, make_state, step_devices

STEPS_A_ROUND = 3
NUM_EVALUATIONS = 4  # along each training


QUESTION = (
    "Which architecture and schedule reach the fewest bits per dimension in a given time on this machine? Every "
    "candidate changes some options of the first one and gets the same time, at its own speed. What a few minutes "
    "favour need not be what hours favour: small models and high learning rates learn fast first."
)


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """What is searched.

    Attributes:
        model: an NVP- or a CV-Glow.
        preset: of the model, which the candidates change.
        candidates: by name; default: all. The first is what the others are compared with.
        minutes: of training steps for each candidate.
        in_dist: the data set; default: the preset's.
        num_rounds: of timing, each of 3 steps of every candidate.
        num_images: at most how many validation images are scored.
        data_dir: a folder of .npz archives or of image folders; default GLOWJAX_DATA_DIR.
        output_dir: where runs and report go.
        seed: of training and evaluation.
    """

    model: Literal["nvp", "cv"] = "nvp"
    preset: str = "small-28"
    candidates: tuple[str, ...] = tuple(CANDIDATES)
    minutes: float = 3.0
    in_dist: str | None = None
    num_rounds: int = 7
    num_images: int = 2_000
    data_dir: Path | None = None
    output_dir: Path = Path("results/search")
    seed: int = 0


def main(config: SearchConfig) -> dict[str, Any]:
    """Times, trains, scores and reports; returns each candidate's numbers."""
    configs = candidates(config)
    folder = writable_directory(config.output_dir)
    first = next(iter(configs.values()))
    images, validation = training_and_validation(resolve(f"{first.in_dist}:train", data_dir=config.data_dir))
    validation = validation.take(config.num_images)
    seconds = once(folder / "seconds.json", lambda: seconds_a_step(configs, images.images, config.num_rounds))
    runs = {name: with_steps(configs[name], config, seconds[name]) for name in configs}
    scored: dict[str, Scored] = {}
    for name, one in runs.items():
        print(f"{name}: {one.training.num_steps:,} steps of {seconds[name]:.3f} s", flush=True)
        train.main(one)
        scored[name] = score(load(one.output_dir), validation, 1, config.seed)
        jax.clear_caches()  # compiled programs hold memory maps, of which a process may have 65,530
    results = {name: numbers(runs[name], seconds[name], scored[name], next(iter(scored.values()))) for name in runs}
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    best = min(results, key=lambda name: results[name]["bits_per_dim"]["mean"])
    lead = (
        f"After {config.minutes:g} minutes of steps each, '{best}' has the fewest bits per dimension on "
        f"{validation.num_images:,} validation images: {results[best]['bits_per_dim']['mean']:.3f}."
    )
    section = Section("Candidates", tables=[table(results, validation)])
    page = report.write(
        folder, "A search for architecture and schedule", QUESTION, lead, [section], command("search", config)
    )
    print(lead, f"The report is {page}.", sep="\n")
    return results


def candidates(config: SearchConfig) -> dict[str, TrainConfig]:
    """The candidates' configurations by name. Raises InputError for an unknown preset or candidate."""
    presets = PRESETS[config.model]
    if config.preset not in presets:
        raise unknown("preset of a Glow", config.preset, presets)
    preset = presets[config.preset]
    preset = dataclasses.replace(preset, in_dist=config.in_dist or preset.in_dist, data_dir=config.data_dir)
    for name in config.candidates:
        if name not in CANDIDATES:
            raise unknown("candidate", name, CANDIDATES)
    folders = {name: config.output_dir / re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-") for name in CANDIDATES}
    return {
        name: dataclasses.replace(CANDIDATES[name].of(preset), output_dir=folders[name]) for name in config.candidates
    }


def once(path: Path, measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    """What `path` holds, or else what is measured now, and kept there: a resumed search trains for as long."""
    if not path.is_file():
        path.write_text(json.dumps(measure(), indent=1) + "\n")
    return json.loads(path.read_text())


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


def with_steps(one: TrainConfig, config: SearchConfig, seconds: float) -> TrainConfig:
    """A candidate with as many steps as fit into the search's minutes."""
    num_steps = max(1, round(60 * config.minutes / seconds))
    training = dataclasses.replace(
        one.training, num_steps=num_steps, evaluate_every=-(-num_steps // NUM_EVALUATIONS), seed=config.seed
    )
    return dataclasses.replace(one, training=training)


def numbers(one: TrainConfig, seconds: float, scored: Scored, first: Scored) -> dict[str, Any]:
    """A candidate's row, as JSON has it; the difference to the first is over the same images and noise."""
    difference = mean_with_interval(scored.bits_per_dim - first.bits_per_dim)
    return {
        "seconds_a_step": seconds,
        "num_steps": one.training.num_steps,
        "bits_per_dim": scored.mean()._asdict(),
        "difference": difference._asdict(),
        "largest_inversion_error_grey_levels": float(scored.flow.inversion_error.max()) if scored.flow else None,
        "command": train_command(one),
    }


def table(results: Mapping[str, Any], validation: ImageSet) -> Table:
    """The candidates, best first."""
    rows = [
        [
            name,
            f"{row['seconds_a_step']:.3f}",
            f"{row['num_steps']:,}",
            f"{row['bits_per_dim']['mean']:.3f}",
            f"{row['difference']['mean']:+.3f} ({row['difference']['sem']:.3f})" if row["difference"]["sem"] else "",
            f"{row['largest_inversion_error_grey_levels']:.4f}",
        ]
        for name, row in sorted(results.items(), key=lambda item: item[1]["bits_per_dim"]["mean"])
    ]
    header = ["candidate", "seconds a step", "steps", "bits/dim", "difference (standard error)", "inversion error"]
    return Table(
        f"Bits/dim of {validation.num_images:,} validation images, one draw of noise; difference to "
        f"'{next(iter(results))}', paired by image; largest inversion error of any image in grey levels",
        header,
        rows,
    )


if __name__ == "__main__":
    run(main, lambda arguments: tyro.cli(SearchConfig, args=arguments, description=__doc__))
