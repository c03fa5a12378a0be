"""A Glow's log density in plain PyTorch, with the arrays of one of ours, and its exact Hessian trace by torch.func.

The flow is written as one would write it in PyTorch: images [C, H, W], F.conv2d, nothing but functions of tensors. To
be a strong opponent it works out whatever does not depend on the image (1x1 matrices, scales folded into kernels, their
log-determinants) when the arrays are copied, so that no derivative carries it.
"""

import dataclasses
import functools
import itertools
import math
import os
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812, what PyTorch's users call it
from torch import Tensor
from torch.func import grad, jvp, vjp, vmap

from glowjax.layers import Conv1x1
from glowjax.layers.coupling import LOG_SCALE_BOUND
from glowjax.layers.split import LOG_SCALE_BOUND as PRIOR_LOG_SCALE_BOUND
from glowjax.models import FlowParams
from glowjax.models.flow import LOG_2PI
from glowjax.typing import Params

Field: TypeAlias = Callable[[Tensor], Tensor]

NUM_LEVELS = 256

CHUNK_SIZES = (98, 196, 392)
"""Directions at a time that torch.func is tried with; 28 and 49 were slower."""


@dataclasses.dataclass(frozen=True)
class Conv:
    """A stride-1 "same" convolution: weight [C_out, C_in, k, k], bias [C_out]."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """[C_in, H, W] -> [C_out, H, W]."""
        return F.conv2d(x[None], self.weight, self.bias, padding=self.weight.shape[-1] // 2)[0]


@dataclasses.dataclass(frozen=True)
class Step:
    """One step of flow: ActNorm and 1x1 convolution as the one map that they are, then an affine coupling.

    Attributes:
        mix: both linear layers.
        log_det: their log |det| at one pixel.
        network: the coupling's convolutions, with ReLU between them.
    """

    mix: Conv
    log_det: float
    network: tuple[Conv, Conv, Conv]


@dataclasses.dataclass(frozen=True)
class TorchGlow:
    """The steps of every scale, and the split prior's convolution after every scale but the last."""

    scales: tuple[tuple[Step, ...], ...]
    priors: tuple[Conv, ...]

    def log_prob(self, x: Tensor) -> Tensor:
        """The log density [] of one image [C, H, W] in grey levels, in nats."""
        total = x.new_full((), -x.numel() * math.log(NUM_LEVELS))
        x = x / NUM_LEVELS - 0.5
        for index, steps in enumerate(self.scales):
            x = squeeze(x)
            for step in steps:
                x, log_det = affine_coupling(step.network, step.mix(x))
                total = total + log_det + step.log_det * x.shape[-1] * x.shape[-2]
            if index < len(self.priors):
                x, latent, log_det = split_prior(self.priors[index], x)
                total = total + log_det + log_normal(latent)
        return total + log_normal(x)


def squeeze(x: Tensor) -> Tensor:
    """[C, H, W] -> [4C, H/2, W/2]: channel 4c + 2i + j holds pixel (i, j) of each 2 x 2 block."""
    return F.pixel_unshuffle(x, 2)


def affine_coupling(network: tuple[Conv, Conv, Conv], x: Tensor) -> tuple[Tensor, Tensor]:
    """The image with its second half of channels scaled and shifted, and the log-determinant."""
    first, second, last = network
    x_a, x_b = x.chunk(2)
    shift, raw = last(F.relu(second(F.relu(first(x_a))))).chunk(2)
    log_scale = F.logsigmoid(soft_clip(raw, LOG_SCALE_BOUND) + 2)
    return torch.cat([x_a, (x_b + shift) * log_scale.exp()]), log_scale.sum()


