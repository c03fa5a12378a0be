"""`analysis.likelihood_gap`, `second_order_gap`, `remainder` and `constant_volume_gap`."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.coverage.populations import DIM, NORMAL, SKEWED, T3, Density, Population, Tails, cluster_labels
from benchmarks.coverage.row import Case, Lab, one_by_one, row
from glowjax import analysis as an
from glowjax import cv_glow, stats

TIMES = 2000
BATCH = 50
"""Data sets that are computed at a time."""

_RNG = np.random.default_rng(0)
_SYMMETRIC = _RNG.normal(size=(DIM, DIM))
_MATRIX = (_SYMMETRIC + _SYMMETRIC.T) / 4 - np.eye(DIM)
_SLOPE, _ZERO = _RNG.normal(size=DIM) / 2, np.zeros(DIM)

QUADRATIC = Density(_SLOPE, _MATRIX, _ZERO, _ZERO)
QUARTIC = Density(_SLOPE, _MATRIX, _RNG.normal(size=DIM) / 8, np.full(DIM, -0.05))
KINKED = Density(_SLOPE, _MATRIX, _ZERO, _ZERO, kink=2.0)
BENT = Density(_SLOPE, _MATRIX, _ZERO, _ZERO, bend=2.0)


def pair(tails: Tails) -> tuple[Population, Population]:
    """Two populations of images of other means and variances."""
    in_dist = Population(tails, np.zeros(DIM), np.linspace(0.6, 1.2, DIM))
    return in_dist, Population(tails, np.linspace(0.8, -0.4, DIM), np.linspace(0.9, 0.5, DIM))


def simulated(
    function: Callable[..., Any], lab: Lab, times: int, tails: Tails, num: int, num_groups: int | None = None
) -> tuple[Any, float]:
    """What `function(in_dist, out_dist, key, groups_in=..., groups_out=...)` gives for many pairs of sets.

    Both sets are in groups, if any, and a set of groups has 8 images per group. The second result is the share of the
    data sets with a warning: 0 or 1, because the program is compiled and warnings depend on the sizes alone.
    """
    groups = None if num_groups is None else cluster_labels(num_groups)
    (p, q), num = pair(tails), num if groups is None else len(groups)

    def of_one(key: jax.Array) -> Any:
        in_key, out_key, own = jax.random.split(key, 3)
        in_dist, out_dist = p.draw(in_key, num, groups), q.draw(out_key, num, groups)
        return function(in_dist, out_dist, own, groups_in=groups, groups_out=groups)

    keys = jax.random.split(lab.key(tails.name, num, num_groups), lab.times(times))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = jax.jit(lambda keys: jax.lax.map(of_one, keys, batch_size=BATCH))(keys)
    return found, float(any(issubclass(one.category, stats.FewImagesWarning) for one in caught))


def settings(*others: Tails) -> Iterator[tuple[Tails, int, int | None]]:
    """(tails, images, groups): normal images one by one and in groups, and images of other tails one by one."""
    for tails in (NORMAL, *others):
        for num in (50, 200, 2000):
            yield tails, num, None
        for groups in (5, 20, 64, 256) if tails is NORMAL else ():
            yield tails, len(cluster_labels(groups)), groups


@row("analysis.likelihood_gap")
def likelihood_gap(lab: Lab) -> Iterator[Case]:
    """A quartic density, or a quadratic one if the tails have no fourth moment."""
    for tails, num, groups in settings(SKEWED, T3):
        density = QUADRATIC if tails is T3 else QUARTIC
        found, told = simulated(
            lambda p, q, key, **labels: an.likelihood_gap(density, p, q, **labels),  # noqa: B023
            lab,
            TIMES,
            tails,
            num,
            groups,
        )
        in_dist, out_dist = pair(tails)
        truth = density.expectation(out_dist) - density.expectation(in_dist)
        yield Case("", tails.name, num, found, truth, groups, told)


@row("analysis.compare")
def compare_densities(lab: Lab) -> Iterator[Case]:
    """A quadratic density and a quartic one on the same images."""

    def of_sets(p: Any, q: Any, key: Any, **labels: Any) -> an.GapDifference:
        del key
        return an.compare(QUARTIC, QUADRATIC, p, q, **labels)

    for tails, num, groups in settings(SKEWED):
        found, told = simulated(of_sets, lab, TIMES, tails, num, groups)
        p, q = (QUARTIC.expectation(one) - QUADRATIC.expectation(one) for one in pair(tails))
        for field, truth in {"gap": q - p, "in_dist": p}.items():
            yield Case(field, tails.name, num, getattr(found, field), truth, groups, told)


def center_of(name: str, in_dist: Population, out_dist: Population) -> np.ndarray:
    """The center that a name, or "given", stands for, of the populations."""
    return {"in_dist": in_dist.mean, "midpoint": (in_dist.mean + out_dist.mean) / 2, "given": np.full(DIM, 0.1)}[name]


def terms(density: Density, x0: np.ndarray, images: Population) -> dict[str, float]:
    """The terms of E f - f(center) to second order; the values are independent, and the covariance is diagonal."""
    hessian, offset = density.hessian(x0), images.mean - x0
    first, mean = float(density.gradient(x0) @ offset), float(offset @ hessian @ offset / 2)
    spread = float(np.diag(hessian) @ images.scale**2 / 2)
    return {"total": first + mean + spread, "first_order": first, "mean_curvature": mean, "covariance": spread}


def _second_order(lab: Lab, center: str, density: Density, what: str, **options: Any) -> Iterator[Case]:
    others = {QUARTIC: (SKEWED,), QUADRATIC: (T3,)}.get(density, ())
    for tails, num, groups in settings(*others):
        in_dist, out_dist = pair(tails)
        x0 = center_of(center, in_dist, out_dist)
        place = jnp.asarray(x0) if center == "given" else center

        def of_sets(p: Any, q: Any, key: Any, **labels: Any) -> an.SecondOrderGap:
            del key
            return an.second_order_gap(density, p, q, center=place, **options, **labels)  # noqa: B023

        found, told = simulated(of_sets, lab, TIMES, tails, num, groups)
        p, q = (terms(density, x0, images) for images in (in_dist, out_dist))
        for field in p:
            if center == "midpoint" and field == "mean_curvature":
                continue  # zero, exactly
            yield Case(field, f"{what}, {tails.name}", num, getattr(found, field), q[field] - p[field], groups, told)


@row('analysis.second_order_gap(center="midpoint")')
def second_order_midpoint(lab: Lab) -> Iterator[Case]:
    """The center of both means, computed."""
    yield from _second_order(lab, "midpoint", QUARTIC, "smooth density")
    yield from _second_order(lab, "midpoint", KINKED, "density with a kink")
    yield from _second_order(lab, "midpoint", BENT, "density whose Hessian jumps")


@row('analysis.second_order_gap(center="in_dist")')
def second_order_in_dist(lab: Lab) -> Iterator[Case]:
    """The mean of in_dist, computed."""
    yield from _second_order(lab, "in_dist", QUARTIC, "smooth density")
    yield from _second_order(lab, "in_dist", KINKED, "density with a kink")


@row("analysis.second_order_gap(center=point)")
def second_order_given(lab: Lab) -> Iterator[Case]:
    """A center that is given."""
    yield from _second_order(lab, "given", QUARTIC, "smooth density")
    yield from _second_order(lab, "given", QUADRATIC, "quadratic density")


@row('analysis.second_order_gap(center="in_dist", num_resamples=30)')
def second_order_resampled(lab: Lab) -> Iterator[Case]:
    """Errors by resampling the images with their center, of a density with a kink that the center may cross."""
    in_dist, out_dist = pair(NORMAL)
    p, q = (terms(KINKED, in_dist.mean, images) for images in (in_dist, out_dist))
    for num in (50, 200):

        def of_sets(n: int) -> an.SecondOrderGap:
            in_key, out_key, own = jax.random.split(lab.key("resampled", num, n), 3)  # noqa: B023
            sets = in_dist.draw(in_key, num), out_dist.draw(out_key, num)  # noqa: B023
            return an.second_order_gap(KINKED, *sets, center="in_dist", num_resamples=30, key=own)

        found, told = one_by_one(of_sets, lab.times(200))
        for field in p:
            yield Case(field, "density with a kink, normal", num, getattr(found, field), q[field] - p[field], told=told)


@row('analysis.second_order_gap(center="in_dist", covariance="diagonal", equal_means=True)')
def second_order_paper(lab: Lab) -> Iterator[Case]:
    """The paper's version, whose covariance term is the total."""
    for case in _second_order(lab, "in_dist", QUARTIC, "smooth density", covariance="diagonal", equal_means=True):
        if case.field == "covariance":
            yield case


