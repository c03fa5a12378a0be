"""Bits per dimension of several runs against their training time.

    python -m experiments training-time --run-dirs runs/short runs/long

Runs are compared by their own evaluations during training: of validation images and of the sets that each watched. A
learning rate decays over its run, so only the end of a run shows what its time is worth. Expect on validation images of
FashionMNIST 3.33 bits/dim after 12 minutes and 3.06 after nearly two hours on two cores.
"""

import dataclasses
from pathlib import Path
from typing import Any

from experiments.report.experiment import runs_of
from experiments.report.options import Output
from experiments.report.page import Cell, Figure, Number, Result, Section, Table
from experiments.report.trained import Trained, compressed, curves, load, name_each, title
from glowjax import plots
from glowjax.checks import InputError

VALIDATION = "validation images"

QUESTION = (
    "How low do bits per dimension get in a given time, and does the order of the sets depend on it? Each line is a "
    "run, evaluated during its training. Its learning rate decays until its end, which a ring marks: compare and "
    "extrapolate rings, not points along a line."
)
CAPTION = "Bits/dim by training time; rings mark the ends of runs. Sets that never need fewer than 8 bits are left out."


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingTimeConfig(Output):
    """Options of the comparison by time.

    Attributes:
        run_dirs: folders of runs of `train` on one data set, or of several runs that differ in their seed.
        labels: a label per run; default: its model.
    """

    run_dirs: tuple[Path, ...]
    labels: tuple[str, ...] = ()


def main(config: TrainingTimeConfig) -> Result:
    """Reads the evaluations of every run."""
    run_dirs = [run for run_dir in config.run_dirs for run in runs_of(run_dir)]
    runs = label([load(run_dir) for run_dir in run_dirs], config.labels)
    bits = {name: curves(trained, VALIDATION) for name, trained in runs.items()}
    seconds = {name: trained.curve("seconds") for name, trained in runs.items()}
    trained_on = title(next(iter(runs.values())).name)
    numbers = {
        name: {
            "model": f"{trained.title}, {trained.architecture}",
            "num_steps": trained.history[-1]["step"],
            "minutes": seconds[name][-1] / 60,
            "bits_per_dim": {one: curve[-1] for one, curve in bits[name].items()},
        }
        for name, trained in runs.items()
    }
    best = min(numbers, key=lambda name: numbers[name]["bits_per_dim"][VALIDATION])
    shown = {name: (seconds[name], compressed(sets)) for name, sets in bits.items()}
    figure = Figure(
        "bits-by-time",
        plots.bits_by_time(shown, VALIDATION, title=f"Trained on {trained_on}"),
        {name: [seconds[name], sets] for name, sets in bits.items()},
        CAPTION,
        "Decreasing curves, a few per run",
    )
    summary = (
        f"'{best}' needs the fewest bits per dimension on validation images of {trained_on}, "
        f"{numbers[best]['bits_per_dim'][VALIDATION]:.3f}, after {numbers[best]['minutes']:.0f} minutes."
    )
    return Result(
        f"Bits per dimension by training time, {trained_on}",
        QUESTION,
        summary,
        [Section("Runs", tables=[_table(numbers)], figures=[figure])],
        numbers,
    )


def label(runs: list[Trained], labels: tuple[str, ...]) -> dict[str, Trained]:
    """The runs by label; refuses runs of several data sets and unfinished ones."""
    trained_on = list(dict.fromkeys(trained.name for trained in runs))
    if len(trained_on) != 1:
        raise InputError(f"The runs were trained on {trained_on or 'nothing'}; name one or more runs of one data set.")
    for trained in runs:
        if not trained.history or "seconds" not in trained.history[-1]:
            raise InputError(f"A {trained.title} comes without its evaluations during training; name the run's folder.")
        done, planned = trained.history[-1]["step"], trained.description["training"]["num_steps"]
        if done < planned:
            raise InputError(
                f"A run is at step {done:,} of {planned:,}, so its learning rate has not decayed; finish it with the "
                "command that started it, or leave it out."
            )
    if not labels:
        return name_each(runs)
    if len(set(labels)) != len(runs):
        raise InputError(f"There are {len(runs)} runs and the labels {list(labels)}; give each run a label of its own.")
    return dict(zip(labels, runs, strict=True))


def _table(numbers: dict[str, Any]) -> Table:
    sets = list(dict.fromkeys(name for row in numbers.values() for name in row["bits_per_dim"]))
    rows: list[list[Cell]] = []
    for name, row in numbers.items():
        bits = (Number(row["bits_per_dim"][one], ".3f") if one in row["bits_per_dim"] else "" for one in sets)
        rows.append([name, row["model"], f"{row['num_steps']:,}", f"{row['minutes']:.0f}", *bits])
    return Table("Bits/dim at the end of each run", ["run", "model", "steps", "minutes", *sets], rows)
