"""The gap of two image sets under a trained Glow: measured, to second order over all images, and in its exact form.

The experiments `second-order` and `explain` share these numbers, tables and the figure.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.report.keys import key_for
from experiments.report.page import Cell, Figure, Number, Section, Table
from experiments.report.progress import announce, shown
from experiments.report.trained import Trained, title
from glowjax import analysis as an
from glowjax import plots, stats
from glowjax.data import ImageSet
from glowjax.likelihood import dequantize
from glowjax.models import Flow
from glowjax.stats import Estimate
from glowjax.typing import Array

CENTERS = {
    "midpoint": "midpoint of the means",
    "in_dist": "mean of the test images",
    "out_dist": "mean of the OOD images",
}
"""The centers of the predictions over all images."""

TERMS = {"total": "total", "first order": "first_order", "means": "mean_curvature", "covariances": "covariance"}
"""The terms of a prediction in words, in the order of the fields of `analysis.SecondOrderGap`."""

ROUTES = {
    "from values": "value",
    "from gradients": "gradient",
    "smooth part": "smooth",
    "kink part": "kink",
    "Hessian at the mean": "at_mean",
    "quadrature": "quadrature",
}
"""{how a spread is computed: the field of `analysis.Spread`}."""

EXACT_TEXT = (
    "Around its own mean the first order of each set vanishes on average. The gap is therefore exactly the location "
    "(log p at one mean minus log p at the other) plus the spread of the OOD images around their mean, minus the "
    "spread of the test images around theirs. A spread is what log p gains on the path from the mean to the images. "
    "Its value comes from log p itself. The smooth part integrates the Hessian along the path, as autodiff gives it. "
    "The rest is due to kinks of the conditioners, such as those of ReLU: the gradient jumps there, which no Hessian "
    "shows. Without kinks, the rest is the error of the numerical integration. The identity holds for any two sets. "
    "How it divides a gap depends on the network, and on the coordinates in which the means are taken."
)
GAP_TEXT = (
    "The predictions expand log p around one center and take the mean over all images of both sets. \"The paper's "
    'version" expands around the mean of the test images, with variances instead of covariances and with equal means.'
)


@dataclasses.dataclass(frozen=True)
class Pair:
    """The test set and an OOD set as points of a density.

    Attributes:
        log_prob: the density of the model.
        p: [N, *shape] the test images with one draw of noise.
        q: [M, *shape] the OOD images likewise.
        groups: `groups_in` and `groups_out`, the arguments of `glowjax.analysis`.
        names: the names of the two sets.
        labels: [N] the classes of the test images; None if they have no labels.
    """

    log_prob: an.LogProb
    p: Array
    q: Array
    groups: dict[str, Any]
    names: tuple[str, str]
    labels: np.ndarray | None

    @property
    def means(self) -> tuple[Array, Array]:
        """The means of `p` and of `q`."""
        return self.p.mean(axis=0), self.q.mean(axis=0)

    @property
    def titles(self) -> tuple[str, str]:
        """The titles of the two sets."""
        own, other = map(title, self.names)
        return own, other

    def first(self, count: int) -> "Pair":
        """The first `count` images of each set."""
        groups = {name: labels if labels is None else labels[:count] for name, labels in self.groups.items()}
        labels = None if self.labels is None else self.labels[:count]
        return dataclasses.replace(self, p=self.p[:count], q=self.q[:count], groups=groups, labels=labels)

    def counts(self) -> str:
        """The numbers of images, and of their groups."""
        numbers = []
        for name, points, groups in zip(self.titles, (self.p, self.q), self.groups.values(), strict=True):
            of_groups = "" if groups is None else f" in {len(np.unique(groups)):,} groups"
            numbers.append(f"{len(points):,} {name} images{of_groups}")
        return " and ".join(numbers)


class Predictions(stats.Result):
    """The gap to second order, over all images.

    Attributes:
        by_center: {center: the prediction with its terms}, for each of `CENTERS`.
        class_means: the prediction around the mean of each test image's class, and around the nearest of these means
            for an OOD image; None without labels.
        published: the paper's version: the mean of the test set, diagonal covariances, equal means.
        at_mean: 1/2 Tr(H S) of each set, with the Hessian at its own mean: "in_dist" and "out_dist".
    """

    by_center: dict[str, an.SecondOrderGap]
    class_means: Estimate | None
    published: an.SecondOrderGap
    at_mean: dict[str, Estimate]


def pair_of(trained: Trained[Flow], in_dist: ImageSet, out_dist: ImageSet, seed: int) -> Pair:
    """The two sets with one draw of noise each."""
    log_prob = functools.partial(trained.model.log_prob, trained.params)
    p_key, q_key = jax.random.split(jax.random.key(seed))
    p, q = (dequantize(key, np.asarray(one.images)) for key, one in ((p_key, in_dist), (q_key, out_dist)))
    groups = {"groups_in": in_dist.groups, "groups_out": out_dist.groups}
    return Pair(log_prob, p, q, groups, (in_dist.name, out_dist.name), in_dist.labels)


def predict(pair: Pair) -> Predictions:
    """The predictions around each center, over all images.

    The Hessian at a center takes D products for images of D values. If there are fewer images than that, a product per
    image is cheaper. The centers are named rather than given, so that the errors include those of the means; those of
    `at_mean` and around class means hold the centers fixed.
    """
    (mean_in, mean_out), count = pair.means, len(pair.p) + len(pair.q)
    at_in = expanded_at(pair.log_prob, mean_in, count, f"Hessian at the {CENTERS['in_dist']}")
    at_out = expanded_at(pair.log_prob, mean_out, count, f"Hessian at the {CENTERS['out_dist']}")
    gap = functools.partial(an.second_order_gap, pair.log_prob, pair.p, pair.q, **pair.groups)
    by_center = {}
    for name in ("midpoint", "in_dist"):
        with shown(f"Prediction around the {CENTERS[name]}") as report:
            by_center[name] = gap(center=name, on_progress=report)
    with shown(f"Prediction around the {CENTERS['out_dist']}") as report:
        by_center["out_dist"] = _around_out_dist(pair, report)
    at_mean = {
        name: stats.mean(an.second_order_terms(pair.log_prob, center, images).covariance, groups)
        for name, center, images, groups in zip(
            ("in_dist", "out_dist"), (at_in, at_out), (pair.p, pair.q), pair.groups.values(), strict=True
        )
    }
    return Predictions(
        by_center,
        None if pair.labels is None else _around_class_means(pair, pair.labels),
        gap(center=at_in, covariance="diagonal", equal_means=True),
        at_mean,
    )


def _around_out_dist(pair: Pair, on_progress: Callable[[int, int], None]) -> an.SecondOrderGap:
    """The prediction around the mean of the OOD images: minus the gap of the sets in the opposite order."""
    groups = {"groups_in": pair.groups["groups_out"], "groups_out": pair.groups["groups_in"]}
    reverse = an.second_order_gap(pair.log_prob, pair.q, pair.p, center="in_dist", on_progress=on_progress, **groups)
    return an.SecondOrderGap(*(minus(getattr(reverse, field)) for field in TERMS.values()))


def minus(estimate: Estimate) -> Estimate:
    """Minus an estimate, with the same error."""
    return Estimate(-estimate.value, estimate.sem, estimate.count)


def expanded_at(log_prob: an.LogProb, center: Array, count: int, work: str) -> Any:
    """The expansion around a center for `count` images; the center itself if a product per image is cheaper."""
    if center.size > count:
        announce(f"{work}: a product for each of {count:,} images")
        return center
    with shown(work) as report:
        return an.expand(log_prob, center, on_progress=report)


def class_codes(pair: Pair, labels: np.ndarray) -> tuple[Array, np.ndarray, np.ndarray]:
    """The means of the classes, [N] the class of each test image, and [M] that of the nearest mean to an OOD image."""
    classes, codes = np.unique(labels, return_inverse=True)
    means = jnp.stack([pair.p[codes == code].mean(axis=0) for code in range(len(classes))])
    distances = jnp.stack([jnp.sum((pair.q - mean[None]) ** 2, axis=(1, 2, 3)) for mean in means])
    return means, codes, np.asarray(jnp.argmin(distances, axis=0))


def _around_class_means(pair: Pair, labels: np.ndarray) -> Estimate:
    """The prediction around the mean of each image's class."""
    means, *codes = class_codes(pair, labels)
    sets, rows = (pair.p, pair.q), means[0].size
    predicted = [np.zeros(len(points)) for points in sets]
    with shown("Hessians at class means") as report:
        for code, mean in enumerate(means):
            done = functools.partial(_report_part, report, code * rows, len(means) * rows)
            expansion = an.expand(pair.log_prob, mean, on_progress=done)
            for values, points, of_set in zip(predicted, sets, codes, strict=True):
                chosen = np.flatnonzero(of_set == code)
                if len(chosen):
                    terms = an.second_order_terms(pair.log_prob, expansion, points[chosen])
                    values[chosen] = expansion.value + terms.total
    return stats.gap(*predicted, **pair.groups)


