"""Computes in float64 what `benchmarks.accelerator` compares an accelerator with, and stores it beside this file.

    python -m benchmarks.accelerator.reference

The values are those of each pretrained model at the first two bundled images of FashionMNIST and of MNIST, on a CPU.
They change only if a pretrained model does.
"""

import jax
import jax.numpy as jnp
import numpy as np

import glowjax as gj
from benchmarks.accelerator.correctness import (
    NAMES,
    ROUND_TRIP,
    STORED,
    batch_values,
    curvature_values,
    pretrained_model,
)


def main() -> None:
    """Writes the file."""
    images = np.concatenate([gj.data.resolve(name).images[:2] for name in ("fashion_mnist:test", "mnist:train")])
    x = np.asarray(gj.dequantize(jax.random.key(0), images))
    stored: dict[str, np.ndarray] = {"x": x}
    with jax.enable_x64(True):
        for name in NAMES:
            model, params = pretrained_model(name)
            exact = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), params)
            given = model, exact, jnp.asarray(x, jnp.float64)
            values = batch_values(*given) | curvature_values(*given)
            print(name, "round trip:", np.abs(values.pop(ROUND_TRIP) - x).max(), "grey levels")
            for quantity, value in values.items():
                array = np.asarray(value)
                stored[f"{name}: {quantity}"] = array if array.size < 100 else array.astype(np.float32)
    np.savez_compressed(STORED, **stored)  # type: ignore[arg-type]
    print(f"{STORED}: {STORED.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
