"""The gradient of log p with respect to the parameters, tensor by tensor, and scores from its norms.

The norms do not depend on the coordinates of the image, as log p(x) does: a change of variables adds a term to it that
has no parameters.
"""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy import special

from glowjax.layers import Chain, Inverse, MultiScale, Repeat
from glowjax.models import Flow
from glowjax.ood.families import Parts, View, family
from glowjax.ood.one_statistic import rank
from glowjax.ood.scores import Score, entry
from glowjax.ood.statistics import Reference, Statistics
from glowjax.typing import Array, Params

MEMORY = 2**27
"""Bytes that gradients of several images may take at the same time."""

MOST_AT_ONCE = 50
"""The largest number of images whose gradients are computed at the same time."""

SMALLEST = float(np.finfo(np.float32).tiny)
"""The smallest squared norm that is told from zero."""


@family("parameter_gradients", "model", "1 gradient by parameters")
def parameter_gradients(view: View) -> Parts:
    """`parameter_gradients` [N, T]: the squared norm of the gradient of log p by each of the T tensors of parameters.

    The tensors of a repeated step count separately. A model with noise gets one draw, the same for all images.
    """
    model, params = view.subject.model, view.subject.params
    is_flow = isinstance(model, Flow)
    axes = stacked_axes(model.layer, params.arrays) if is_flow else jax.tree.map(lambda leaf: 0, params)

    def log_prob(params: Params, image: Array) -> Float[Array, ""]:
        if is_flow:
            return model.log_prob(params, image)
        return model.log_likelihood(params, view.key_for("likelihood"), image[None], 1)[0]

    def norms(image: Array) -> Float[Array, " T"]:
        gradients = jax.tree.leaves(jax.grad(log_prob, allow_int=True)(params, image))
        parts = [
            jnp.sum(jnp.square(gradient), axis=tuple(range(axis, gradient.ndim))).ravel()
            for gradient, axis in zip(gradients, jax.tree.leaves(axes), strict=True)
            if gradient.dtype != jax.dtypes.float0  # integers are not learned
        ]
        return jnp.concatenate(parts)

    num_images = max(1, min(MOST_AT_ONCE, MEMORY // sum(leaf.nbytes for leaf in jax.tree.leaves(params))))
    return {"": jax.lax.map(norms, view.x if is_flow else jnp.asarray(view.images), batch_size=num_images)}


def stacked_axes(layer: Any, params: Params) -> Any:
    """For each leaf of the params of a layer, the number of leading axes that count repeated steps."""
    if isinstance(layer, Repeat):
        return jax.tree.map(
            lambda count: count + 1, stacked_axes(layer.layer, jax.tree.map(lambda leaf: leaf[0], params))
        )
    if isinstance(layer, Inverse):
        return stacked_axes(layer.layer, params)
    if isinstance(layer, Chain):
        return tuple(map(stacked_axes, layer.layers, params))
    if isinstance(layer, MultiScale):
        scales = tuple(map(stacked_axes, layer.scales, params["scales"]))
        return {"scales": scales, "splits": tuple(stacked_axes(layer.split, split) for split in params["splits"])}
    return jax.tree.map(lambda leaf: 0, params)


class Normals(NamedTuple):
    """Independent normals of the log squared norms, for the tensors whose norms vary in the reference.

    Attributes:
        tensors: their indices.
        means: the mean of the log of each.
        deviations: its standard deviation.
    """

    tensors: np.ndarray
    means: np.ndarray
    deviations: np.ndarray


def _logs(stats: Statistics) -> Float[np.ndarray, "N T"]:
    return np.log(np.maximum(stats["parameter_gradients"].astype(np.float64), SMALLEST))


@dataclasses.dataclass(frozen=True)
class LayerGradients(Score):
    """-sum_j log N(log f_j; m_j, s_j) with f_j the squared norm of the gradient by tensor j.

    Attributes:
        method: "normal" for the density above, or "fisher" for -2 sum_j log p_j, with p_j the two-sided p-value.
    """

    method: str = "normal"

    needs: ClassVar[tuple[str, ...]] = ("parameter_gradients",)

    def learn(self, reference: Reference) -> Normals:  # noqa: D102
        logs = _logs(reference)
        means, deviations = logs.mean(axis=0), logs.std(axis=0)
        tensors = np.flatnonzero(deviations > 1e-6 * np.abs(means).max())
        return Normals(tensors, means[tensors], deviations[tensors])

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        off = (_logs(stats)[:, state.tensors] - state.means) / state.deviations
        if self.method == "fisher":
            return -2 * np.sum(np.log(2) + special.log_ndtr(-np.abs(off)), axis=1)
        return np.sum(0.5 * off**2 + np.log(state.deviations) + 0.5 * np.log(2 * np.pi), axis=1)


class Combination(NamedTuple):
    """What the combined test keeps of the reference: the center of log p, scales of the norms, and both statistics."""

    center: float
    scales: np.ndarray
    typicality: np.ndarray
    gradients: np.ndarray


@dataclasses.dataclass(frozen=True)
class FisherCombination(Score):
    """-2 log p_1 - 2 log p_2 with the p-values of the typicality and of the score statistic, one-sided.

    The typicality statistic is |log p - its mean|. The score statistic is g' F^-1 g for the gradient g by parameters
    and the Fisher information F, here a multiple of the identity for each tensor, and every tensor has the same weight:
    the sum over tensors of f_j over its mean. The p-values are shares of the reference above those values, see `rank`.
    """

    needs: ClassVar[tuple[str, ...]] = ("log_prob", "parameter_gradients")

    def learn(self, reference: Reference) -> Combination:  # noqa: D102
        center = float(reference["log_prob"].astype(np.float64).mean())
        scales = reference["parameter_gradients"].astype(np.float64).mean(axis=0)
        return Combination(center, scales, *(np.sort(one) for one in self._statistics(center, scales, reference)))

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        statistics = self._statistics(state.center, state.scales, stats)
        references = (state.typicality, state.gradients)
        p_values = [1 - rank(*pair) for pair in zip(references, statistics, strict=True)]
        return -2 * np.log(p_values).sum(axis=0)

    def _statistics(self, center: float, scales: np.ndarray, stats: Statistics) -> tuple[np.ndarray, np.ndarray]:
        squares = stats["parameter_gradients"].astype(np.float64)[:, scales > 0]
        return np.abs(stats["log_prob"] - center), np.sum(squares / scales[scales > 0], axis=1)


entry(
    "layer-gradients",
    "derivatives",
    LayerGradients(),
    "Dauncey et al. 2024",
    "-sum_j log N(log f_j; m_j, s_j), f_j = |grad of log p(x) by tensor j of parameters|^2",
)
entry(
    "layer-gradients-fisher",
    "derivatives",
    LayerGradients("fisher"),
    "Dauncey et al. 2024",
    "-2 sum_j log p_j, p_j the two-sided p-value of log f_j under N(m_j, s_j)",
)
entry(
    "typicality-and-score-test",
    "derivatives",
    FisherCombination(),
    "Bergamin et al. 2022",
    "-2 log p_1 - 2 log p_2, p-values of |log p(x) - mean| and of sum_j f_j / mean f_j",
)