@row("analysis.remainder")
def remainder(lab: Lab) -> Iterator[Case]:
    """Around a computed center, the total remainder, and its smooth part or, for a density with a kink, its kinks."""
    smooth, kinked = (
        ("smooth density", QUARTIC, ("total", "smooth")),
        ("density with a kink", KINKED, ("total", "kink")),
    )
    for center, (what, density, fields) in (("midpoint", smooth), ("in_dist", smooth), ("midpoint", kinked)):
        for tails, num, groups in settings():

            def of_sets(p: Any, q: Any, key: Any, **labels: Any) -> Any:
                del key
                return an.remainder(density, p, q, center=center, num_nodes=12, **labels)  # noqa: B023

            found, told = simulated(of_sets, lab, TIMES // 2, tails, num, groups)
            truth = _remainder(density, tails, center)
            for field in fields:
                data = f"{what}, center {center}, {tails.name}"
                yield Case(field, data, num, getattr(found, field), truth, groups, told)


def _remainder(density: Density, tails: Tails, center: str) -> float:
    in_dist, out_dist = pair(tails)
    x0 = center_of(center, in_dist, out_dist)
    p, q = (density.expectation(images) - terms(density, x0, images)["total"] for images in (in_dist, out_dist))
    return q - p


@row("analysis.constant_volume_gap")
def constant_volume(lab: Lab) -> Iterator[Case]:
    """The form "linear" of a tiny Glow of constant volume, for images whose values vary alike."""
    flow, shape = cv_glow(1, 1, 4), (2, 2, 1)
    params = flow.init(jax.random.key(0), np.random.default_rng(0).integers(0, 256, (32, *shape)).astype(np.uint8))
    jacobian = jax.jacobian(lambda x: jnp.concatenate([z.ravel() for z in jax.tree.leaves(flow.encode(params, x))]))
    lengths = np.asarray(jnp.sum(jacobian(jnp.full(shape, 128.0)) ** 2, axis=0)).ravel()
    variances = [(20 * images.scale[:4]) ** 2 for images in pair(NORMAL)]
    truth = float(-lengths @ (variances[1] - variances[0]) / 2)  # the couplings start as the identity

    def of_sets(p: Any, q: Any, key: Any, **labels: Any) -> Any:
        del key
        p, q = (20 * x[:, :4].reshape(-1, *shape) for x in (p, q))
        return an.constant_volume_gap(flow, params, p, q, form="linear", **labels)

    for tails, num, groups in settings(T3):
        found, told = simulated(of_sets, lab, TIMES // 2, tails, num, groups)
        yield Case("", tails.name, num, found, truth, groups, told)
