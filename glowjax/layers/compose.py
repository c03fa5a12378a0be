"""Layers made of layers: a chain, an inverse and the multi-scale architecture; a repetition is in `repeat`."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from glowjax.checks import InputError
from glowjax.layers.base import Layer, Visit, per_image, pull_back, visit
from glowjax.layers.split import Split
from glowjax.typing import Continuous, Key, Latents, LogDet, Params

PLAIN_SPLIT = Split()


@dataclasses.dataclass(frozen=True)
class Chain:
    """Layers applied one after another, starting at the data; `params` is the tuple of their params."""

    layers: Sequence[Layer]

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise InputError("A chain needs at least one layer, but got none; pass a list of layers.")

    def init(self, key: Key, x: Continuous) -> Params:
        """Each layer's arrays; a layer is initialized with the output of the layers before it for `x`."""
        params = []
        for layer, layer_key in zip(self.layers, jax.random.split(key, len(self.layers)), strict=True):
            params.append(layer.init(layer_key, x))
            x, _ = layer.forward(params[-1], x)
        return tuple(params)

    def forward(self, params: Params, x: Continuous) -> tuple[Any, LogDet]:
        """The last layer's output and the sum of the log-determinants."""
        log_dets = []
        for layer, layer_params in zip(self.layers, params, strict=True):
            x, log_det = layer.forward(layer_params, x)
            log_dets.append(log_det)
        return x, functools.reduce(jnp.add, log_dets)

    def inverse(self, params: Params, y: Any) -> tuple[Continuous, LogDet]:
        """The first layer's input and the sum of the inverses' log-determinants."""
        log_dets = []
        for layer, layer_params in zip(reversed(self.layers), reversed(params), strict=True):
            y, log_det = layer.inverse(layer_params, y)
            log_dets.append(log_det)
        return y, functools.reduce(jnp.add, log_dets)

    def visit(self, params: Params, x: Continuous) -> Iterator[Visit]:
        """See `glowjax.layers.base.visit`."""
        for layer, layer_params in zip(self.layers, params, strict=True):
            for step in visit(layer, layer_params, x):
                yield step
            x = step.y

    def pull_back(
        self, params: Params, y: Continuous, y_bar: Continuous, log_det_bar: LogDet
    ) -> tuple[Continuous, Params, Continuous]:
        """See `glowjax.layers.base.pull_back`; layer by layer, from the last to the first."""
        gradients = []
        for layer, layer_params in zip(reversed(self.layers), reversed(params), strict=True):
            y, gradient, y_bar = pull_back(layer, layer_params, y, y_bar, log_det_bar)
            gradients.append(gradient)
        return y, tuple(reversed(gradients)), y_bar


@dataclasses.dataclass(frozen=True)
class Inverse:
    """A layer with its directions swapped: `forward` is the wrapped layer's `inverse`, with the same params."""

    layer: Layer

    def init(self, key: Key, x: Continuous) -> Params:
        """The wrapped layer's arrays, initialized as if `x` were its input, not its output."""
        y = jax.eval_shape(lambda: self.layer.forward(self.layer.init(key, x), x)[0])
        if jax.tree.map(jnp.shape, y) != x.shape:
            raise InputError(
                f"The wrapped {type(self.layer).__name__} maps shape {x.shape} to {jax.tree.map(jnp.shape, y)}, so "
                "images do not initialize its inverse; initialize the layer itself: both directions have its params."
            )
        return self.layer.init(key, x)

    def forward(self, params: Params, x: Continuous) -> tuple[Continuous, LogDet]:
        """The wrapped layer's inverse."""
        return self.layer.inverse(params, x)

    def inverse(self, params: Params, y: Continuous) -> tuple[Continuous, LogDet]:
        """The wrapped layer's forward."""
        return self.layer.forward(params, y)


@dataclasses.dataclass(frozen=True)
class MultiScale:
    """The multi-scale architecture: each scale except the last factors out half of the channels as a latent.

    Latents are a tuple, one array per scale, finest first. `params` is {"scales": (...), "splits": (...)}.

    Attributes:
        scales: one layer per scale, the first one nearest to the data.
        split: the layer after each scale except the last, with the output `(kept, latent)`: `Split` or `SplitPrior`.
    """

    scales: Sequence[Layer]
    split: Layer = PLAIN_SPLIT

    def __post_init__(self) -> None:
        object.__setattr__(self, "scales", tuple(self.scales))
        if not self.scales:
            raise InputError("MultiScale needs at least one scale, but got none; pass one layer per scale.")

    def init(self, key: Key, x: Continuous) -> Params:
        """Every scale's and split's arrays, each initialized with the output of the part before it."""
        scales, splits = [], []
        for scale, scale_key in zip(self.scales, jax.random.split(key, len(self.scales)), strict=True):
            layer_key, split_key = jax.random.split(scale_key)
            scales.append(scale.init(layer_key, x))
            x, _ = scale.forward(scales[-1], x)
            if len(scales) < len(self.scales):
                splits.append(self.split.init(split_key, x))
                (x, _), _ = self.split.forward(splits[-1], x)
        return {"scales": tuple(scales), "splits": tuple(splits)}

    def forward_by_scale(self, params: Params, x: Continuous) -> tuple[Latents, tuple[LogDet, ...], tuple[LogDet, ...]]:
        """By scale, finest first: latents, and log-dets of the layers and of the split (zero at the last scale)."""
        latents, steps, splits = [], [], []
        for index, (scale, scale_params) in enumerate(zip(self.scales, params["scales"], strict=True)):
            x, log_det = scale.forward(scale_params, x)
            latent, split_log_det = x, jnp.zeros_like(log_det)
            if index < len(params["splits"]):
                (x, latent), split_log_det = self.split.forward(params["splits"][index], x)
            latents.append(latent)
            steps.append(log_det)
            splits.append(split_log_det)
        return tuple(latents), tuple(steps), tuple(splits)

    def forward(self, params: Params, x: Continuous) -> tuple[Latents, LogDet]:
        """Latents, finest first, and the log-determinant."""
        latents, steps, splits = self.forward_by_scale(params, x)
        return latents, sum(map(jnp.add, steps, splits), per_image(0.0, x))

    def inverse(self, params: Params, y: Latents) -> tuple[Continuous, LogDet]:
        """The image [..., H, W, C] of the latents, one per scale, and the inverse's log-determinant."""
        if len(y) != len(self.scales):
            raise InputError(f"A flow of {len(self.scales)} scales has {len(self.scales)} latents, but got {len(y)}.")
        x, log_det = self.scales[-1].inverse(params["scales"][-1], y[-1])
        for index in reversed(range(len(self.scales) - 1)):
            x, split_log_det = self.split.inverse(params["splits"][index], (x, y[index]))
            x, scale_log_det = self.scales[index].inverse(params["scales"][index], x)
            log_det += split_log_det + scale_log_det
        return x, log_det

    def visit(self, params: Params, x: Continuous) -> Iterator[Visit]:
        """See `glowjax.layers.base.visit`."""
        for index, (scale, scale_params) in enumerate(zip(self.scales, params["scales"], strict=True)):
            for step in visit(scale, scale_params, x):
                yield step._replace(name=f"scale {index + 1}, {step.name}")
            x = step.y
            if index < len(params["splits"]):
                (x, latent), log_det = self.split.forward(params["splits"][index], x)
                yield Visit(f"scale {index + 1}, {type(self.split).__name__}", latent, log_det)
