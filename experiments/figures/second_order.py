"""Explanations of the gap: second order, the paper's version, and the exact form (section 5 of the paper).

    python -m experiments second-order --run-dir runs/fashion --out-dists mnist

For a trained Glow and each pair of image sets: the measured likelihood gap; the second-order prediction around the mean
of the test images, the midpoint of the means and the class means, with its remainder split into a smooth part and a
part due to kinks; the paper's version; the closed forms of a CV-Glow; and the exact split into location and spread.
Expect second-order totals that are tens of times too large, and of either sign, for NVP-Glows: that is the result.
After two hours of training on FashionMNIST: gap +686 to MNIST, +26,946 and -38,112 predicted around the midpoint and
around the mean of the test images.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.report.experiment import OneModel
from experiments.report.page import Cell, Figure, Number, Result, Section, Table, slug
from experiments.report.scoring import image_sets
from experiments.report.trained import Trained, load_flow, title
from glowjax import analysis as an
from glowjax import plots, stats
from glowjax.checks import InputError
from glowjax.data import ImageSet
from glowjax.likelihood import dequantize
from glowjax.models import Flow
from glowjax.stats import Estimate
from glowjax.typing import Array

QUESTION = (
    "Why are images likely that the model never saw? The published explanation expands log p to second order: where "
    "log p curves downwards, a set that varies less than the training set is more likely. This page measures the gap "
    "between the sets, what that expansion predicts, what it misses, and an exact form that needs no expansion."
)
CENTERS = {"midpoint": "midpoint of the means", "in_dist": "mean of the test images", "classes": "means of classes"}
CLOSED_FORMS = {
    "published": "published closed form (1x1 weights, variances)",
    "diagonal": "the same with exact weights",
    "linear": "exact for the chain without couplings",
    "jacobian": "the flow's own Jacobian at the mean",
}
EXACT_TEXT = (
    "Around its own mean the first order of each set vanishes on average. The gap is therefore exactly the location "
    "(log p at one mean minus log p at the other) plus the spread of the OOD images around their mean, minus the "
    "spread of the test images around theirs. A spread is what log p gains on the path from the mean to the images. "
    "Its value comes from log p itself. The smooth part integrates the Hessian along the path, as autodiff gives it. "
    "The rest is due to kinks of the conditioners, such as those of ReLU: the gradient jumps there, which no Hessian "
    "shows. Without kinks the rest is the error of integrating over that many nodes."
)
SECOND_TEXT = (
    "The second-order prediction expands log p around one center and sums three terms. The remainder is what it "
    "misses, measured on the same images along straight paths from the center. A remainder much larger than the gap "
    "says that the images lie outside the region in which log p is quadratic."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SecondOrderConfig(OneModel):
    """Options of the explanation; the run must be one of a Glow.

    Attributes:
        num_images: maximum number of images per set, for means and measured gaps.
        num_paths: number of images per set to which log p is followed along the straight path from each center.
        num_nodes: number of Gauss-Legendre nodes on each path.
    """

    num_images: int = 10_000
    num_paths: int = 200
    num_nodes: int = 48


@dataclasses.dataclass(frozen=True)
class Expansion:
    """The expansion around one center, or around one per image, on the images that paths lead to.

    Attributes:
        gap: measured on these images.
        predicted: to second order.
        remainder: gap minus predicted, by parts.
        terms: the terms of `predicted`, if there is one center for all images.
        curves: {set: {"measured" | "second order": [T]}}, means of log p - log p(center) along the paths.
    """

    gap: Estimate
    predicted: Estimate
    remainder: an.Remainder
    terms: an.SecondOrderGap | None
    curves: dict[str, dict[str, Array]]


@dataclasses.dataclass(frozen=True)
class Explanation:
    """Everything about one pair of image sets.

    Attributes:
        exact: location and spread, around each set's own mean, with the gap itself.
        expansions: by center: "midpoint", "in_dist", and "classes" if the test set has labels.
        published: the paper's version: the mean of the test set, diagonal covariances, equal means.
        closed_forms: for flows of constant volume: "published", "diagonal" (exact weights, variances only), "linear"
            and "jacobian"; else empty.
        t: [T] positions on the paths at which the curves were taken.
    """

    exact: an.LocationSpread
    expansions: dict[str, Expansion]
    published: an.SecondOrderGap
    closed_forms: dict[str, Estimate]
    t: np.ndarray


def main(config: SecondOrderConfig) -> Result:
    """Explains the gap between the test set and each OOD set."""
    trained = load_flow(config.run_dir)
    explanations = explain_each(trained, config)
    return Result(
        f"Curvature and the likelihood gap after training on {title(trained.name)}",
        QUESTION,
        summarize(trained, explanations),
        sections(trained, explanations),
        {name: numbers(explanation) for name, explanation in explanations.items()},
    )


def explain_each(trained: Trained[Flow], config: SecondOrderConfig) -> dict[str, Explanation]:
    """{OOD set: its explanation}."""
    test, others = image_sets(trained, config.out_dists, config.data_dir, config.num_images, config.seed)
    if not others:
        raise InputError(f"--out-dists names no data set apart from {test.name}; name one: --out-dists mnist")
    return {other.name: explain(trained, test, other, config) for other in others}


def explain(trained: Trained[Flow], in_dist: ImageSet, out_dist: ImageSet, config: SecondOrderConfig) -> Explanation:
    """Means and measured gaps over all images; paths to the first `num_paths` of each set."""
    log_prob = functools.partial(trained.model.log_prob, trained.params)
    p_key, q_key = jax.random.split(jax.random.key(config.seed))
    p, q = dequantize(p_key, in_dist.images), dequantize(q_key, out_dist.images)
    groups: dict[str, Any] = {"groups_in": in_dist.groups, "groups_out": out_dist.groups}
    exact = an.location_spread_gap(
        log_prob, p, q, jax.random.key(0), num_nodes=config.num_nodes, num_paths=config.num_paths, **groups
    )
    few = slice(config.num_paths)
    groups_of_few = {name: labels if labels is None else labels[few] for name, labels in groups.items()}
    mean_in, mean_out = p.mean(axis=0), q.mean(axis=0)
    centers = {"midpoint": ((mean_in + mean_out) / 2,) * 2, "in_dist": (mean_in,) * 2}
    if in_dist.labels is not None:
        centers["classes"] = class_centers(p, in_dist.labels, p[few], q[few])
    nodes = an.paths.gauss_legendre(config.num_nodes)
    expansions = {
        name: _expand(log_prob, p[few], q[few], nodes, groups_of_few, center) for name, center in centers.items()
    }
    published = an.second_order_gap(log_prob, p, q, center="in_dist", covariance="diagonal", equal_means=True, **groups)
    return Explanation(exact, expansions, published, _closed_forms(trained, p, q, groups), nodes.t)


def class_centers(points: Array, labels: np.ndarray, p: Array, q: Array) -> tuple[Array, Array]:
    """For `p`, the first of the labelled `points`, the mean of each image's class; for `q`, the nearest class mean."""
    classes, codes = np.unique(labels, return_inverse=True)
    means = jnp.stack([points[codes == code].mean(axis=0) for code in range(len(classes))])
    distances = jnp.stack([jnp.sum((q - mean) ** 2, axis=(1, 2, 3)) for mean in means])
    return means[codes[: len(p)]], means[jnp.argmin(distances, axis=0)]


