"""The paradox in a few minutes on a CPU: two small Glows trained on the bundled images (figures 1, 4, 5a and 5b).

    make demo        or        python -m experiments demo

An NVP-Glow and a CV-Glow are trained on 10,000 FashionMNIST images and evaluated on these and on MNIST. Neither model
has seen a digit. Expect under the NVP-Glow about 4 bits/dim for FashionMNIST test images and about 3 for MNIST; under
the CV-Glow about 6 for both, a little lower for MNIST. If it is interrupted, run it again and it resumes.
"""

import dataclasses
import importlib.resources
from typing import Any

from experiments import train
from experiments.figures import likelihoods, second_order
from experiments.figures.likelihoods import LikelihoodsConfig
from experiments.figures.second_order import SecondOrderConfig
from experiments.presets import PRESETS, adapted
from experiments.report.options import Output, Seeded
from experiments.report.page import Result, Section, moved
from glowjax.data import bundled

OUT_DISTS = ("mnist:train",)
WATCHED = (*OUT_DISTS, "noise", "constant")
QUESTION = (
    "A generative model assigns a likelihood to every image. One would expect it to find images unlikely that differ "
    "from those on which it was trained, and so to warn of them. In 2018 Nalisnick and colleagues showed that the "
    "opposite happens: a Glow trained on images of clothes finds handwritten digits more likely than clothes. This "
    "page repeats that experiment.\n\n"
    "Both models are normalizing flows: invertible networks z = f(x) from an image to latents with a standard normal "
    "density, so that log p(x) = log p(z) + log |det dz/dx| is exact. In the NVP-Glow the volume term depends on the "
    "image; in the CV-Glow it is the same for every image, so it cannot be what favors the digits."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DemoConfig(Output, Seeded):
    """Options of the demonstration.

    Attributes:
        training_steps: number of training steps of each model.
        num_images: maximum number of images per set to evaluate.
        seed: random seed for training and evaluation.
    """

    training_steps: int = PRESETS["nvp"]["demo"].training.num_steps
    num_images: int = 2_000
    seed: int = 0


def main(config: DemoConfig) -> Result:
    """Trains and evaluates both models, and explains the gap of the first."""
    sections: list[Section] = []
    summaries, numbers = [], {}
    with importlib.resources.as_file(importlib.resources.files(bundled)) as data_dir:
        for kind in ("nvp", "cv"):
            run_dir = config.folder / kind
            run = adapted(
                PRESETS[kind]["demo"],
                config.training_steps,
                config.seed,
                in_dist="fashion_mnist",
                watch=WATCHED,
                data_dir=data_dir,
                output_dir=run_dir,
            )
            train.train(run)
            results = _results(config, {"run_dir": run_dir, "data_dir": data_dir, "out_dists": OUT_DISTS}, kind)
            for name, result in results.items():
                sections += [moved(section, f"{kind.upper()}-Glow", f"{kind}/{name}") for section in result.sections]
                summaries.append(result.summary)
            numbers[kind] = results["likelihoods"].numbers
            if "second-order" in results:
                numbers[kind]["second_order"] = results["second-order"].numbers
    title = "Do deep generative models know what they don't know?"
    return Result(title, QUESTION, "\n\n".join(summaries), sections, numbers)


def _results(config: DemoConfig, options: dict[str, Any], kind: str) -> dict[str, Result]:
    """The likelihoods, and for the first model the explanations on as many images as half a minute allows."""
    options |= {"seed": config.seed}
    results = {"likelihoods": likelihoods.main(LikelihoodsConfig(num_images=config.num_images, **options))}
    if kind == "nvp":
        few = min(1_000, config.num_images)
        results["second-order"] = second_order.main(
            SecondOrderConfig(num_images=few, num_paths=32, num_nodes=24, **options)
        )
    return results
