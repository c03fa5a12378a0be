"""The least and the most likely images of each set, as grids of images with their bits per dimension.

    python -m experiments.rankings --run-dir runs/fashion --out-dists mnist

Which images of its own training set does the model find least likely, and which foreign ones does it prefer to them?
Writes report.html, report.md, results.json and a figure for each set below the run's folder.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from experiments import old_report as report
from experiments.command_line import command, run
from experiments.old_report import Picture, Section, Table
from experiments.report.published import title
from experiments.report.trained import Trained, load
from experiments.scoring import Scored, Sets, image_sets, score_each
from glowjax import plots
from glowjax.checks import InputError, writable_directory
from glowjax.stats import Estimate, share

QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)

QUESTION = (
    "Which images does the model find least and most likely, among those like its training images and among others?"
)

QUANTILES_READ = (
    "Reading the table: fewer bits are likelier. Where a foreign set's median lies below that of the training images, "
    "most of its images are likelier than a typical one that the model learned; the last column says how many."
)
GRIDS_READ = (
    "Reading the grids: look for what the images of one end share and those of the other lack, such as patterns, "
    "contrast or empty background. What sorts a set within itself often sorts one set from another."
)


@dataclasses.dataclass(frozen=True)
class RankingsConfig:
    """Which run to look at, and with which images.

    Attributes:
        run_dir: the folder of a run of experiments.train.
        out_dists: foreign data sets to rank beside the training and the test set, as "mnist", "mnist:train".
        num_images: at most how many images of each set.
        num_shown: images in each grid.
        num_draws: draws of noise (Glow) or of latents (VAE) an image.
        data_dir: a folder of .npz archives or of image folders; default GLOWJAX_DATA_DIR.
        output_dir: default: "rankings" below run_dir.
        seed: chooses images and noise.
    """

    run_dir: Path
    out_dists: tuple[str, ...] = ()
    num_images: int = 10_000
    num_shown: int = 20
    num_draws: int = 1
    data_dir: Path | None = None
    output_dir: Path | None = None
    seed: int = 0


def main(config: RankingsConfig) -> dict[str, Any]:
    """Scores, ranks and reports; returns quantiles, shares and the ranked images' places by data set."""
    if config.num_shown < 1:
        raise InputError(f"num_shown is {config.num_shown}; a grid needs at least one image.")
    trained = load(config.run_dir)
    folder = writable_directory(config.output_dir or config.run_dir / "rankings")
    specs = (f"{trained.in_dist}:train", *config.out_dists)
    images = image_sets(trained, specs, config.data_dir, config.num_images, config.seed)
    sets = score_each(trained, images, config.num_draws, config.seed)
    training = next((one for one in sets.values() if trained.learned(one.images)), next(iter(sets.values())))
    results = {name: summary(scored, training, config.num_shown) for name, scored in sets.items()}
    lead = in_words(training.images.name, results)
    page = report.write(
        folder,
        f"Least and most likely images after training on {title(trained.name)}",
        QUESTION,
        lead,
        [_quantiles(trained, results, training), *_grids(trained, sets, config.num_shown, folder)],
        command("rankings", config),
    )
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(lead, f"The report is {page}.", sep="\n")
    return results


def summary(scored: Scored, training: Scored, num_shown: int) -> dict[str, Any]:
    """A set's numbers, as JSON has them.

    The ranked images are given by their places in the set as it was drawn; "likelier" is the share of images that are
    likelier than the median image of the `training` set.
    """
    bits = scored.bits_per_dim
    order = np.argsort(bits)
    return {
        "num_images": len(bits),
        "quantiles": dict(zip(map(str, QUANTILES), np.quantile(bits, QUANTILES).tolist(), strict=True)),
        "likelier": share(bits < np.median(training.bits_per_dim), scored.images.groups).as_dict(),
        "most_likely": order[:num_shown].tolist(),
        "least_likely": order[::-1][:num_shown].tolist(),
        "source": scored.images.source,
    }


def in_words(training: str, results: dict[str, Any]) -> str:
    """The result in a sentence for each set."""
    return " ".join(
        f"{numbers['likelier']['value']:.1%} of the {numbers['num_images']:,} images of {title(name)} are likelier "
        f"than the median image of {title(training)}; they take from {numbers['quantiles']['0.0']:.2f} to "
        f"{numbers['quantiles']['1.0']:.2f} bits/dim."
        for name, numbers in results.items()
        if name != training
    )


def _quantiles(trained: Trained, results: dict[str, Any], training: Scored) -> Section:
    rows = [
        [
            title(name),
            f"{numbers['num_images']:,}",
            *(f"{value:.3f}" for value in numbers["quantiles"].values()),
            f"{Estimate(count=0, **numbers['likelier']):,.3f[]}",
        ]
        for name, numbers in results.items()
    ]
    header = ["set", "images", "lowest", "5 %", "median", "95 %", "highest", "likelier than the median"]
    caption = (
        f"Quantiles of bits/dim, and the share of images that are likelier than the median image of "
        f"{title(training.images.name)}, with a 95 % interval over images"
    )
    return Section(
        f"{trained.kind}: the spread within each set",
        f"{trained.summarize()}.\n\n{QUANTILES_READ}",
        [Table(caption, header, rows)],
    )


def _grids(trained: Trained, sets: Sets, num_shown: int, folder: Path) -> list[Section]:
    sections = []
    for name, scored in sets.items():
        order = np.argsort(scored.bits_per_dim)
        chosen = {
            f"least likely of {title(name)}": order[::-1][:num_shown],
            f"most likely of {title(name)}": order[:num_shown],
        }
        shown = {what: (scored.images.images[places], scored.bits_per_dim[places]) for what, places in chosen.items()}
        picture = Picture(
            plots.save(
                plots.scored_images(shown),
                folder / f"ranked-{name.replace(':', '-').replace('/', '-')}",
                {what: {"places": places, "bits_per_dim": shown[what][1]} for what, places in chosen.items()},
            ),
            f"Of {scored.count()} images; the number above each image is its bits/dim.",
            "Two grids of images, each with its bits per dimension",
        )
        sections.append(Section(f"{trained.kind}: {title(name)}", GRIDS_READ, figures=[picture]))
    return sections


if __name__ == "__main__":
    run(main, lambda arguments: tyro.cli(RankingsConfig, args=arguments, description=__doc__))
