"""Aliases with shapes and units, so that a signature says what an array means."""

from typing import Any, TypeAlias

import jax
import numpy as np

Array: TypeAlias = jax.Array
Key: TypeAlias = jax.Array
"""A typed key from `jax.random.key`."""

Images: TypeAlias = jax.Array | np.ndarray
"""[..., H, W, C] uint8 images, 256 grey levels."""

Continuous: TypeAlias = jax.Array
"""[..., H, W, C] real-valued images or activations; at the model's boundary in grey levels, [0, 256)."""

Latents: TypeAlias = tuple[jax.Array, ...]
"""One array [..., h, w, c] a scale, finest first; standard normal under a flow's base distribution."""

LogDet: TypeAlias = jax.Array
"""[...] log |det dy/dx| in nats, one number an image."""

Params: TypeAlias = Any
"""A pytree of learned arrays."""
