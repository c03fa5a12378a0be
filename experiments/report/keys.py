"""Random keys of experiments: each key has one purpose.

The noise behind likelihoods is drawn from `jax.random.key(seed)` itself, its parts and its batches. JAX makes the i-th
part of a key by the same rule as the key folded with i, so other purposes must not split the same key again.
"""

import zlib

import jax

from glowjax.typing import Key


def key_for(purpose: str, seed: int) -> Key:
    """A key for a purpose other than noise, such as "samples"; it shares no part with the keys of other purposes."""
    return jax.random.fold_in(jax.random.key(seed), zlib.crc32(purpose.encode()))
