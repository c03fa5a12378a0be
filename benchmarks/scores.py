"""Times the statistics that scores of OOD detection are made of, beside the likelihoods of the same images.

    python -m benchmarks.scores

Two parts, under a trained flow and its own test images: the likelihoods of 2,000 images (`log_likelihoods`), in turn
with the statistics that the same forward pass gives and with density of states on top of them; and each family of
statistics, in turn with the likelihoods of as many images as the family computes in `--budget` seconds. A ratio is the
median over rounds of seconds per image, divided by those of the likelihoods in the same round. Prints a table for each
part and writes all numbers as JSON.
"""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
import tyro

from benchmarks.arithmetic import limit
from benchmarks.timing import Row, Runs, in_turn, run_parts, seconds
from glowjax import data, load, ood
from glowjax.cores import num_side_by_side
from glowjax.train import Trained, log_likelihoods

Part = Literal["forward", "families"]

KEY = jax.random.key(0)

LIKELIHOODS = "log_likelihoods"

FORWARD = ("log_prob", "scales", "latents")
"""The families that the forward pass of a flow gives."""


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig:
    """The options of the benchmark.

    Attributes:
        parts: the parts to measure.
        run: a run, a saved model or a pretrained one.
        in_dist: the data set whose images are used.
        num_images: images of the first part, and the most images of a family.
        budget: about the seconds that one run of a family may take.
        names: the families of the second part; all that the model can give if empty.
        repeats: timed runs of each.
        output: the JSON file.
    """

    parts: tuple[Part, ...] = ("forward", "families")
    run: str = "pretrained:fashion-mnist"
    in_dist: str = "fashion_mnist"
    num_images: int = 2000
    budget: float = 2.0
    names: tuple[str, ...] = ()
    repeats: int = 5
    output: Path = Path("results/benchmarks/scores.json")


def forward(config: BenchmarkConfig) -> list[Row]:
    """Rows of the likelihoods and of what their forward pass gives."""
    trained, images = _trained_and_images(config)
    runs: Runs = {
        LIKELIHOODS: functools.partial(log_likelihoods, trained.model, trained.params, KEY, images),
        "log_prob": _statistics(trained, images, FORWARD[:1]),
        "log_prob, scales, latents": _statistics(trained, images, FORWARD),
        "the same, and density of states": functools.partial(_density_of_states, _statistics(trained, images, FORWARD)),
    }
    batch, count = images[:100], num_side_by_side()  # as log_likelihoods divides them
    times = -(-len(images) // (len(batch) * count))
    alone = limit(trained.model.log_likelihood, trained.params, KEY, batch, workers=count, times=times)
    return [_row(row, len(images)) for row in in_turn(runs, config.repeats, LIKELIHOODS, alone)]


def families(config: BenchmarkConfig) -> list[Row]:
    """One row per family, with the ratio of its seconds per image to those of the likelihoods."""
    trained, images = _trained_and_images(config)
    names = config.names or tuple(ood.FAMILIES)
    lacking = ood.missing(trained.model, names)
    rows = []
    for name in (name for name in names if name not in lacking):
        some = images[: _num_images(trained, images, name, config.budget)]
        runs: Runs = {
            LIKELIHOODS: functools.partial(log_likelihoods, trained.model, trained.params, KEY, some),
            name: _statistics(trained, some, (name,)),
        }
        rows.append(_row(in_turn(runs, config.repeats, LIKELIHOODS)[1], len(some)))
    return rows


def _trained_and_images(config: BenchmarkConfig) -> tuple[Trained, np.ndarray]:
    images = data.load(config.in_dist, "test").images
    return load(config.run), np.asarray(images[: config.num_images])


def _statistics(trained: Trained, images: np.ndarray, names: tuple[str, ...]) -> Callable[[], ood.Statistics]:
    return functools.partial(ood.statistics, trained.model, trained.params, KEY, images, names)


def _density_of_states(statistics: Callable[[], ood.Statistics]) -> Any:
    stats = statistics()
    return ood.SCORES["density-of-states"].score.fit(stats.as_reference())(stats)


def _num_images(trained: Trained, images: np.ndarray, name: str, budget: float) -> int:
    """The images of `budget` seconds, in whole batches, at least one for each core."""
    least = min(len(images), ood.FAMILIES[name].batch_size * num_side_by_side())
    run = _statistics(trained, images[:least], (name,))
    run()  # compiles
    rounds = int(budget / seconds(run)[0])
    return min(len(images), least * max(rounds, 1))


def _row(row: Row, num_images: int) -> Row:
    """The row with the number of images and milliseconds per image."""
    return {"way": row["way"], "images": num_images, "ms_per_image": 1e3 * row["median_s"] / num_images} | row


PARTS: dict[Part, Callable[[BenchmarkConfig], list[Row]]] = {"forward": forward, "families": families}


def main(config: BenchmarkConfig) -> dict[str, Any]:
    """Measures the parts, prints their tables, writes the JSON file and returns what it holds."""
    return run_parts(PARTS, config)


if __name__ == "__main__":
    main(tyro.cli(BenchmarkConfig, description=__doc__))
