"""Tests of whether a PixelCNN's residuals are white noise.

The residual of a pixel value x, given the values before it, is z = Phi^-1(P(less than x) + v P(x)) with v uniform on
[0, 1), the randomized probability integral transform. Under the model, all residuals of an image are independent and
standard normal, as the latents of a flow are.
"""

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtri
from jaxtyping import Float

from glowjax.models.pixels import PixelDistribution, scaled
from glowjax.ood.families import Parts, View, family
from glowjax.ood.latents import in_sequence
from glowjax.ood.one_statistic import MaxRank, OneSided
from glowjax.ood.scores import entry
from glowjax.ood.white_noise import anderson_darling, box_pierce, spectral_flatness
from glowjax.typing import Array, Continuous


@family("residuals", "PixelCNN", "1 forward pass", batch_size=20)
def residuals(view: View) -> Parts:
    """Of the residuals of each image: tests of whether they are independent and normal, [N] each.

    `residuals.anderson_darling` (distance from a normal), `residuals.spectral_flatness` and `residuals.box_pierce`
    (about 1 for white noise). The sequence of an image runs through channels, rows and columns, the columns first.
    """
    sequence = in_sequence((as_normal(view),))
    return {
        "anderson_darling": anderson_darling(sequence),
        "spectral_flatness": spectral_flatness(sequence),
        "box_pierce": box_pierce(sequence),
    }


def as_normal(view: View) -> Continuous:
    """The residuals [N, H, W, C] of a batch: standard normal if the PixelCNN is right."""
    model, images = view.subject.model, jnp.asarray(view.images)
    outputs = model.outputs(view.subject.params, scaled(images, model.num_levels))
    v = jax.random.uniform(view.key_for("residuals"), images.shape)
    channels = [_transformed(model.pixels, one, images[..., c], v[..., c]) for c, one in enumerate(outputs)]
    return jnp.stack(channels, axis=-1)


def _transformed(
    pixels: PixelDistribution, outputs: Float[Array, "N H W O"], levels: Array, v: Float[Array, "N H W"]
) -> Float[Array, "N H W"]:
    """Phi^-1(P(less) + v P(equal)) of one channel, computed from the smaller tail, so that neither is rounded to 1."""
    every = jnp.arange(pixels.num_levels)
    log_probs = jax.vmap(lambda level: pixels.log_prob(outputs, jnp.full(levels.shape, level)))(every)
    difference = every[:, None, None, None] - levels[None].astype(every.dtype)
    probs, signs = jnp.exp(log_probs), jnp.sign(difference)
    less, equal, more = (jnp.sum(jnp.where(signs == sign, probs, 0), axis=0) for sign in (-1, 0, 1))
    lower, upper = less + v * equal, more + (1 - v) * equal
    smaller = jnp.maximum(jnp.minimum(lower, upper), jnp.finfo(v.dtype).tiny)
    return jnp.where(lower < upper, 1, -1) * ndtri(smaller)


def _define() -> None:
    noise, tests = "D * mean over lags of the squared autocorrelation", "Anderson-Darling and spectral flatness"
    pair = ("residuals.anderson_darling", "residuals.spectral_flatness")
    for name, score, paper, formula in (
        ("residual-white-noise", OneSided("residuals.box_pierce"), "Wang et al. 2020", noise),
        ("residual-anderson-darling", OneSided(pair[0]), "Bomatter et al. 2026", "Anderson-Darling distance"),
        ("residual-sitn", MaxRank(pair), "Bomatter et al. 2026", f"largest rank, reference, of {tests}"),
    ):
        entry(name, "PixelCNN", score, paper, f"{formula} of the residuals Phi^-1(P(< x) + v P(x))")


_define()
