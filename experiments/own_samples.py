"""Are a model's own samples more likely than real images, and why? Histograms, tables, and log p(z) against the volume.

    python -m experiments.own_samples --run-dir runs/fashion --out-dists mnist

Samples at several temperatures are rounded to 8 bits and scored as any other image set. For a Glow their log density
is also taken as they were drawn, before rounding and clipping, and split into its two terms, of which the first is
known in advance. Writes report.html, report.md, results.json and the figures below the run's folder.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import tyro

from experiments import histograms
from experiments import old_report as report
from experiments.command_line import command, run
from experiments.drawn import draw
from experiments.drawn_page import Samples, explanation, in_words, numbers
from experiments.old_report import Picture, Section, Table
from experiments.report.published import title
from experiments.report.trained import Trained, load
from experiments.scoring import REFERENCES, Sets, detection, image_sets, mean_as_dict, score, score_each
from glowjax import plots
from glowjax.checks import InputError, writable_directory

NUM_SHOWN = 20  # images of each set in the picture of them

QUESTION = (
    "Are a model's own samples as likely under it as real images, and if not, through which part of the likelihood?"
)

LIKELIHOODS_READ = (
    "Reading the histograms: further right is likelier. If real images were what the model draws, their histogram and "
    "that of the samples at temperature 1 would lie on each other; a lower temperature keeps to likelier latents. "
    "Neither says which of them looks right: see the images below."
)


@dataclasses.dataclass(frozen=True)
class OwnSamplesConfig:
    """Which run to look at, and how to sample from it.

    Attributes:
        run_dir: the folder of a run of experiments.train.
        out_dists: foreign data sets to show beside, as "mnist", "mnist:train".
        references: generated sets, drawn beneath the histogram.
        temperatures: of the samples; 1 draws from the model as it is.
        num_images: at most how many images of each set, and how many samples at each temperature.
        num_draws: draws of noise (Glow) or of latents (VAE) an image.
        data_dir: a folder of .npz archives or of image folders; default GLOWJAX_DATA_DIR.
        output_dir: default: "own-samples" below run_dir.
        seed: chooses images, samples and noise.
    """

    run_dir: Path
    out_dists: tuple[str, ...] = ()
    references: tuple[str, ...] = REFERENCES
    temperatures: tuple[float, ...] = (1.0, 0.7)
    num_images: int = 2_000
    num_draws: int = 1
    data_dir: Path | None = None
    output_dir: Path | None = None
    seed: int = 0


def main(config: OwnSamplesConfig) -> dict[str, Any]:
    """Samples, scores and reports; returns the numbers of the tables by image set."""
    if not config.temperatures or min(config.temperatures) <= 0:
        raise InputError(f"temperatures is {config.temperatures}; give at least one, and positive ones: 1 0.7")
    trained = load(config.run_dir)
    folder = writable_directory(config.output_dir or config.run_dir / "own-samples")
    specs = (*config.out_dists, *config.references)
    images = image_sets(trained, specs, config.data_dir, config.num_images, config.seed)
    sets = score_each(trained, images, config.num_draws, config.seed)
    samples: Samples = []
    for temperature in config.temperatures:
        drawn = draw(trained, temperature, config.num_images, config.seed)
        samples.append((drawn, score(trained, drawn.images, config.num_draws, config.seed)))
    (test_name, test), *others = sets.items()
    every: Sets = {test_name: test} | {drawn.images.name: scored for drawn, scored in samples} | dict(others)
    results = {
        name: {"bits_per_dim": mean_as_dict(scored.mean()), "auroc": detection(test, scored).auroc.as_dict()}
        for name, scored in every.items()
    } | {drawn.images.name + ", as drawn": numbers(drawn, test) for drawn, _ in samples if drawn.continuous}
    lead = in_words(test_name, test, samples)
    page = report.write(
        folder,
        f"Own samples and real images, after training on {title(trained.name)}",
        QUESTION,
        lead,
        [
            _likelihoods(trained, every, config.num_draws, folder),
            *explanation(trained.kind, test_name, test, samples),
            _images(trained, every, folder),
        ],
        command("own_samples", config),
    )
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(lead, f"The report is {page}.", sep="\n")
    return results


def _likelihoods(trained: Trained, sets: Sets, num_draws: int, folder: Path) -> Section:
    test = next(iter(sets.values()))
    rows = [
        [
            title(name),
            scored.count(),
            f"{scored.mean():,.3f[]}",
            "" if scored is test else f"{detection(test, scored).auroc:,.3f[]}",
        ]
        for name, scored in sets.items()
    ]
    caption = (
        "Bits per dimension (fewer is likelier) and AUROC of bits per dimension against real images (below 0.5: "
        "likelier than these), with 95 % intervals over images"
    )
    text = f"The model: {trained.summarize()}. {trained.architecture.likelihood(num_draws)}\n\n{LIKELIHOODS_READ}"
    return Section(
        f"{trained.kind}: likelihoods of samples",
        text,
        [Table(caption, ["set", "images", "bits/dim", "AUROC"], rows)],
        [histograms.picture(sets, trained.num_dims, trained.kind_and_data, folder / "log-likelihoods")],
    )


def _images(trained: Trained, sets: Sets, folder: Path) -> Section:
    tiles = {title(name): scored.images.images[:NUM_SHOWN] for name, scored in sets.items()}
    picture = Picture(
        plots.save(plots.samples(tiles), folder / "samples", {"sets": list(sets)}),
        "The first images of each set.",
        "Rows of real images, of samples and of generated images",
    )
    return Section(f"{trained.kind}: what was scored", figures=[picture])


if __name__ == "__main__":
    run(main, lambda arguments: tyro.cli(OwnSamplesConfig, args=arguments, description=__doc__))
