"""Values of the pretrained models on this device, beside float64 values that were computed on a CPU and are stored.

`benchmarks.accelerator.reference` computes and stores them. Round trips need no stored value.
"""

import functools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from benchmarks.accelerator.report import Job
from benchmarks.timing import Row
from glowjax import pretrained
from glowjax.analysis import hessian_diagonal, hvp, laplacian
from glowjax.models import Flow, FlowParams, build
from glowjax.train.arrays import from_named_arrays
from glowjax.typing import Array

STORED = Path(__file__).with_name("reference.npz")

NAMES = ("fashion-mnist-small", "fashion-mnist", "fashion-mnist-small-cv")
"""The pretrained models, the one of which the values say most first."""

STRIDE = 97
"""Of a gradient with respect to params, every 97th number is stored."""

ROUND_TRIP = "round trip, grey levels"

PRECISIONS: dict[str, str | None] = {"default": None, "highest": "highest"}
"""The precisions of matrix products at which values are computed."""

ROUNDING = {"cpu": "float32", "gpu": "TF32", "tpu": "bfloat16"}
"""What a platform rounds the factors of a float32 product to by default."""

QUANTITIES = (
    "log p",
    "latents",
    "gradient by x",
    "gradient by params",
    ROUND_TRIP,
    "Hessian times vector",
    "Laplacian",
    "Hessian diagonal",
)

TOLERANCES: dict[str, dict[str, float]] = {
    rounding: dict(zip(QUANTITIES, tolerances, strict=True))
    for rounding, tolerances in {
        "float32": (3e-6, 2e-4, 0.01, 0.01, 0.01, 1e-3, 1e-4, 1e-3),
        "TF32": (5e-4, 0.03, 0.2, 0.2, 2.0, 0.2, 0.04, 0.3),
        "bfloat16": (0.01, 0.3, 0.6, 1.0, 4.0, 0.6, 0.2, 0.6),
    }.items()
}
"""The largest error of each quantity by the format that factors are rounded to.

At least 1.5 times the largest error of the three models on a CPU, in float32 or with factors rounded to the other
formats (`python -m benchmarks.accelerator.rounding`). Rounding moves ReLUs across their kinks, so errors of derivatives
are much larger than those of log p.
"""


def jobs(tiny: bool) -> Iterator[Job]:
    """The values of each model at each precision; a tiny run has only one model and precision, and no curvature."""
    for place, name in enumerate(NAMES[:1] if tiny else NAMES):
        for late, precision in enumerate(["highest"] if tiny else PRECISIONS):
            about = f"{name}, {precision}"
            values = functools.partial(rows, name, precision, batch_values)
            yield Job("correctness", f"{about}, values", values, 10 + 50 * place + late)
            if not tiny:
                curved = functools.partial(rows, name, precision, curvature_values)
                yield Job("correctness", f"{about}, curvature", curved, 12 + 50 * place + late)


def rows(name: str, precision: str, values: Callable[[Flow, FlowParams, Array], dict[str, Any]]) -> Iterator[Row]:
    """The errors of a model's values at a precision, with a verdict for each."""
    model, params = pretrained_model(name)
    with jax.default_matmul_precision(PRECISIONS[precision]):
        found = values(model, jax.device_put(params), jnp.asarray(stored_points()))
    rounding = "float32" if precision == "highest" else ROUNDING.get(jax.default_backend(), "bfloat16")
    for quantity, error in errors(name, found).items():
        row: Row = {"model": name, "precision": precision, "rounding": rounding, "quantity": quantity, "error": error}
        tolerance = TOLERANCES[rounding][quantity]
        yield row | {"tolerance": tolerance, "verdict": "ok" if error <= tolerance else "WRONG"}


def errors(name: str, found: dict[str, Any]) -> dict[str, float]:
    """The error of each value of a model.

    Errors are norms of differences from the stored values, divided by the norm of these; of a round trip, the largest
    difference.
    """
    stored = np.load(STORED)

    def error(quantity: str) -> float:
        if quantity == ROUND_TRIP:
            return float(np.abs(np.asarray(found[quantity], np.float64) - stored["x"]).max())
        exact = stored[f"{name}: {quantity}"]
        return float(np.linalg.norm(np.asarray(found[quantity], np.float64) - exact) / np.linalg.norm(exact))

    return {quantity: error(quantity) for quantity in found}


def stored_points() -> np.ndarray:
    """The images [N, 28, 28, 1] with their noise, at which the stored values were computed."""
    points: np.ndarray = np.load(STORED)["x"]
    return points


def batch_values(model: Flow, params: FlowParams, x: Array) -> dict[str, Any]:
    """Log densities of a batch, their gradients, and its latents, with the images that these decode to."""

    @jax.jit
    def values(params: FlowParams, x: Array) -> dict[str, Array]:
        def total(params: FlowParams, x: Array) -> tuple[Array, Array]:
            log_prob = model.log_prob(params, x)
            return log_prob.sum(), log_prob

        (by_params, by_x), log_prob = jax.grad(total, argnums=(0, 1), has_aux=True)(params, x)
        latents = model.encode(params, x)
        return {
            "log p": log_prob,
            "gradient by x": by_x,
            "gradient by params": ravel_pytree(by_params)[0][::STRIDE],
            "latents": jnp.concatenate([z.ravel() for z in latents]),
            ROUND_TRIP: model.decode(params, latents),
        }

    return jax.device_get(values(params, x))


def curvature_values(model: Flow, params: FlowParams, x: Array) -> dict[str, Any]:
    """A Hessian-vector product and the trace in two ways, at the first image of a batch."""
    log_prob, point = functools.partial(model.log_prob, params), x[0]
    direction = jnp.where(jnp.arange(point.size).reshape(point.shape) % 3 == 0, 1, -1).astype(point.dtype)
    return {
        "Hessian times vector": hvp(log_prob, point, direction),
        "Laplacian": laplacian(log_prob, point),
        "Hessian diagonal": hessian_diagonal(log_prob, point),
    }


def pretrained_model(name: str) -> tuple[Flow, FlowParams]:
    """A pretrained model and its params, as NumPy arrays.

    `glowjax.load` also reads checkpoints and images, for which it needs more packages.
    """
    import safetensors

    path = pretrained.file(name)
    with safetensors.safe_open(path, "numpy") as file:
        description = json.loads(file.metadata()["glowjax"])
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118, it is no dictionary
    model: Any = build(description["model"])
    images = jax.ShapeDtypeStruct((2, *description["image_shape"]), jnp.uint8)
    return model, from_named_arrays(jax.eval_shape(model.init, jax.random.key(0), images), arrays, str(path))
