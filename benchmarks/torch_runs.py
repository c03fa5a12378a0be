"""PyTorch's training step and likelihood pass of a PixelCNN or VAE of ours, as functions to be timed.

The PyTorch network must first give our log-likelihoods of the same images.
"""

import os
from collections.abc import Callable

import jax
import numpy as np
import torch
from torch import Tensor

from benchmarks.torch_networks import TorchNetwork, copied
from glowjax.checks import InputError
from glowjax.models import VAE, ModelParams, PixelCNN
from glowjax.typing import Key

RELATIVE_TOLERANCE = 1e-5
TOLERANCE = 1e-2
"""In nats. Log-likelihoods of some thousand nats may differ by both tolerances together."""

Likelihood = Callable[[Tensor, Tensor], Tensor]


def prepared(
    model: PixelCNN | VAE, params: ModelParams, key: Key, images: np.ndarray
) -> tuple[TorchNetwork, Tensor, Tensor]:
    """The PyTorch network, the levels [N, C, H, W] and the noise that it takes, [N, num_latents].

    Args:
        model: with a softmax over 256 levels.
        params: the model's params.
        key: the noise is that which our model draws with it.
        images: uint8 [N, H, W, C].

    Raises:
        InputError: if the two networks do not give the same log P(image).
    """
    torch.set_num_threads(os.cpu_count() or 1)
    network = copied(model, params)
    levels = torch.tensor(np.moveaxis(images, -1, 1).copy()).long()
    noise = jax.random.normal(jax.random.split(key, 1)[0], (len(images), network.num_latents))
    given = (network, levels, torch.tensor(np.array(noise)))
    check_alike(*given, np.asarray(model.log_likelihood(params, key, images)))
    return given


def check_alike(network: TorchNetwork, levels: Tensor, noise: Tensor, ours: np.ndarray) -> None:
    """Raises InputError if the network's log P(image) of levels [N, C, H, W] differs from `ours` [N], both in nats."""
    with torch.inference_mode():
        theirs = network.log_likelihood(levels, noise).numpy()
    alike = np.isclose(theirs, ours, rtol=RELATIVE_TOLERANCE, atol=TOLERANCE)
    if not alike.all():
        raise InputError(
            f"{type(network).__name__} and ours disagree about {np.sum(~alike)} of {len(ours)} images, by up to "
            f"{np.max(np.abs(theirs - ours)):.3g} nats of {np.max(np.abs(ours)):.6g}: they are not the same network, "
            "so nothing is timed; compare benchmarks/torch_networks.py with glowjax/models."
        )


def rivals(
    network: TorchNetwork, levels: Tensor, noise: Tensor, learning_rate: float | None, *, compiled: bool
) -> dict[str, Callable[[], float]]:
    """PyTorch's training step or, without a learning rate, likelihood pass.

    Args:
        network: the network; training steps change its tensors.
        levels: int64 [N, C, H, W].
        noise: [N, num_latents] for the likelihood pass; a step draws its own.
        learning_rate: Adam's learning rate.
        compiled: whether to add the network under torch.compile, which needs a C++ compiler.
    """
    ways: dict[str, Likelihood] = {"torch": network.log_likelihood}
    if compiled:
        ways["torch.compile"] = torch.compile(network.log_likelihood, dynamic=False)
    if learning_rate is None:
        return {name: likelihood(way, levels, noise) for name, way in ways.items()}
    return {name: training_step(network, way, levels, learning_rate) for name, way in ways.items()}


def likelihood(log_likelihood: Likelihood, levels: Tensor, noise: Tensor) -> Callable[[], float]:
    """The log P(image) of a batch without gradient; the call returns their sum, in nats."""

    def run() -> float:
        with torch.no_grad():
            return log_likelihood(levels, noise).sum().item()

    return run


def training_step(
    network: TorchNetwork, log_likelihood: Likelihood, levels: Tensor, learning_rate: float
) -> Callable[[], float]:
    """One draw of the noise, loss, gradient and Adam update; the call returns the loss in nats per image."""
    optimizer = torch.optim.Adam(network.parameters, lr=learning_rate, fused=True)

    def run() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = -log_likelihood(levels, torch.randn(len(levels), network.num_latents)).mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    return run
