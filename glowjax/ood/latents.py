"""Scores from the latents of a flow: log p(z), the volume, and tests of whether one image's latents are noise."""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from glowjax.ood.density_of_states import DensityOfStates
from glowjax.ood.families import Parts, View, family
from glowjax.ood.one_statistic import MaxRank, OneSided, TwoSided, column
from glowjax.ood.scores import Score, entry
from glowjax.ood.statistics import Statistics
from glowjax.ood.white_noise import anderson_darling, box_pierce, spectral_flatness
from glowjax.typing import Latents


@family("scales", "flow", "1 forward pass", is_forward=True)
def scales(view: View) -> Parts:
    """`scales.log_pz` and `scales.log_det` [N, S]: log p(z) and log |det dz/dx| by scale in nats, finest first."""
    terms = view.encoded[1]
    return {"log_pz": terms.log_pz_by_scale, "log_det": terms.log_det_by_scale}


@family("latents", "flow", "1 forward pass", is_forward=True)
def latents(view: View) -> Parts:
    """Of the latents of each image: their norm and tests of whether they are independent and normal.

    `latents.norm` [N], `latents.norm_by_scale` [N, S] (finest first), `latents.anderson_darling` [N] (distance from a
    normal), `latents.spectral_flatness` [N] and `latents.box_pierce` [N] (about 1 for white noise). Sequences run
    through rows, columns, channels and scales, the columns first.
    """
    z = view.encoded[0]
    squares = jnp.stack([jnp.sum(part**2, axis=(1, 2, 3)) for part in z], axis=1)
    sequence = in_sequence(z)
    return {
        "norm": jnp.sqrt(squares.sum(axis=1)),
        "norm_by_scale": jnp.sqrt(squares),
        "anderson_darling": anderson_darling(sequence),
        "spectral_flatness": spectral_flatness(sequence),
        "box_pierce": box_pierce(sequence),
    }


def in_sequence(z: Latents) -> Float[jax.Array, "N D"]:
    """The latents of each image in one sequence, in which the neighbors of a row lie side by side."""
    return jnp.concatenate([jnp.moveaxis(part, -1, 1).reshape(len(part), -1) for part in z], axis=1)


@dataclasses.dataclass(frozen=True)
class LastScale(Score):
    """Minus what the last scale of a flow adds to log p(x), in nats: its log p(z) and its log-determinant."""

    needs: ClassVar[tuple[str, ...]] = ("scales",)

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        return -column(stats, "scales.log_pz[-1]") - column(stats, "scales.log_det[-1]")


def _define() -> None:
    formula = "-log p(z) - log |det dz/dx| of the last scale"
    entry("last-scale", "latents", LastScale(), "Schirrmeister et al. 2020", formula)
    for name, part, formula in (("log-pz", "log_pz", "-log p(z)"), ("volume", "log_det", "-log |det dz/dx|")):
        entry(name, "latents", OneSided(f"scales.{part}[sum]", -1), "common practice", formula)
        for words, index in (("finest", 0), ("second", 1), ("last", -1)):
            one = OneSided(f"scales.{part}[{index}]", -1)
            entry(f"{name}-{words}", "latents", one, "common practice", f"{formula} of the {words} scale")
    entry("latent-norm", "latents", TwoSided("latents.norm"), "Choi et al. 2018", "||z| - mean, reference|")
    noise = OneSided("latents.box_pierce")
    entry("white-noise", "latents", noise, "Wang et al. 2020", "D * mean over lags of the squared autocorrelation of z")
    pair, tests = ("latents.anderson_darling", "latents.spectral_flatness"), "Anderson-Darling and spectral flatness"
    entry("sitn", "latents", MaxRank(pair), "Bomatter et al. 2026", f"largest rank, reference, of {tests} of z")
    entry("sitn-density", "latents", DensityOfStates(pair), "Bomatter et al. 2026", f"-sum of log KDEs of {tests} of z")
    for statistic, words in zip(pair, ("Anderson-Darling distance", "spectral flatness"), strict=True):
        name = words.lower().partition(" distance")[0].replace(" ", "-")
        entry(name, "latents", OneSided(statistic), "Bomatter et al. 2026", f"{words} of z")

    every = (
        *(f"scales.{part}[{index}]" for part in ("log_pz", "log_det") for index in ("sum", 0, -1)),
        *(f"latents.{part}" for part in ("norm", "anderson_darling", "spectral_flatness", "box_pierce")),
    )
    entry(
        "density-of-latents",
        "density of states",
        DensityOfStates(("log_prob", "png", *every)),
        "Morningstar et al. 2021",
        "-sum of log KDEs of log p(x), PNG bits, and of log p(z), log |det dz/dx| (all, finest and last scale), |z|, "
        f"{tests} and autocorrelation of z",
    )


_define()
