"""Conditioner networks: linen modules that read `x_a` and give a coupling's shift and raw log-scale.

Each is called as `conditioner(x_a, num_outputs)` with `x_a` [..., H, W, C] and returns [..., H, W, num_outputs].
The last convolution starts at zero, so that every coupling starts as the identity (up to its constant scale). Inside,
the activations of a batch are feature-major, [features, N, H, W], those of a lone image [H, W, features]; see
`glowjax.networks.convolution` for the reason.

With ReLU, log p(x) is piecewise smooth: its second derivatives exist almost everywhere but miss the kinks. Where the
curvature matters, choose a smooth activation (`jax.nn.tanh`, `jax.nn.swish`).
"""

from collections.abc import Callable
from typing import TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp

from glowjax.checks import InputError, check_count, unknown
from glowjax.networks.convolution import convolve, feature_axis, pixel_axes
from glowjax.networks.normalization import normalizer
from glowjax.references import reference, resolve
from glowjax.typing import Array

Activation = Callable[[Array], Array]

ACTIVATIONS: dict[str, Activation] = {"relu": jax.nn.relu, "tanh": jax.nn.tanh, "swish": jax.nn.swish}
"""The activations that have a name of their own; any other goes by "package.module:function"."""


def activation_name(activation: Activation | str) -> Activation | str:
    """The name of an activation, so that modules which have it can be pickled and described.

    A function that cannot be imported by name, such as a lambda, stays as it is. Raises InputError for an unknown name.
    """
    if isinstance(activation, str):
        if activation not in ACTIVATIONS and not callable(resolve(activation) if ":" in activation else None):
            raise unknown("activation", activation, ACTIVATIONS)
        return activation
    for name, function in ACTIVATIONS.items():
        if function is activation:
            return name
    try:
        return reference(activation)
    except InputError:
        return activation


def activation_function(activation: Activation | str) -> Activation:
    """The function of an activation that `activation_name` named."""
    if not isinstance(activation, str):
        return activation
    return ACTIVATIONS[activation] if activation in ACTIVATIONS else resolve(activation)


ComputeDtype: TypeAlias = str | None
"""What a conditioner computes in: "bfloat16", "float32" or, by default, its input's dtype, which its params keep."""


def _per_feature(values: Array, x: Array) -> Array:
    """[F] as [F, 1, 1, 1] to meet a batch of activations [F, N, H, W]; as it is to meet a lone image's [H, W, F]."""
    return values[:, None, None, None] if x.ndim == 4 else values


class NormalizedConv(nn.Module):
    """A convolution followed by an ActNorm, whose scale is folded into the kernel: exp(log_scale) W x + shift.

    It computes in the dtype of its input; its params have `param_dtype`.
    """

    features: int
    kernel_size: int
    param_dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """[C, N, H, W] -> [features, N, H, W]; at initialisation every feature has mean 0, variance 1."""
        shape = (self.kernel_size, self.kernel_size, x.shape[feature_axis(x)], self.features)
        kernel = self.param("kernel", nn.initializers.normal(0.05), shape, self.param_dtype)
        norm = self.param("actnorm", lambda _: normalizer(convolve(x.astype(self.param_dtype), kernel), pixel_axes(x)))
        scaled = kernel * jnp.exp(norm["log_scale"])
        return convolve(x, scaled.astype(x.dtype)) + _per_feature(norm["shift"].astype(x.dtype), x)


class ZeroConv(nn.Module):
    """A 3x3 convolution that starts at zero, times exp(3 log_scale) a feature (the reference Glow's Conv2dZeros).

    It computes in the dtype of its input; its params have `param_dtype`.
    """

    features: int
    param_dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """[C, N, H, W] -> [features, N, H, W]."""
        shape = (3, 3, x.shape[feature_axis(x)], self.features)
        kernel = self.param("kernel", nn.initializers.zeros, shape, self.param_dtype)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), self.param_dtype)
        scale = jnp.exp(3 * self.param("log_scale", nn.initializers.zeros, (self.features,), self.param_dtype))
        return convolve(x, (kernel * scale).astype(x.dtype)) + _per_feature((bias * scale).astype(x.dtype), x)


