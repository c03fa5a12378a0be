"""The paradox in a few minutes on a CPU: trains two small Glows on bundled images and reports what they find likely.

    make demo        or        python -m experiments.demo

An NVP-Glow and a CV-Glow learn 10,000 FashionMNIST images. Expected: about 4 bits/dim for FashionMNIST's own test
images, and about 3 for MNIST's digits, under the NVP-Glow; about 6 for both, the digits a little lower, under the
CV-Glow. Neither has seen a digit. Makes figures 1, 4, 5a and 5b of the paper, small, in results/demo/report.html.
"""

import dataclasses
import importlib.resources
import json
from pathlib import Path
from typing import Any

import tyro

from experiments import curvature, curvature_page, likelihoods, train
from experiments import old_report as report
from experiments.command_line import run
from experiments.curvature import CurvatureConfig
from experiments.likelihood_page import in_words, sections, summary
from experiments.likelihoods import LikelihoodsConfig
from experiments.old_report import Section
from experiments.presets import PRESETS
from experiments.report.trained import load_flow
from glowjax.data import bundled
from glowjax.models.configs import GLOWS

OUT_DISTS = ("mnist:train",)
WATCHED = (*OUT_DISTS, "noise", "constant")
EXPLAINED = CurvatureConfig(Path(), OUT_DISTS, num_images=1_000, num_paths=32, num_nodes=24)
"""The digits, under the NVP-Glow: enough to see what explains the gap and what does not, in half a minute."""

QUESTION = (
    "A generative model assigns a likelihood to every image, so one would expect it to find unlikely what it was not "
    "trained on, and to warn of it. In 2018 Nalisnick and colleagues showed that the opposite happens: a Glow trained "
    "on pictures of clothes finds handwritten digits more likely than clothes. This page repeats that experiment.\n\n"
    "Both models are normalising flows: invertible networks z = f(x) from an image to latents with a standard normal "
    "density, so that log p(x) = log p(z) + log |det dz/dx| is exact. In the NVP-Glow the volume term depends on the "
    "image; in the CV-Glow it is the same for every image, so that it cannot be what favours the digits."
)


@dataclasses.dataclass(frozen=True)
class DemoConfig:
    """What may be changed about the demonstration.

    Attributes:
        output_dir: where runs and report go; the same command again goes on from there.
        num_steps: training steps of each model.
        num_images: at most how many images of each set to evaluate.
        seed: of training and evaluation.
    """

    output_dir: Path = Path("results/demo")
    num_steps: int = PRESETS["nvp"]["demo"].training.num_steps
    num_images: int = 2_000
    seed: int = 0


def main(config: DemoConfig) -> dict[str, Any]:
    """Trains, evaluates and reports; returns the numbers of the tables by model and data set."""
    parts: list[Section] = []
    leads: list[str] = []
    numbers: dict[str, Any] = {}
    with importlib.resources.as_file(importlib.resources.files(bundled)) as data_dir:
        for kind in GLOWS:
            run_dir = config.output_dir / kind
            preset = PRESETS[kind]["demo"]
            training = dataclasses.replace(preset.training, num_steps=config.num_steps, seed=config.seed)
            trained_on = dataclasses.replace(preset, watch=WATCHED, data_dir=data_dir, output_dir=run_dir)
            train.main(dataclasses.replace(trained_on, training=training))
            trained = load_flow(run_dir)
            evaluation = LikelihoodsConfig(
                run_dir, OUT_DISTS, num_images=config.num_images, data_dir=data_dir, seed=config.seed
            )
            sets = likelihoods.score_sets(evaluation, trained)
            numbers[kind] = summary(trained, sets)
            leads.append(in_words(trained, sets))
            parts += sections(trained, sets, numbers[kind], evaluation.num_draws, run_dir / "likelihoods")
            if kind == "nvp":
                explaining = dataclasses.replace(EXPLAINED, run_dir=run_dir, data_dir=data_dir, seed=config.seed)
                pairs = curvature.explain_pairs(explaining, trained)
                parts += curvature_page.sections(trained, pairs, run_dir / "curvature")
                leads.append(curvature_page.in_words(trained, pairs))
                numbers[kind]["curvature"] = {name: curvature_page.numbers(pair) for name, pair in pairs.items()}
    lead = "\n\n".join(leads)
    title = "Do deep generative models know what they don't know?"
    page = report.write(config.output_dir, title, QUESTION, lead, parts, "make demo")
    (config.output_dir / "results.json").write_text(json.dumps(numbers, indent=1) + "\n")
    print(lead, f"The report is {page}.", sep="\n")
    return numbers


if __name__ == "__main__":
    run(main, lambda arguments: tyro.cli(DemoConfig, args=arguments, description=__doc__))
