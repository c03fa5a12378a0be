"""The likelihood gap between two image sets under a trained flow, and every explanation of it, in numbers."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.report.trained import Trained
from glowjax import analysis as an
from glowjax import stats
from glowjax.analysis.density import LogProb
from glowjax.data import ImageSet
from glowjax.likelihood import dequantize
from glowjax.models import Flow
from glowjax.stats import difference
from glowjax.typing import Array

CENTERS = ("midpoint", "in_dist")


@dataclasses.dataclass(frozen=True)
class Expansion:
    """The expansion around one centre (or a centre for each image) on the images that paths lead to.

    Attributes:
        gap: measured on these images.
        predicted: to second order.
        remainder: gap - predicted, by parts.
        terms: of `predicted`, where there is one centre for all.
        curves: {set: {"measured" | "second order": [T]}}, means of log p - log p(centre) along the paths.
    """

    gap: an.Estimate
    predicted: an.Estimate
    remainder: an.Remainder
    terms: an.SecondOrderGap | None
    curves: dict[str, dict[str, Array]]


@dataclasses.dataclass(frozen=True)
class Explained:
    """Everything about one pair of image sets.

    Attributes:
        location_spread: the exact form, around each set's own mean, with the gap itself.
        expansions: by centre: "midpoint", "in_dist", and "classes" where in_dist has labels.
        published: the paper's version: the mean of in_dist, diagonal covariances, equal means.
        closed_forms: for flows of constant volume: "published", "diagonal" (exact weights, variances only),
            "linear" and "jacobian", else empty.
        t: [T] where the curves were taken.
    """

    location_spread: an.LocationSpread
    expansions: dict[str, Expansion]
    published: an.SecondOrderGap
    closed_forms: dict[str, an.Estimate]
    t: np.ndarray


def explain(
    trained: Trained[Flow], in_dist: ImageSet, out_dist: ImageSet, num_paths: int, num_nodes: int, seed: int
) -> Explained:
    """All of it: means and measured gaps over all images, paths to the first `num_paths` of each set."""
    log_prob = functools.partial(trained.model.log_prob, trained.params)
    p_key, q_key = jax.random.split(jax.random.key(seed))
    p, q = dequantize(p_key, in_dist.images), dequantize(q_key, out_dist.images)
    groups: dict[str, Any] = {"groups_in": in_dist.groups, "groups_out": out_dist.groups}
    first = {name: g if g is None else g[:num_paths] for name, g in groups.items()}
    location_spread = an.location_spread_gap(log_prob, p, q, num_nodes, num_paths=num_paths, **groups)

    nodes = an.gauss_legendre(num_nodes)
    expand = functools.partial(_expand, log_prob, p[:num_paths], q[:num_paths], nodes, first)
    mean_in, mean_out = p.mean(axis=0), q.mean(axis=0)
    expansions = {"midpoint": expand((mean_in + mean_out) / 2), "in_dist": expand(mean_in)}
    if in_dist.labels is not None:
        expansions["classes"] = expand(*_class_centers(p, in_dist.labels, p[:num_paths], q[:num_paths]))

    published = an.second_order_gap(log_prob, p, q, center="in_dist", covariance="diagonal", equal_means=True, **groups)
    closed_forms = {}
    if trained.description["model"]["kind"] == "cv":
        forms = an.constant_volume
        exact_weights = functools.partial(forms.linear_gap, covariance="diagonal")
        named: dict[str, Callable[..., an.Estimate]] = {
            "published": forms.published_gap,
            "diagonal": exact_weights,
            "linear": forms.linear_gap,
            "jacobian": forms.jacobian_gap,
        }
        for name, form in named.items():
            closed_forms[name] = form(trained.model, trained.params, p, q, **groups)
    return Explained(location_spread, expansions, published, closed_forms, nodes.t)


def _expand(
    log_prob: LogProb,
    p: Array,
    q: Array,
    nodes: an.Nodes,
    groups: dict[str, Any],
    center_in: Array,
    center_out: Array | None = None,
) -> Expansion:
    """The expansion around one centre, or around one for each image of either set."""
    along_p = an.profile(log_prob, center_in, p, nodes.t)
    along_q = an.profile(log_prob, center_in if center_out is None else center_out, q, nodes.t)
    gap = difference(stats.mean(along_q.end, groups["groups_out"]), stats.mean(along_p.end, groups["groups_in"]))
    predicted = difference(
        stats.mean(_second_order(along_q, 1.0), groups["groups_out"]),
        stats.mean(_second_order(along_p, 1.0), groups["groups_in"]),
    )
    terms = an.second_order_gap(log_prob, p, q, center=center_in, **groups) if center_out is None else None
    curves = {name: _curves(along, nodes) for name, along in (("in_dist", along_p), ("out_dist", along_q))}
    return Expansion(gap, predicted, an.remainder_along(along_p, along_q, nodes, **groups), terms, curves)


def _second_order(along: an.Profile, t: float) -> Array:
    """[N] log p to second order around the centre, at `t` of the path."""
    return along.center + t * along.slope_at_center + t**2 / 2 * along.curvature_at_center


def _curves(along: an.Profile, nodes: an.Nodes) -> dict[str, Array]:
    measured = jnp.mean(along.value - along.center[:, None], axis=0)
    expansion = jnp.stack([jnp.mean(_second_order(along, float(t)) - along.center) for t in nodes.t])
    return {"measured": measured, "second order": expansion}


def _class_centers(points: Array, labels: np.ndarray, p: Array, q: Array) -> tuple[Array, Array]:
    """The mean of each image's class for `p`, the first of the labelled `points`; the nearest class mean for `q`."""
    classes, codes = np.unique(labels, return_inverse=True)
    means = jnp.stack([points[codes == code].mean(axis=0) for code in range(len(classes))])
    distances = jnp.stack([jnp.sum((q - mean) ** 2, axis=(1, 2, 3)) for mean in means])
    return means[codes[: len(p)]], means[jnp.argmin(distances, axis=0)]
