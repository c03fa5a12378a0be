"""The singular values of a flow's Jacobian at an image: how many directions its decoder stretches, on any scale.

The decoder maps a small ball of latents around z to an ellipsoid around x, whose semi-axes are 1 / s for the singular
values s of the encoder's Jacobian dz/dx. On a scale tau, in grey levels, directions with a shorter semi-axis look like
noise; the others count as the local intrinsic dimension (Kamkari et al. 2024,
arXiv 2403.18910).
"""

import dataclasses
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.special import log_ndtr, logsumexp

from glowjax.analysis.chunking import map_chunks
from glowjax.analysis.curvature import basis_vector
from glowjax.ood.curvature import smooth
from glowjax.ood.families import Parts, View, family
from glowjax.ood.scores import Score, entry
from glowjax.ood.statistics import Reference, Statistics
from glowjax.typing import Array


@family("dimension", "flow", "D forward derivatives and an SVD of D x D", batch_size=2)
def dimension(view: View) -> Parts:
    """`dimension.log_singular_values`, `dimension.latents` [N, D]: of the encoder's Jacobian dz/dx = U diag(s) V'.

    The logarithms of s, descending, with s per grey level and not below the smallest float; and U' z, the latents along
    the left singular vectors.
    """
    model, params = smooth(view.subject).model, view.subject.params

    def encode(x: Array) -> Array:
        return jnp.concatenate([z.ravel() for z in model.encode(params, x)])

    def of_image(x: Array) -> tuple[Array, Array]:
        z, push = jax.linearize(encode, x)
        columns = map_chunks(lambda n: push(basis_vector(n, x)), jnp.arange(x.size), None)
        left, values, _ = jnp.linalg.svd(columns.T, full_matrices=False)
        return jnp.log(jnp.maximum(values, jnp.finfo(values.dtype).tiny)), jnp.matmul(
            left.T, z, precision=jax.lax.Precision.HIGHEST
        )

    logs, latents = jax.lax.map(of_image, view.x)
    return {"log_singular_values": logs, "latents": latents}


def intrinsic_dimension(stats: Statistics, log_scale: float) -> Float[np.ndarray, " N"]:
    """The number of semi-axes of the decoder that are longer than exp(log_scale) grey levels, for each image."""
    return np.sum(-stats["dimension.log_singular_values"] > log_scale, axis=1).astype(np.float64)


def convolved_dimension(stats: Statistics, log_scale: float) -> Float[np.ndarray, " N"]:
    """D + d log p_s(x) / d log s for the density of the linearized flow after normal noise of s = exp(log_scale).

    With semi-axes a and latents z along them it is D - sum v / (a^2 + v) + sum v a^2 z^2 / (a^2 + v)^2 at v = s^2: the
    slope by which LIDL estimates a dimension, without its fit over several noise levels.
    """
    logs = stats["dimension.log_singular_values"].astype(np.float64)
    latents = stats["dimension.latents"].astype(np.float64)
    noise_share = 1 / (1 + np.exp(np.clip(-2 * logs - 2 * log_scale, -700, 700)))  # v / (a^2 + v)
    return np.sum(1 - noise_share + noise_share * (1 - noise_share) * latents**2, axis=1)


def scale_of_share(reference: Reference, share: float) -> float:
    """The log of the scale on which images of the reference have the mean intrinsic dimension `share` times D."""
    return float(np.quantile(-reference["dimension.log_singular_values"].astype(np.float64), 1 - share))


@dataclasses.dataclass(frozen=True)
class Dimension(Score):
    """Minus the local intrinsic dimension: simple images are OOD if the flow finds few directions at them.

    Attributes:
        share: the scale is that on which the mean intrinsic dimension of the reference is this share of all dimensions.
        log_scale: the log of the scale in grey levels, in place of the share.
        is_convolved: whether to take `convolved_dimension` in place of a count.
    """

    share: float = 0.25
    log_scale: float | None = None
    is_convolved: bool = False

    needs: ClassVar[tuple[str, ...]] = ("dimension",)

    def learn(self, reference: Reference) -> Any:  # noqa: D102
        return {"log_scale": scale_of_share(reference, self.share) if self.log_scale is None else self.log_scale}

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        count = convolved_dimension if self.is_convolved else intrinsic_dimension
        return -count(stats, float(state["log_scale"]))


def log_lower_tail(reference: Float[np.ndarray, " n"], values: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Log of the share of the reference below each value, smoothed by a normal kernel so that it never ends.

    The bandwidth is Scott's, the standard deviation over n^(1/5).
    """
    bandwidth = max(float(reference.std()) * len(reference) ** -0.2, 1e-12)
    logs = log_ndtr((values[:, None] - reference) / bandwidth)
    return logsumexp(logs, axis=1) - math.log(len(reference))


@dataclasses.dataclass(frozen=True)
class TwoThresholds(Score):
    """The rule "log p < a, or intrinsic dimension < b" with both thresholds at the same quantile of the reference.

    -min over log p and the dimension of the log of the share of reference images with less, see `log_lower_tail`. Its
    ROC curve moves both thresholds together and needs no OOD image; `two_threshold_hull` is the papers' number, which
    chooses both with OOD labels.

    Attributes:
        dimension: how the dimension is counted.
    """

    dimension: Dimension = Dimension()

    needs: ClassVar[tuple[str, ...]] = ("log_prob", "dimension")

    def learn(self, reference: Reference) -> Any:  # noqa: D102
        scale = self.dimension.learn(reference)
        return {
            "scale": scale,
            "log_prob": reference["log_prob"].astype(np.float64),
            "dimension": -self.dimension.evaluate(scale, reference),
        }

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        log_prob = log_lower_tail(state["log_prob"], stats["log_prob"].astype(np.float64))
        dimension = log_lower_tail(state["dimension"], -self.dimension.evaluate(state["scale"], stats))
        return -np.minimum(log_prob, dimension)


entry(
    "dimension",
    "derivatives",
    Dimension(),
    "Kamkari et al. 2024",
    "-#{semi-axes of the decoder's ellipsoid at x longer than tau}, with the mean D / 4 over the reference",
)
entry(
    "convolved-dimension",
    "derivatives",
    Dimension(is_convolved=True),
    "Kamkari et al. 2024",
    "-[D + d log p_s(x) / d log s] of the flow linearized at x, with s as tau of 'dimension'",
)
entry(
    "two-thresholds",
    "derivatives",
    TwoThresholds(),
    "Kamkari et al. 2024",
    "-min(log F(log p(x)), log F(dimension)), F the share of the reference below",
)
