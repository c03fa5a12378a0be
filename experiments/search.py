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
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import jax
import tyro

from experiments import old_report as report
from experiments import train
from experiments.candidates import CANDIDATES
from experiments.command_line import command, run, train_command
from experiments.old_report import Section, Table
from experiments.presets import PRESETS, TrainConfig
from experiments.report.trained import load
from experiments.scoring import Scored, mean_as_dict, score
from experiments.step_time import timed_once
from glowjax.checks import InputError, unknown, writable_directory
from glowjax.data import ImageSet, resolve, training_and_validation

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
    seconds = timed_once(folder / "seconds.json", configs, images.images, config.num_rounds)
    runs = {name: with_steps(configs[name], config, seconds[name]) for name in configs}
    scored: dict[str, Scored] = {}
    failed: dict[str, str] = {}
    for name, one in runs.items():
        print(f"{name}: {one.training.num_steps:,} steps of {seconds[name]:.3f} s", flush=True)
        try:
            train.main(one)
            scored[name] = score(load(one.output_dir), validation, 1, config.seed)
        except InputError as error:  # a rate or a bound too high: the others go on without it
            failed[name] = f"'{name}' is not in the table: {error}"
            print(failed[name], flush=True)
        jax.clear_caches()  # compiled programs hold memory maps, of which a process may have 65,530
    if not scored:
        raise InputError(f"No candidate could be trained. {' '.join(failed.values())}")
    results = {name: numbers(runs[name], seconds[name], scored[name], next(iter(scored.values()))) for name in scored}
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    best = min(results, key=lambda name: results[name]["bits_per_dim"]["mean"])
    lead = (
        f"After {config.minutes:g} minutes of steps each, '{best}' has the fewest bits per dimension on "
        f"{validation.num_images:,} validation images: {results[best]['bits_per_dim']['mean']:.3f}."
    )
    section = Section("Candidates", "\n\n".join(failed.values()), tables=[table(results, validation)])
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
    chosen: dict[str, TrainConfig] = {}
    for name in config.candidates:
        one = CANDIDATES[name].of(preset)
        try:
            one.model.build()
        except InputError as error:
            print(f"{name} is left out: {error}")
            continue
        if any((one.model, one.training) == (other.model, other.training) for other in chosen.values()):
            print(f"{name} is left out: an earlier candidate has these options under {config.preset}.")
            continue
        folder = config.output_dir / re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-")
        chosen[name] = dataclasses.replace(one, output_dir=folder)
    return chosen


def with_steps(one: TrainConfig, config: SearchConfig, seconds: float) -> TrainConfig:
    """A candidate with as many steps as fit into the search's minutes."""
    num_steps = max(1, round(60 * config.minutes / seconds))
    training = dataclasses.replace(
        one.training, num_steps=num_steps, evaluate_every=-(-num_steps // NUM_EVALUATIONS), seed=config.seed
    )
    return dataclasses.replace(one, training=training)


def numbers(one: TrainConfig, seconds: float, scored: Scored, first: Scored) -> dict[str, Any]:
    """A candidate's row, as JSON has it; the difference to the first is over the same images and noise."""
    difference = scored.mean(scored.bits_per_dim - first.bits_per_dim)
    return {
        "seconds_a_step": seconds,
        "num_steps": one.training.num_steps,
        "bits_per_dim": mean_as_dict(scored.mean()),
        "difference": mean_as_dict(difference),
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
