"""A program: steps of training on 1, 2 and 8 devices in double precision, which may differ in the order of sums alone.

`test_parallel.py` runs it in a process of its own, since a process chooses the number of its devices once.
"""

import jax
import numpy as np
import optax

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_disable_most_optimizations", True)
jax.config.update("jax_enable_x64", True)

from glowjax import conv_vae, nvp_glow  # noqa: E402
from glowjax.train import compiled_step, make_state  # noqa: E402
from glowjax.train.optimizer import skip_nonfinite  # noqa: E402

MODELS = {"glow": nvp_glow(1, 2, 4, memory="invert"), "vae": conv_vae(2, 4)}
OPTIMIZER = skip_nonfinite(optax.sgd(0.1))
WAYS = {"1": (1, 1), "2": (2, 1), "8": (8, 1), "2 in 4 parts": (2, 4)}
"""Numbers of devices and of microbatches."""


def after_three_steps(model, images, num_devices, num_microbatches):
    params = model.init(jax.random.key(0), images)
    params = jax.tree.map(lambda leaf: leaf.astype("float64") if leaf.dtype == "float32" else leaf, params)
    state = make_state(params, OPTIMIZER)
    step = compiled_step(model, OPTIMIZER, jax.devices()[:num_devices], num_microbatches)
    for _ in range(3):
        state, metrics = step(state, jax.random.key(1), images)
    return jax.device_get((state.params, metrics))


def main():
    images = np.random.default_rng(0).integers(0, 256, (16, 4, 4, 1)).astype(np.uint8)
    for name, model in MODELS.items():
        expected = after_three_steps(model, images, *WAYS["1"])
        start = jax.device_get(model.init(jax.random.key(0), images))
        moved = max(np.abs(a - b).max() for a, b in zip(*map(jax.tree.leaves, (expected[0], start)), strict=True))
        assert moved > 1e-3, (name, moved)
        for way, counts in WAYS.items():
            actual = after_three_steps(model, images, *counts)
            for a, b in zip(*map(jax.tree.leaves, (actual, expected)), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12, err_msg=f"{name} on {way}")


if __name__ == "__main__":
    main()