def _expand(
    log_prob: an.LogProb,
    p: Array,
    q: Array,
    nodes: an.paths.Nodes,
    groups: dict[str, Any],
    centers: tuple[Array, Array],
) -> Expansion:
    """The expansion around one center for all, or around one for each image of either set."""
    points = {"in_dist": (centers[0], p), "out_dist": (centers[1], q)}
    along = {name: an.paths.log_prob_along(log_prob, *pair, nodes.t) for name, pair in points.items()}
    shared = centers[0] is centers[1]
    return Expansion(
        gap=stats.gap(along["in_dist"].end, along["out_dist"].end, **groups),
        predicted=stats.gap(*(_second_order(one, 1.0) for one in along.values()), **groups),
        remainder=stats.gap(*(an.paths.remainder_along(one, nodes) for one in along.values()), **groups),
        terms=an.second_order_gap(log_prob, p, q, center=centers[0], **groups) if shared else None,
        curves={name: _curves(one, nodes) for name, one in along.items()},
    )


def _second_order(along: an.paths.PathProfile, t: float) -> Array:
    """[N] log p to second order around the center, at `t` on the path."""
    return along.center + t * along.slope_at_center + t**2 / 2 * along.curvature_at_center


def _curves(along: an.paths.PathProfile, nodes: an.paths.Nodes) -> dict[str, Array]:
    measured = jnp.mean(along.value - along.center[:, None], axis=0)
    expansion = jnp.stack([jnp.mean(_second_order(along, float(t)) - along.center) for t in nodes.t])
    return {"measured": measured, "second order": expansion}


