"""Random draws for a batch of images, from one key for the batch or from one key per image.

Training uses one key per image, so that an image gets the same noise on any number of devices.
"""

from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Integer
from jaxtyping import Key as TypedKey

from glowjax.checks import InputError
from glowjax.typing import Array, Key, Keys


class PartKey(flax.struct.PyTreeNode):
    """A key for consecutive images of a batch, which get the noise that they have in the whole batch.

    Attributes:
        key: the key of the whole batch.
        first: the index in the batch of the first of these images.
        batch_size: the number of images of the whole batch.
    """

    key: Any
    first: Any
    batch_size: int = flax.struct.field(pytree_node=False)


def key_of_part(key: Keys, first: int, size: int, batch_size: int) -> Any:
    """The key, or one key per image, of the images `first` to `first + size` of a batch."""
    return key[first : first + size] if _is_per_image(key) else PartKey(key, np.int32(first), batch_size)


def draw(
    sampler: Callable[[Key, tuple[int, ...]], Array],
    key: Keys | PartKey,
    batch: tuple[int, ...],
    shape: tuple[int, ...],
) -> Float[Array, "..."]:
    """Noise [*batch, *shape] from `sampler(key, shape)`: one draw for the batch, or one per image if keys are [*batch].

    Raises InputError if there are several keys but not one per image.
    """
    if isinstance(key, PartKey):
        whole = sampler(key.key, (key.batch_size, *shape))
        return jax.lax.dynamic_slice_in_dim(whole, key.first, batch[0])
    if not _is_per_image(key):
        return sampler(key, (*batch, *shape))
    if key.shape != batch:
        raise InputError(
            f"The keys have the shape {list(key.shape)}, but the leading axes of the images are {list(batch)}; pass "
            "one key, or one key per image."
        )
    return jax.vmap(lambda one: sampler(one, shape))(key.ravel()).reshape(*batch, *shape)


def draw_keys(key: Keys | PartKey, num_draws: int) -> Any:
    """Keys for several draws: [num_draws] from one key, or [num_draws, *batch] from one key per image [*batch].

    From a `PartKey`, it is a `PartKey` whose arrays have the leading axis [num_draws].
    """
    if isinstance(key, PartKey):
        return PartKey(jax.random.split(key.key, num_draws), jnp.broadcast_to(key.first, num_draws), key.batch_size)
    if not _is_per_image(key):
        return jax.random.split(key, num_draws)
    keys = jax.vmap(lambda one: jax.random.split(one, num_draws))(key.ravel())
    return jnp.moveaxis(keys, 0, 1).reshape(num_draws, *key.shape)


def image_keys(key: Key, indices: Integer[Array, " N"]) -> TypedKey[Array, " N"]:
    """One key per image: `key` folded with the index of the image."""
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, indices)


def _is_per_image(key: Keys) -> bool:
    """Whether there is one key per image. An array of two integers from `jax.random.PRNGKey` is one key."""
    return jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.ndim > 0
