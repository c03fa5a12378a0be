"""Tables and histograms of likelihoods as all reports show them."""

from collections.abc import Mapping
from typing import Any

import matplotlib.figure
import numpy as np

from experiments.report.page import Figure, Table
from experiments.report.scoring import Evaluation, Scored
from experiments.report.trained import title
from glowjax import plots

REACH = 1.5
"""A set further from the test images than this many of their widths would squash the histograms."""

BELOW = "Below: the middle 95 % of each generated set with its mean, or an arrow to where it lies."


def table(models: Mapping[str, Evaluation]) -> Table:
    """Bits per dimension and AUROC, with a row per set under each model; a single model needs no name."""
    return Table(
        "Bits per dimension (fewer bits are more likely) and AUROC with bits/dim as the score (below 0.5: more likely "
        "than the test images), with 95 % intervals over images",
        ["model and set" if len(models) > 1 else "set", "images", "bits/dim", "AUROC"],
        [
            [f"{model}, {title(name)}" if model else title(name), *evaluation.row(name)]
            for model, evaluation in models.items()
            for name in evaluation.sets
        ],
    )


def by_title(sets: Mapping[str, Scored]) -> dict[str, np.ndarray]:
    """{title of the set: [N] log P(image) in nats}."""
    return {title(name): scored.log_likelihood for name, scored in sets.items()}


def overlaid(evaluation: Evaluation) -> dict[str, np.ndarray]:
    """The test set and the real data sets, by title."""
    return by_title({evaluation.test.images.name: evaluation.test, **evaluation.real})


def reach(evaluation: Evaluation) -> float:
    """The number of widths of the test images that a histogram must span to show every real data set."""
    test, *others = overlaid(evaluation).values()
    distances = [abs(np.median(values) - np.median(test)) for values in others]
    return max(REACH, 1.2 * max(distances, default=0.0) / np.ptp(np.quantile(test, [0.01, 0.99])))


def one_model(evaluation: Evaluation, num_dims: int, heading: str, name: str) -> Figure:
    """The sets under one model, as the figure `name`."""
    values, references = overlaid(evaluation), by_title(evaluation.references)
    plot = plots.likelihood_histograms(
        values, num_dims, next(iter(values)), heading, reach=reach(evaluation), references=references
    )
    return _figure(name, plot, by_title(evaluation.sets))


def several_models(models: Mapping[str, Evaluation], num_dims: int, name: str) -> Figure:
    """A panel per model, as the figure `name`."""
    values = {model: overlaid(evaluation) for model, evaluation in models.items()}
    in_dist = {model: next(iter(sets)) for model, sets in values.items()}
    references = {model: by_title(evaluation.references) for model, evaluation in models.items()}
    plot = plots.likelihood_panels(values, num_dims, in_dist, references=references)
    return _figure(name, plot, {model: by_title(evaluation.sets) for model, evaluation in models.items()})


def _figure(name: str, plot: matplotlib.figure.Figure, data: Mapping[str, Any]) -> Figure:
    caption = f"Histograms of log P(image), each scaled to its own peak; further right is more likely. {BELOW}"
    return Figure(name, plot, data, caption, "Histograms of log-likelihood by data set")
