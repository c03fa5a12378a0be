"""The least and the most likely images of each set, with their bits per dimension.

    python -m experiments rankings --run-dir runs/fashion --out-dists mnist

Expect for FashionMNIST that nearly every MNIST image is more likely than the median training image, that the least
likely pieces of clothing are patterned, and that the most likely digits are ones.
"""

import dataclasses
from typing import Any

import numpy as np

from experiments.report.options import Draws, OneModel
from experiments.report.page import Figure, Number, Result, Section, Table, slug
from experiments.report.scoring import Scored, evaluate
from experiments.report.trained import load, title
from glowjax import plots, stats
from glowjax.checks import check_count

QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)

QUESTION = "Which images of its own training set, and which of other sets, does the model find least and most likely?"
QUANTILES_TEXT = (
    "Fewer bits are more likely. If the median of an OOD set lies below that of the training images, most of its "
    "images are more likely than a typical training image; the last column gives their share."
)
GRIDS_TEXT = (
    "Look for what the images of one end share and those of the other lack, such as patterns, contrast or empty "
    "background. What orders the images of one set often separates two sets, too."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RankingsConfig(OneModel, Draws):
    """Options of the rankings.

    Attributes:
        num_shown: number of images in each grid.
    """

    num_images: int | None = 10_000
    num_shown: int = 20


def main(config: RankingsConfig) -> Result:
    """Ranks the images of the test set, of the training set and of the others by their likelihood."""
    check_count("num_shown", config.num_shown)
    trained = load(config.run_dir)
    evaluation = evaluate(trained, (f"{trained.in_dist}:train", *config.out_dists), config)
    training = next((one for one in evaluation.others.values() if trained.learned(one.images)), evaluation.test)
    median = float(np.median(training.bits_per_dim))
    numbers = {name: _numbers(scored, median, config.num_shown) for name, scored in evaluation.sets.items()}
    median_of = title(training.images.name)
    return Result(
        f"Least and most likely images after training on {title(trained.name)}",
        QUESTION,
        summarize(training.images.name, numbers),
        [
            Section(
                "The spread within each set",
                f"{trained.summarize()}.\n\n{QUANTILES_TEXT}",
                [_table(numbers, median_of)],
            ),
            Section("Least and most likely images", GRIDS_TEXT),
            *(_grids(name, scored, config.num_shown) for name, scored in evaluation.sets.items()),
        ],
        numbers,
    )


def _numbers(scored: Scored, median: float, num_shown: int) -> dict[str, Any]:
    """A set's numbers; ranked images are given by their index in the set as it was drawn."""
    order = np.argsort(scored.bits_per_dim)
    quantiles = np.quantile(scored.bits_per_dim, QUANTILES).tolist()
    return {
        "num_images": scored.images.num_images,
        "quantiles": dict(zip(map(str, QUANTILES), quantiles, strict=True)),
        "more_likely_than_median": stats.share(scored.bits_per_dim < median, scored.images.groups),
        "most_likely": order[:num_shown].tolist(),
        "least_likely": order[::-1][:num_shown].tolist(),
        "source": scored.images.source,
    }


def summarize(training: str, numbers: dict[str, Any]) -> str:
    """The result in a sentence per set."""
    return " ".join(
        f"{row['more_likely_than_median'].value:.1%} of the {row['num_images']:,} images of {title(name)} are more "
        f"likely than the median image of {title(training)}; they need from {row['quantiles']['0.0']:.2f} to "
        f"{row['quantiles']['1.0']:.2f} bits/dim."
        for name, row in numbers.items()
        if name != training
    )


def _table(numbers: dict[str, Any], median_of: str) -> Table:
    return Table(
        f"Quantiles of bits/dim, and the share of images that are more likely than the median image of {median_of}, "
        "with a 95 % interval over images",
        ["set", "images", "lowest", "5 %", "median", "95 %", "highest", "more likely than the median"],
        [
            [
                title(name),
                f"{row['num_images']:,}",
                *(Number(value, ".3f") for value in row["quantiles"].values()),
                Number(row["more_likely_than_median"], ".1%[]"),
            ]
            for name, row in numbers.items()
        ],
    )


def _grids(name: str, scored: Scored, num_shown: int) -> Section:
    order = np.argsort(scored.bits_per_dim)
    chosen = {
        f"least likely of {title(name)}": order[::-1][:num_shown],
        f"most likely of {title(name)}": order[:num_shown],
    }
    shown = {what: (scored.images.images[index], scored.bits_per_dim[index]) for what, index in chosen.items()}
    figure = Figure(
        f"ranked-{slug(name)}",
        plots.scored_images(shown),
        {what: {"places": index, "bits_per_dim": shown[what][1]} for what, index in chosen.items()},
        f"From {scored.count()} images; the number above each image is its bits/dim.",
        "Two grids of images, each with its bits per dimension",
    )
    return Section(title(name), figures=[figure])
