"""Detection by derivatives of log p, by level of noise, and by intrinsic dimension, by scale.

    python -m experiments detection-scales --run pretrained:fashion-mnist --out-dists mnist

Between the grey levels of an image, a flow follows the dequantization noise that it was trained with. Its derivatives
at an image show this noise; several grey levels of normal noise are added to look at a larger scale. Expect for the
pretrained NVP-Glow of FashionMNIST that digits have larger gradients than the test images at every level, most clearly
without noise, and that constant images have smaller ones.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from experiments.ood.budget import check_minutes
from experiments.ood.collected import Collected, Sources, collect
from experiments.ood.kept import Source
from experiments.ood.outcomes import LIKELIHOOD
from experiments.ood.scales import Curves, at_level, at_share, aurocs, hull
from experiments.ood.sets import image_sets_of
from experiments.report.options import OneModel, References
from experiments.report.page import Cell, Figure, Number, Result, Section, Table
from experiments.report.trained import heading, load_flow, title
from glowjax import ood, plots
from glowjax.checks import InputError
from glowjax.stats import Estimate

BY_LEVEL = ("gradient", "density-of-gradient", "laplacian", "flipd", "largest-curvature", "density-of-curvatures")
"""The scores that are computed at each level of noise."""

BY_SCALE = ("dimension", "convolved-dimension", "two-thresholds")
"""The scores that are computed on each scale."""

HULL = "two-thresholds, hull (tuned with OOD labels)"

QUESTION = (
    "Do derivatives of log p, and the dimensions that a flow finds around an image, recognize images from elsewhere, "
    "and how does this depend on the scale on which one looks?"
)
LEVELS = (
    "Normal noise of each level is added to the image, and derivatives are taken there; 0 is the image with its "
    "dequantization noise alone. Every score has the sign of its paper and is fitted to {reference}. An AUROC far from "
    "0.5 on either side means that the numbers differ; only above 0.5 does the score recognize the OOD images."
)
SCALES = (
    "A flow's decoder maps a small ball of latents to an ellipsoid around the image. The dimension is the number of "
    "semi-axes longer than a scale, and the scale is chosen so that images of the reference have this mean share of "
    "all dimensions. Two thresholds flag an image if its log p or its dimension is low, at the same quantile of the "
    "reference. The hull is the papers' number for the same rule: the area under the best ROC curve that any pairs of "
    "thresholds give, which are chosen with OOD labels; it cannot be below 0.5."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectionScalesConfig(OneModel, References):
    """Options of the comparison of scales; the run must be one of a Glow.

    Attributes:
        references: generated sets that should be easy.
        num_images: maximum number of images per set.
        noise_levels: standard deviations of the noise, in grey levels.
        shares: mean intrinsic dimensions of the reference, as shares of all dimensions.
        minutes: the time that the statistics share; slow ones are computed on as many images as fit. None: all images.
    """

    references: tuple[str, ...] = ("constant",)
    num_images: int = 1_000
    noise_levels: tuple[float, ...] = (0.0, 2.0, 8.0, 32.0)
    shares: tuple[float, ...] = (0.05, 0.25, 0.5, 0.75)
    minutes: float | None = 8.0


def main(config: DetectionScalesConfig) -> Result:
    """Computes the statistics, and each score at each level of noise or on each scale."""
    check_minutes(config.minutes)
    _check(config)
    trained = load_flow(config.run_dir)
    sets = image_sets_of(trained, config.out_dists, config.references, config)
    options = ood.Options(noise_levels=config.noise_levels)
    sources = Sources(Source(trained, options, config.seed, config.folder / "statistics"))
    collected = collect(sources, sets.all, [LIKELIHOOD, *BY_LEVEL, *BY_SCALE], config.minutes)
    by_level, by_scale, likelihood = {}, {}, {}
    for one in sets.others:
        curves = {name: [at_level(name, n) for n in range(len(config.noise_levels))] for name in BY_LEVEL}
        by_level[one.name] = aurocs(collected, sets, one, curves)
        shares = {name: [at_share(name, share) for share in config.shares] for name in BY_SCALE}
        by_scale[one.name] = aurocs(collected, sets, one, shares)
        if collected.num_images["dimension"]:
            by_scale[one.name][HULL] = [hull(collected, sets, one, share) for share in config.shares]
        likelihood[one.name] = aurocs(collected, sets, one, {LIKELIHOOD: [ood.Likelihood()]})[LIKELIHOOD][0]
    reference = f"{title(sets.reference.name)} images ({sets.reference.source})"
    levels, scales = [f"{level:g}" for level in config.noise_levels], [f"{share:.0%}" for share in config.shares]
    return Result(
        f"Scales of derivatives for OOD detection: {heading(trained)}",
        QUESTION,
        " ".join(_sentence(name, by_level[name], levels, likelihood[name]) for name in by_level),
        [
            _section("Derivatives by noise level", LEVELS.format(reference=reference), by_level, likelihood, levels),
            _section("Dimensions by scale", SCALES, by_scale, likelihood, scales),
            Section("Images and time", "", [_costs(collected)]),
        ],
        {
            "noise_levels": list(config.noise_levels),
            "by_noise_level": by_level,
            "shares": list(config.shares),
            "by_share": by_scale,
            "likelihood": likelihood,
            "num_images": dict(collected.num_images),
            "seconds_per_image": dict(collected.seconds),
        },
    )


def _check(config: DetectionScalesConfig) -> None:
    if not config.noise_levels or min(config.noise_levels) < 0:
        raise InputError(f"noise_levels are {config.noise_levels}; give one or more, of 0 grey levels or more.")
    if not config.shares or not all(0 < share < 1 for share in config.shares):
        raise InputError(f"shares are {config.shares}; give one or more numbers between 0 and 1.")


def _sentence(name: str, curves: Curves, levels: Sequence[str], likelihood: Estimate) -> str:
    found = [(one, level, auroc) for one, aurocs in curves.items() for level, auroc in zip(levels, aurocs, strict=True)]
    known = [each for each in found if each[2] is not None]
    if not known:
        return f"{title(name)}: no score of derivatives fits the time."
    (best, level, high), (worst, other, low) = (
        choose(known, key=lambda each: float(each[2].value)) for choose in (max, min)
    )
    return (
        f"{title(name)}: the likelihood has AUROC {likelihood:.3f[]}; scores of derivatives lie between {low:.3f[]} "
        f"({worst} at noise level {other}) and {high:.3f[]} ({best} at noise level {level})."
    )


def _section(
    name: str, text: str, by_set: Mapping[str, Curves], likelihood: Mapping[str, Estimate], places: Sequence[str]
) -> Section:
    """A table per set, and the figure of all."""
    tables = []
    if not any(by_set.values()):
        return Section(name, f"{text}\n\nThese statistics do not fit the time: give more --minutes, or None.")
    for one, curves in by_set.items():
        rows = [[score, *(_cell(auroc) for auroc in aurocs)] for score, aurocs in curves.items()]
        tables.append(Table(f"{title(one)}: AUROC with its 95 % interval", ["score", *places], rows))
    drawn = {title(one): curves for one, curves in by_set.items()}
    lines = {title(one): likelihood[one] for one in by_set}
    figure = Figure(
        name.lower().replace(" ", "-"),
        plots.auroc_by_place(places, drawn, lines, name.partition(" by ")[2]),
        {"places": list(places), "auroc": by_set, "likelihood": dict(likelihood)},
        "Bars: 95 % intervals; dotted: the likelihood.",
        f"{name}: AUROC of each score",
    )
    return Section(name, text, tables, [figure])


def _cell(auroc: Estimate | float | None) -> Cell:
    if auroc is None:
        return "no number"
    return Number(auroc, ".3f[]" if isinstance(auroc, Estimate) else ".3f")


def _costs(collected: Collected) -> Table:
    rows: list[list[Cell]] = [
        [name, f"{count:,}", Number(collected.seconds[name], ".2g")] for name, count in collected.num_images.items()
    ]
    return Table(
        "The largest number of images per set, and seconds per image at all levels",
        ["statistics", "images", "s / image"],
        rows,
    )
