"""A Glow in plain PyTorch, with the arrays of one of ours: log density and inverse, to be trained and differentiated.

It is written as one would write it in PyTorch, batches [N, C, H, W] and F.conv2d, and to be a strong opponent: ActNorm
and 1x1 convolution are applied as the one map that they are, and the conditioners' ActNorms are folded into kernels, so
that nothing but the convolutions and the couplings runs over pixels.
"""

import dataclasses
import math
from typing import Any, TypeAlias

import jax
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812, the usual name
from torch import Tensor

from glowjax.layers.coupling import LOG_SCALE_BOUND
from glowjax.layers.split import LOG_SCALE_BOUND as PRIOR_LOG_SCALE_BOUND
from glowjax.models import FlowParams
from glowjax.typing import Params

NUM_LEVELS = 256
LOG_2PI = math.log(2 * math.pi)

Tensors: TypeAlias = Any
"""Dictionaries, lists and tuples of tensors."""


@dataclasses.dataclass(frozen=True)
class Conv:
    """A stride-1 "same" convolution: weight [C_out, C_in, k, k], bias [C_out]."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """[N, C_in, H, W] -> [N, C_out, H, W]."""
        return F.conv2d(x, self.weight, self.bias, padding=self.weight.shape[-1] // 2)


@dataclasses.dataclass(frozen=True)
class Step:
    """One step of flow: ActNorm and 1x1 convolution as the one map that they are, then an affine coupling.

    Attributes:
        mix: both linear layers.
        log_det: [], their log |det| at one pixel.
        network: the coupling's convolutions, with ReLU between them.
    """

    mix: Conv
    log_det: Tensor
    network: tuple[Conv, Conv, Conv]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The step's output and its log-determinant [N]."""
        x = self.mix(x)
        x_a, x_b = x.chunk(2, 1)
        shift, log_scale = self._coupling(x_a)
        log_det = log_scale.sum((1, 2, 3)) + self.log_det * x.shape[-1] * x.shape[-2]
        return torch.cat([x_a, (x_b + shift) * log_scale.exp()], 1), log_det

    def inverse(self, y: Tensor) -> Tensor:
        """The step's input."""
        y_a, y_b = y.chunk(2, 1)
        shift, log_scale = self._coupling(y_a)
        y = torch.cat([y_a, y_b * (-log_scale).exp() - shift], 1)
        inverse = torch.linalg.inv(self.mix.weight[:, :, 0, 0])
        return F.conv2d(y, inverse[:, :, None, None], -inverse @ self.mix.bias)

    def _coupling(self, x_a: Tensor) -> tuple[Tensor, Tensor]:
        first, second, last = self.network
        shift, raw = last(F.relu(second(F.relu(first(x_a))))).chunk(2, 1)
        return shift, F.logsigmoid(soft_clip(raw, LOG_SCALE_BOUND) + 2)


@dataclasses.dataclass(frozen=True)
class TorchGlow:
    """The steps of every scale, and the split prior's convolution after every scale but the last."""

    scales: tuple[tuple[Step, ...], ...]
    priors: tuple[Conv, ...]

    def log_prob(self, x: Tensor) -> Tensor:
        """The log density [N] of images [N, C, H, W] in grey levels, in nats."""
        total = x.new_full((len(x),), -math.log(NUM_LEVELS) * x[0].numel())
        x = x / NUM_LEVELS - 0.5
        for index, steps in enumerate(self.scales):
            x = squeeze(x)
            for step in steps:
                x, log_det = step.forward(x)
                total = total + log_det
            if index < len(self.priors):
                x, x_b = x.chunk(2, 1)
                shift, log_scale = split_prior(self.priors[index], x)
                total = total + log_normal((x_b - shift) * (-log_scale).exp()) - log_scale.sum((1, 2, 3))
        return total + log_normal(x)

    def decode(self, latents: list[Tensor]) -> Tensor:
        """The images [N, C, H, W] in grey levels of latents [N, C_l, H_l, W_l], finest scale first."""
        x = latents[-1]
        for index in reversed(range(len(self.scales))):
            if index < len(self.priors):
                shift, log_scale = split_prior(self.priors[index], x)
                x = torch.cat([x, latents[index] * log_scale.exp() + shift], 1)
            for step in reversed(self.scales[index]):
                x = step.inverse(x)
            x = F.pixel_shuffle(x, 2)
        return (x + 0.5) * NUM_LEVELS


