"""The image sets of a comparison of scores."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.report.options import Data
from experiments.report.samples import own_samples
from experiments.report.scoring import image_sets
from experiments.report.trained import Trained
from glowjax.checks import InputError
from glowjax.data import ImageSet, resolve, training_and_validation
from glowjax.models import PixelCNN

SAMPLES = "samples"
"""The name of the model's own samples among the references."""


@dataclasses.dataclass(frozen=True)
class Sets:
    """The image sets of a comparison.

    Attributes:
        reference: in-distribution validation images, to which scores are fitted.
        test: the test images.
        asked: the OOD sets that were asked for.
        easy: sets that should be easy.
    """

    reference: ImageSet
    test: ImageSet
    asked: Sequence[ImageSet]
    easy: Sequence[ImageSet]

    @property
    def others(self) -> list[ImageSet]:
        """All sets that are compared with the test images."""
        return [*self.asked, *self.easy]

    @property
    def shown(self) -> Sequence[ImageSet]:
        """The sets of the main table: those that were asked for, or else the easy ones."""
        return self.asked or self.easy

    @property
    def all(self) -> list[ImageSet]:
        """All sets, the reference first."""
        return [self.reference, self.test, *self.others]

    def numbers(self) -> dict[str, Any]:
        """{set: what it is}."""
        return {
            one.name: {
                "num_images": one.num_images,
                "num_groups": None if one.groups is None else len(np.unique(one.groups)),
                "should_be_easy": one in self.easy,
                "source": one.source,
            }
            for one in self.all
        }


def image_sets_of(trained: Trained, out_dists: Sequence[str], references: Sequence[str], config: Data) -> Sets:
    """The reference, the test set and the others, apart from samples of a model."""
    test, asked = image_sets(trained, out_dists, config)
    _, others = image_sets(trained, [*out_dists, *(name for name in references if name != SAMPLES)], config)
    if not others and SAMPLES not in references:
        raise InputError("There is no set to compare with; name OOD sets (--out-dists mnist) or --references constant.")
    _, validation = training_and_validation(resolve(f"{trained.in_dist}:train", data_dir=config.data_dir))
    return Sets(validation.take(config.num_images, config.seed), test, asked, others[len(asked) :])


def with_samples(sets: Sets, trained: Trained, seed: int) -> Sets:
    """The sets and samples of the model, unless it is a PixelCNN, which samples slowly."""
    if isinstance(trained.model, PixelCNN):
        return sets
    return dataclasses.replace(sets, easy=[*sets.easy, own_samples(trained, sets.test.num_images, seed)])
