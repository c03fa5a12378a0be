"""Histograms of log P(image) as all reports show them: collected sets overlaid, generated references beneath."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from experiments.old_report import Picture
from experiments.report.published import title
from experiments.scoring import Sets, collected, references
from glowjax import plots

REACH = 1.5  # a set further away than so many widths of the test images would squash the histograms
BENEATH = "Beneath, the generated references: the middle 95 % of each set with its mean, or an arrow to where it lies."


def by_title(sets: Sets) -> dict[str, np.ndarray]:
    """{what a reader calls the set: [N] log P(image) in nats}."""
    return {title(name): scored.log_likelihood for name, scored in sets.items()}


def reach(sets: Sets) -> float:
    """How many widths of the test images a histogram must span to show every collected set."""
    test, *others = [scored.log_likelihood for scored in collected(sets).values()]
    distances = [abs(np.median(values) - np.median(test)) for values in others]
    return max(REACH, 1.2 * max(distances, default=0.0) / np.ptp(np.quantile(test, [0.01, 0.99])))


def picture(sets: Sets, num_dims: int, kind_and_data: str, path: Path) -> Picture:
    """The sets under one model, the first of them in-distribution, saved at `path`."""
    values = by_title(collected(sets))
    figure = plots.likelihood_histograms(
        values, num_dims, next(iter(values)), kind_and_data, reach=reach(sets), references=by_title(references(sets))
    )
    return Picture(
        plots.save(figure, path, by_title(sets)),
        f"Histograms of log P(image), each scaled to its own peak. {BENEATH}",
        "Histograms of log-likelihood by data set",
    )


def panels(models: Mapping[str, Sets], num_dims: int, path: Path) -> Picture:
    """A panel for each model, whose first set is in-distribution, saved at `path`."""
    values = {model: by_title(collected(sets)) for model, sets in models.items()}
    in_dist = {model: next(iter(named)) for model, named in values.items()}
    beneath = {model: by_title(references(sets)) for model, sets in models.items()}
    figure = plots.likelihood_panels(values, num_dims, in_dist, references=beneath)
    return Picture(
        plots.save(figure, path, {model: by_title(sets) for model, sets in models.items()}),
        f"Histograms of log P(image), each scaled to its own peak; further right is likelier. {BENEATH}",
        "A panel of histograms for each model",
    )
