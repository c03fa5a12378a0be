"""Distributions of one pixel value over its grey levels, given a network's outputs; used by PixelCNN and VAE.

A network's outputs are [..., num_outputs]: the parameters of a value are its last axis, over which XLA:CPU sums many
times faster than over any other.
"""

import dataclasses
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Float, Integer

from glowjax.checks import InputError, check_count
from glowjax.likelihood import NUM_LEVELS
from glowjax.typing import Array, Key

MIN_LOG_SCALE = -7.0
"""Lower bound on the log-scale of a logistic, in half ranges of levels: a scale of 0.1 grey levels of 256."""

COLDEST = 1e-6
"""Choices at lower temperatures, 0 included, are made at this one: the most probable is chosen."""

Outputs = Float[Array, "*batch O"]
Levels = Integer[Array, "*batch"]


@runtime_checkable
class PixelDistribution(Protocol):
    """The probabilities of the levels 0 .. num_levels - 1 of one value; frozen and hashable."""

    @property
    def num_levels(self) -> int:
        """The number of levels."""
        ...

    @property
    def num_outputs(self) -> int:
        """The number of distribution parameters per value."""
        ...

    def log_prob(self, outputs: Outputs, levels: Levels) -> Float[Array, "*batch"]:
        """Log P(level) in nats, [...], of whole-numbered `levels` [...] under `outputs` [..., num_outputs]."""
        ...

    def sample(self, key: Key, outputs: Outputs, temperature: float | Array = 1.0) -> Levels:
        """Levels [...], int32, drawn under `outputs` [..., num_outputs]; at temperature 0 the most probable choice."""
        ...


@dataclasses.dataclass(frozen=True)
class Categorical:
    """A softmax over all levels (van den Oord et al. 2016, section 3.3)."""

    num_levels: int = NUM_LEVELS

    def __post_init__(self) -> None:
        _check_levels(self.num_levels)

    @property
    def num_outputs(self) -> int:
        """A logit for each level."""
        return self.num_levels

    def log_prob(self, outputs: Outputs, levels: Levels) -> Float[Array, "*batch"]:
        """Log P(level) in nats, [...], of `levels` [...] under logits [..., num_levels]."""
        chosen = jnp.take_along_axis(outputs, levels[..., None].astype(jnp.int32), axis=-1)[..., 0]
        return chosen - jax.nn.logsumexp(outputs, axis=-1)

    def sample(self, key: Key, outputs: Outputs, temperature: float | Array = 1.0) -> Levels:
        """Levels [...], drawn with probabilities softmax(outputs / temperature)."""
        return jax.random.categorical(key, outputs / jnp.maximum(temperature, COLDEST)).astype(jnp.int32)


@dataclasses.dataclass(frozen=True)
class LogisticMixture:
    """A mixture of logistics, discretized to the levels (Salimans et al. 2017, section 2.1).

    The first and the last level take the tails.

    Attributes:
        num_components: logistics in the mixture; 1 for a plain discretized logistic.
        num_levels: number of levels; 256 for 8-bit images.
    """

    num_components: int = 5
    num_levels: int = NUM_LEVELS

    def __post_init__(self) -> None:
        check_count("num_components", self.num_components)
        _check_levels(self.num_levels)

    @property
    def num_outputs(self) -> int:
        """A weight, a mean and a log-scale for each component."""
        return 3 * self.num_components

    def _parts(self, outputs: Outputs) -> tuple[Array, Array, Array]:
        """Log weights, means and log-scales, [num_components, ...] each; levels span [-1, 1]."""
        logits, means, log_scales = jnp.split(jnp.moveaxis(outputs, -1, 0), 3)
        return jax.nn.log_softmax(logits, axis=0), means, jnp.maximum(log_scales, MIN_LOG_SCALE)

    def log_prob(self, outputs: Outputs, levels: Levels) -> Float[Array, "*batch"]:
        """Log P(level) in nats, [...], of `levels` [...] under `outputs` [..., 3 num_components]."""
        log_weights, means, log_scales = self._parts(outputs)
        inverse_scale = jnp.exp(-log_scales)
        half_bin = 1 / max(1, self.num_levels - 1)
        levels = levels[None]  # an axis for the components
        centered = scaled(levels, self.num_levels) - means
        lower, upper = inverse_scale * (centered - half_bin), inverse_scale * (centered + half_bin)
        # sigmoid(upper) - sigmoid(lower) = sigmoid(upper) sigmoid(-lower) (1 - exp(lower - upper)), which never
        # cancels; the first and the last bin reach to infinity.
        is_first, is_last = levels == 0, levels == self.num_levels - 1
        log_mass = (
            jnp.where(is_last, 0, jax.nn.log_sigmoid(upper))
            + jnp.where(is_first, 0, jax.nn.log_sigmoid(-lower))
            + jnp.where(is_first | is_last, 0, jnp.log(-jnp.expm1(-2 * half_bin * inverse_scale)))
        )
        return jax.nn.logsumexp(log_weights + log_mass, axis=0)

    def sample(self, key: Key, outputs: Outputs, temperature: float | Array = 1.0) -> Levels:
        """Levels [...]: draws a component, then a value from its logistic with the scale times `temperature`."""
        component_key, value_key = jax.random.split(key)
        log_weights, means, log_scales = self._parts(outputs)
        component = jax.random.categorical(component_key, log_weights / jnp.maximum(temperature, COLDEST), axis=0)
        mean, log_scale = (jnp.take_along_axis(part, component[None], axis=0)[0] for part in (means, log_scales))
        value = mean + temperature * jnp.exp(log_scale) * jax.random.logistic(value_key, mean.shape)
        level = jnp.rint((value + 1) * (self.num_levels - 1) / 2)
        return jnp.clip(level, 0, self.num_levels - 1).astype(jnp.int32)


def scaled(levels: Integer[Array, "..."], num_levels: int) -> Float[Array, "..."]:
    """Levels 0 .. num_levels - 1 as float32 from -1 to 1."""
    return levels.astype(jnp.float32) * (2 / max(1, num_levels - 1)) - 1


def _check_levels(num_levels: int) -> None:
    check_count("num_levels", num_levels)
    if num_levels > NUM_LEVELS:
        raise InputError(f"num_levels is {num_levels}, but 8-bit images have at most {NUM_LEVELS} levels.")


SOFTMAX = Categorical()
"""The softmax over 256 levels."""
