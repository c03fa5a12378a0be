"""Conditioner networks: linen modules that compute a coupling's shift and raw log-scale from `x_a`.

Each is called as `conditioner(x_a, num_outputs)` with `x_a` [..., H, W, C] and returns [..., H, W, num_outputs].
The last convolution starts at zero, so that every coupling starts as the identity (up to its constant scale). Inside,
the activations of a batch are feature-major, [features, N, H, W], those of a single image [H, W, features]; see
`glowjax.networks.convolution` for why.

With ReLU, log p(x) is piecewise smooth: its second derivatives exist almost everywhere but miss the kinks. If the
curvature matters, choose a smooth activation (`jax.nn.tanh`, `jax.nn.swish`).
"""

import functools
from collections.abc import Callable
from typing import ClassVar, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Float

from glowjax.checks import InputError, check_count, unknown
from glowjax.networks.convolution import Activations, Method, check_method, convolve, layout
from glowjax.networks.normalization import normalizer
from glowjax.references import reference, resolve
from glowjax.typing import Array, Continuous

Activation: TypeAlias = Callable[[Array], Array]
Norm: TypeAlias = Callable[..., nn.Module]

ACTIVATIONS: dict[str, Activation] = {"relu": jax.nn.relu, "tanh": jax.nn.tanh, "swish": jax.nn.swish}
"""The activations that have a name of their own; any other goes by "package.module:function"."""

ComputeDtype: TypeAlias = str | None
"""The dtype inside a conditioner: "bfloat16", "float32" or, by default, its input's dtype, which its params keep."""


def activation_name(activation: Activation | str) -> Activation | str:
    """The name of an activation, so that modules which have it can be pickled and described.

    A function that cannot be imported by name, such as a lambda, stays as it is. Raises InputError for an unknown name.
    """
    if isinstance(activation, str):
        if activation not in ACTIVATIONS and not (":" in activation and callable(resolve(activation))):
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


class NormalizedConv(nn.Module):
    """A convolution followed by an ActNorm, whose scale is folded into the kernel: exp(log_scale) W x + shift.

    It computes in the dtype of its input; its params have `param_dtype`.
    """

    features: int
    kernel_size: int
    param_dtype: jnp.dtype
    convolution: Method = "auto"

    @nn.compact
    def __call__(self, x: Activations) -> Activations:
        """The convolution; at initialization every feature has mean 0 and variance 1."""
        axes = layout(x)
        shape = (self.kernel_size, self.kernel_size, x.shape[axes.features], self.features)
        kernel = self.param("kernel", nn.initializers.normal(0.05), shape, self.param_dtype)

        def init_norm(_: Array) -> dict[str, Array]:
            return normalizer(convolve(x.astype(self.param_dtype), kernel, method=self.convolution), axes.pixels)

        norm = self.param("actnorm", init_norm)
        scaled = (kernel * jnp.exp(norm["log_scale"])[None, None, None]).astype(x.dtype)
        shift = norm["shift"].astype(x.dtype).reshape(axes.per_feature)
        return convolve(x, scaled, method=self.convolution) + shift


class ZeroConv(nn.Module):
    """A 3x3 convolution that starts at zero, times exp(3 log_scale) per feature (the reference Glow's Conv2dZeros).

    It computes in the dtype of its input; its params have `param_dtype`.
    """

    features: int
    param_dtype: jnp.dtype
    convolution: Method = "auto"

    @nn.compact
    def __call__(self, x: Activations) -> Activations:
        """The scaled convolution."""
        axes = layout(x)
        shape = (3, 3, x.shape[axes.features], self.features)
        kernel = self.param("kernel", nn.initializers.zeros, shape, self.param_dtype)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), self.param_dtype)
        scale = jnp.exp(3 * self.param("log_scale", nn.initializers.zeros, (self.features,), self.param_dtype))
        scaled = (kernel * scale[None, None, None]).astype(x.dtype)
        return convolve(x, scaled, method=self.convolution) + (bias * scale).astype(x.dtype).reshape(axes.per_feature)


