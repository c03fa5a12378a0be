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

from experiments.report.options import OneModel
from experiments.report.page import Cell, Figure, Number, Result, Section, Table, slug
from experiments.report.scoring import image_sets
from experiments.report.trained import Trained, heading, load_flow, title
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
ROUTES = {
    "from values": "value",
    "from gradients": "gradient",
    "smooth part": "smooth",
    "kink part": "kink",
    "Hessian at the mean": "at_mean",
    "quadrature": "quadrature",
}
"""{how a spread is computed: the field of `analysis.Spread`}."""

GAP_TEXT = (
    '"The paper\'s version" expands around the mean of the test images, with variances instead of covariances and with '
    "equal means."
)
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

    num_images: int | None = 10_000
    num_paths: int = 200
    num_nodes: int = 48


class Expansion(stats.Result):
    """The expansion around one center, or around one per image, on the images that paths lead to.

    Attributes:
        gap: measured on these images.
        predicted: to second order.
        remainder: gap minus predicted, by parts.
        terms: the terms of `predicted`, if there is one center for all images.
    """

    gap: Estimate
    predicted: Estimate
    remainder: an.Remainder
    terms: an.SecondOrderGap | None


class Explanation(stats.Result):
    """Every estimate about one pair of image sets.

    Attributes:
        location_spread: location and spread, around each set's own mean, with the gap itself.
        expansions: by center: "midpoint", "in_dist", and "classes" if the test set has labels.
        published: the paper's version: the mean of the test set, diagonal covariances, equal means.
        closed_forms: for flows of constant volume: "published", "diagonal" (exact weights, variances only), "linear"
            and "jacobian"; else empty.
    """

    location_spread: an.LocationSpread
    expansions: dict[str, Expansion]
    published: an.SecondOrderGap
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
    found = {other.name: explain(trained, test, other, config) for other in others}
    names, sections = heading(trained), []
    for name, (one, curves) in found.items():
        sets = (title(test.name), title(name))
        text = (
            f"The model: {trained.summarize()}.\n\nThe gap is E[log p] of {sets[1]} minus E[log p] of {sets[0]} images."
        )
        tables, figures = _overview(one, sets, names, slug(name))
        sections.append(Section(f"{sets[1]}: the gap and its predictions", f"{text} {GAP_TEXT}", tables, figures))
        sections.append(
            Section(f"{sets[1]}: location and spread, the exact form", EXACT_TEXT, _exact(one.location_spread, sets))
        )
        figures = [_along(center, sets, names, slug(name), curve) for center, curve in curves.items()]
        tables = [_expansions(one.expansions)]
        sections.append(
            Section(f"{sets[1]}: the second-order expansion and its remainder", SECOND_TEXT, tables, figures)
        )
    return Result(
        f"Curvature and the likelihood gap after training on {title(trained.name)}",
        QUESTION,
        "\n\n".join(summarize(names, name, one) for name, (one, _) in found.items()),
        sections,
        {name: one for name, (one, _) in found.items()},
    )


def explain(
    trained: Trained[Flow], in_dist: ImageSet, out_dist: ImageSet, config: SecondOrderConfig
) -> tuple[Explanation, dict[str, Curves]]:
    """Means and measured gaps over all images; paths to the first `num_paths` of each set, {center: their curves}."""
    log_prob = functools.partial(trained.model.log_prob, trained.params)
    p_key, q_key = jax.random.split(jax.random.key(config.seed))
    p, q = (dequantize(key, np.asarray(one.images)) for key, one in ((p_key, in_dist), (q_key, out_dist)))
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
    expansions, curves = {}, {}
    for name, center in centers.items():
        expansions[name], curves[name] = _expand(log_prob, (p[few], q[few]), nodes, groups_of_few, center)
    published = an.second_order_gap(log_prob, p, q, center="in_dist", covariance="diagonal", equal_means=True, **groups)
    return Explanation(exact, expansions, published, _closed_forms(trained, p, q, groups)), curves


def class_centers(points: Array, labels: np.ndarray, p: Array, q: Array) -> tuple[Array, Array]:
    """For `p`, the first of the labeled `points`, the mean of each image's class; for `q`, the nearest class mean."""
    classes, codes = np.unique(labels, return_inverse=True)
    means = jnp.stack([points[codes == code].mean(axis=0) for code in range(len(classes))])
    distances = jnp.stack([jnp.sum((q - mean[None]) ** 2, axis=(1, 2, 3)) for mean in means])
    return means[codes[: len(p)]], means[jnp.argmin(distances, axis=0)]


