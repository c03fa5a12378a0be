"""Array types with shapes, so that a signature says what an array means. Log-densities and log-dets are in nats."""

from typing import Any, TypeAlias

import jax
import numpy as np
from jaxtyping import Float, UInt8
from jaxtyping import Key as TypedKey

Array: TypeAlias = jax.Array

Key: TypeAlias = TypedKey[jax.Array, ""]
"""A typed key from `jax.random.key`."""

Keys: TypeAlias = TypedKey[jax.Array, "..."]
"""One key, or one key per image: an array of keys with the leading axes of the images."""

Images: TypeAlias = UInt8[jax.Array | np.ndarray, "*batch H W C"]
"""8-bit images: 256 grey levels."""

Batch: TypeAlias = UInt8[jax.Array | np.ndarray, "N H W C"]
"""A batch of 8-bit images, with exactly one leading axis."""

Continuous: TypeAlias = Float[jax.Array, "*batch _ _ _"]
"""Real-valued images or activations [..., H, W, C]; at the boundary of a model they are in grey levels, [0, 256).

A layer may change H, W and C, but not the leading axes."""

Latents: TypeAlias = tuple[Continuous, ...]
"""One array [..., h, w, c] per scale, finest first; standard normal under a flow's base distribution."""

LogDet: TypeAlias = Float[jax.Array, "*batch"]
"""log |det dy/dx|, one number per image."""

Params: TypeAlias = Any
"""A pytree of learned arrays."""
