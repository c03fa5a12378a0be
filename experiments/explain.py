"""Explains the likelihood gap of one model on one page, in minutes: second order, exact form, scale, tails (section 5).

    python -m experiments explain --run pretrained:fashion-mnist

For a trained Glow and an OOD set, the page has the measured gap; the second-order predictions around three centers and
the class means, over all images; location and spreads with the part of the kinks; curvature by scale; and the gap of
medians and trimmed means, for heavy tails. The images are those of the data folder, or else bundled ones, 2,000 of each
set by default. `second-order` follows more paths, from each center. Expect that log p curves far too much at the means
to predict the gap, and that curvature measured half-way to the images does better.
"""

import dataclasses

import numpy as np

from experiments.report.by_scale import by_scale_section, curvature_of
from experiments.report.explanations import column, exact_form, exact_section, predictions_section, summarize
from experiments.report.options import OneModel
from experiments.report.page import Cell, Figure, Number, Result, Section, Table, slug
from experiments.report.pairs import Pair, pair_of
from experiments.report.predictions import predict
from experiments.report.scoring import image_sets
from experiments.report.trained import Trained, heading, load_flow, title
from glowjax import analysis as an
from glowjax import plots, stats
from glowjax.checks import InputError
from glowjax.likelihood import bits_per_dim, quantize
from glowjax.ood import detection_metrics
from glowjax.stats import Estimate

PARTNERS = {"fashion_mnist": "mnist:train", "notmnist_small": "mnist:train", "cifar10": "svhn"}
"""The OOD set for each training set, as in the paper; its split is the bundled one, if one is bundled."""

QUESTION = (
    "Why are images likely that the model never saw? This page puts the measured gap beside what curvature at three "
    "centers predicts for the same images, and beside an exact form of the gap."
)
TAILS_TEXT = (
    "A few images that the model finds extremely unlikely can decide a mean. Then its interval is not valid, and the "
    "median, the trimmed mean and the order of the images say more. The tail index says how heavy a tail is: below 2 "
    "there is no variance. The figure shows the image with the largest deviation from the mean of its set."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExplainConfig(OneModel):
    """Options of the explanation; the run must be that of a Glow.

    Attributes:
        out_dists: OOD sets to compare with the model's own test set; default: the paper's for the model's training set.
        num_paths: number of images per set to which paths lead, for the smooth and the kink part of the spreads.
        num_nodes: number of Gauss-Legendre nodes on each path.
    """

    num_paths: int = 20
    num_nodes: int = 32


def main(config: ExplainConfig) -> Result:
    """Explains the gap between the test set and each OOD set."""
    trained = load_flow(config.run_dir)
    test, others = image_sets(trained, ood_sets(trained, config), config)
    if not others:
        raise InputError(f"--out-dists names no data set apart from {test.name}; name one: --out-dists mnist:train")
    names, sections, summaries, numbers = heading(trained), [], [], {}
    for other in others:
        pair = pair_of(trained, test, other, config.seed)
        predictions = predict(pair)
        exact = exact_form(pair, config.num_paths, config.num_nodes)
        by_scale = curvature_of(pair, len(pair.p), config.seed)
        robust, more_likely, auroc = tails(pair)
        sections += [
            predictions_section(pair, exact, predictions, {}, names, slug(other.name)),
            exact_section(pair, exact, predictions, config.num_paths),
            by_scale_section(pair, by_scale, len(pair.p), names),
            _tails_section(pair, robust, more_likely, auroc, slug(other.name)),
        ]
        summaries.append(summarize(names, pair, exact, predictions))
        numbers[other.name] = {
            "num_images": [len(pair.p), len(pair.q)],
            "location_spread": exact,
            "predictions": predictions,
            "curvature_by_scale": by_scale,
            "robust_gap": robust,
            "more_likely_than_the_test_median": more_likely,
            "auroc": auroc,
        }
    return Result(
        f"The likelihood gap after training on {title(trained.name)}",
        f"{QUESTION}\n\nThe model: {trained.summarize()}.",
        "\n\n".join(summaries),
        sections,
        numbers,
    )


def ood_sets(trained: Trained, config: ExplainConfig) -> tuple[str, ...]:
    """The OOD sets that the options name, or else the one that belongs to the model's training set."""
    if config.out_dists:
        return config.out_dists
    if trained.in_dist not in PARTNERS:
        raise InputError(f"No OOD set is known for a model of {trained.in_dist}; name one: --out-dists mnist:train")
    return (PARTNERS[trained.in_dist],)


def tails(pair: Pair) -> tuple[stats.RobustGap, Estimate, Estimate]:
    """Robust gaps, the share of OOD images that are more likely than the median test image, and the AUROC of -log p."""
    p, q = (np.asarray(an.log_probs(pair.log_prob, points)) for points in (pair.p, pair.q))
    return (
        stats.robust_gap(p, q, **pair.groups),
        stats.share(q > np.median(p), pair.groups["groups_out"]),
        detection_metrics(-p, -q, **pair.groups).auroc,
    )


def _tails_section(pair: Pair, robust: stats.RobustGap, more_likely: Estimate, auroc: Estimate, file: str) -> Section:
    """The gap by estimates that a few images cannot move, and the image that moves the mean most."""
    gaps = {"means": robust.mean, "medians": robust.median}
    gaps[f"means without {robust.trim:.0%} of the images at either end"] = robust.trimmed
    shown: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    rows: list[list[Cell]] = []
    for name, points, tail in zip(pair.titles, (pair.p, pair.q), (robust.in_dist, robust.out_dist), strict=True):
        furthest = points[int(tail.largest)][None]
        log_p = np.asarray(an.log_probs(pair.log_prob, furthest))
        bits = np.asarray(bits_per_dim(log_p, furthest[0].size))
        shown[f"{name}, image {int(tail.largest):,}"] = (np.asarray(quantize(furthest)), bits)
        share = Number(float(tail.largest_share), ".1%")
        rows.append(
            [name, Number(tail.index, ".1f[]"), f"{int(tail.largest):,}", Number(float(log_p[0]), ",.0f"), share]
        )
    header = ["set", "tail index", "image with the largest deviation", "its log p [nats]", "its share of the squares"]
    order: list[list[Cell]] = [
        ["more likely than the median", Number(more_likely, ".3f[]")],
        ["AUROC", Number(auroc, ".3f[]")],
    ]
    tables = [
        column(f"The gap of {pair.titles[1]} in nats, over {pair.counts()}", gaps),
        Table(
            "The order of the images: the share of OOD images that are more likely than the median test image, and the "
            "AUROC of -log p (below 0.5: inverted), with 95 % intervals",
            ["", "value"],
            order,
        ),
        Table("The tails of log p; images are counted from 0, in the order in which they were drawn", header, rows),
    ]
    figure = Figure(
        f"furthest-{file}",
        plots.scored_images(shown),
        {name: {"bits_per_dim": bits} for name, (_, bits) in shown.items()},
        "The image of each set whose log p is furthest from the mean; the number above it is its bits/dim.",
        "Two images, each with its bits per dimension",
    )
    return Section(f"{pair.titles[1]}: heavy tails", TAILS_TEXT, tables, [figure])
