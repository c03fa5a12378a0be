"""Scores from several models of the same images, such as one architecture trained with several seeds."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from glowjax.checks import InputError
from glowjax.ood.scores import Score, entry
from glowjax.ood.statistics import PER_FAMILY, Statistics, StatisticsT


def ensemble(members: Sequence[StatisticsT]) -> StatisticsT:
    """The statistics "members.log_prob" [N, M] of M models, from the "log_prob" [N] of each.

    Add them to the statistics of one model by `stats.joined(ood.ensemble(members))`. Compute all of them with the same
    key, so that the members see the same dequantization noise and differ by what they learned.
    """
    if len(members) < 2:
        raise InputError(f"An ensemble has two members or more, but got {len(members)}; train one model per seed.")
    first = members[0]
    if bad := [index for index, one in enumerate(members) if not first.is_about_the_images_of(one)]:
        raise InputError(f"Members 0 and {bad[0]} are about different images; compute both for the same images.")
    name = "members.log_prob"
    of_each = [one.about for one in members]
    params = [one.get("params", {}).get("log_prob", "") for one in of_each]
    about = {
        **{key: value for key, value in first.about.items() if key not in PER_FAMILY},
        "options": {name: first.about.get("options", {}).get("log_prob", {})},
        "params": {} if "" in params else {name: params},
        "seconds": {name: sum(one.get("seconds", {}).get("log_prob", 0.0) for one in of_each)},
    }
    return type(first)({name: np.stack([one["log_prob"] for one in members], axis=1)}, about)


@dataclasses.dataclass(frozen=True)
class WAIC(Score):
    """Minus (the mean minus the variance over members of log p(x)), as Choi, Jang and Alemi (2018) define it.

    The mean is in nats and the variance in nats squared. If members differ by more than a few nats, as those of images
    do, the variance dominates and the score ranks images almost as `MemberVariance`.
    """

    needs: ClassVar[tuple[str, ...]] = ("members.log_prob",)

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        members = _members(stats)
        return members.var(axis=1, ddof=1) - members.mean(axis=1)


@dataclasses.dataclass(frozen=True)
class MemberVariance(Score):
    """The variance over members of log p(x), in nats squared; the divisor is M - 1."""

    needs: ClassVar[tuple[str, ...]] = ("members.log_prob",)

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        return _members(stats).var(axis=1, ddof=1)


def _members(stats: Statistics) -> Float[np.ndarray, "N M"]:
    return stats["members.log_prob"].astype(np.float64)


PAPER = "Choi et al. 2018"

entry("waic", "ensembles", WAIC(), PAPER, "-(mean_m log p_m(x) - var_m log p_m(x))")
entry("member-variance", "ensembles", MemberVariance(), PAPER, "var_m log p_m(x)")
