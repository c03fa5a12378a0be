"""Samples of a model as 8-bit images, and a flow's as they were drawn, before rounding and clipping."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from experiments.report.trained import Trained
from glowjax.cores import side_by_side
from glowjax.data import ImageSet
from glowjax.likelihood import NUM_LEVELS, quantize
from glowjax.models import Flow, FlowTerms
from glowjax.train import samples
from glowjax.typing import Array, Images, Key, Params

BATCH_SIZE = 100


@dataclasses.dataclass(frozen=True)
class Continuous:
    """What a flow says of its samples as they were drawn.

    Attributes:
        terms: each [N] in nats, of the continuous images.
        outside: the share of pixel values that lie outside [0, 256) and are clipped.
    """

    terms: FlowTerms
    outside: float


@dataclasses.dataclass(frozen=True)
class Drawn:
    """Samples at one temperature.

    Attributes:
        temperature: 1 draws from the model as it is.
        images: as 8-bit images.
        continuous: as a flow drew them; None for another model.
    """

    temperature: float
    images: ImageSet
    continuous: Continuous | None = None

    def expected_log_pz(self) -> float:
        """The mean of log p(z) in nats that a flow's latents have by design, drawn as N(0, temperature^2 I)."""
        return -0.5 * math.prod(self.images.shape) * (math.log(2 * math.pi) + self.temperature**2)


def draw(trained: Trained, temperature: float, num_images: int, seed: int) -> Drawn:
    """`num_images` samples of the model at one temperature."""
    keys = jax.random.split(jax.random.key(seed), -(-num_images // BATCH_SIZE))
    name = f"samples, temperature {temperature:g}"
    source = f"{num_images:,} samples of the {trained.kind}, drawn with seed {seed}"
    if not isinstance(trained.model, Flow):
        sampled = samples(trained.model, trained.params, jax.random.key(seed), num_images, temperature, BATCH_SIZE)
        return Drawn(temperature, ImageSet(name, sampled, source=source))
    batches = side_by_side(lambda key: jax.device_get(_draw(trained.model, trained.params, key, temperature)), keys)
    images, terms, outside = jax.tree.map(lambda *parts: np.concatenate(parts)[:num_images], *batches)
    return Drawn(temperature, ImageSet(name, images, source=source), Continuous(terms, float(outside.mean())))


@functools.partial(jax.jit, static_argnums=0)
def _draw(flow: Flow, params: Params, key: Key, temperature: float) -> tuple[Images, FlowTerms, Array]:
    x = flow.sample_continuous(params, key, BATCH_SIZE, temperature)
    outside = jnp.mean((x < 0) | (x >= NUM_LEVELS), axis=(1, 2, 3))
    return quantize(x), flow.terms(params, x), outside
