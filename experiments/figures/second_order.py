"""Explanations of the gap: second order, the paper's version, and the exact form (section 5 of the paper).

    python -m experiments second-order --run-dir runs/fashion --out-dists mnist

For a trained Glow and each pair of image sets, the page has the measured likelihood gap; the second-order prediction
around the midpoint of the means, the mean of either set and the class means, over all images; the paper's version; the
closed forms of a CV-Glow; the exact split into location and spread; and, along paths to some of the images, the
remainder of the prediction, split into a smooth part and a part due to kinks. Expect second-order totals that are tens
of times too large, and of either sign, for NVP-Glows: that is the result.
"""

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from experiments.report.explanations import exact_form, exact_section, nats, predictions_section, summarize
from experiments.report.options import OneModel
from experiments.report.page import Figure, Result, Section, Table, slug
from experiments.report.pairs import Pair, pair_of
from experiments.report.predictions import CENTERS, Predictions, class_codes, predict
from experiments.report.progress import announce
from experiments.report.scoring import image_sets
from experiments.report.trained import Trained, heading, load_flow, title
from glowjax import analysis as an
from glowjax import plots, stats
from glowjax.checks import InputError
from glowjax.models import Flow
from glowjax.stats import Estimate
from glowjax.typing import Array

QUESTION = (
    "Why are images likely that the model never saw? The published explanation expands log p to second order: where "
    "log p curves downwards, a set that varies less than the training set is more likely. This page measures the gap "
    "between the sets, what that expansion predicts, what it misses, and an exact form that needs no expansion."
)
CENTERS_OF_PATHS = {name: CENTERS[name] for name in ("midpoint", "in_dist")} | {"classes": "means of classes"}
CLOSED_FORMS = {
    "published": "published closed form (1x1 weights, variances)",
    "diagonal": "the same with exact weights",
    "linear": "exact for the chain without couplings",
    "jacobian": "the flow's own Jacobian at the mean",
}
SECOND_TEXT = (
    "The remainder is what a second-order prediction misses: the gap minus the prediction, on the same images, here "
    "along straight paths from the center to the first images of each set. A remainder much larger than the gap says "
    "that the images lie outside the region in which log p is quadratic. Because log p curves far more for some images "
    "than for others, predictions over these few images can differ by more than their errors from those over all."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SecondOrderConfig(OneModel):
    """Options of the explanation; the run must be one of a Glow.

    Attributes:
        num_images: maximum number of images per set, for means and measured gaps.
        num_paths: number of images per set to which log p is followed along the straight path from each center.
        num_nodes: number of Gauss-Legendre nodes on each path.
    """

    num_images: int | None = 10_000
    num_paths: int = 200
    num_nodes: int = 48


class OnPaths(stats.Result):
    """The expansion around one center, or around one per image, on the images that paths lead to.

    Attributes:
        gap: measured on these images.
        predicted: to second order.
        remainder: gap minus predicted, by parts.
    """

    gap: Estimate
    predicted: Estimate
    remainder: an.Remainder


class Explanation(stats.Result):
    """Every estimate about one pair of image sets.

    Attributes:
        location_spread: location and spread, around each set's own mean, with the gap itself.
        predictions: to second order, over all images.
        expansions: on the images that paths lead to, by center: "midpoint", "in_dist", and "classes" if the test set
            has labels.
        closed_forms: for flows of constant volume: "published", "diagonal" (exact weights, variances only), "linear"
            and "jacobian"; else empty.
    """

    location_spread: an.LocationSpread
    predictions: Predictions
    expansions: dict[str, OnPaths]
    closed_forms: dict[str, Estimate]


@dataclasses.dataclass(frozen=True)
class Curves:
    """Means of log p - log p(center) along the paths from one center, for the test set and for the OOD set.

    Attributes:
        t: [T] positions on the paths.
        measured: [T] each.
        second_order: [T] each, by the expansion.
    """

    t: np.ndarray
    measured: list[Array]
    second_order: list[Array]


def main(config: SecondOrderConfig) -> Result:
    """Explains the gap between the test set and each OOD set."""
    trained = load_flow(config.run_dir)
    test, others = image_sets(trained, config.out_dists, config)
    if not others:
        raise InputError(f"--out-dists names no data set apart from {test.name}; name one: --out-dists mnist")
    names, sections, summaries, numbers = heading(trained), [], [], {}
    for other in others:
        pair = pair_of(trained, test, other, config.seed)
        one, curves = explain(trained, pair, config)
        forms = {CLOSED_FORMS[form]: estimate for form, estimate in one.closed_forms.items()}
        file = slug(other.name)
        section = predictions_section(pair, one.location_spread, one.predictions, forms, names, file)
        text = f"The model: {trained.summarize()}.\n\n{section.text}"
        sections += [
            dataclasses.replace(section, text=text),
            exact_section(pair, one.location_spread, one.predictions, config.num_paths),
            _remainders_section(pair, one.expansions, curves, names, file, config.num_paths),
        ]
        summaries.append(summarize(names, pair, one.location_spread, one.predictions))
        numbers[other.name] = one
    return Result(
        f"Curvature and the likelihood gap after training on {title(trained.name)}",
        QUESTION,
        "\n\n".join(summaries),
        sections,
        numbers,
    )


def explain(trained: Trained[Flow], pair: Pair, config: SecondOrderConfig) -> tuple[Explanation, dict[str, Curves]]:
    """Every estimate about a pair, and {center: curves along the paths to the first `num_paths` images}."""
    predictions = predict(pair)
    exact = exact_form(pair, config.num_paths, config.num_nodes)
    few, nodes = pair.first(config.num_paths), an.paths.gauss_legendre(config.num_nodes)
    expansions, curves = {}, {}
    for name, centers in centers_of_paths(pair, few).items():
        announce(f"Paths from the {CENTERS_OF_PATHS[name]} to {len(few.p):,} + {len(few.q):,} images")
        expansions[name], curves[name] = _expand(few, nodes, centers)
    return Explanation(exact, predictions, expansions, _closed_forms(trained, pair)), curves


def centers_of_paths(pair: Pair, few: Pair) -> dict[str, tuple[Array, Array]]:
    """For both sets of `few`: one center for all images, or the mean of all of the `pair` that belong to its class."""
    mean_in, mean_out = pair.means
    centers = {"midpoint": ((mean_in + mean_out) / 2,) * 2, "in_dist": (mean_in,) * 2}
    if pair.labels is not None:
        means, own, nearest = class_codes(pair, pair.labels)
        centers["classes"] = (means[own[: len(few.p)]], means[nearest[: len(few.q)]])
    return centers


def _expand(few: Pair, nodes: an.paths.Nodes, centers: tuple[Array, Array]) -> tuple[OnPaths, Curves]:
    """The expansion of both sets, each around one center for all its images, or around one for each."""
    ends = zip(centers, (few.p, few.q), strict=True)
    along = [an.paths.log_prob_along(few.log_prob, *pair, nodes.t) for pair in ends]
    expansion = OnPaths(
        gap=stats.gap(*(one.end for one in along), **few.groups),
        predicted=stats.gap(*(one.second_order() for one in along), **few.groups),
        remainder=stats.gap(*(an.paths.remainder_along(one, nodes) for one in along), **few.groups),
    )
    measured = [jnp.mean(one.value - one.center[:, None], axis=0) for one in along]
    second = [jnp.stack([jnp.mean(one.second_order(float(t)) - one.center) for t in nodes.t]) for one in along]
    return expansion, Curves(nodes.t, measured, second)


def _closed_forms(trained: Trained[Flow], pair: Pair) -> dict[str, Estimate]:
    """The gap of a flow of constant volume by each closed form; none for another flow."""
    if trained.title != "CV-Glow":
        return {}
    forms: dict[str, dict[str, Any]] = {
        "published": {"form": "published"},
        "diagonal": {"form": "linear", "covariance": "diagonal"},
        "linear": {"form": "linear"},
        "jacobian": {"form": "jacobian", "center": "in_dist"},
    }
    return {
        name: an.constant_volume_gap(trained.model, trained.params, pair.p, pair.q, **form, **pair.groups)
        for name, form in forms.items()
    }


def _remainders_section(
    pair: Pair, expansions: dict[str, OnPaths], curves: dict[str, Curves], model: str, file: str, num_paths: int
) -> Section:
    """What the expansion misses along the paths."""
    rows = []
    for center, one in expansions.items():
        rest = one.remainder
        estimates = (one.gap, one.predicted, rest.total, rest.smooth, rest.kink)
        rows.append([CENTERS_OF_PATHS[center], *map(nats, estimates)])
    table = Table(
        f"Prediction and remainder by center, in nats, over the first {num_paths:,} images of each set only; the gap "
        "is measured on these images too, so it differs from that of all images",
        ["center", "gap", "predicted", "remainder", "smooth", "kinks"],
        rows,
    )
    figures = [_along(center, pair.titles, model, file, curve) for center, curve in curves.items()]
    return Section(f"{pair.titles[1]}: the remainder along paths", SECOND_TEXT, [table], figures)


def _along(center: str, sets: tuple[str, str], model: str, file: str, curves: Curves) -> Figure:
    label = CENTERS_OF_PATHS[center]
    measured = dict(zip(sets, curves.measured, strict=True))
    second = dict(zip(sets, curves.second_order, strict=True))
    return Figure(
        f"along-{center}-{file}",
        plots.along_paths(curves.t, measured, second, f"From the {label}: {model}"),
        {"t": curves.t, "measured": measured, "second_order": second},
        f"Left: mean log p on the paths from the {label} to the images, and its second-order expansion "
        "(dashed), cut off at the edge of the panel. Right: the distance between the two.",
        "Curves of log p along straight paths, and of the remainder",
    )
