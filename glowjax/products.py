"""Matrix products in full float32, whatever the device.

By default a GPU may round the factors of a float32 product to TF32 (11 significant bits), and a TPU to bfloat16 (8). A
network does not mind; what must be undone, cancelled or added up does: the 1x1 convolutions of a flow, whose inverses
would not invert, and the sums of the analysis. On a CPU this is the ordinary product.
"""

import functools

import jax
import jax.numpy as jnp

matmul = functools.partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
vdot = functools.partial(jnp.vdot, precision=jax.lax.Precision.HIGHEST)
tensordot = functools.partial(jnp.tensordot, precision=jax.lax.Precision.HIGHEST)