def _expand(
    log_prob: an.LogProb,
    points: tuple[Array, Array],
    nodes: an.paths.Nodes,
    groups: dict[str, Any],
    centers: tuple[Array, Array],
) -> tuple[Expansion, Curves]:
    """The expansion of both sets, each around one center for all its images, or around one for each."""
    along = [an.paths.log_prob_along(log_prob, *pair, nodes.t) for pair in zip(centers, points, strict=True)]
    shared = centers[0] is centers[1]
    expansion = Expansion(
        gap=stats.gap(*(one.end for one in along), **groups),
        predicted=stats.gap(*(one.second_order() for one in along), **groups),
        remainder=stats.gap(*(an.paths.remainder_along(one, nodes) for one in along), **groups),
        terms=an.second_order_gap(log_prob, *points, center=centers[0], **groups) if shared else None,
    )
    measured = [jnp.mean(one.value - one.center[:, None], axis=0) for one in along]
    second = [jnp.stack([jnp.mean(one.second_order(float(t)) - one.center) for t in nodes.t]) for one in along]
    return expansion, Curves(nodes.t, measured, second)


def _closed_forms(trained: Trained[Flow], p: Array, q: Array, groups: dict[str, Any]) -> dict[str, Estimate]:
    """The gap of a flow of constant volume by each closed form; none for another flow."""
    if trained.title != "CV-Glow":
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


def summarize(model: str, name: str, explanation: Explanation) -> str:
    """The result for one OOD set."""
    exact = explanation.location_spread
    spreads = stats.difference(exact.spread_out.value, exact.spread_in.value)
    higher = "higher" if exact.gap.value > 0 else "lower"
    return (
        f"Under the {model}, the mean log p of {title(name)} images is {abs(float(exact.gap.value)):,.0f} ± "
        f"{float(exact.gap.sem):,.0f} nats {higher} than that of the test images: "
        f"{exact.location:+,.0f} nats of location and {spreads:+,.0f} nats of spread. The second-order prediction of "
        f"this difference, around the mean of the test images, is {explanation.expansions['in_dist'].predicted:+,.0f} "
        "nats."
    )


def _overview(one: Explanation, sets: tuple[str, str], model: str, file: str) -> tuple[list[Table], list[Figure]]:
    exact, spread_in = one.location_spread, one.location_spread.spread_in.value
    predicted = {f"second order, {CENTERS[c]}": e.predicted for c, e in one.expansions.items()}
    predicted["the paper's version"] = one.published.total
    predicted |= {CLOSED_FORMS[form]: estimate for form, estimate in one.closed_forms.items()}
    groups = {
        "measured": {"gap": exact.gap},
        "exact parts": {
            "location": exact.location,
            f"spread of {sets[1]}": exact.spread_out.value,
            f"minus the spread of {sets[0]}": Estimate(-spread_in.value, spread_in.sem, spread_in.count),
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
    caption = "Measured gap and predictions in nats per image, ± standard error over images"
    return [_column(caption, {"measured gap": exact.gap, **predicted})], [figure]


def _exact(exact: an.LocationSpread, sets: tuple[str, str]) -> list[Table]:
    spreads = dict(zip(sets, (exact.spread_in, exact.spread_out), strict=True))
    parts = {"gap": exact.gap, "location": exact.location}
    parts |= {f"spread of {label}": spread.value for label, spread in spreads.items()}
    parts["part of the location that is noise of the means"] = exact.bias
    return [
        _column("gap = location + spread of the OOD set - spread of the test set, in nats", parts),
        Table(
            "Each spread computed in several ways, in nats; all except 'from values' use a subset of the images",
            ["spread of", *ROUTES],
            [[label, *(_nats(getattr(one, f)) for f in ROUTES.values())] for label, one in spreads.items()],
        ),
    ]


def _expansions(expansions: dict[str, Expansion]) -> Table:
    rows: list[list[Cell]] = []
    for center, one in expansions.items():
        terms, rest = one.terms, one.remainder
        by_term = (terms.first_order, terms.mean_curvature, terms.covariance) if terms else ("",) * 3
        estimates = (one.gap, *by_term, one.predicted, rest.total, rest.smooth, rest.kink)
        rows.append([CENTERS[center], *map(_nats, estimates)])
    return Table(
        "Second-order terms and remainder by center, in nats, on the images to which paths lead; the gap is measured "
        "on these images too, so it differs from that of all images. The sample mean of n images adds 1/n of the "
        "covariance term as noise: it appears under 'means' and cancels in the total",
        ["center", "gap", "first order", "means", "covariances", "predicted", "remainder", "smooth", "kinks"],
        rows,
    )


def _along(center: str, sets: tuple[str, str], model: str, file: str, curves: Curves) -> Figure:
    measured = dict(zip(sets, curves.measured, strict=True))
    second = dict(zip(sets, curves.second_order, strict=True))
    return Figure(
        f"along-{center}-{file}",
        plots.along_paths(curves.t, measured, second, f"From the {CENTERS[center]}: {model}"),
        {"t": curves.t, "measured": measured, "second_order": second},
        f"Left: mean log p on the paths from the {CENTERS[center]} to the images, and its second-order expansion "
        "(dashed), cut off at the edge of the panel. Right: the distance between the two.",
        "Curves of log p along straight paths, and of the remainder",
    )


def _column(caption: str, estimates: dict[str, Estimate]) -> Table:
    return Table(caption, ["", "nats"], [[label, _nats(estimate)] for label, estimate in estimates.items()])


def _nats(estimate: Estimate | str) -> Cell:
    return Number(estimate, "+,.0f") if isinstance(estimate, Estimate) else estimate
