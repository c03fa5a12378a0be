"""Scores from log p alone."""

import dataclasses
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from glowjax.ood.families import Parts, View, family
from glowjax.ood.scores import Score, entry
from glowjax.ood.statistics import Statistics


@family("log_prob", "likelihood", "1 forward pass", is_forward=True)
def log_prob(view: View) -> Parts:
    """`log_prob` [N]: log p of each image in nats; exact, a bound or an estimate, as the model gives it."""
    return {"": view.log_prob}


@dataclasses.dataclass(frozen=True)
class Likelihood(Score):
    """-log p(x), in nats."""

    needs: ClassVar[tuple[str, ...]] = ("log_prob",)

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        return -stats["log_prob"]


entry("likelihood", "likelihood", Likelihood(), "Bishop 1994", "-log p(x)")
