"""Two image sets as points of the density of a trained Glow."""

import dataclasses
import functools
from typing import Any

import jax
import numpy as np

from experiments.report.trained import Trained, title
from glowjax import analysis as an
from glowjax.data import ImageSet
from glowjax.likelihood import dequantize
from glowjax.models import Flow
from glowjax.typing import Array


@dataclasses.dataclass(frozen=True)
class Pair:
    """The test set and an OOD set as points of a density.

    Attributes:
        log_prob: the density of the model.
        p: [N, *shape] the test images with one draw of noise.
        q: [M, *shape] the OOD images likewise.
        groups: `groups_in` and `groups_out`, the arguments of `glowjax.analysis`.
        names: the names of the two sets.
        labels: [N] the classes of the test images; None if they have no labels.
    """

    log_prob: an.LogProb
    p: Array
    q: Array
    groups: dict[str, Any]
    names: tuple[str, str]
    labels: np.ndarray | None

    @property
    def means(self) -> tuple[Array, Array]:
        """The means of `p` and of `q`."""
        return self.p.mean(axis=0), self.q.mean(axis=0)

    @property
    def titles(self) -> tuple[str, str]:
        """The titles of the two sets."""
        own, other = map(title, self.names)
        return own, other

    def first(self, count: int) -> "Pair":
        """The first `count` images of each set."""
        groups = {name: labels if labels is None else labels[:count] for name, labels in self.groups.items()}
        labels = None if self.labels is None else self.labels[:count]
        return dataclasses.replace(self, p=self.p[:count], q=self.q[:count], groups=groups, labels=labels)

    def counts(self) -> str:
        """The numbers of images, and of their groups."""
        numbers = []
        for name, points, groups in zip(self.titles, (self.p, self.q), self.groups.values(), strict=True):
            of_groups = "" if groups is None else f" in {len(np.unique(groups)):,} groups"
            numbers.append(f"{len(points):,} {name} images{of_groups}")
        return " and ".join(numbers)


def pair_of(trained: Trained[Flow], in_dist: ImageSet, out_dist: ImageSet, seed: int) -> Pair:
    """The two sets with one draw of noise each."""
    log_prob = functools.partial(trained.model.log_prob, trained.params)
    p_key, q_key = jax.random.split(jax.random.key(seed))
    p, q = (dequantize(key, np.asarray(one.images)) for key, one in ((p_key, in_dist), (q_key, out_dist)))
    groups = {"groups_in": in_dist.groups, "groups_out": out_dist.groups}
    return Pair(log_prob, p, q, groups, (in_dist.name, out_dist.name), in_dist.labels)
