"""Does one image set lie inside another? Means and variances of pixel values, overlaid: figure 5 of the paper.

    python -m experiments.moments --in-dist cifar10:train --out-dist svhn

Writes report.html, report.md, results.json and the figure. The table holds the variances summed over positions for each
channel, in units of [0, 1], which the paper's closed form is about, beside the paper's own where it gives them.
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
from experiments.report.published import SUMMED_VARIANCES, title
from glowjax import analysis as an
from glowjax import plots
from glowjax.checks import InputError, writable_directory
from glowjax.data import resolve

LEVELS = 256.0


QUESTION = (
    "Does one set lie inside the other? The published explanation of the likelihood gap needs two things of the "
    "pixels alone: means that are nearly equal, and a foreign set that varies less around them than the training set."
)


@dataclasses.dataclass(frozen=True)
class MomentsConfig:
    """Which sets to compare.

    Attributes:
        in_dist: the set that a model would be trained on, with its split.
        out_dist: the other set.
        num_images: at most how many images of each; None for all.
        data_dir: a folder of .npz archives or of image folders; default GLOWJAX_DATA_DIR.
        output_dir: where the report goes.
        seed: chooses images.
    """

    in_dist: str = "fashion_mnist:train"
    out_dist: str = "mnist:train"
    num_images: int | None = None
    data_dir: Path | None = None
    output_dir: Path = Path("results/moments")
    seed: int = 0


def main(config: MomentsConfig) -> dict[str, Any]:
    """Computes, draws and reports; returns the numbers of the table by data set."""
    folder = writable_directory(config.output_dir)
    first = resolve(config.in_dist, None, config.data_dir, config.num_images, config.seed)
    second = resolve(config.out_dist, first, config.data_dir, config.num_images, config.seed)
    if first.name == second.name:
        raise InputError(f"Both sets are called '{first.name}'; name two, or rename the file or the folder of one.")
    shown, results = {}, {}
    for images in (first, second):
        moments = an.moments(images.images)
        mean, variance = np.asarray(moments.mean) / LEVELS, np.asarray(moments.variance) / LEVELS**2
        shown[title(images.name)] = (mean, variance)
        results[images.name] = {
            "num_images": images.num_images,
            "mean_by_channel": mean.mean(axis=(0, 1)).tolist(),
            "summed_variance_by_channel": variance.sum(axis=(0, 1)).tolist(),
            "published_summed_variance_by_channel": SUMMED_VARIANCES.get(images.name.partition(":")[0]),
            "source": images.source,
        }
    inside = float(np.mean(shown[title(second.name)][1] < shown[title(first.name)][1]))
    figure = plots.pixel_moments(shown, f"{title(first.name)} and {title(second.name)}")
    picture = Picture(
        plots.save(figure, folder / "moments", {name: {"mean": m, "variance": v} for name, (m, v) in shown.items()}),
        "Histograms over pixels and channels of each set's mean and variance.",
        "Two overlaid pairs of histograms",
    )
    lead = (
        f"At {inside:.0%} of the pixel values {title(second.name)} varies less than {title(first.name)}: where "
        "log p curves downwards everywhere, less variance means a higher mean of log p, other things being equal."
    )
    text = "The moments are those of 8-bit images divided by 256; dequantisation adds 1/12 of a squared grey level."
    page = report.write(
        folder,
        f"Is {title(second.name)} inside {title(first.name)}?",
        QUESTION,
        lead,
        [Section("Means and variances", text, [_table(results)], [picture])],
        command("moments", config),
    )
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(lead, f"The report is {page}.", sep="\n")
    return results


def _table(results: dict[str, Any]) -> Table:
    def listed(values: list[float] | None, digits: int) -> str:
        return " / ".join(f"{value:.{digits}f}" for value in values or ())

    rows = [
        [
            title(name),
            f"{numbers['num_images']:,}",
            listed(numbers["mean_by_channel"], 3),
            listed(numbers["summed_variance_by_channel"], 1),
            listed(numbers["published_summed_variance_by_channel"], 1),
        ]
        for name, numbers in results.items()
    ]
    header = ["set", "images", "mean", "summed variance", "paper, summed variance"]
    return Table(
        "By channel, in [0, 1] units; the variances are sums over positions. The paper's split is not stated",
        header,
        rows,
    )


if __name__ == "__main__":
    run(main, lambda arguments: tyro.cli(MomentsConfig, args=arguments, description=__doc__))
