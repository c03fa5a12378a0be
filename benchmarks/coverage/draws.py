"""Errors over random probes and draws: `analysis.hessian_trace_estimate` and `VAE.log_likelihood_estimate`."""

from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jax.scipy.stats import norm

from benchmarks.coverage.row import Case, Lab, row
from glowjax import analysis as an
from glowjax.models import VAE

SIZE = 100
SPECTRA = {
    "flat spectrum": np.linspace(0.5, 1.5, SIZE),
    "spectrum 1/n": 1 / np.arange(1, SIZE + 1),
    "steep spectrum": 0.8 ** np.arange(SIZE),
    "spectrum of both signs": np.linspace(-1.0, 1.5, SIZE),
}
_ROTATION = np.linalg.qr(np.random.default_rng(0).normal(size=(SIZE, SIZE)))[0]


@row("analysis.hessian_trace_estimate")
def trace_estimate(lab: Lab) -> Iterator[Case]:
    """Both methods on spectra from flat to steep, in 100 dimensions."""
    for method in ("hutchinson", "xtrace"):
        for name, spectrum in SPECTRA.items():
            matrix = _ROTATION * spectrum @ _ROTATION.T
            for num in (5, 10, 40):

                def log_prob(x: Any) -> Any:
                    return x @ jnp.asarray(matrix) @ x / 2  # noqa: B023

                def of_one(key: Any) -> Any:
                    return an.hessian_trace_estimate(log_prob, jnp.zeros(SIZE), key, num, method=method)  # noqa: B023

                keys = jax.random.split(lab.key(name, num), lab.times(2000))
                found = jax.jit(lambda keys: jax.lax.map(of_one, keys))(keys)
                yield Case("", f"{method}, {name}", num, found, float(spectrum.sum()))


class _FixedPosterior(nn.Module):
    """An encoder that gives every image the same latents."""

    mean: float
    scale: float

    @nn.compact
    def __call__(self, x: Any, num_latents: int) -> tuple[Any, Any]:
        latents = jnp.ones((len(x), num_latents))
        return self.mean * latents, jnp.log(self.scale) * latents


class _Brightness(nn.Module):
    """A decoder in which the latent tilts the distribution of every value towards bright levels."""

    @nn.compact
    def __call__(self, latents: Any, image_shape: tuple[int, int, int], num_outputs: int) -> Any:
        tilt = jnp.linspace(-2, 2, num_outputs)
        return jnp.broadcast_to(latents[:, :1, None, None, None] * tilt, (len(latents), *image_shape, num_outputs))


@row("VAE.log_likelihood_estimate")
def vae(lab: Lab) -> Iterator[Case]:
    """A VAE of one latent, whose log P(image) is an integral over it."""
    image = np.array([[[[200], [120]], [[250], [180]]]], np.uint8)
    grid = jnp.linspace(-8, 8, 4001)
    decoded: Any = _Brightness().apply({}, grid[:, None], (2, 2, 1), 256)
    chosen = jnp.take_along_axis(jax.nn.log_softmax(decoded), jnp.asarray(image, jnp.int32)[..., None], axis=-1)
    log_joint = norm.logpdf(grid) + chosen.sum(axis=(1, 2, 3, 4))
    truth = float(logsumexp(log_joint) + jnp.log(grid[1] - grid[0]))
    posterior = jax.nn.softmax(log_joint)
    center = float(posterior @ grid)
    width = float(jnp.sqrt(posterior @ (grid - center) ** 2))
    for name, factor in (("as wide as the posterior", 1.0), ("twice as wide", 2.0), ("half as wide", 0.5)):
        model = VAE(1, _FixedPosterior(center, factor * width), _Brightness())
        params = model.init(jax.random.key(0), image)
        for num in (100, 1000):

            def of_one(key: Any) -> Any:
                estimate = model.log_likelihood_estimate(params, key, image, num)  # noqa: B023
                return jax.tree.map(lambda x: jnp.squeeze(jnp.asarray(x)), estimate)

            keys = jax.random.split(lab.key(name, num), lab.times(2000))
            found = jax.jit(lambda keys: jax.lax.map(of_one, keys))(keys)
            yield Case("", f"q {name}", num, found, truth)
