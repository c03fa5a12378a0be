"""Samples of a trained model as an image set, for example as an OOD set that should be easy."""

import numpy as np
from jaxtyping import UInt8

from experiments.report.keys import key_for
from experiments.report.trained import Trained
from glowjax.data import ImageSet
from glowjax.train import samples

BATCH_SIZE = 100


def own_samples(trained: Trained, num_images: int, seed: int, temperature: float = 1.0) -> ImageSet:
    """`num_images` samples of the model at a temperature, rounded to 8 bits."""
    images = samples(trained.model, trained.params, key_for("samples", seed), num_images, temperature, BATCH_SIZE)
    return named(trained, images, seed, temperature)


def named(trained: Trained, images: UInt8[np.ndarray, "N H W C"], seed: int, temperature: float) -> ImageSet:
    """Samples of the model as an image set."""
    source = f"{len(images):,} samples of the {trained.title}, drawn with seed {seed}"
    return ImageSet(f"samples, temperature {temperature:g}", images, source=source)
