"""A Glow of normflows' blocks with the arrays of one of ours: its ActNorm, invertible 1x1 convolution and coupling.

normflows has no conditional split priors and no bound on the log-scales; those are plain PyTorch, so that both sides
compute the same density. Its conditioner (`ConvNet2d`) has neither kernels of ActNorms folded in nor the last layer's
scale, so the network is that of `benchmarks.torch_glow`.
"""

import math
from typing import Any

import normflows as nf
import torch
import torch.nn.functional as F  # noqa: N812, the usual name
from torch import Tensor, nn

from benchmarks.torch_glow import NUM_LEVELS, folded_network, log_normal, soft_clip, split_prior, squeeze, zero_conv
from glowjax.layers.coupling import LOG_SCALE_BOUND

Tensors = Any


class Conditioner(nn.Module):
    """normflows' `param_map`: shift and raw log-scale interleaved, the shift with normflows' sign."""

    def __init__(self, tensors: Tensors) -> None:
        """Takes the leaves of one step."""
        super().__init__()
        self.tensors = tensors

    def forward(self, x_a: Tensor) -> Tensor:
        """[N, C/2, H, W] -> [N, C, H, W]."""
        first, second, last = folded_network(self.tensors)
        shift, raw = last(F.relu(second(F.relu(first(x_a))))).chunk(2, 1)
        return torch.stack([-shift, soft_clip(raw, LOG_SCALE_BOUND)], 2).flatten(1, 2)


class NormflowsGlow:
    """The flow of `torch_glow.leaves`, in normflows' blocks; normflows' `inverse` goes from images to latents."""

    def __init__(self, tensors: Tensors) -> None:
        """Blocks that share the leaves, through which gradients reach them."""
        self.scales = [[_blocks(step) for step in scale] for scale in tensors["scales"]]
        self.priors = tensors["priors"]

    def log_prob(self, x: Tensor) -> Tensor:
        """The log density [N] of images [N, C, H, W] in grey levels, in nats."""
        total = x.new_full((len(x),), -math.log(NUM_LEVELS) * x[0].numel())
        x = x / NUM_LEVELS - 0.5
        for index, steps in enumerate(self.scales):
            x = squeeze(x)
            for block in (block for step in steps for block in step):
                x, log_det = block.inverse(x)
                total = total + log_det
            if index < len(self.priors):
                x, x_b = x.chunk(2, 1)
                shift, log_scale = split_prior(zero_conv(self.priors[index]), x)
                total = total + log_normal((x_b - shift) * (-log_scale).exp()) - log_scale.sum((1, 2, 3))
        return total + log_normal(x)

    def decode(self, latents: list[Tensor]) -> Tensor:
        """The images [N, C, H, W] in grey levels of latents [N, C_l, H_l, W_l], finest scale first."""
        x = latents[-1]
        for index in reversed(range(len(self.scales))):
            if index < len(self.priors):
                shift, log_scale = split_prior(zero_conv(self.priors[index]), x)
                x = torch.cat([x, latents[index] * log_scale.exp() + shift], 1)
            for block in (block for step in reversed(self.scales[index]) for block in reversed(step)):
                x, _ = block(x)
            x = F.pixel_shuffle(x, 2)
        return (x + 0.5) * NUM_LEVELS


def _blocks(tensors: Tensors) -> tuple[Any, ...]:
    """ActNorm, 1x1 convolution and coupling of a step, on its leaves."""
    actnorm, conv1x1 = tensors["actnorm"], tensors["conv1x1"]
    channels = len(actnorm["shift"])
    norm = nf.flows.ActNorm((channels, 1, 1))
    norm.data_dep_init_done = torch.tensor(1.0)  # theirs, from latents to images: x = z exp(s) + t
    del norm.s, norm.t
    norm.s = -actnorm["log_scale"].view(1, -1, 1, 1)
    norm.t = -(actnorm["shift"] * (-actnorm["log_scale"]).exp()).view(1, -1, 1, 1)
    mix = nf.flows.Invertible1x1Conv(channels, use_lu=True)
    dtype = actnorm["shift"].dtype
    mix.P, mix.sign_S = conv1x1["signed_permutation"].round(), torch.ones(channels, dtype=dtype)
    mix.eye = torch.eye(channels, dtype=dtype)
    for name, leaf in (("L", "lower"), ("U", "upper"), ("log_S", "log_diagonal")):
        delattr(mix, name)
        setattr(mix, name, conv1x1[leaf])
    return norm, mix, nf.flows.AffineCouplingBlock(Conditioner(tensors), scale_map="sigmoid")
