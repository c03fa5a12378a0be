"""Why foreign images are likely: the gap, its second-order explanation, what that misses, and the exact form.

    python -m experiments.curvature --run-dir runs/fashion --out-dists mnist

For a trained Glow and each pair of image sets: the measured likelihood gap; the second-order prediction around the
mean of the test images, the midpoint of the means and the class means, with its remainder split into smooth and kink
parts; the paper's version; for a CV-Glow the closed forms; and the exact split into location and spread. Writes
report.html, report.md, results.json and figures below the run's folder. Expect the second-order totals to be tens of
times too large, and of either sign, for NVP-Glows: that is the result.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import tyro

from experiments import old_report as report
from experiments.command_line import command, run
from experiments.curvature_page import in_words, numbers, sections
from experiments.explained import Explained, explain
from experiments.report.published import title
from experiments.report.trained import Trained, load_flow
from experiments.scoring import image_sets
from glowjax.checks import InputError, writable_directory
from glowjax.models import Flow

QUESTION = (
    "Why are images likely that the model never saw? The published explanation expands log p to second order: where "
    "log p curves downwards, a set that varies less than the training set is the likelier. This page measures the gap "
    "between the sets, what that expansion predicts, what it misses, and an exact form that needs no expansion."
)


@dataclasses.dataclass(frozen=True)
class CurvatureConfig:
    """Which run to explain, and with which images.

    Attributes:
        run_dir: the folder of a run of experiments.train.
        out_dists: data sets to compare with the model's own test set, as "mnist", "mnist:train".
        num_images: at most how many images of each set, for means and measured gaps.
        num_paths: to how many of them straight paths lead from the centres, with second derivatives along each.
        num_nodes: Gauss-Legendre nodes on each path.
        data_dir: a folder of .npz archives or of image folders; default GLOWJAX_DATA_DIR.
        output_dir: default: "curvature" below run_dir.
        seed: chooses images and noise.
    """

    run_dir: Path
    out_dists: tuple[str, ...]
    num_images: int = 10_000
    num_paths: int = 200
    num_nodes: int = 48
    data_dir: Path | None = None
    output_dir: Path | None = None
    seed: int = 0


def main(config: CurvatureConfig) -> dict[str, Any]:
    """Computes, draws and reports; returns the numbers of the tables by out-of-distribution set."""
    trained = load_flow(config.run_dir)
    folder = writable_directory(config.output_dir or config.run_dir / "curvature")
    pairs = explain_pairs(config, trained)
    results = {name: numbers(explained) for name, explained in pairs.items()}
    lead = in_words(trained, pairs)
    page = report.write(
        folder,
        f"Curvature and the likelihood gap after training on {title(trained.name)}",
        QUESTION,
        lead,
        sections(trained, pairs, folder),
        command("curvature", config),
    )
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(lead, f"The report is {page}.", sep="\n")
    return results


def explain_pairs(config: CurvatureConfig, trained: Trained[Flow]) -> dict[str, Explained]:
    """The test set of what the model was trained on against each other set."""
    test, *others = image_sets(trained, config.out_dists, config.data_dir, config.num_images, config.seed)
    if not others:
        raise InputError(f"--out-dists names no data set beside {test.name}; name at least one, as: --out-dists mnist")
    return {
        other.name: explain(trained, test, other, config.num_paths, config.num_nodes, config.seed) for other in others
    }


if __name__ == "__main__":
    run(main, lambda arguments: tyro.cli(CurvatureConfig, args=arguments, description=__doc__))
