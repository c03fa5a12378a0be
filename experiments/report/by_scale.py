"""The section about curvature by scale, which the experiments `curvature-by-scale` and `explain` share."""

import numpy as np

from experiments.report.explanations import nats
from experiments.report.keys import key_for
from experiments.report.page import Cell, Figure, Section, Table, slug
from experiments.report.pairs import Pair
from experiments.report.progress import announce
from glowjax import analysis as an
from glowjax import plots
from glowjax.stats import Estimate

TEXT = (
    "Parabolas (left): on the path from the mean of each set to each of its images, a parabola through log p at the "
    "shares 0, t/2 and t of the path predicts log p at the image. Near t = 0 it has the curvature at the mean; at t = "
    "1 it is exact. So the smallest t from which the gap is right says over which distance log p is nearly quadratic. "
    "The location, a part of the gap, is measured and not predicted, so it is easy to predict the gap within a factor "
    "of two. Compare the two spreads as well: they can be wrong one by one while their errors cancel.\n\n"
    "Means (right): the noise of the mean of N images has 1/N of their variance. N times the change of log p by this "
    "noise would be one constant, 1/2 Tr(HS), if log p were quadratic. It goes from the curvature at the mean, on the "
    "right, to the spread of the images themselves at N = 1, on the left. If it changes its sign, small noise makes "
    "images less likely, but the variation among real images makes them more likely.\n\n"
    "Errors are standard errors over images; those of the parabolas include the error of the mean. They do not include "
    "the choice of the model, which is one training with one seed."
)


def curvature_of(pair: Pair, num_paths: int, seed: int) -> an.CurvatureByScale:
    """The curvature by scale of both sets, with paths to the first `num_paths` images of each."""
    announce(f"Curvature by scale, over {pair.counts()}, with paths to {num_paths:,} of each")
    key = key_for("curvature by scale", seed)
    return an.curvature_by_scale(pair.log_prob, pair.p, pair.q, key, num_paths=num_paths, **pair.groups)


def by_scale_section(pair: Pair, found: an.CurvatureByScale, num_paths: int, model: str) -> Section:
    """Tables and the figure of one pair."""
    spreads = dict(zip(pair.titles, (found.in_dist, found.out_dist), strict=True))
    figure = Figure(
        f"by-scale-{slug(pair.names[1])}",
        plots.curvature_by_scale(
            found.share, found.predicted_gap, found.gap, {n: (s.size, s.curve) for n, s in spreads.items()}, model
        ),
        {"found": found},
        f"Left: the gap to {pair.titles[1]} predicted by parabolas through the first share t of the paths; dotted: as "
        "measured on the same images. Right: N times the change of log p by the noise of a mean of N images; log p is "
        "quadratic where a curve is flat. Bars: 2 standard errors.",
        "Predicted gap against the share of the path, and curvature against the number of images in a mean",
    )
    return Section(
        f"{pair.titles[1]}: curvature by scale",
        TEXT,
        [_parabolas(found, spreads, pair, num_paths), *_curves(spreads)],
        [figure],
    )


def _parabolas(found: an.CurvatureByScale, spreads: dict[str, an.SpreadByScale], pair: Pair, num_paths: int) -> Table:
    rows: list[list[Cell]] = [
        [
            f"{share:g}",
            *(_nats(estimate, place) for estimate in (found.predicted_gap, *(s.predicted for s in spreads.values()))),
        ]
        for place, share in enumerate(found.share)
    ]
    measured = [nats(estimate) for estimate in (found.gap, *(s.spread for s in spreads.values()))]
    lengths = {min(num_paths, len(points)) for points in (pair.p, pair.q)}
    return Table(
        "The gap and the spread of each set around its own mean as parabolas predict them, in nats, and as measured on "
        f"the same images: the first {' and '.join(f'{n:,}' for n in sorted(lengths))} of each set",
        ["share t of the path", "gap", *(f"spread of {name}" for name in spreads)],
        [*rows, ["measured", *measured]],
    )


def _curves(spreads: dict[str, an.SpreadByScale]) -> list[Table]:
    """The curves of both sets, by the number of images in a mean."""
    columns = {name: {float(n): _nats(s.curve, k) for k, n in enumerate(s.size)} for name, s in spreads.items()}
    sizes = sorted(set().union(*columns.values()), reverse=True)
    return [
        Table(
            "N times [E log p(mean of N images) - log p(mean of infinitely many)] in nats; N counts groups if given",
            ["N", *spreads],
            [[f"{n:,.0f}", *(by_size.get(n, "") for by_size in columns.values())] for n in sizes],
        )
    ]


def summary(pair: Pair, found: an.CurvatureByScale) -> str:
    """The result in three sentences."""
    half, least = int(np.argmin(np.abs(found.share - 0.5))), int(np.argmin(found.share))
    texts = []
    for name, one in zip(pair.titles, (found.in_dist, found.out_dist), strict=True):
        few, many = (f"{_at(one.curve, place):+,.0f} at N = {one.size[place]:,.0f}" for place in (0, -1))
        texts.append(f"for {name} {many} and {few}")
    return (
        f"The gap to {pair.titles[1]} is {found.gap:+,.0f} nats. Parabolas through a share of {found.share[half]:g} of "
        f"the paths predict {_at(found.predicted_gap, half):+,.0f}, and through {found.share[least]:g} "
        f"{_at(found.predicted_gap, least):+,.0f}. N times the change of log p by the noise of a mean of N images is, "
        f"in nats, {', '.join(texts)}."
    )


def _at(estimate: Estimate, place: int) -> Estimate:
    """One of several estimates."""
    return Estimate(float(estimate.value[place]), float(estimate.sem[place]), estimate.count)


def _nats(estimate: Estimate, place: int) -> Cell:
    return nats(_at(estimate, place))