def split_prior(conv: Conv, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The kept half of the channels, the standardised other half, and the log-determinant."""
    x_a, x_b = x.chunk(2)
    shift, raw = conv(x_a).chunk(2)
    log_scale = soft_clip(raw, PRIOR_LOG_SCALE_BOUND)
    return x_a, (x_b - shift) * (-log_scale).exp(), -log_scale.sum()


def soft_clip(values: Tensor, bound: float) -> Tensor:
    """`values` pressed smoothly into (-bound, bound)."""
    return bound * torch.tanh(values / bound)


def log_normal(z: Tensor) -> Tensor:
    """The standard normal's log density of a latent."""
    return -0.5 * (z**2).sum() - 0.5 * LOG_2PI * z.numel()


def fastest_trace(params: FlowParams, x: Any, log_prob: float, trace: float) -> tuple[str, Callable[[], float]]:
    """The fastest way of torch.func, its name first, to the Hessian trace of our flow's `log_prob` at `x` [H, W, C].

    Raises AssertionError where its log density or its trace is not ours.
    """
    device = "cuda" if jax.default_backend() == "gpu" else "cpu"
    torch.set_num_threads(os.cpu_count() or 1)
    flow, image = copied(params, device), torch.tensor(np.moveaxis(np.asarray(x), -1, 0).copy(), device=device)
    np.testing.assert_allclose(flow.log_prob(image).item(), log_prob, rtol=1e-3)
    times, runs = {}, {}
    for product, chunk_size in itertools.product(PRODUCTS, sorted({min(size, x.size) for size in CHUNK_SIZES})):
        run = functools.partial(exact_trace, flow, image, product, chunk_size)
        np.testing.assert_allclose(run(), trace, rtol=1e-3)
        name = f"{product} by {chunk_size}"
        started = time.perf_counter()
        runs[name] = run
        times[name] = (run(), time.perf_counter() - started)[1]
        print(f"torch.func, {name}: {times[name]:.2f} s", flush=True)
    name = min(times, key=times.__getitem__)
    return name, runs[name]


def exact_trace(flow: TorchGlow, x: Tensor, product: str, chunk_size: int) -> float:
    """The Hessian trace of `flow.log_prob` at `x` [C, H, W]: v' H v of every v of a basis, `chunk_size` at a time."""
    times_hessian = PRODUCTS[product](grad(flow.log_prob), x)
    basis = torch.eye(x.numel(), device=x.device).reshape(-1, *x.shape)
    return vmap(lambda v: (v * times_hessian(v)).sum(), chunk_size=chunk_size)(basis).sum().item()


def _reverse_over_reverse(gradient: Field, x: Tensor) -> Field:
    pull = vjp(gradient, x)[1]
    return lambda v: pull(v)[0]


def _forward_over_reverse(gradient: Field, x: Tensor) -> Field:
    return lambda v: jvp(gradient, (x,), (v,))[1]


PRODUCTS: dict[str, Callable[[Field, Tensor], Field]] = {
    "reverse over reverse": _reverse_over_reverse,
    "forward over reverse": _forward_over_reverse,
}
"""The ways of torch.func to v -> H v at x from the gradient. Its `linearize` is not among them: it traces the gradient
anew for every x, which takes longer than the whole trace."""


def copied(params: FlowParams, device: str = "cpu") -> TorchGlow:
    """The PyTorch flow with the arrays of an `nvp_glow` that has the default conditioner."""
    with torch.device(device):
        scales = tuple(tuple(_step(step) for step in _unstacked(scale[-1])) for scale in params.layer["scales"])
        return TorchGlow(scales, tuple(_zero_conv(split["ZeroConv_0"]) for split in params.layer["splits"]))


def _unstacked(stacked: Params) -> list[Params]:
    count = len(jax.tree.leaves(stacked)[0])
    return [jax.tree.map(lambda a, k=k: a[k], stacked) for k in range(count)]


def _step(params: Params) -> Step:
    actnorm, conv1x1, coupling = params
    weight = Conv1x1().weight(conv1x1)
    mix = _conv((weight * jnp.exp(actnorm["log_scale"])).T[None, None], weight @ actnorm["shift"])
    log_det = float(actnorm["log_scale"].sum() + conv1x1["log_diagonal"].sum())
    first, second = (_normalized_conv(coupling[f"NormalizedConv_{n}"]) for n in range(2))
    return Step(mix, log_det, (first, second, _zero_conv(coupling["ZeroConv_0"])))


def _normalized_conv(params: Params) -> Conv:
    norm = params["actnorm"]
    return _conv(params["kernel"] * jnp.exp(norm["log_scale"]), norm["shift"])


def _zero_conv(params: Params) -> Conv:
    scale = jnp.exp(3 * params["log_scale"])
    return _conv(params["kernel"] * scale, params["bias"] * scale)


def _conv(kernel: Any, bias: Any) -> Conv:
    """Of a kernel [k, k, C_in, C_out]."""
    return Conv(torch.tensor(np.transpose(kernel, (3, 2, 0, 1)).copy()), torch.tensor(np.array(bias)))
