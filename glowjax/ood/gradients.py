"""The gradient of log p with respect to the image, at several levels of noise.

Between the grey levels a flow is flat up to the dequantization noise that it was trained with, so that derivatives at
an image say how that noise fell. Normal noise of several grey levels is added first (`Options.noise_levels`).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float

from glowjax.ood.density_of_states import DensityOfStates
from glowjax.ood.families import Parts, Subject, View, family
from glowjax.ood.one_statistic import OneSided
from glowjax.ood.scores import entry
from glowjax.typing import Array


def by_noise_level(view: View, fun: Callable[[Float[Array, "N ..."]], Any]) -> Any:
    """`fun` of the images with noise of each level: its pytree of results [N, ...] as [N, L, ...].

    All levels scale the same normal draw, so that levels of one image are compared and not draws.
    """
    normal = jax.random.normal(view.key_for("noise"), view.x.shape, view.x.dtype)
    levels = jnp.asarray(view.options.noise_levels, view.x.dtype)
    return jax.tree.map(
        lambda leaf: jnp.moveaxis(leaf, 0, 1), jax.lax.map(lambda level: fun(view.x + level * normal), levels)
    )


def input_gradients(subject: Subject, x: Float[Array, "N ..."]) -> Float[Array, "N ..."]:
    """The gradient of log p at each point, in nats per grey level; no image affects the density of another one."""
    return jax.grad(lambda x: subject.log_prob(x).sum())(x)


def squared_norms(vectors: Float[Array, "N ..."]) -> Float[Array, " N"]:
    """The sum of squares of each vector."""
    return jnp.sum(jnp.square(vectors), axis=tuple(range(1, vectors.ndim)))


@family("gradient", "density", "1 gradient per noise level", options=("noise_levels",))
def gradient(view: View) -> Parts:
    """`gradient` [N, L]: the norm of the gradient of log p with respect to the image, in nats per grey level."""
    return {"": by_noise_level(view, lambda x: jnp.sqrt(squared_norms(input_gradients(view.subject, x))))}


entry(
    "gradient",
    "derivatives",
    OneSided("gradient[0]"),
    "Grathwohl et al. 2020",
    "|grad log p(x + noise)|",
)
entry(
    "density-of-gradient",
    "density of states",
    DensityOfStates(("gradient[0]",)),
    "Morningstar et al. 2021",
    "-log KDE(|grad log p(x + noise)|)",
)
