"""The likelihood ratio to a background model, which is trained on images with mutated pixels.

Train it as the model itself, with `gj.train.fit(..., mutation_rate=0.2)` or `python -m experiments train
--training.mutation-rate 0.2`. It learns what remains of an image if some of its pixels are replaced by noise, such as
the number of bright pixels, but less of what objects look like. Compute the statistics of both models with the same
key, so that both see the same dequantization noise.
"""

import dataclasses
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from glowjax.ood.scores import Score, entry
from glowjax.ood.statistics import Statistics


@dataclasses.dataclass(frozen=True)
class LikelihoodRatio(Score):
    """log p_background(x) - log p(x), in nats."""

    needs: ClassVar[tuple[str, ...]] = ("log_prob", "background.log_prob")

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        return stats["background.log_prob"].astype(np.float64) - stats["log_prob"]


entry("likelihood-ratio", "a second reference", LikelihoodRatio(), "Ren et al. 2019", "log p_background(x) - log p(x)")
