"""Would a generative model have protected a classifier? Each one as a gate in front of it, in a table and two figures.

    python -m experiments.filter --run-dirs runs/nvp runs/cv runs/pixelcnn runs/vae --out-dists mnist

The opening of Nalisnick et al. 2019: Louizos and Welling's rotated images fool a classifier that is sure of itself, and
a density model in front of it should have refused them, and foreign images too. A small classifier is trained on the
data set of the runs; its answers on clean, rotated and foreign images are counted with and without gates.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tyro

from experiments import old_report as report
from experiments.classifier import Classifier, train_classifier
from experiments.command_line import command, run
from experiments.filter_page import in_words, sections
from experiments.gates import Answered, numbers
from experiments.model_classes import load_alike
from experiments.report.published import title
from experiments.report.trained import Trained
from experiments.scoring import draws_for, image_sets
from glowjax.checks import InputError, writable_directory
from glowjax.data import ImageSet, resolve, training_and_validation
from glowjax.train import log_likelihoods

QUESTION = (
    "Would a density model in front of a classifier have kept it from answering where it should not? A classifier "
    "answers foreign and rotated images too, often with confidence; a gate that refuses unlikely images is meant to "
    "stop it."
)


@dataclasses.dataclass(frozen=True)
class FilterConfig:
    """Which models stand in front of the classifier, and what comes.

    Attributes:
        run_dirs: folders of runs of experiments.train, all on one data set with labels.
        out_dists: foreign data sets, as "mnist", "mnist:train".
        angles: rotations of the test images, in degrees.
        kept: shares of validation images that the gates keep.
        confident: the confidence from which an answer counts as confident.
        num_images: at most how many images of each set.
        num_draws: dequantisation draws an image for a Glow.
        num_latent_draws: importance samples an image for a VAE.
        classifier_steps: training steps of the classifier.
        data_dir: a folder of .npz archives or of image folders; default GLOWJAX_DATA_DIR.
        output_dir: where the report goes.
        seed: of the classifier, the images and the noise.
    """

    run_dirs: tuple[Path, ...]
    out_dists: tuple[str, ...]
    angles: tuple[float, ...] = (30, 60, 90, 120, 150, 180)
    kept: tuple[float, ...] = (0.95, 0.99)
    confident: float = 0.9
    num_images: int = 1_000
    num_draws: int = 1
    num_latent_draws: int = 50
    classifier_steps: int = 1_500
    data_dir: Path | None = None
    output_dir: Path = Path("results/filter")
    seed: int = 0


def main(config: FilterConfig) -> dict[str, Any]:
    """Trains the classifier, asks everybody and reports; returns the numbers of the tables by image set."""
    if not config.out_dists or not config.kept or not all(0 < kept < 1 for kept in config.kept):
        raise InputError(
            f"out_dists is {config.out_dists} and kept {config.kept}; name at least one data set, and shares between "
            "0 and 1."
        )
    models = load_alike(config.run_dirs)
    trained = next(iter(models.values()))
    folder = writable_directory(config.output_dir)
    test, *foreign = image_sets(trained, config.out_dists, config.data_dir, config.num_images, config.seed)
    clean = {0.0: test} | {angle: resolve(f"rotated-{angle:g}", test) for angle in config.angles}
    foreign = [images for images in foreign if images.name not in {one.name for one in clean.values()}]
    if not foreign:
        raise InputError(
            f"--out-dists is {' '.join(config.out_dists)}: the test images, or these turned; name a foreign set too."
        )
    training, validation = training_and_validation(resolve(f"{trained.in_dist}:train", data_dir=config.data_dir))
    classifier = train_classifier(training, config.classifier_steps, config.seed)
    held_out = answer(config, models, classifier, validation.take(config.num_images, config.seed), True)
    rotated = {angle: answer(config, models, classifier, images, True) for angle, images in clean.items()}
    others = {images.name: answer(config, models, classifier, images, False) for images in foreign}

    named = {test.name: rotated[0.0]} | {clean[angle].name: rotated[angle] for angle in config.angles} | others
    results = {name: numbers(images, held_out, config.kept, config.confident) for name, images in named.items()}
    lead = in_words(test.name, list(others), results, config.kept[0])
    page = report.write(
        folder,
        f"A generative model in front of a classifier of {title(trained.name)}",
        QUESTION,
        lead,
        sections(models, results, rotated, others, held_out, config.kept, config.confident, folder),
        command("filter", config),
    )
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(lead, f"The report is {page}.", sep="\n")
    return results


def answer(
    config: FilterConfig, models: dict[str, Trained], classifier: Classifier, images: ImageSet, has_classes: bool
) -> Answered:
    """What the classifier and the models say of `images`, whose labels mean something only if `has_classes`."""
    predicted = classifier.predict(images.images)
    known = images.labels if has_classes else np.full(images.num_images, -1)
    if known is None:
        raise InputError(f"'{images.name}' has no labels to judge the classifier by; choose a set with classes.")
    key = jax.random.key(config.seed)
    return Answered(
        predicted,
        predicted.label == known,
        {
            name: log_likelihoods(
                trained.model,
                trained.params,
                key,
                images.images,
                draws_for(trained, config),
            )
            for name, trained in models.items()
        },
        images.groups,
    )


if __name__ == "__main__":
    run(main, lambda arguments: tyro.cli(FilterConfig, args=arguments, description=__doc__))
