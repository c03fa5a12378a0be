"""Histograms of log P(image) as all reports show them: real data sets overlaid, generated references below."""

from collections.abc import Mapping

import numpy as np

from experiments.report.page import Figure
from experiments.report.scoring import Evaluation, Scored
from experiments.report.trained import title
from glowjax import plots

REACH = 1.5
"""A set further from the test images than this many of their widths would squash the histograms."""

BELOW = "Below: the middle 95 % of each generated set with its mean, or an arrow to where it lies."


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
    values = overlaid(evaluation)
    plot = plots.likelihood_histograms(
        values,
        num_dims,
        next(iter(values)),
        heading,
        reach=reach(evaluation),
        references=by_title(evaluation.references),
    )
    return Figure(
        name,
        plot,
        by_title(evaluation.sets),
        f"Histograms of log P(image), each scaled to its own peak; further right is more likely. {BELOW}",
        "Histograms of log-likelihood by data set",
    )


def several_models(models: Mapping[str, Evaluation], num_dims: int, name: str) -> Figure:
    """A panel per model, as the figure `name`."""
    values = {model: overlaid(evaluation) for model, evaluation in models.items()}
    in_dist = {model: next(iter(sets)) for model, sets in values.items()}
    references = {model: by_title(evaluation.references) for model, evaluation in models.items()}
    return Figure(
        name,
        plots.likelihood_panels(values, num_dims, in_dist, references=references),
        {model: by_title(evaluation.sets) for model, evaluation in models.items()},
        f"Histograms of log P(image), each scaled to its own peak; further right is more likely. {BELOW}",
        "A panel of histograms for each model",
    )