def _report_part(report: Callable[[int, int], None], before: int, total: int, done: int, _: int) -> None:
    """Reports progress of one part of several."""
    report(before + done, total)


def exact_form(pair: Pair, num_paths: int, num_nodes: int) -> an.LocationSpread:
    """Location and spreads over all images; smooth and kink parts along the paths to the first `num_paths` of each."""
    announce(f"Location and spreads, with paths to {num_paths:,} images of each set")
    return an.location_spread_gap(
        pair.log_prob, pair.p, pair.q, key_for("bootstrap", 0), num_nodes=num_nodes, num_paths=num_paths, **pair.groups
    )


def predictions_section(
    pair: Pair,
    exact: an.LocationSpread,
    predictions: Predictions,
    closed_forms: dict[str, Estimate],
    model: str,
    file: str,
) -> Section:
    """The measured gap beside its exact parts and every prediction; `model` titles and `file` names the figure."""
    sets, spread_in = pair.titles, exact.spread_in.value
    predicted = {f"second order, {CENTERS[name]}": one.total for name, one in predictions.by_center.items()}
    if predictions.class_means is not None:
        predicted["second order, means of classes"] = predictions.class_means
    predicted |= {"the paper's version": predictions.published.total, **closed_forms}
    groups = {
        "measured": {"gap": exact.gap},
        "exact parts": {
            "location": exact.location,
            f"spread of {sets[1]}": exact.spread_out.value,
            f"minus the spread of {sets[0]}": minus(spread_in),
        },
        "predicted": predicted,
    }
    figure = Figure(
        f"gap-{file}",
        plots.gap_estimates(groups, f"{model}: gap to {sets[1]}"),
        groups,
        "The measured gap (positive: the OOD images are more likely), its exact parts, and every prediction.",
        "Dot plot of the gap, its parts and the predictions, in nats",
    )
    caption = f"Measured gap and predictions in nats per image, ± standard error, over {pair.counts()}"
    by_term = Table(
        f"The terms of each prediction in nats, over {pair.counts()}",
        ["center", *TERMS],
        [
            [CENTERS[name], *(nats(getattr(one, term)) for term in TERMS.values())]
            for name, one in predictions.by_center.items()
        ],
    )
    text = f"The gap is E[log p] of {sets[1]} minus E[log p] of {sets[0]} images. {GAP_TEXT}"
    tables = [column(caption, {"measured gap": exact.gap, **predicted}), by_term]
    return Section(f"{sets[1]}: the gap and its predictions", text, tables, [figure])


