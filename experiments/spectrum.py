"""The extreme eigenvalues of the Hessian of log p at the mean image, and how much each image set varies along them.

    python -m experiments.spectrum --run-dir runs/fashion --out-dists mnist

The second-order explanation in one picture: along a direction of curvature -c a set loses c/2 nats for each unit of its
variance there. Matrix-free: Lanczos iterations on Hessian-vector products. Writes report.html, report.md, results.json
and the figure below the run's folder.
"""

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from experiments import old_report as report
from experiments.command_line import command, run
from experiments.old_report import Picture, Section, Table
from experiments.report.published import title
from experiments.report.trained import load_flow
from experiments.scoring import image_sets
from glowjax import analysis as an
from glowjax import plots
from glowjax.checks import writable_directory
from glowjax.likelihood import dequantize

QUESTION = (
    "Along which directions does log p curve, and do the sets differ there? The second-order explanation says that "
    "variance along directions of strong downward curvature costs likelihood: here are the strongest and the weakest, "
    "as images, with the variance of each set along them."
)


@dataclasses.dataclass(frozen=True)
class SpectrumConfig:
    """Which run to look at, and with which images.

    Attributes:
        run_dir: the folder of a run of experiments.train.
        out_dists: data sets whose variances are drawn beside those of the model's own test set.
        num_low: lowest eigenvalues, the most negative ones.
        num_high: highest eigenvalues.
        num_images: at most how many images of each set, for means and variances.
        data_dir: a folder of .npz archives or of image folders; default GLOWJAX_DATA_DIR.
        output_dir: default: "spectrum" below run_dir.
        seed: chooses images and noise.
    """

    run_dir: Path
    out_dists: tuple[str, ...] = ()
    num_low: int = 8
    num_high: int = 8
    num_images: int = 5_000
    data_dir: Path | None = None
    output_dir: Path | None = None
    seed: int = 0


def main(config: SpectrumConfig) -> dict[str, Any]:
    """Computes, draws and reports; returns eigenvalues, variances and the trace."""
    trained = load_flow(config.run_dir)
    folder = writable_directory(config.output_dir or config.run_dir / "spectrum")
    sets = image_sets(trained, config.out_dists, config.data_dir, config.num_images, config.seed)
    test = sets[0]
    key = jax.random.key(config.seed)
    points = {images.name: np.asarray(dequantize(key, images.images), np.float64) for images in sets}
    center = jnp.asarray(points[test.name].mean(axis=0), jnp.float32)
    log_prob = functools.partial(trained.model.log_prob, trained.params)

    pairs = an.extreme_eigenpairs(log_prob, center, config.num_low, config.num_high, seed=config.seed)
    trace = float(an.laplacian(log_prob, center))
    directions = pairs.vectors.reshape(len(pairs.values), -1)
    variances = {
        title(name): (x.reshape(len(x), -1) @ directions.T.astype(np.float64)).var(axis=0) for name, x in points.items()
    }
    results = {"eigenvalues": pairs.values.tolist(), "trace": trace} | {
        f"variance along, {name}": values.tolist() for name, values in variances.items()
    }
    figure = plots.spectrum(pairs.values, pairs.vectors, variances, config.num_low, trained.kind_and_data)
    picture = Picture(
        plots.save(figure, folder / "spectrum", results),
        "Top: eigenvalues of the Hessian at the mean test image. Middle: the variance of each set along each of them. "
        "Bottom: the directions as images.",
        "Eigenvalues, variances along them, and eigen-images",
    )
    low, high = pairs.values[0], pairs.values[-1]
    lead = (
        f"At the mean {title(test.name)} image the Hessian of log p has eigenvalues from {low:.3g} to {high:.3g} nats "
        f"per squared grey level, and trace {trace:.4g}."
    )
    text = (
        "A negative eigenvalue is a direction in which log p falls off from the mean image, and a set that varies "
        "along it pays for that; along a positive one it gains. Half the eigenvalue times the difference of the two "
        "variances, summed over all directions, is the covariance term of the second-order gap."
    )
    page = report.write(
        folder,
        f"The spectrum of the curvature after training on {title(trained.name)}",
        QUESTION,
        lead,
        [Section("Extreme directions", text, [_table(pairs, variances)], [picture])],
        command("spectrum", config),
    )
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(lead, f"The report is {page}.", sep="\n")
    return results


def _table(pairs: an.Eigenpairs, variances: dict[str, np.ndarray]) -> Table:
    rows = [
        [f"{n + 1}", f"{value:.4g}", *(f"{values[n]:,.1f}" for values in variances.values())]
        for n, value in enumerate(pairs.values)
    ]
    header = ["", "eigenvalue", *(f"variance of {name}" for name in variances)]
    return Table("Eigenvalues in nats per squared grey level, variances in squared grey levels", header, rows)


if __name__ == "__main__":
    run(main, lambda arguments: tyro.cli(SpectrumConfig, args=arguments, description=__doc__))
