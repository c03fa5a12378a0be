"""Scores: functions of the statistics of an image, fitted to in-distribution images; higher means more OOD."""

import dataclasses
import itertools
import json
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import flax.struct
import jax
import numpy as np
from jaxtyping import Float

from glowjax.checks import InputError, as_names, real_array, unknown
from glowjax.ood.statistics import Reference, Statistics

OTHERS = {
    "background": 'add them by stats.joined(background.named("background"))',
    "members": "add them by stats.joined(ood.ensemble(members))",
    "classifier": "add them by stats.joined(ood.classifier_statistics(logits, features))",
}
"""Other sources of statistics of the same images, by the prefix of their names, and how to add these."""


class ConstantScoreWarning(UserWarning):
    """All images of a call have the same score, so it orders none of them."""


class Score:
    """Base class of scores: frozen dataclasses of hyperparameters with two pure functions, `learn` and `evaluate`.

    Attributes:
        per_batch: the number of consecutive images that share one score; 1 for scores of single images.
    """

    per_batch: int = 1

    @property
    def needs(self) -> tuple[str, ...]:
        """The families of statistics that it needs; a class attribute, or a property that reads hyperparameters.

        "background.log_prob" is the family "log_prob" of another model, see `OTHERS`.
        """
        return ()

    def learn(self, reference: Reference) -> Any:
        """What the score keeps of in-distribution images: a pytree of arrays. By default, nothing."""
        return ()

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:
        """The scores [N], higher for images that are more out-of-distribution, from what `learn` returned."""
        raise NotImplementedError

    def fit(self, reference: Reference) -> "Fitted":
        """The score as a function of statistics alone. Raises InputError for anything but a `Reference`."""
        if not isinstance(reference, Reference):
            raise InputError(
                f"A score is fitted to a Reference, but got {type(reference).__name__}: pass the statistics of "
                "in-distribution training or validation images, as stats.as_reference()."
            )
        self._check(reference)
        return Fitted(self.learn(reference), self, origin(reference, self.needs))

    def _check(self, stats: Statistics) -> None:
        if lacking := [name for name in self.needs if name not in stats]:
            how = OTHERS.get(whose(lacking[0])[0], "add them to the names that ood.statistics computes")
            raise InputError(
                f"{type(self).__name__} needs the statistics {', '.join(map(repr, lacking))}, but got "
                f"{', '.join(map(repr, stats.families))}; {how}."
            )
        for name, values in stats.values.items():
            if any(f"{name}.".startswith(f"{need}.") for need in self.needs):
                _check_finite(values, f"The statistic '{name}', which {type(self).__name__} needs,")


def _check_finite(values: np.ndarray, name: str) -> None:
    if np.isfinite(values).all():
        return
    bad = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
    raise InputError(
        f"{name} is not finite for {len(bad):,} of {len(values):,} images, first for image {bad[0]}: look at that "
        "image and at the model, or leave the image out and say so."
    )