def exact_section(pair: Pair, exact: an.LocationSpread, predictions: Predictions, num_paths: int) -> Section:
    """Location and spreads."""
    sets = pair.titles
    spreads = {
        sets[0]: exact.spread_in.replace(at_mean=predictions.at_mean["in_dist"]),
        sets[1]: exact.spread_out.replace(at_mean=predictions.at_mean["out_dist"]),
    }
    parts = {"gap": exact.gap, "location": exact.location}
    parts |= {f"spread of {name}": spread.value for name, spread in spreads.items()}
    parts["bias of the location, by the noise of the means"] = exact.bias
    parts["location without this bias"] = exact.corrected_location
    tables = [
        column(
            f"gap = location + spread of the OOD set - spread of the test set, in nats, over {pair.counts()}", parts
        ),
        Table(
            "Each spread computed in several ways, in nats: from values and from the Hessian at the mean over all "
            f"images, the others over the first {num_paths:,} of each set",
            ["spread of", *ROUTES],
            [[name, *(nats(getattr(one, field)) for field in ROUTES.values())] for name, one in spreads.items()],
        ),
    ]
    return Section(f"{sets[1]}: location and spread, the exact form", EXACT_TEXT, tables)


def summarize(model: str, pair: Pair, exact: an.LocationSpread, predictions: Predictions) -> str:
    """The result for one OOD set."""
    spreads = stats.difference(exact.spread_out.value, exact.spread_in.value)
    higher = "higher" if exact.gap.value > 0 else "lower"
    midpoint, in_dist, out_dist = (f"{one.total:+,.0f}" for one in predictions.by_center.values())
    return (
        f"Under the {model}, the mean log p of {pair.titles[1]} images is {abs(float(exact.gap.value)):,.0f} ± "
        f"{float(exact.gap.sem):,.0f} nats {higher} than that of the test images: "
        f"{exact.location:+,.0f} nats of location and {spreads:+,.0f} nats of spread ({pair.counts()}). The "
        f"second-order predictions of this difference over the same images are {midpoint} nats around the midpoint of "
        f"the means, {in_dist} around the mean of the test images and {out_dist} around the mean of the OOD images."
    )


def column(caption: str, estimates: dict[str, Estimate]) -> Table:
    """A table of one column of estimates in nats."""
    return Table(caption, ["", "nats"], [[label, nats(estimate)] for label, estimate in estimates.items()])


def nats(estimate: Estimate | str) -> Cell:
    """An estimate in nats with its standard error; text as it is."""
    return Number(estimate, "+,.0f") if isinstance(estimate, Estimate) else estimate