def _closed_forms(trained: Trained[Flow], p: Array, q: Array, groups: dict[str, Any]) -> dict[str, Estimate]:
    """The gap of a flow of constant volume by each closed form; none for another flow."""
    if trained.kind != "CV-Glow":
        return {}
    forms = {
        "published": {"form": "published"},
        "diagonal": {"form": "linear", "covariance": "diagonal"},
        "linear": {"form": "linear"},
        "jacobian": {"form": "jacobian", "center": "in_dist"},
    }
    return {
        name: an.constant_volume_gap(trained.model, trained.params, p, q, **form, **groups)
        for name, form in forms.items()
    }


def numbers(explanation: Explanation) -> dict[str, Any]:
    """Every estimate, as JSON has it."""
    return {
        "location_spread": _plain(explanation.exact),
        "expansions": {
            center: {name: _plain(getattr(e, name)) for name in ("gap", "predicted", "remainder", "terms")}
            for center, e in explanation.expansions.items()
        },
        "published": _plain(explanation.published),
        "closed_forms": {name: _plain(estimate) for name, estimate in explanation.closed_forms.items()},
    }


def _plain(value: Any) -> Any:
    return None if value is None else value.as_dict()


def summarize(trained: Trained[Flow], explanations: dict[str, Explanation]) -> str:
    """The result in a few sentences."""
    sentences = []
    for name, explanation in explanations.items():
        exact = explanation.exact
        spreads = stats.difference(exact.spread_out.value, exact.spread_in.value)
        higher = "higher" if exact.gap.value > 0 else "lower"
        sentences.append(
            f"Under the {trained.kind_and_data}, the mean log p of {title(name)} images is "
            f"{abs(float(exact.gap.value)):,.0f} ± {float(exact.gap.sem):,.0f} nats {higher} than that of the test "
            f"images: {exact.location:+,.0f} nats of location and {spreads:+,.0f} nats of spread. The second-order "
            "prediction of this difference, around the mean of the test images, is "
            f"{explanation.expansions['in_dist'].predicted:+,.0f} nats."
        )
    return "\n\n".join(sentences)


def sections(trained: Trained[Flow], explanations: dict[str, Explanation]) -> list[Section]:
    """Tables and figures of every pair."""
    return [
        section
        for name, explanation in explanations.items()
        for section in (
            _overview(trained, name, explanation),
            _exact(trained, name, explanation),
            _expansions(trained, name, explanation),
        )
    ]


def _overview(trained: Trained[Flow], name: str, explanation: Explanation) -> Section:
    exact, test = explanation.exact, f"{trained.name}:test"
    predicted = {f"second order, {CENTERS[c]}": e.predicted for c, e in explanation.expansions.items()}
    predicted["the paper's version"] = explanation.published.total
    predicted |= {CLOSED_FORMS[form]: estimate for form, estimate in explanation.closed_forms.items()}
    spread_in = exact.spread_in.value
    groups = {
        "measured": {"gap": exact.gap},
        "exact parts": {
            "location": exact.location,
            f"spread of {title(name)}": exact.spread_out.value,
            f"minus the spread of {title(test)}": Estimate(-spread_in.value, spread_in.sem, spread_in.count),
        },
        "predicted": predicted,
    }
    figure = Figure(
        f"gap-{slug(name)}",
        plots.gap_estimates(groups, f"{trained.kind_and_data}: gap to {title(name)}"),
        groups,
        "The measured gap (positive: the OOD images are more likely), its exact parts, and every prediction.",
        "Dot plot of the gap, its parts and the predictions, in nats",
    )
    rows: list[list[Cell]] = [["measured gap", _nats(exact.gap)]]
    rows += [[label, _nats(estimate)] for label, estimate in predicted.items()]
    return Section(
        f"{title(name)}: the gap and its predictions",
        f"The model: {trained.summarize()}.\n\nThe gap is E[log p] of {title(name)} minus E[log p] of {title(test)} "
        'images. "The paper\'s version" expands around the mean of the test images, with variances instead of '
        "covariances and with equal means.",
        [Table("Measured gap and predictions in nats per image, ± standard error over images", ["", "nats"], rows)],
        [figure],
    )


