"""The exact Hessian trace of a PyTorch Glow's log density at one image, by torch.func."""

import functools
import itertools
import os
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import numpy as np
import torch
from torch import Tensor
from torch.func import grad, jvp, vjp, vmap

from benchmarks.torch_glow import TorchGlow, copied
from glowjax.models import FlowParams

Field: TypeAlias = Callable[[Tensor], Tensor]

CHUNK_SIZES = (98, 196, 392)
"""The numbers of directions at a time that are tried with torch.func; 28 and 49 were slower."""


def fastest_trace(params: FlowParams, x: Any, log_prob: float, trace: float) -> tuple[str, Callable[[], float]]:
    """torch.func's fastest way, its name first, to the Hessian trace of our flow's `log_prob` at `x` [H, W, C].

    Raises AssertionError if its log density or its trace differs from ours.
    """
    device = "cuda" if jax.default_backend() == "gpu" else "cpu"
    torch.set_num_threads(os.cpu_count() or 1)
    flow, image = copied(params, device), torch.tensor(np.moveaxis(np.asarray(x), -1, 0).copy(), device=device)
    np.testing.assert_allclose(flow.log_prob(image[None]).item(), log_prob, rtol=1e-3)
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
    times_hessian = PRODUCTS[product](grad(lambda image: flow.log_prob(image[None])[0]), x)
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
"""The ways of torch.func to v -> H v at x from the gradient. `torch.func.linearize` is not used: it
traces the gradient again for every x, which takes longer than the whole trace."""
