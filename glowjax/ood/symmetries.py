"""Log p of an image and of its rearrangements: a model that knows its images prefers them upright and whole.

The maps move pixels and change none, so they keep the volume and every score of the set of grey levels alone. The
dequantization noise moves with its pixel: for a density that does not change under the maps, all differences are zero.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from glowjax.checks import InputError
from glowjax.models import VAE, Flow
from glowjax.ood.families import Parts, View, family
from glowjax.ood.scores import Score, entry
from glowjax.ood.statistics import Reference, Statistics
from glowjax.typing import Array

FAR_BELOW = 3.0
"""Images are OOD if log p is below the median minus this many MADs, in units of a normal's standard deviation."""

MAD_OF_A_NORMAL = 0.6744897501960817
"""The median absolute deviation of a standard normal."""

OUT = 1e10
"""What is added to the score of an image that is OOD by its log p alone, so that it comes before all others."""


def dihedral_maps(height: int, width: int) -> list[np.ndarray]:
    """The rotations by multiples of 90 degrees and their mirror images, as indices [H, W] of pixels, identity first.

    8 for square images. For others 4: the identity, both reflections and the rotation by 180 degrees.
    """
    pixels = np.arange(height * width).reshape(height, width)
    turned = [np.rot90(pixels, turns) for turns in range(4)]
    both = [np.ascontiguousarray(one) for upright in turned for one in (upright, np.fliplr(upright))]
    return [one for one in both if one.shape == pixels.shape]


def shuffled_quarters(height: int, width: int) -> list[np.ndarray]:
    """The identity and the 9 orders of the 4 quarters that leave none in its place, as indices [H, W] of pixels."""
    if height % 2 or width % 2:
        raise InputError(
            f"Shaking exchanges the quarters of an image, but these images are {height} x {width}; height and width "
            "must be even."
        )
    rows = np.split(np.arange(height * width).reshape(height, width), 2)
    quarters = [quarter for row in rows for quarter in np.split(row, 2, axis=1)]
    orders = [order for order in itertools.permutations(range(4)) if all(n != place for place, n in enumerate(order))]
    return [
        np.block([[quarters[a], quarters[b]], [quarters[c], quarters[d]]]) for a, b, c, d in [(0, 1, 2, 3), *orders]
    ]


@family("stirring", "likelihood", "8 forward passes", options=("num_draws", "num_latent_draws"))
def stirring(view: View) -> Parts:
    """`stirring` [N, 8]: log p in nats of the image and of its 7 rotations and reflections; [N, 4] if not square."""
    return {"": _log_probs(view, dihedral_maps(*_height_and_width(view)))}


@family("shaking", "likelihood", "10 forward passes", options=("num_draws", "num_latent_draws"))
def shaking(view: View) -> Parts:
    """`shaking` [N, 10]: log p in nats of the image and with its quarters in the 9 orders that leave none in place."""
    return {"": _log_probs(view, shuffled_quarters(*_height_and_width(view)))}


def _height_and_width(view: View) -> tuple[int, int]:
    if view.images.ndim != 4:
        raise InputError(
            f"Symmetries are those of images [N, H, W, C], but the points are {list(view.images.shape)}; leave out "
            "'stirring' and 'shaking'."
        )
    return view.images.shape[1:3]


def _log_probs(view: View, maps: Sequence[Int[np.ndarray, "H W"]]) -> Float[Array, "N K"]:
    """Log p of the rearranged images, one map at a time: of the rearranged `view.x` if there is one draw of noise."""
    model, options, subject = view.subject.model, view.options, view.subject
    is_moved = model is None or (isinstance(model, Flow) and options.num_draws == 1)
    points = view.x if is_moved else jnp.asarray(view.images)

    def log_prob(pixels: Int[Array, "H W"]) -> Float[Array, " N"]:
        rearranged = points.reshape(len(points), -1, points.shape[-1])[:, pixels]
        if is_moved:
            return subject.log_prob(rearranged)
        num_draws = options.num_latent_draws if isinstance(model, VAE) else options.num_draws
        return model.log_likelihood(subject.params, view.key_for("likelihood"), rearranged, num_draws)

    return jax.lax.map(log_prob, jnp.asarray(np.stack(maps))).T


class Threshold(NamedTuple):
    """The log p in nats below which an image is OOD."""

    lowest: float


@dataclasses.dataclass(frozen=True)
class Symmetry(Score):
    """-sum_j [log p(x) - log p(T_j x)] in nats, over the maps T_j of the subclass.

    Images whose log p is more than `FAR_BELOW` MADs below the reference's median are OOD whatever the maps do to them:
    they come first, in the order of -log p.
    """

    def learn(self, reference: Reference) -> Threshold:  # noqa: D102
        log_prob = reference[self.needs[0]][:, 0].astype(np.float64)
        center = np.median(log_prob)
        return Threshold(float(center - FAR_BELOW * np.median(np.abs(log_prob - center)) / MAD_OF_A_NORMAL))

    def evaluate(self, state: Any, stats: Statistics) -> Float[np.ndarray, " N"]:  # noqa: D102
        log_probs = stats[self.needs[0]].astype(np.float64)
        own = log_probs[:, 0]
        gain = np.sum(log_probs[:, 1:] - own[:, None], axis=1)
        return np.where(own < state.lowest, OUT - own, gain)


@dataclasses.dataclass(frozen=True)
class Stirring(Symmetry):
    """`Symmetry` for rotations and reflections."""

    needs: ClassVar[tuple[str, ...]] = ("stirring",)


@dataclasses.dataclass(frozen=True)
class Shaking(Symmetry):
    """`Symmetry` for orders of the four quarters."""

    needs: ClassVar[tuple[str, ...]] = ("shaking",)


for _name, _score, _maps in (
    ("stirring", Stirring(), "the 7 rotations and reflections"),
    ("shaking", Shaking(), "the 9 orders of the quarters that leave none in place"),
):
    entry(
        _name,
        "symmetry",
        _score,
        "Umapathi et al. 2023",
        f"-sum_j [log p(x) - log p(T_j x)] over {_maps}; first of all, if log p(x) < median - 3 MAD of the reference",
    )
