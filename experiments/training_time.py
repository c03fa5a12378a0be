"""How low do bits per dimension come in how much time? Several runs against the time that they took.

    python -m experiments.training_time --run-dirs runs/short runs/long

Writes report.html, report.md, results.json and the figure. Runs are compared by their own evaluations along training,
of held-out images and of the sets that each was told to watch.
"""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from experiments import old_report as report
from experiments.command_line import command, run
from experiments.likelihood_page import UNIFORM_CODE
from experiments.old_report import Picture, Section, Table
from experiments.report.published import title
from experiments.report.trained import Trained, load, name_each
from glowjax import plots
from glowjax.checks import InputError, writable_directory

IN_DIST = "validation images"

QUESTION = (
    "How far down do bits per dimension come in a given time, and does the order of the sets depend on it? Every line "
    "is a run, evaluated along its training. The learning rate decays over a run, so that only its end, the ring, "
    "shows what its time is worth: extrapolate from ring to ring, not along a line."
)

CAPTION = "Bits/dim by training time; rings: the ends of runs. Sets that never take fewer than 8 bits are left out."


@dataclasses.dataclass(frozen=True)
class TrainingTimeConfig:
    """Which runs to draw.

    Attributes:
        run_dirs: folders of runs of experiments.train that learned one data set.
        labels: of the runs; default: by kind and architecture.
        output_dir: where the report goes.
    """

    run_dirs: tuple[Path, ...]
    labels: tuple[str, ...] = ()
    output_dir: Path = Path("results/training-time")


def main(config: TrainingTimeConfig) -> dict[str, Any]:
    """Reads, draws and reports; returns each run's last numbers."""
    runs = labelled([load(run_dir) for run_dir in config.run_dirs], config.labels)
    folder = writable_directory(config.output_dir)
    curves = {label: bits(trained) for label, trained in runs.items()}
    learned = title(next(iter(runs.values())).name)
    shown = {label: (seconds, compressed(sets)) for label, (seconds, sets) in curves.items()}
    figure = plots.bits_by_time(shown, IN_DIST, title=f"Trained on {learned}")
    path = plots.save(figure, folder / "bits-by-time", {label: [list(s), c] for label, (s, c) in curves.items()})
    picture = Picture(path, CAPTION, "Falling curves, a few for each run")
    results = {label: numbers(runs[label], *curves[label]) for label in runs}
    best = min(results, key=lambda label: results[label]["bits_per_dim"][IN_DIST])
    lead = (
        f"'{best}' has the fewest bits per dimension on held-out {learned} images, "
        f"{results[best]['bits_per_dim'][IN_DIST]:.3f}, after {results[best]['minutes']:.0f} minutes."
    )
    page = report.write(
        folder,
        f"Bits per dimension by training time, {learned}",
        QUESTION,
        lead,
        [Section("Runs", tables=[table(results)], figures=[picture])],
        command("training_time", config),
    )
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(lead, f"The report is {page}.", sep="\n")
    return results


def labelled(runs: list[Trained], labels: tuple[str, ...]) -> dict[str, Trained]:
    """The runs by label. Raises InputError for runs of several data sets, unfinished ones, or labels not one a run."""
    learned = list(dict.fromkeys(trained.name for trained in runs))
    if len(learned) != 1:
        raise InputError(f"The runs learned {learned or 'nothing'}; name one run or more, all of one data set.")
    for trained in runs:
        done, planned = trained.history[-1]["step"], trained.description["training"]["num_steps"]
        if done < planned:
            raise InputError(
                f"A run stands at step {done:,} of {planned:,}, before its learning rate has decayed; finish it first, "
                "with the command that began it, or leave it out."
            )
    if not labels:
        return name_each(runs)
    if len(set(labels)) != len(runs):
        raise InputError(f"There are {len(runs)} runs and the labels {list(labels)}; give each run one of its own.")
    return dict(zip(labels, runs, strict=True))


def bits(trained: Trained) -> tuple[list[float], dict[str, list[float]]]:
    """Seconds since training began, and bits/dim of each evaluated set, along training."""
    curves = {IN_DIST: trained.curve("validation")} | {title(name): trained.curve(name) for name in trained.watched}
    return [record["seconds"] for record in trained.history], curves


def compressed(curves: dict[str, list[float]]) -> dict[str, list[float]]:
    """The sets on which a model does better than none does, at some time; the learned set always."""
    return {
        name: curve for name, curve in curves.items() if name == IN_DIST or np.nanmin([*curve, math.inf]) < UNIFORM_CODE
    }


def numbers(trained: Trained, seconds: list[float], curves: dict[str, list[float]]) -> dict[str, Any]:
    """A run's row, as JSON has it."""
    return {
        "model": f"{trained.kind}, {trained.architecture.summarize()}",
        "num_steps": trained.history[-1]["step"],
        "minutes": seconds[-1] / 60,
        "bits_per_dim": {name: curve[-1] for name, curve in curves.items()},
    }


def table(results: dict[str, Any]) -> Table:
    """The ends of the runs."""
    sets = list(dict.fromkeys(name for row in results.values() for name in row["bits_per_dim"]))
    rows = [
        [
            label,
            row["model"],
            f"{row['num_steps']:,}",
            f"{row['minutes']:.0f}",
            *(f"{row['bits_per_dim'][name]:.3f}" if name in row["bits_per_dim"] else "" for name in sets),
        ]
        for label, row in results.items()
    ]
    return Table("Bits/dim at the end of each run", ["run", "model", "steps", "minutes", *sets], rows)


if __name__ == "__main__":
    run(main, lambda arguments: tyro.cli(TrainingTimeConfig, args=arguments, description=__doc__))