def feature_major(
    network: Callable[[Activations], Activations], x: Continuous, compute_dtype: ComputeDtype = None
) -> Float[Array, "*batch H W F"]:
    """The output [..., H, W, F] of `network` for `x` [..., H, W, C], which it gets as [C, N, H, W] or [H, W, C].

    The network computes in `compute_dtype`, by default that of `x`; the result has the dtype of `x`.
    """
    inside = x.astype(compute_dtype or x.dtype)
    if x.ndim == 3:
        return network(inside).astype(x.dtype)
    y = network(jnp.moveaxis(inside.reshape(-1, *x.shape[-3:]), -1, 0)).astype(x.dtype)
    return jnp.moveaxis(y, 0, -1).reshape(*x.shape[:-1], y.shape[0])


class _Conditioner(nn.Module):
    """The options that `ConvConditioner` and `HighwayConditioner` share.

    Attributes:
        width: features of every hidden activation.
        activation: a function, or its name; ReLU in the reference.
        compute_dtype: dtype of the activations and products.
        convolution: how to convolve, see `glowjax.networks.convolution.Method`.
    """

    width: int
    activation: Activation | str = "relu"
    compute_dtype: ComputeDtype = None
    convolution: Method = "auto"

    def __post_init__(self) -> None:
        check_count("width", self.width)
        check_method(self.convolution)
        object.__setattr__(self, "activation", activation_name(self.activation))
        super().__post_init__()

    @nn.compact
    def __call__(self, x: Continuous, num_outputs: int) -> Float[Array, "*batch H W F"]:
        """[..., H, W, C] -> [..., H, W, num_outputs]."""
        norm = functools.partial(NormalizedConv, self.width, param_dtype=x.dtype, convolution=self.convolution)
        activation = activation_function(self.activation)

        def network(inside: Activations) -> Activations:
            hidden = self.hidden(inside, norm, activation)
            return ZeroConv(num_outputs, x.dtype, self.convolution)(hidden)

        return feature_major(network, x, self.compute_dtype)


class ConvConditioner(_Conditioner):
    """The reference Glow's network: 3x3, 1x1 and zero-initialized 3x3 convolutions, the first two with ActNorms."""

    reach: ClassVar[int] = 2

    def hidden(self, x: Activations, norm: Norm, activation: Activation) -> Activations:
        """The activations before the last convolution."""
        hidden = activation(norm(kernel_size=3)(x))
        return activation(norm(kernel_size=1)(hidden))


class HighwayConditioner(_Conditioner):
    """The paper's kind of network: highway layers h <- g t(h) + (1 - g) h between two 3x3 convolutions.

    The number of layers and the widths are those of a replication (200 for 28 x 28, 400 for 32 x 32); the paper gives
    no kernel sizes. The highway layers here are 1x1 convolutions, and the gates g = sigmoid(. - 1) start mostly closed.

    Attributes:
        num_layers: number of highway layers; 3 in the replication.
    """

    reach: ClassVar[int] = 2

    num_layers: int = 3

    def __post_init__(self) -> None:
        check_count("num_layers", self.num_layers)
        super().__post_init__()

    def hidden(self, x: Activations, norm: Norm, activation: Activation) -> Activations:
        """The activations before the last convolution."""
        hidden = norm(kernel_size=3)(x)
        for _ in range(self.num_layers):
            transformed = activation(norm(kernel_size=1)(hidden))
            gate = jax.nn.sigmoid(norm(kernel_size=1)(hidden) - 1)
            hidden = hidden + gate * (transformed - hidden)
        return hidden


class LinearConditioner(nn.Module):
    """A single zero-initialized 3x3 convolution: the reference Glow's split prior.

    Attributes:
        convolution: how to convolve, see `glowjax.networks.convolution.Method`.
    """

    convolution: Method = "auto"

    @nn.compact
    def __call__(self, x: Continuous, num_outputs: int) -> Float[Array, "*batch H W F"]:
        """[..., H, W, C] -> [..., H, W, num_outputs]."""
        return feature_major(ZeroConv(num_outputs, x.dtype, self.convolution), x)
