"""What reports conclude has the right direction: from likelihoods made for the purpose, without a model."""

import dataclasses

import numpy as np
import pytest

from experiments import drawn_page, ensemble_page, likelihood_page, model_classes, reverse
from experiments.drawn import Drawn
from experiments.scoring import Scored, detection
from glowjax.data import ImageSet


def scored(name, log_likelihood, num=20):
    images = ImageSet(name, np.zeros((num, 2, 2, 1), np.uint8))
    return Scored(images, np.linspace(log_likelihood, log_likelihood + 1, num))


OWN, LIKELIER, LESS = scored("mine:test", -50.0), scored("theirs:test", -10.0), scored("theirs:test", -90.0)
foreign = pytest.mark.parametrize(("other", "likelier"), [(LIKELIER, True), (LESS, False)], ids=["likelier", "less"])


def pair(other):
    return {"mine:test": OWN, "theirs:test": other}


@dataclasses.dataclass(frozen=True)
class Model:
    """What a verdict asks of a trained model."""

    kind: str = "NVP-Glow"
    name: str = "mine"

    def learned(self, images):
        return images.name == "mine:train"


@foreign
def test_fewer_bits_are_an_auroc_of_zero(other, likelier):
    assert (other.bits_per_dim.mean() < OWN.bits_per_dim.mean()) == likelier
    assert detection(OWN, other).auroc.value == (0 if likelier else 1)


@foreign
def test_likelihoods_says_which_set_is_likelier(other, likelier):
    assert ("they are more likely" in likelihood_page.in_words(Model(), pair(other))) == likelier


@foreign
def test_model_classes_counts_those_that_are_misled(other, likelier):
    words = model_classes.in_words({"A": pair(other), "B": pair(LESS)})
    assert words.startswith("To 1 of 2 models (A) theirs test" if likelier else "To 0 of 2 models theirs test")


@foreign
def test_an_ensemble_says_whether_the_paradox_stays(other, likelier):
    words = ensemble_page.in_words({"seed 0": pair(other)}, pair(other))
    assert ("theirs test is still likelier than mine test" in words) == likelier
    assert ("is not likelier" in words) != likelier


@foreign
def test_reverse_says_which_set_is_likelier_under_whom(other, likelier):
    words = reverse.in_words([{"NVP-Glow trained on mine": pair(other)}])
    verdict = "are likelier than" if likelier else "are less likely than"
    assert f"Under the NVP-Glow trained on mine, theirs test images {verdict} mine test images" in words


@foreign
def test_own_samples_says_whether_samples_are_likelier(other, likelier):
    words = drawn_page.in_words("mine:test", OWN, [(Drawn(0.7, other.images, None), other)])
    assert (
        "samples are likelier than real images" if likelier else "samples are less likely than real images"
    ) in words