def squeeze(x: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, 4C, H/2, W/2]: channel 4c + 2i + j holds pixel (i, j) of each 2 x 2 block."""
    return F.pixel_unshuffle(x, 2)


def split_prior(conv: Conv, x_a: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log standard deviation of the dropped half of the channels, given the kept half."""
    shift, raw = conv(x_a).chunk(2, 1)
    return shift, soft_clip(raw, PRIOR_LOG_SCALE_BOUND)


def soft_clip(values: Tensor, bound: float) -> Tensor:
    """`values` mapped smoothly into (-bound, bound)."""
    return bound * torch.tanh(values / bound)


def log_normal(z: Tensor) -> Tensor:
    """The standard normal's log density [N] of latents [N, C, H, W]."""
    return -0.5 * (z**2).sum((1, 2, 3)) - 0.5 * LOG_2PI * z[0].numel()


def leaves(params: FlowParams, device: str = "cpu") -> Tensors:
    """The arrays of an `nvp_glow` with the default conditioner, as tensors that take gradients.

    Kernels are [C_out, C_in, k, k]. The permutations are fixed and take no gradient.
    """

    def step(params: Params) -> Tensors:
        actnorm, conv1x1, coupling = params
        convs = [_with_kernel(coupling[f"NormalizedConv_{n}"]) for n in range(2)]
        return {"actnorm": actnorm, "conv1x1": conv1x1, "convs": convs, "last": _with_kernel(coupling["ZeroConv_0"])}

    arrays = {
        "scales": [[step(one) for one in _unstacked(scale[-1])] for scale in params.arrays["scales"]],
        "priors": [_with_kernel(split["ZeroConv_0"]) for split in params.arrays["splits"]],
    }
    tensors = jax.tree.map(lambda array: torch.tensor(np.array(array), device=device, requires_grad=True), arrays)
    for one in (step for scale in tensors["scales"] for step in scale):
        one["conv1x1"]["signed_permutation"].requires_grad_(False)
    return tensors


def learned(tensors: Tensors) -> list[Tensor]:
    """The tensors that take gradients."""
    return [tensor for tensor in jax.tree.leaves(tensors) if tensor.requires_grad]


def folded(tensors: Tensors) -> TorchGlow:
    """The flow of `leaves`, through which gradients reach them."""
    scales = tuple(tuple(_step(step) for step in scale) for scale in tensors["scales"])
    return TorchGlow(scales, tuple(zero_conv(prior) for prior in tensors["priors"]))


def copied(params: FlowParams, device: str = "cpu") -> TorchGlow:
    """The flow with the arrays of one of ours, folded once, without gradients."""
    with torch.no_grad():
        return folded(leaves(params, device))


def _unstacked(stacked: Params) -> list[Params]:
    count = len(jax.tree.leaves(stacked)[0])
    return [jax.tree.map(lambda a, k=k: a[k], stacked) for k in range(count)]


def _with_kernel(params: Params) -> Params:
    return {**params, "kernel": np.transpose(params["kernel"], (3, 2, 0, 1))}


def _step(tensors: Tensors) -> Step:
    actnorm, conv1x1 = tensors["actnorm"], tensors["conv1x1"]
    lower, upper = torch.tril(conv1x1["lower"], -1), torch.triu(conv1x1["upper"], 1)
    identity = torch.eye(len(lower), device=lower.device, dtype=lower.dtype)
    triangular = (lower + identity) @ (upper + torch.diag(conv1x1["log_diagonal"].exp()))
    weight = conv1x1["signed_permutation"].round() @ triangular
    mix = Conv((weight * actnorm["log_scale"].exp())[:, :, None, None], weight @ actnorm["shift"])
    log_det = actnorm["log_scale"].sum() + conv1x1["log_diagonal"].sum()
    return Step(mix, log_det, folded_network(tensors))


def folded_network(tensors: Tensors) -> tuple[Conv, Conv, Conv]:
    """The convolutions of a step's conditioner, with their ActNorms and scales folded in."""
    first, second = (_normalized_conv(conv) for conv in tensors["convs"])
    return first, second, zero_conv(tensors["last"])


def _normalized_conv(tensors: Tensors) -> Conv:
    norm = tensors["actnorm"]
    return Conv(_by_output(norm["log_scale"].exp()) * tensors["kernel"], norm["shift"])


def zero_conv(tensors: Tensors) -> Conv:
    """The convolution with the leaves of a `ZeroConv`."""
    scale = (3 * tensors["log_scale"]).exp()
    return Conv(_by_output(scale) * tensors["kernel"], tensors["bias"] * scale)


def _by_output(values: Tensor) -> Tensor:
    return values[:, None, None, None]
