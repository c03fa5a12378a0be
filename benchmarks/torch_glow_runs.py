"""The PyTorch peers' training step, likelihood pass and sampling of a Glow of ours, as functions to be timed.

Each peer must first give our log-likelihoods of the same images, in float64.
"""

import os
from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import Tensor

from benchmarks import torch_glow
from glowjax.checks import InputError
from glowjax.models import Flow, FlowParams

TOLERANCE = 1e-3
"""The largest difference of log densities, in nats, in float64."""


class Peer(Protocol):
    """A flow of tensors."""

    def log_prob(self, x: Tensor) -> Tensor:
        """The log density [N] of images [N, C, H, W]."""

    def decode(self, latents: list[Tensor]) -> Tensor:
        """The images of latents."""


Build = Callable[[Any], Peer]


def builds(with_normflows: bool) -> dict[str, Build]:
    """The function that builds each installed peer from `torch_glow.leaves`."""
    ways: dict[str, Build] = {"torch": torch_glow.folded}
    if with_normflows:
        from benchmarks.normflows_glow import NormflowsGlow

        ways["normflows"] = NormflowsGlow
    return ways


def runs(
    model: Flow, params: FlowParams, images: np.ndarray, part: str, *, compiled: bool, with_normflows: bool
) -> dict[str, Callable[[], Any]]:
    """The peers' implementations of "step", "likelihood" or "sampling".

    Args:
        model: an `nvp_glow` with the default conditioner.
        params: the model's params.
        images: uint8 [N, H, W, C].
        part: "step", "likelihood" or "sampling".
        compiled: whether to add the PyTorch Glow under torch.compile, which needs a C++ compiler.
        with_normflows: whether to add the Glow of normflows' blocks.

    Raises:
        InputError: if a peer's log density differs from ours.
    """
    torch.set_num_threads(os.cpu_count() or 1)
    x = torch.tensor(np.moveaxis(images, -1, 1).copy()).float()
    ways: dict[str, Callable[[], Any]] = {}
    for name, build in builds(with_normflows).items():
        check_alike(name, build, model, params, images[:4])
        ways[name] = PARTS[part](build, params, x, lambda f: f)
        if compiled and name == "torch":
            ways["torch.compile"] = PARTS[part](build, params, x, lambda f: torch.compile(f, dynamic=False))
    return ways


def check_alike(name: str, build: Build, model: Flow, params: FlowParams, images: np.ndarray) -> None:
    """Raises InputError if the peer's log density of `images` [N, H, W, C], in float64, differs from the model's."""
    with jax.enable_x64(True):
        exact = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), jnp.float64), params)
        ours = np.asarray(model.log_prob(exact, jnp.asarray(images, jnp.float64)))
    with torch.inference_mode():
        tensors = jax.tree.map(torch.Tensor.double, torch_glow.leaves(params))
        theirs = build(tensors).log_prob(torch.tensor(np.moveaxis(images, -1, 1).copy()).double()).numpy()
    off = float(np.max(np.abs(theirs - ours)))
    if not off < TOLERANCE:
        raise InputError(
            f"{name} and ours disagree by up to {off:.3g} nats of {np.max(np.abs(ours)):.6g}: they are not the same "
            "flow, so nothing is timed; compare benchmarks/torch_glow.py with glowjax/models/glow.py."
        )


Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]


def training_step(build: Build, params: FlowParams, x: Tensor, wrap: Wrap) -> Callable[[], Any]:
    """One draw of the noise, loss, gradient and Adam update; the call returns the loss in nats per dimension."""
    tensors = torch_glow.leaves(params)
    leaves = torch_glow.learned(tensors)
    optimizer = torch.optim.Adam(leaves, lr=1e-4, fused=True)
    loss_of = wrap(lambda noisy: -build(tensors).log_prob(noisy).mean() / noisy[0].numel())

    def run() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(x + torch.rand_like(x))
        loss.backward()
        optimizer.step()
        return loss.item()

    return run


def likelihood(build: Build, params: FlowParams, x: Tensor, wrap: Wrap) -> Callable[[], Any]:
    """The log densities of images with one draw of the noise, without gradient."""
    tensors = torch_glow.leaves(params)
    log_prob = wrap(lambda noisy: build(tensors).log_prob(noisy))

    def run() -> Any:
        with torch.no_grad():
            return log_prob(x + torch.rand_like(x)).numpy()

    return run


def sampling(build: Build, params: FlowParams, x: Tensor, wrap: Wrap) -> Callable[[], Any]:
    """As many samples as images, rounded down to grey levels."""
    tensors = torch_glow.leaves(params)
    decode = wrap(lambda latents: build(tensors).decode(latents))
    shapes = latent_shapes(len(tensors["scales"]), tuple(x.shape))

    def run() -> Any:
        with torch.no_grad():
            return decode([torch.randn(shape) for shape in shapes]).floor().clamp(0, 255).byte().numpy()

    return run


def latent_shapes(num_scales: int, shape: tuple[int, ...]) -> list[tuple[int, int, int, int]]:
    """[N, C_l, H_l, W_l] of each scale's latent, of images [N, C, H, W]."""
    count, channels, height, width = shape
    shapes = []
    for scale in range(num_scales):
        channels, height, width = 4 * channels, height // 2, width // 2
        if scale < num_scales - 1:
            channels //= 2
        shapes.append((count, channels, height, width))
    return shapes


PARTS = {"step": training_step, "likelihood": likelihood, "sampling": sampling}