def origin(stats: Statistics, needs: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """How statistics were computed, as far as they tell: pairs of a name and a value that must be those of others."""
    found = {"image_shape": stats.about.get("image_shape")}
    for kind, need in itertools.product(("options", "params"), needs):
        by_family = stats.about.get(kind, {})
        found[f"{kind} of {need}"] = by_family.get(need, by_family.get(need.partition(".")[0]))
    return tuple((name, json.dumps(value)) for name, value in found.items() if value)


class Fitted(flax.struct.PyTreeNode):
    """A fitted score: a pytree of arrays, and a function from statistics to scores.

    Attributes:
        state: what the score learned from the reference.
        score: its hyperparameters.
        origin: how the statistics of the reference were computed, see `origin`.
    """

    state: Any
    score: Score = flax.struct.field(pytree_node=False)
    origin: tuple[tuple[str, str], ...] = flax.struct.field(pytree_node=False, default=())

    def __call__(self, stats: Statistics) -> Float[np.ndarray, " N"]:
        """The scores [N] in float64; higher means more out-of-distribution.

        Raises InputError if a score or a statistic that it needs is not finite, or if the statistics were computed in
        another way than those of the reference. Gives a `ConstantScoreWarning` if all scores are equal.
        """
        if not isinstance(stats, Statistics):
            raise InputError(f"A fitted score takes Statistics, but got a {type(stats).__name__}; see ood.statistics.")
        self.score._check(stats)
        own = dict(origin(stats, self.score.needs))
        for name, value in self.origin:
            if own.get(name, value) != value:
                raise InputError(
                    f"{type(self.score).__name__} was fitted to statistics with {name} {value}, but these have "
                    f"{own[name]}; compute both under the same model and with the same options."
                )
        state = jax.tree.map(lambda leaf: np.asarray(leaf) if isinstance(leaf, jax.Array) else leaf, self.state)
        scores = real_array(self.score.evaluate(state, stats), str(self.score)).astype(np.float64)
        if scores.shape != (count := stats.num_images // self.score.per_batch,):
            raise InputError(
                f"{self.score} has the shape {list(scores.shape)}; expected one number per image, [{count}]."
            )
        _check_finite(scores, str(self.score))
        if len(scores) > 1 and np.ptp(scores) == 0:
            warnings.warn(
                f"{self.score} is {scores[0]:g} for all {len(scores):,} images, so it orders none of them.",
                ConstantScoreWarning,
                stacklevel=2,
            )
        return scores


@dataclasses.dataclass(frozen=True)
class OwnScore(Score):
    """A score of your own: a function of `Statistics` that needs no fit.

    Attributes:
        function: Statistics -> scores [N], higher for more out-of-distribution images.
    """

    function: Callable[[Statistics], Any]

    def evaluate(self, state: Any, stats: Statistics) -> Any:  # noqa: D102
        return self.function(stats)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A score in the list of all scores.

    Attributes:
        name: its name in tables and on command lines.
        group: the group of scores that it belongs to.
        score: the score, with the hyperparameters that tables use.
        paper: who proposed it; "common practice" if no single paper did, "null model" if it needs no paper.
        formula: its formula, in plain text.
    """

    name: str
    group: str
    score: Score
    paper: str
    formula: str

    @property
    def others(self) -> tuple[str, ...]:
        """The other models that it needs, such as "background"; none for a score of a single model."""
        return tuple(dict.fromkeys(other for need in self.score.needs if (other := whose(need)[0])))


SCORES: dict[str, Entry] = {}
"""Every score by name."""


def entry(name: str, group: str, score: Score, paper: str, formula: str) -> None:
    """Adds a score to the list."""
    SCORES[name] = Entry(name, group, score, paper, formula)


def entries(names: Sequence[str]) -> list[Entry]:
    """The scores that names of scores and of groups stand for, each once. Raises InputError for other names."""
    groups: dict[str, list[Entry]] = {}
    for one in SCORES.values():
        groups.setdefault(one.group, []).append(one)
    found: dict[str, Entry] = {}
    for name in as_names(names):
        if name not in SCORES and name not in groups:
            raise unknown("score or group", name, [*SCORES, *groups])
        found |= {one.name: one for one in (groups.get(name) or [SCORES[name]])}
    return list(found.values())


def needed(names: Sequence[str], other: str = "") -> tuple[str, ...]:
    """The families that the scores of these names need of the model itself, each once, or of an `other` in `OTHERS`."""
    needs = [whose(need) for one in entries(names) for need in one.score.needs]
    return tuple(dict.fromkeys(family for whose, family in needs if whose == other))


def whose(need: str) -> tuple[str, str]:
    """The model ("" is the model itself) and the family of a need: ("background", "log_prob")."""
    prefix, _, family = need.partition(".")
    return (prefix, family) if prefix in OTHERS else ("", need)