def _exact(trained: Trained[Flow], name: str, explanation: Explanation) -> Section:
    exact = explanation.exact
    spreads = {title(f"{trained.name}:test"): exact.spread_in, title(name): exact.spread_out}
    rows: list[list[Cell]] = [["gap", _nats(exact.gap)], ["location", _nats(exact.location)]]
    rows += [[f"spread of {label}", _nats(spread.value)] for label, spread in spreads.items()]
    rows += [["part of the location that is noise of the means", _nats(exact.bias)]]
    routes = {
        "from values": "value",
        "from gradients": "gradient",
        "smooth part": "smooth",
        "kink part": "kink",
        "Hessian at the mean": "at_mean",
        "quadrature": "quadrature",
    }
    by_route: list[list[Cell]] = [
        [label, *(_nats(getattr(one, field)) for field in routes.values())] for label, one in spreads.items()
    ]
    return Section(
        f"{title(name)}: location and spread, the exact form",
        EXACT_TEXT,
        [
            Table("gap = location + spread of the OOD set - spread of the test set, in nats", ["", "nats"], rows),
            Table(
                "Each spread computed in several ways, in nats; all except 'from values' use a subset of the images",
                ["spread of", *routes],
                by_route,
            ),
        ],
    )


def _expansions(trained: Trained[Flow], name: str, explanation: Explanation) -> Section:
    expansions = explanation.expansions
    rows: list[list[Cell]] = [[CENTERS[center], *_row(expansion)] for center, expansion in expansions.items()]
    header = ["center", "gap", "first order", "means", "covariances", "predicted", "remainder", "smooth", "kinks"]
    titles = {"in_dist": title(f"{trained.name}:test"), "out_dist": title(name)}
    figures = []
    for center, expansion in expansions.items():
        measured = {titles[s]: curves["measured"] for s, curves in expansion.curves.items()}
        second = {titles[s]: curves["second order"] for s, curves in expansion.curves.items()}
        figures.append(
            Figure(
                f"along-{center}-{slug(name)}",
                plots.along_paths(
                    explanation.t, measured, second, f"From the {CENTERS[center]}: {trained.kind_and_data}"
                ),
                {"t": explanation.t, "measured": measured, "second_order": second},
                f"Left: mean log p on the paths from the {CENTERS[center]} to the images, and its second-order "
                "expansion (dashed), cut off at the edge of the panel. Right: the distance between the two.",
                "Curves of log p along straight paths, and of the remainder",
            )
        )
    caption = (
        "Second-order terms and remainder by center, in nats, on the images to which paths lead; the gap is measured "
        "on these images too, so it differs from that of all images. The sample mean of n images adds 1/n of the "
        "covariance term as noise: it appears under 'means' and cancels in the total"
    )
    return Section(
        f"{title(name)}: the second-order expansion and its remainder",
        SECOND_TEXT,
        [Table(caption, header, rows)],
        figures,
    )


def _row(expansion: Expansion) -> list[Cell]:
    terms, rest = expansion.terms, expansion.remainder
    by_term = (terms.first_order, terms.mean_curvature, terms.covariance) if terms else ()
    return [
        _nats(expansion.gap),
        *(map(_nats, by_term) if by_term else [""] * 3),
        *map(_nats, (expansion.predicted, rest.total, rest.smooth, rest.kink)),
    ]


def _nats(estimate: Estimate) -> Number:
    return Number(estimate, "+,.0f")
