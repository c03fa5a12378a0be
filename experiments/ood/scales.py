"""AUROCs of one score at several levels of noise, or on several scales of its dimension."""

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from experiments.ood.collected import Collected
from experiments.ood.sets import Sets
from glowjax import ood
from glowjax.checks import InputError
from glowjax.data import ImageSet
from glowjax.ood import Score
from glowjax.stats import Estimate

Curves: TypeAlias = dict[str, list[Any]]
"""{score: its AUROC at each level or scale, an Estimate; a float without an interval; or None if it has none}."""


def at_level(name: str, index: int) -> Score:
    """A score of the list at the noise level with this index."""
    score: Any = ood.SCORES[name].score
    if hasattr(score, "statistics"):
        return dataclasses.replace(
            score, statistics=tuple(one.replace("[0]", f"[{index}]") for one in score.statistics)
        )
    return dataclasses.replace(score, statistic=score.statistic.replace("[0]", f"[{index}]"))


def at_share(name: str, share: float) -> Score:
    """A score of the list on the scale of this share of dimensions."""
    score: Any = ood.SCORES[name].score
    if isinstance(score, ood.TwoThresholds):
        return dataclasses.replace(score, dimension=dataclasses.replace(score.dimension, share=share))
    return dataclasses.replace(score, share=share)


def aurocs(collected: Collected, sets: Sets, other: ImageSet, curves: Mapping[str, Sequence[Score]]) -> Curves:
    """The AUROC of each score on one set; scores without images are left out."""
    return {
        name: [_auroc(collected, sets, other, score) for score in scores]
        for name, scores in curves.items()
        if all(collected.num_images[need] for need in scores[0].needs)
    }


def _auroc(collected: Collected, sets: Sets, other: ImageSet, score: Score) -> Estimate | None:
    try:
        inside, outside = _scores(collected, sets, other, score)
    except InputError:  # a score that is no number there
        return None
    groups = [
        None if one.groups is None else one.groups[: len(s)] for one, s in ((sets.test, inside), (other, outside))
    ]
    return ood.detection_metrics(inside, outside, groups_in=groups[0], groups_out=groups[1]).auroc


def _scores(collected: Collected, sets: Sets, other: ImageSet, score: Score) -> list[Any]:
    """The scores of the test images and of the other set, fitted to the reference."""
    entry = ood.Entry("", "", score, "", "")
    fitted = score.fit(collected.of(sets.reference.name, entry).as_reference())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ood.ConstantScoreWarning)  # a dimension may be the same for all constant images
        return [fitted(collected.of(one.name, entry)) for one in (sets.test, other)]


def hull(collected: Collected, sets: Sets, other: ImageSet, share: float) -> float:
    """The papers' area for the likelihood and the dimension, which OOD labels tune."""
    entry = ood.SCORES["two-thresholds"]
    fitted = ood.Dimension(share).fit(collected.of(sets.reference.name, entry).as_reference())
    stats = [collected.of(one.name, entry) for one in (sets.test, other)]
    in_a, out_a = (-one["log_prob"] for one in stats)
    in_b, out_b = (-ood.intrinsic_dimension(one, fitted.state["log_scale"]) for one in stats)
    return ood.two_threshold_hull(in_a, in_b, out_a, out_b)
