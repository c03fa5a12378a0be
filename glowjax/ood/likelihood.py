"""Scores from log p alone."""

import dataclasses
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from glowjax.checks import InputError
from glowjax.ood.families import Parts, View, family
from glowjax.ood.one_statistic import TwoSidedRank
from glowjax.ood.scores import Score, entry
from glowjax.ood.statistics import Reference, Statistics


@family("log_prob", "likelihood", "1 forward pass", is_forward=True, options=("num_draws", "num_latent_draws"))
def log_prob(view: View) -> Parts:
    """`log_prob` [N]: log p of each image in nats; exact, a bound or an estimate, as the model gives it."""
    return {"": view.log_prob}


@dataclasses.dataclass(frozen=True)
class Likelihood(Score):
    """-log p(x), in nats."""

    needs: ClassVar[tuple[str, ...]] = ("log_prob",)

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        return -stats["log_prob"]


@dataclasses.dataclass(frozen=True)
class Typicality(Score):
    """|mean of -log p over a batch - H|, in nats, with the entropy H estimated by the mean of -log p of the reference.

    Consecutive images form a batch, and the images that do not fill the last batch are left out, so N images have
    N // per_batch scores. Shuffle images that are sorted, for example by class. Nalisnick et al. (2019) compare this
    number with a quantile over batches of in-distribution images.

    Attributes:
        per_batch: the number of images per batch; 1 for a two-sided test of each image.
    """

    needs: ClassVar[tuple[str, ...]] = ("log_prob",)
    per_batch: int = 1

    def learn(self, reference: Reference) -> Any:  # noqa: D102
        return {"entropy": -np.mean(reference["log_prob"], dtype=np.float64)}

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        num_batches = stats.num_images // self.per_batch
        if num_batches == 0:
            raise InputError(f"A batch has {self.per_batch} images, but there are only {stats.num_images}; give more.")
        batches = stats["log_prob"][: num_batches * self.per_batch].reshape(num_batches, self.per_batch)
        return np.abs(-batches.mean(axis=1, dtype=np.float64) - state["entropy"])


entry("likelihood", "likelihoods", Likelihood(), "Bishop 1994", "-log p(x)")
entry("rank", "likelihoods", TwoSidedRank("log_prob"), "common practice", "|rank of log p(x) in the reference - 1/2|")
entry("typicality", "likelihoods", Typicality(), "Nalisnick et al. 2019", "|-log p(x) - mean of -log p, reference|")
for _per_batch in (2, 5, 10, 25):
    entry(
        f"typicality-{_per_batch}",
        "likelihoods",
        Typicality(_per_batch),
        "Nalisnick et al. 2019",
        f"|mean of -log p over {_per_batch} images - mean of -log p, reference|",
    )