def feature_major(network: Callable[[Array], Array], x: Array, compute_dtype: ComputeDtype = None) -> Array:
    """`network` on `x` [..., H, W, C], a batch's activations as [C, N, H, W]; the result again [..., H, W, outputs].

    The network computes in `compute_dtype`, by default that of `x`; the result has the dtype of `x`.
    """
    inside = x.astype(compute_dtype or x.dtype)
    if x.ndim == 3:
        return network(inside).astype(x.dtype)
    y = network(jnp.moveaxis(inside.reshape(-1, *x.shape[-3:]), -1, 0)).astype(x.dtype)
    return jnp.moveaxis(y, 0, -1).reshape(*x.shape[:-1], y.shape[0])


class ConvConditioner(nn.Module):
    """The reference Glow's network: 3x3, 1x1 and zero-initialised 3x3 convolutions, the first two with ActNorms.

    Attributes:
        width: features of the two hidden activations.
        activation: ReLU in the reference.
        compute_dtype: of the activations and products.
    """

    width: int
    activation: Activation | str = "relu"
    compute_dtype: ComputeDtype = None

    def __post_init__(self) -> None:
        """Raises InputError for a width that is not positive."""
        check_count("width", self.width)
        object.__setattr__(self, "activation", activation_name(self.activation))
        super().__post_init__()

    @nn.compact
    def __call__(self, x: Array, num_outputs: int) -> Array:
        """[..., H, W, C] -> [..., H, W, num_outputs]."""
        dtype, activation = x.dtype, activation_function(self.activation)

        def network(x: Array) -> Array:
            hidden = activation(NormalizedConv(self.width, 3, dtype)(x))
            hidden = activation(NormalizedConv(self.width, 1, dtype)(hidden))
            return ZeroConv(num_outputs, dtype)(hidden)

        return feature_major(network, x, self.compute_dtype)


class HighwayConditioner(nn.Module):
    """The paper's kind of network: highway layers h <- g * t(h) + (1 - g) * h between a 3x3 entry and a 3x3 exit.

    Layers and widths are those of a replication; the paper gives no kernel sizes. The highway layers here are
    1x1 convolutions, and the gates
    g = sigmoid(. - 1) start by carrying.

    Attributes:
        width: features of every hidden activation; 200 (28 x 28) and 400 (32 x 32) in a replication.
        num_layers: highway layers, 3 there.
        activation: of the transformation t.
        compute_dtype: of the activations and products.
    """

    width: int
    num_layers: int = 3
    activation: Activation | str = "relu"
    compute_dtype: ComputeDtype = None

    def __post_init__(self) -> None:
        """Raises InputError for a width or number of layers that is not positive."""
        check_count("width", self.width)
        check_count("num_layers", self.num_layers)
        object.__setattr__(self, "activation", activation_name(self.activation))
        super().__post_init__()

    @nn.compact
    def __call__(self, x: Array, num_outputs: int) -> Array:
        """[..., H, W, C] -> [..., H, W, num_outputs]."""
        dtype, activation = x.dtype, activation_function(self.activation)

        def network(x: Array) -> Array:
            hidden = NormalizedConv(self.width, 3, dtype)(x)
            for _ in range(self.num_layers):
                transformed = activation(NormalizedConv(self.width, 1, dtype)(hidden))
                gate = jax.nn.sigmoid(NormalizedConv(self.width, 1, dtype)(hidden) - 1)
                hidden = hidden + gate * (transformed - hidden)
            return ZeroConv(num_outputs, dtype)(hidden)

        return feature_major(network, x, self.compute_dtype)


class LinearConditioner(nn.Module):
    """A single zero-initialised 3x3 convolution: the reference Glow's split prior."""

    @nn.compact
    def __call__(self, x: Array, num_outputs: int) -> Array:
        """[..., H, W, C] -> [..., H, W, num_outputs]."""
        return feature_major(ZeroConv(num_outputs, x.dtype), x)
