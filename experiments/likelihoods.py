"""Compares a trained model's likelihoods of several data sets: figures 1, 2, 4 and 5b of the paper, and the table.

    python -m experiments.likelihoods --run-dir runs/fashion --out-dists mnist:train

Writes report.html, report.md, results.json and the figures, with the numbers behind each, below the run's folder.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import tyro

from experiments import old_report as report
from experiments.command_line import command, run
from experiments.likelihood_page import in_words, sections, summary
from experiments.report.published import title
from experiments.report.trained import Trained, load
from experiments.scoring import REFERENCES, Sets, image_sets, score_each
from glowjax.checks import writable_directory

QUESTION = (
    "Does the model find likely what it was trained on, and unlikely what it never saw? Here are its likelihoods of "
    "both, which term of the density they come from, how they went along training, and what the model itself draws."
)


@dataclasses.dataclass(frozen=True)
class LikelihoodsConfig:
    """Which run to look at, and with which images.

    Attributes:
        run_dir: the folder of a run of experiments.train.
        out_dists: data sets to compare, as "mnist", "mnist:train".
        references: generated sets, drawn beneath the histograms.
        num_images: at most how many images of each set.
        num_draws: draws of noise (Glow) or of latents (VAE: take 1000) an image, the same for every set.
        data_dir: a folder of .npz archives or of image folders; default GLOWJAX_DATA_DIR.
        output_dir: default: "likelihoods" below run_dir.
        seed: chooses images and noise.
    """

    run_dir: Path
    out_dists: tuple[str, ...] = ()
    references: tuple[str, ...] = REFERENCES
    num_images: int = 2_000
    num_draws: int = 1
    data_dir: Path | None = None
    output_dir: Path | None = None
    seed: int = 0


def main(config: LikelihoodsConfig) -> dict[str, Any]:
    """Scores, draws and reports; returns the numbers of the tables by data set."""
    trained = load(config.run_dir)
    folder = writable_directory(config.output_dir or config.run_dir / "likelihoods")
    sets = score_sets(config, trained)
    numbers = summary(trained, sets)
    page = report.write(
        folder,
        f"Likelihoods after training on {title(trained.name)}",
        QUESTION,
        in_words(trained, sets),
        sections(trained, sets, numbers, config.num_draws, folder),
        command("likelihoods", config),
    )
    (folder / "results.json").write_text(json.dumps(numbers, indent=1) + "\n")
    print(in_words(trained, sets), f"The report is {page}.", sep="\n")
    return numbers


def score_sets(config: LikelihoodsConfig, trained: Trained) -> Sets:
    """The scored sets by name: the test set first, its training set second, then the others."""
    specs = (f"{trained.in_dist}:train", *config.out_dists, *config.references)
    images = image_sets(trained, specs, config.data_dir, config.num_images, config.seed)
    return score_each(trained, images, config.num_draws, config.seed)


def parse(arguments: list[str]) -> LikelihoodsConfig:
    """The configuration of the command line."""
    return tyro.cli(LikelihoodsConfig, args=arguments, description=__doc__)


if __name__ == "__main__":
    run(main, parse)
