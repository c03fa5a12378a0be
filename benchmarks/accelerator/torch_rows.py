"""PyTorch's training steps and likelihoods of one case; a row per line. `torch_process` runs it in a process.

Its networks take our arrays. Before anything is timed they must give our log-likelihoods of four images, in float32.
"""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import Tensor

from benchmarks import torch_glow, torch_networks
from benchmarks.accelerator.cases import Case, case, shrunk
from benchmarks.accelerator.device import seconds_per_call
from benchmarks.timing import Row
from glowjax.checks import InputError
from glowjax.models import Flow

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TOLERANCE = 1e-4
"""The largest difference of log-likelihoods, relative to their size."""


class Network(NamedTuple):
    """A network of tensors.

    Attributes:
        parameters: the learned tensors.
        log_likelihood: nats [N] of images [N, C, H, W] of grey levels, with noise of its own.
        given_noise: the same with the noise of the latents, [N, num_latents], and none of the levels.
        num_latents: of a VAE; otherwise 0.
    """

    parameters: list[Tensor]
    log_likelihood: Callable[[Tensor], Tensor]
    given_noise: Callable[[Tensor, Tensor], Tensor]
    num_latents: int = 0


class Way(NamedTuple):
    """How PyTorch computes."""

    name: str
    is_channels_last: bool = False
    is_compiled: bool = False
    is_half: bool = False


WAYS = (
    Way("torch"),
    Way("channels last", is_channels_last=True),
    Way("torch.compile", is_compiled=True),
    Way("torch.compile, channels last", is_channels_last=True, is_compiled=True),
    Way("bfloat16, channels last", is_channels_last=True, is_half=True),
    Way("torch.compile, bfloat16, channels last", is_channels_last=True, is_compiled=True, is_half=True),
)


def network(given: Case) -> Network:
    """The case's network on the device, with our arrays."""
    model: Any = given.model()
    params = given.params()
    if given.is_glow:
        tensors = torch_glow.leaves(params, DEVICE)

        def log_prob(x: Tensor) -> Tensor:
            return torch_glow.folded(tensors).log_prob(x)

        return Network(
            torch_glow.learned(tensors), lambda x: log_prob(x + torch.rand_like(x)), lambda x, _: log_prob(x)
        )
    copied: Any = torch_networks.copied(model, params)
    count = copied.num_latents

    def given_noise(x: Tensor, noise: Tensor) -> Tensor:
        return copied.log_likelihood(x.long(), noise)

    return Network(copied.parameters, lambda x: given_noise(x, torch.randn(len(x), count)), given_noise, count)


def check(given: Case, found: Network) -> None:
    """Raises InputError if the network's log-likelihoods of four images are not ours."""
    images, params, key, model = given.images(4), given.params(), jax.random.key(0), given.model()
    noise = jax.random.normal(jax.random.split(key, 1)[0], (len(images), found.num_latents))  # what our VAE draws
    if isinstance(model, Flow):
        ours = model.log_prob(params, jnp.asarray(images, jnp.float32))
    else:
        ours = model.log_likelihood(params, key, images)
    with torch.no_grad():
        theirs = found.given_noise(moved(images), torch.tensor(np.array(noise))).cpu().numpy()
    off = float(np.abs(theirs / np.asarray(ours) - 1).max())
    if not off < TOLERANCE:
        raise InputError(f"PyTorch and we differ by {off:.3g} of the log-likelihood of {given}, so nothing is timed.")


def moved(images: np.ndarray, layout: torch.memory_format = torch.contiguous_format) -> Tensor:
    """Images [N, C, H, W] as float32 on the device."""
    channels_first = torch.tensor(np.moveaxis(images, -1, 1).copy(), device=DEVICE).float()
    return channels_first.contiguous(memory_format=layout)


def rows(given: Case, ways: Sequence[Way] = WAYS) -> Iterator[Row]:
    """A step and a likelihood pass in each way."""
    found = network(given)
    torch.backends.cudnn.allow_tf32 = False
    check(given, found)
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("high")  # TF32, as JAX has it by default
    for way in ways:
        layout = torch.channels_last if way.is_channels_last else torch.contiguous_format
        for parameter in found.parameters:
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=layout)
        for what, count in (("step", given.batch_size), ("likelihood", given.num_images)):
            x = moved(given.images(count), layout)
            run = training_step(found, x, way) if what == "step" else likelihood(found, x, way)
            yield {"model": str(given), "images": count, "what": what, "way": way.name} | measured(run, count)


def measured(run: Callable[[], Any], num_images: int) -> Row:
    """The seconds of the first call, and the time, the rate and the memory of the others."""
    started = time.perf_counter()
    wait(run())
    first = time.perf_counter() - started
    if DEVICE == "cuda":
        torch.cuda.reset_peak_memory_stats()
    seconds = seconds_per_call(run, wait)
    row: Row = {"first_call_s": first, "ms": 1e3 * seconds, "images_per_s": num_images / seconds}
    return row | {"peak_mib": torch.cuda.max_memory_allocated() / 2**20 if DEVICE == "cuda" else None}


def wait(_: Any) -> None:
    """Waits until the device is done."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def prepared(found: Network, way: Way) -> Callable[[Tensor], Tensor]:
    """The log-likelihoods in this way."""
    function = torch.compile(found.log_likelihood, dynamic=False) if way.is_compiled else found.log_likelihood

    def log_likelihood(x: Tensor) -> Tensor:
        with torch.autocast(DEVICE, torch.bfloat16) if way.is_half else contextlib.nullcontext():
            return function(x)

    return log_likelihood


def training_step(found: Network, x: Tensor, way: Way) -> Callable[[], Tensor]:
    """Noise, loss, gradient and Adam."""
    optimizer = torch.optim.Adam(found.parameters, lr=1e-4, fused=True)
    log_likelihood = prepared(found, way)

    def run() -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss = -log_likelihood(x).mean() / x[0].numel()
        loss.backward()
        optimizer.step()
        return loss

    return run


def likelihood(found: Network, x: Tensor, way: Way) -> Callable[[], Tensor]:
    """The log-likelihoods without gradient."""
    log_likelihood = prepared(found, way)

    def run() -> Tensor:
        with torch.no_grad():
            return log_likelihood(x)

    return run


if __name__ == "__main__":
    torch.set_default_device(DEVICE)
    kind, preset, size = sys.argv[1:]
    given = (shrunk(case(kind, preset)), WAYS[:2]) if size == "tiny" else (case(kind, preset), WAYS)
    for row in rows(*given):
        print(json.dumps(row), flush=True)
