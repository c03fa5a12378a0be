"""Layers made of layers: a chain, an inverse and the multi-scale architecture; a repetition is in `repeat`."""

import dataclasses
import functools
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from glowjax.checks import InputError
from glowjax.layers.base import Layer
from glowjax.typing import Array, Key, Latents, LogDet, Params


@dataclasses.dataclass(frozen=True)
class Chain:
    """Several layers, the first one nearest to the data; `params` is the tuple of theirs."""

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        """Raises InputError for a chain without layers; a list of them becomes a tuple."""
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise InputError("A chain needs at least one layer, but got none.")

    def init(self, key: Key, x: Array) -> Params:
        """Each layer's arrays; a layer is initialised with what the layers before it make of `x`."""
        params = []
        for layer, layer_key in zip(self.layers, jax.random.split(key, len(self.layers)), strict=True):
            params.append(layer.init(layer_key, x))
            x, _ = layer.forward(params[-1], x)
        return tuple(params)

    def forward(self, params: Params, x: Array) -> tuple[Array, LogDet]:
        """The last layer's output and the sum of the log-determinants."""
        log_dets = []
        for layer, layer_params in zip(self.layers, params, strict=True):
            x, log_det = layer.forward(layer_params, x)
            log_dets.append(log_det)
        return x, functools.reduce(jnp.add, log_dets)

    def inverse(self, params: Params, y: Array) -> tuple[Array, LogDet]:
        """The first layer's input and the sum of the inverses' log-determinants."""
        log_dets = []
        for layer, layer_params in zip(reversed(self.layers), reversed(params), strict=True):
            y, log_det = layer.inverse(layer_params, y)
            log_dets.append(log_det)
        return y, functools.reduce(jnp.add, log_dets)


@dataclasses.dataclass(frozen=True)
class Inverse:
    """A layer turned round: `forward` is the wrapped layer's `inverse`, with the same params."""

    layer: Layer

    def init(self, key: Key, x: Array) -> Params:
        """The wrapped layer's arrays. A data-dependent layer is set as if `x` were its input, not its output.

        Raises InputError where the wrapped layer changes the shape of `x`, so that `x` could not be its output.
        """
        y = jax.eval_shape(lambda: self.layer.forward(self.layer.init(key, x), x)[0])
        if jax.tree.map(jnp.shape, y) != x.shape:
            raise InputError(
                f"An inverse is initialised with its own input, but the wrapped {type(self.layer).__name__} makes "
                f"{jax.tree.map(jnp.shape, y)} of {x.shape}: initialise the layer itself, whose params serve both ways."
            )
        return self.layer.init(key, x)

    def forward(self, params: Params, x: Array) -> tuple[Array, LogDet]:
        """The wrapped layer's inverse."""
        return self.layer.inverse(params, x)

    def inverse(self, params: Params, y: Array) -> tuple[Array, LogDet]:
        """The wrapped layer's forward."""
        return self.layer.forward(params, y)


class SplitLayer(Protocol):
    """`SplitPrior` or `Split`: a layer whose output is the pair `(kept, latent)`."""

    def init(self, key: Key, x: Array) -> Params:
        """Learned arrays for inputs like `x` [N, H, W, C]."""
        ...

    def forward(self, params: Params, x: Array) -> tuple[tuple[Array, Array], LogDet]:
        """`(kept, latent)` and the log-determinant."""
        ...

    def inverse(self, params: Params, y: tuple[Array, Array]) -> tuple[Array, LogDet]:
        """The image before the split and the log-determinant."""
        ...


@dataclasses.dataclass(frozen=True)
class MultiScale:
    """The multi-scale architecture: after each scale but the last, a split lets half the channels go as a latent.

    Latents are a tuple, one array a scale, finest first. `params` is {"scales": (...), "splits": (...)}.

    Attributes:
        scales: one layer a scale, the first one nearest to the data.
        split: the split after each scale but the last.
    """

    scales: tuple[Layer, ...]
    split: SplitLayer

    def __post_init__(self) -> None:
        """Raises InputError for no scales; a list of them becomes a tuple."""
        object.__setattr__(self, "scales", tuple(self.scales))
        if not self.scales:
            raise InputError("A multi-scale architecture needs at least one scale, but got none.")

    def init(self, key: Key, x: Array) -> Params:
        """Every scale's and split's arrays, each initialised with what comes before it makes of `x`."""
        scales: list[Any] = []
        splits: list[Any] = []
        for scale, scale_key in zip(self.scales, jax.random.split(key, len(self.scales)), strict=True):
            layer_key, split_key = jax.random.split(scale_key)
            scales.append(scale.init(layer_key, x))
            x, _ = scale.forward(scales[-1], x)
            if len(scales) < len(self.scales):
                splits.append(self.split.init(split_key, x))
                (x, _), _ = self.split.forward(splits[-1], x)
        return {"scales": tuple(scales), "splits": tuple(splits)}

    def forward_by_scale(self, params: Params, x: Array) -> tuple[Latents, tuple[LogDet, ...]]:
        """Latents and log-determinants, one of each a scale; a scale's split counts to the scale."""
        latents, log_dets = [], []
        for index, (scale, scale_params) in enumerate(zip(self.scales, params["scales"], strict=True)):
            x, log_det = scale.forward(scale_params, x)
            if index < len(params["splits"]):
                (x, latent), split_log_det = self.split.forward(params["splits"][index], x)
                log_det += split_log_det
            else:
                latent = x
            latents.append(latent)
            log_dets.append(log_det)
        return tuple(latents), tuple(log_dets)

    def forward(self, params: Params, x: Array) -> tuple[Latents, LogDet]:
        """Latents, finest first, and the log-determinant."""
        latents, log_dets = self.forward_by_scale(params, x)
        return latents, jnp.sum(jnp.stack(log_dets), axis=0)

    def inverse(self, params: Params, y: Latents) -> tuple[Array, LogDet]:
        """The image [..., H, W, C] of the latents, and the inverse's log-determinant.

        Raises InputError for another number of latents than scales.
        """
        if len(y) != len(self.scales):
            raise InputError(f"A flow of {len(self.scales)} scales has as many latents, but got {len(y)}.")
        x, log_det = self.scales[-1].inverse(params["scales"][-1], y[-1])
        for index in reversed(range(len(self.scales) - 1)):
            x, split_log_det = self.split.inverse(params["splits"][index], (x, y[index]))
            x, scale_log_det = self.scales[index].inverse(params["scales"][index], x)
            log_det += split_log_det + scale_log_det
        return x, log_det
